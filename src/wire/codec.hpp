#pragma once

#include <cstddef>
#include <cstdint>

#include "base/chain.hpp"
#include "base/slice.hpp"
#include "dohle/error.hpp"
#include "wire/api.hpp"

// Encodes and decodes every message by its `fields` function. The templates are compiled once per
// message, in messages/*.cpp.

namespace dohle::wire {

/// Bounds on decoding, which hold for any lengths in the bytes. The schemas bound nesting: no
/// struct contains itself.
inline constexpr std::size_t max_array_elements = 1'000'000;
inline constexpr std::size_t max_tagged_fields = 10'000;
inline constexpr std::size_t max_first_reservation_elements = 1'000;
/// Longest string in every version.
inline constexpr std::size_t max_string_bytes = 32'767;

/// Exactly the bytes that `encode` makes, those of record chains included.
/// Errors as `encode`.
template <class M>
[[nodiscard]] Result<std::size_t> encoded_size(const M& message, std::int16_t version);

/// Encodes the message's body. All of it but its `records` is one buffer of the exact size. Record
/// chains are spliced in without a copy and keep sharing their buffers.
///
/// Errors: Errc::unsupported_version for a version that the message does not have, and for one that
/// lacks a field which differs from its default and is not ignorable; Errc::invalid_argument for a
/// null where the version has none and for a string above max_string_bytes; Errc::too_large above
/// 2^31-1 bytes.
template <class M>
[[nodiscard]] Result<Chain> encode(const M& message, std::int16_t version);

/// Decodes a body that ends where `body` ends. Strings are copied. Bytes and records are views that
/// keep the frame alive. Fields that the version lacks keep their defaults.
///
/// Errors: Errc::malformed with the byte, the field and the fault; Errc::unsupported_version.
template <class M>
[[nodiscard]] Result<M> decode(const Slice& body, std::int16_t version);

/// As decode, but bytes after the message are allowed. For schemas whose later versions only append
/// fields, as in the consumer protocol.
template <class M>
[[nodiscard]] Result<M> decode_prefix(const Slice& body, std::int16_t version);

/// Bytes in front of a body in the same buffer. `write` gets the number of bytes that follow.
struct FramePrefix {
  std::size_t size = 0;
  void (*write)(const void* from, std::byte* to, std::size_t bytes_after) = nullptr;
  const void* from = nullptr;
};

/// As encode, with a prefix. For header.hpp and versioned.hpp.
template <class M>
[[nodiscard]] Result<Chain> encode_behind(const FramePrefix& prefix, const M& message,
                                          std::int16_t version);

}  // namespace dohle::wire
