#pragma once

#include <array>
#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "dohle/codec.hpp"
#include "dohle/error.hpp"
#include "dohle/export.hpp"

// The codecs of a type as tables. A call selects one of them by its name or by a content type.

namespace dohle::messaging {

struct CodecName {
  std::string_view name;
  std::string_view content_type;
};

[[nodiscard]] constexpr CodecName name_in(CodecName codec) {
  return codec;
}

using EncodeInto = Result<void> (*)(const void* value, const CodecContext& context,
                                    std::string& into);
/// One codec of a value's type.
struct Encoding {
  CodecName named;
  EncodeInto encode;
};

[[nodiscard]] constexpr const CodecName& name_in(const Encoding& codec) {
  return codec.named;
}

template <class T>
using DecodeFrom = Result<T> (*)(Bytes bytes, const CodecContext& context);

[[nodiscard]] inline Error codec_threw(const char* what) {
  return Error::client(Errc::codec_failed, std::string("the codec threw: ") + what);
}

template <class One>
[[nodiscard]] constexpr CodecName name_of() {
  if constexpr (requires { One::content_type; }) {
    return {One::name, One::content_type};
  } else {
    return {One::name, One::name};
  }
}

template <class One, class T>
Result<void> encode_with(const void* value, const CodecContext& context, std::string& into) {
  try {
    return One::encode(*static_cast<const T*>(value), context, into);
  } catch (const std::exception& fault) {
    return fail(codec_threw(fault.what()));
  } catch (...) {
    return fail(codec_threw("something that is no std::exception"));
  }
}

template <class One, class T>
Result<T> decode_with(Bytes bytes, const CodecContext& context) {
  try {
    return One::decode(bytes, context);
  } catch (const std::exception& fault) {
    return fail(codec_threw(fault.what()));
  } catch (...) {
    return fail(codec_threw("something that is no std::exception"));
  }
}

template <class T, class List>
struct CodecTables;
template <class T, class... Each>
struct CodecTables<T, CodecList<Each...>> {
  static constexpr std::array<CodecName, sizeof...(Each)> names() { return {name_of<Each>()...}; }
  static constexpr std::array<Encoding, sizeof...(Each)> encodings() {
    return {Encoding{name_of<Each>(), &encode_with<Each, T>}...};
  }
  static constexpr std::array<DecodeFrom<T>, sizeof...(Each)> decoders() {
    return {&decode_with<Each, T>...};
  }
};

template <class T>
inline constexpr auto codec_names = CodecTables<T, typename Codecs<T>::list>::names();
template <class T>
inline constexpr auto encodings = CodecTables<T, typename Codecs<T>::list>::encodings();
template <class T>
inline constexpr auto decoders = CodecTables<T, typename Codecs<T>::list>::decoders();

/// The codec of a subscription or a reply.
struct DecodingChoice {
  /// The codec of messages without a content type.
  std::size_t usual = 0;
  /// True if the header content-type of a message selects another codec.
  bool by_content_type = false;
};

/// The header that names the codec of a body.
inline constexpr std::string_view content_type_header = "content-type";

/// The index of the codec of that name; 0 for an empty name. Errors: configuration for any other
/// name, with the names of the type's codecs. `option` is the option that holds the name.
[[nodiscard]] DOHLE_API Result<std::size_t> choose_codec(std::span<const CodecName> codecs,
                                                         std::string_view name,
                                                         std::string_view option);
[[nodiscard]] DOHLE_API Result<std::size_t> choose_codec(std::span<const Encoding> codecs,
                                                         std::string_view name,
                                                         std::string_view option);
/// The index of the codec of a received body. Errors: codec_failed if no codec has the content type
/// of the body.
[[nodiscard]] DOHLE_API Result<std::size_t> codec_of_body(std::span<const CodecName> codecs,
                                                          const DecodingChoice& choice,
                                                          const CodecContext& context);

template <Decodable T>
Result<T> decode_body(Bytes body, const CodecContext& context, const DecodingChoice& choice) {
  if (!choice.by_content_type) return decoders<T>[choice.usual](body, context);
  const auto place = codec_of_body(codec_names<T>, choice, context);
  if (!place) return fail(place.error());
  return decoders<T>[*place](body, context);
}

}  // namespace dohle::messaging
