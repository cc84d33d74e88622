#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/message.hpp"
#include "dohle/record.hpp"

namespace dohle {
inline namespace v0 {

/// Context that a codec receives besides the bytes.
struct CodecContext {
  /// The topic of the message.
  std::string_view topic;
  /// True for a key, false for a body.
  bool is_key = false;
};

/// Converts values of type T to bytes and back. Specialise it, or include a header that does:
/// "dohle/codec/json.hpp" for every type that nlohmann-json converts. A specialisation has
///
///   static constexpr std::string_view name;                 // "json"
///   static Result<void> encode(const T& value, const CodecContext&, std::string& into);
///   static Result<T> decode(Bytes bytes, const CodecContext&);
///
/// encode appends. Both report Errc::codec_failed with the cause and the place; an exception that
/// they throw becomes such an error. Thread safety: called from several threads at once.
template <class T>
struct Codec;

/// Text or bytes, unchanged, as are the vectors of bytes below.
template <>
struct Codec<std::string> {
  static constexpr std::string_view name = "raw";
  static Result<void> encode(const std::string& value, const CodecContext&, std::string& into) {
    into += value;
    return {};
  }
  static Result<std::string> decode(Bytes bytes, const CodecContext&) {
    return std::string(as_text(bytes));
  }
};

/// Bytes, as they are.
template <>
struct Codec<std::vector<std::byte>> {
  static constexpr std::string_view name = "raw";
  static Result<void> encode(const std::vector<std::byte>& value, const CodecContext&,
                             std::string& into) {
    into += as_text(value);
    return {};
  }
  static Result<std::vector<std::byte>> decode(Bytes bytes, const CodecContext&) {
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  }
};
/// Bytes, as they are.
template <>
struct Codec<std::vector<std::uint8_t>> {
  static constexpr std::string_view name = "raw";
  static Result<void> encode(const std::vector<std::uint8_t>& value, const CodecContext&,
                             std::string& into) {
    into.append(value.begin(), value.end());
    return {};
  }
  static Result<std::vector<std::uint8_t>> decode(Bytes bytes, const CodecContext&) {
    const std::string_view text = as_text(bytes);
    return std::vector<std::uint8_t>(text.begin(), text.end());
  }
};
/// Bytes, unchanged. Only for publishing.
template <>
struct Codec<Bytes> {
  static constexpr std::string_view name = "raw";
  static Result<void> encode(const Bytes& value, const CodecContext&, std::string& into) {
    into += as_text(value);
    return {};
  }
};

/// Types whose values can be published: a Codec encodes them.
template <class T>
concept Encodable = requires(const T& value, const CodecContext& context, std::string& into) {
  { Codec<T>::encode(value, context, into) } -> std::same_as<Result<void>>;
};
/// Types that a subscription can decode to.
template <class T>
concept Decodable = requires(Bytes bytes, const CodecContext& context) {
  { Codec<T>::decode(bytes, context) } -> std::same_as<Result<T>>;
};

}  // namespace v0
}  // namespace dohle
