#pragma once

#include "wire/decoding.hpp"
#include "wire/encoding.hpp"

/// Compiles encode, decode and their variants for one message. Stands at the scope of namespace
/// dohle::wire in the message's .cpp.
#define DOHLE_WIRE_INSTANTIATE(M)                                                   \
  template <>                                                                       \
  std::string_view field::message_name<M>() {                                       \
    return #M;                                                                      \
  }                                                                                 \
  template Result<std::size_t> encoded_size(const M&, std::int16_t);                \
  template Result<Chain> encode(const M&, std::int16_t);                            \
  template Result<Chain> encode_behind(const FramePrefix&, const M&, std::int16_t); \
  template Result<M> decode(const Slice&, std::int16_t);                            \
  template Result<M> decode_prefix(const Slice&, std::int16_t);                     \
  template Result<FrameBody<M>> decode_bounded(const Slice&, std::int16_t, std::size_t)
