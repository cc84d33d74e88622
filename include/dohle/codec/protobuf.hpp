#pragma once

// Needs the headers of protobuf 3.12 or newer. Programs that include it have to link libprotobuf;
// the CMake target dohle::protobuf does that. No other part of Dohle includes or links protobuf.

#include <climits>
#include <concepts>
#include <string>
#include <string_view>

#include <google/protobuf/message_lite.h>

#include "dohle/codec.hpp"

namespace dohle {
inline namespace v0 {

/// Classes that protoc generates, including those for the lite runtime.
template <class T>
concept ProtobufMessage =
    std::derived_from<T, google::protobuf::MessageLite> && std::default_initializable<T>;

/// Protobuf's binary format, under the name "protobuf". A message without one of its required
/// fields (proto2) is refused in both directions. A message has at most 2 GiB - 1, protobuf's
/// limit. Errors: codec_failed with the topic, the type's name and the cause.
template <class T>
struct ProtobufCodec {
  /// The codec's name.
  static constexpr std::string_view name = "protobuf";
  /// The value of the header content-type.
  static constexpr std::string_view content_type = "application/x-protobuf";

  /// See Codec. Errors: codec_failed.
  static Result<void> encode(const T& value, const CodecContext& context, std::string& into) {
    if (!value.IsInitialized()) {
      return fail(failure("encoded to", value, context,
                          "required fields are missing: " + value.InitializationErrorString()));
    }
    if (value.ByteSizeLong() > static_cast<std::size_t>(INT_MAX)) {
      return fail(failure("encoded to", value, context, "it has more than 2 GiB - 1"));
    }
    if (!value.AppendPartialToString(&into)) {
      return fail(failure("encoded to", value, context, "the message does not serialize"));
    }
    return {};
  }

  /// See Codec. Errors: codec_failed.
  static Result<T> decode(Bytes bytes, const CodecContext& context) {
    T value;
    if (bytes.size() > static_cast<std::size_t>(INT_MAX)) {
      return fail(failure("decoded from", value, context, "it has more than 2 GiB - 1"));
    }
    const bool is_parsed =
        value.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()));
    if (!is_parsed) {
      return fail(failure("decoded from", value, context,
                          std::to_string(bytes.size()) + " bytes that are no such message"));
    }
    if (!value.IsInitialized()) {
      return fail(failure("decoded from", value, context,
                          "required fields are missing: " + value.InitializationErrorString()));
    }
    return value;
  }

 private:
  static Error failure(std::string_view how, const T& value, const CodecContext& context,
                       std::string_view why) {
    return Error::client(Errc::codec_failed, std::string(context.is_key ? "a key" : "a body") +
                                                 " of topic " + std::string(context.topic) +
                                                 " cannot be " + std::string(how) + " protobuf's " +
                                                 std::string(value.GetTypeName()) + ": " +
                                                 std::string(why));
  }
};

/// The codec of every class that protoc generates: protobuf's binary format.
template <ProtobufMessage T>
struct Codec<T> : ProtobufCodec<T> {};

}  // namespace v0
}  // namespace dohle
