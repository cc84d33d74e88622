#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "dohle/codec.hpp"

namespace dohle {
inline namespace v0 {

/// Types that nlohmann-json converts, by `NLOHMANN_DEFINE_TYPE_…` or `to_json` and `from_json`.
template <class T>
concept JsonMapped = !std::same_as<T, std::string> && !std::same_as<T, Message> &&
                     requires(const T& value, nlohmann::json& json) {
                       nlohmann::to_json(json, value);
                       { json.template get<T>() } -> std::same_as<T>;
                     };

/// JSON text (RFC 8259), UTF-8. Text that is not UTF-8 is refused, never repaired. JSON has no NaN
/// and no infinities: nlohmann-json writes them as null.
template <JsonMapped T>
struct Codec<T> {
  static constexpr std::string_view name = "json";

  static Result<void> encode(const T& value, const CodecContext& context, std::string& into) {
    try {
      into += nlohmann::json(value).dump();
      return {};
    } catch (const std::exception& fault) {
      return fail(failure("encoded to", context, fault));
    }
  }

  static Result<T> decode(Bytes bytes, const CodecContext& context) {
    try {
      return nlohmann::json::parse(as_text(bytes)).template get<T>();
    } catch (const std::exception& fault) {
      return fail(failure("decoded from", context, fault));
    }
  }

 private:
  static Error failure(std::string_view how, const CodecContext& context,
                       const std::exception& fault) {
    return Error::client(Errc::codec_failed, std::string(context.is_key ? "a key" : "a body") +
                                                 " of topic " + std::string(context.topic) +
                                                 " cannot be " + std::string(how) +
                                                 " JSON: " + fault.what());
  }
};

}  // namespace v0
}  // namespace dohle
