#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "dohle/codec.hpp"

namespace dohle {
inline namespace v0 {

/// Types that nlohmann-json converts, with `NLOHMANN_DEFINE_TYPE_…` or with `to_json` and
/// `from_json`.
template <class T>
concept JsonMapped = !std::same_as<T, std::string> && !std::same_as<T, Message> &&
                     requires(const T& value, nlohmann::json& json) {
                       nlohmann::to_json(json, value);
                       { json.template get<T>() } -> std::same_as<T>;
                     };

/// JSON text (RFC 8259) in UTF-8, under the name "json". Text that is not UTF-8 is refused. JSON
/// has neither NaN nor infinities; nlohmann-json writes them as null. Errors: codec_failed with the
/// topic and the cause.
template <class T>
struct JsonCodec {
  /// The codec's name.
  static constexpr std::string_view name = "json";
  /// The value of the header content-type.
  static constexpr std::string_view content_type = "application/json";

  /// See Codec. Errors: codec_failed.
  static Result<void> encode(const T& value, const CodecContext& context, std::string& into) {
    try {
      into += nlohmann::json(value).dump();
      return {};
    } catch (const std::exception& fault) {
      return fail(failure("encoded to", context, fault));
    }
  }

  /// See Codec. Errors: codec_failed.
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

/// The codec of every type that nlohmann-json converts: JSON.
template <JsonMapped T>
struct Codec<T> : JsonCodec<T> {};

}  // namespace v0
}  // namespace dohle
