#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/message.hpp"
#include "dohle/record.hpp"

namespace dohle {
inline namespace v0 {

/// The headers of the message whose key or body a codec converts. A view that is valid during that
/// call.
class CodecHeaders {
 public:
  /// No headers.
  CodecHeaders() = default;
  /// The headers of a received message.
  explicit CodecHeaders(const HeaderRange& received) : received_(received) {}
  /// The headers of a message that is published.
  explicit CodecHeaders(std::span<const Header> own) : own_(own) {}

  /// The number of headers.
  [[nodiscard]] std::size_t size() const { return received_.size() + own_.size(); }
  /// The value of the first header of that name. Absent if there is no such header or its value is
  /// null.
  [[nodiscard]] std::optional<Bytes> first(std::string_view name) const {
    for (const Header& header : own_) {
      if (header.name == name) return view(header).value;
    }
    return received_.first(name);
  }
  /// Calls `visit` with a HeaderView of each header, in order.
  template <std::invocable<const HeaderView&> Visit>
  void for_each(Visit&& visit) const {
    for (const Header& header : own_) visit(view(header));
    for (const HeaderView& header : received_) visit(header);
  }

 private:
  static HeaderView view(const Header& header) {
    return {header.name, header.value ? std::optional(as_bytes(*header.value)) : std::nullopt};
  }

  HeaderRange received_;
  std::span<const Header> own_;
};

/// Context that a codec receives besides the bytes.
struct CodecContext {
  /// The topic of the message.
  std::string_view topic;
  /// True for a key, false for a body.
  bool is_key = false;
  /// The headers of the message. Headers that a publish middleware adds are not included.
  CodecHeaders headers = {};
};

/// Converts values of type T to bytes and back. Specialise it, or include a header that specialises
/// it: "dohle/codec/json.hpp" for every type that nlohmann-json converts,
/// "dohle/codec/protobuf.hpp" for the classes that protoc generates. A specialisation has these
/// members:
///
///   static constexpr std::string_view name;                 // "json"
///   static constexpr std::string_view content_type;         // optional: "application/json"
///   static Result<void> encode(const T& value, const CodecContext&, std::string& into);
///   static Result<T> decode(Bytes bytes, const CodecContext&);
///
/// `encode` appends to `into`. Errors of both functions: Errc::codec_failed with the cause and the
/// place. An exception that they throw becomes such an error. Without `content_type`, the codec's
/// name is used as the content type. Thread safety: called from several threads at once.
template <class T>
struct Codec;

/// A list of codecs, for Codecs.
template <class... Each>
struct CodecList {};

/// The codecs of T. Each is a type with the members of a specialisation of Codec. The first is the
/// default. Options select another codec by its name (with_codec, with_publish_body_codec,
/// with_request_body_codec) or by the header content-type (with_content_type). Default: only
/// Codec<T>. Specialise it for a type that has several codecs:
///
///   template <>
///   struct dohle::Codecs<Order> {
///     using list = dohle::CodecList<dohle::JsonCodec<Order>, OrderAsText>;
///   };
template <class T>
struct Codecs {
  /// A CodecList.
  using list = CodecList<Codec<T>>;
};

/// Text or bytes, unchanged.
template <>
struct Codec<std::string> {
  static constexpr std::string_view name = "raw";
  static constexpr std::string_view content_type = "application/octet-stream";
  static Result<void> encode(const std::string& value, const CodecContext&, std::string& into) {
    into += value;
    return {};
  }
  static Result<std::string> decode(Bytes bytes, const CodecContext&) {
    return std::string(as_text(bytes));
  }
};

/// Bytes, unchanged.
template <>
struct Codec<std::vector<std::byte>> {
  static constexpr std::string_view name = "raw";
  static constexpr std::string_view content_type = "application/octet-stream";
  static Result<void> encode(const std::vector<std::byte>& value, const CodecContext&,
                             std::string& into) {
    into += as_text(value);
    return {};
  }
  static Result<std::vector<std::byte>> decode(Bytes bytes, const CodecContext&) {
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  }
};
/// Bytes, unchanged.
template <>
struct Codec<std::vector<std::uint8_t>> {
  static constexpr std::string_view name = "raw";
  static constexpr std::string_view content_type = "application/octet-stream";
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
  static constexpr std::string_view content_type = "application/octet-stream";
  static Result<void> encode(const Bytes& value, const CodecContext&, std::string& into) {
    into += as_text(value);
    return {};
  }
};

/// Codecs that encode values of type T.
template <class One, class T>
concept EncodesType = requires(const T& value, const CodecContext& context, std::string& into) {
  { One::name } -> std::convertible_to<std::string_view>;
  { One::encode(value, context, into) } -> std::same_as<Result<void>>;
};
/// Codecs that decode values of type T.
template <class One, class T>
concept DecodesType = requires(Bytes bytes, const CodecContext& context) {
  { One::name } -> std::convertible_to<std::string_view>;
  { One::decode(bytes, context) } -> std::same_as<Result<T>>;
};

}  // namespace v0
}  // namespace dohle

namespace dohle::messaging {
template <class T, class List>
inline constexpr bool all_encode = false;
template <class T, class First, class... Each>
inline constexpr bool all_encode<T, CodecList<First, Each...>> =
    EncodesType<First, T> && (EncodesType<Each, T> && ...);
template <class T, class List>
inline constexpr bool all_decode = false;
template <class T, class First, class... Each>
inline constexpr bool all_decode<T, CodecList<First, Each...>> =
    DecodesType<First, T> && (DecodesType<Each, T> && ...);
}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {

/// Types whose values can be published: each of its Codecs encodes them.
template <class T>
concept Encodable = messaging::all_encode<T, typename Codecs<T>::list>;
/// Types that a subscription can decode to: each of its Codecs decodes them.
template <class T>
concept Decodable = messaging::all_decode<T, typename Codecs<T>::list>;

}  // namespace v0
}  // namespace dohle
