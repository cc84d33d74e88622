#pragma once

#include <cstddef>
#include <cstdint>

#include "base/chain.hpp"
#include "base/slice.hpp"
#include "dohle/error.hpp"
#include "wire/api.hpp"

// Encoding and decoding of every message, from its one declaration. The templates are compiled
// once per message, in messages/*.cpp.

namespace dohle::wire {

/// Bounds on decoding, whatever the lengths in the bytes claim. Nesting is bounded by the schemas:
/// no struct contains itself.
inline constexpr std::size_t max_array_elements = 1'000'000;
inline constexpr std::size_t max_tagged_fields = 10'000;
inline constexpr std::size_t max_first_reservation_elements = 1'000;
/// Longest string, in every version.
inline constexpr std::size_t max_string_bytes = 32'767;

/// Exactly the bytes that `encode` makes, those of record chains included.
/// Errors as `encode`.
template <class M>
[[nodiscard]] Result<std::size_t> encoded_size(const M& message, std::int16_t version);

/// The message's body. All but its `records` is one buffer of the exact size; record chains are
/// spliced in without copying, and share what they shared.
///
/// Errors: Errc::unsupported_version for a version that the message does not have, or one that
/// lacks a field which is set and must not be dropped; Errc::invalid_argument for a null where the
/// version has none and for a string above max_string_bytes; Errc::too_large above 2^31-1 bytes.
template <class M>
[[nodiscard]] Result<Chain> encode(const M& message, std::int16_t version);

/// Reads a body that ends where `body` ends. Strings are copied; bytes and records are views that
/// keep the frame alive. Fields that the version lacks keep their defaults.
///
/// Errors: Errc::malformed with the byte, the field and what is wrong; Errc::unsupported_version.
template <class M>
[[nodiscard]] Result<M> decode(const Slice& body, std::int16_t version);

/// As decode, but bytes after the message are allowed; for schemas whose readers must accept later
/// versions that only append fields (what consumers tell each other).
template <class M>
[[nodiscard]] Result<M> decode_prefix(const Slice& body, std::int16_t version);

/// What stands in front of a body in the same buffer. `write` gets the bytes that follow.
struct FramePrefix {
  std::size_t size = 0;
  void (*write)(const void* from, std::byte* to, std::size_t bytes_after) = nullptr;
  const void* from = nullptr;
};

/// encode with a prefix; for header.hpp and versioned.hpp.
template <class M>
[[nodiscard]] Result<Chain> encode_behind(const FramePrefix& prefix, const M& message,
                                          std::int16_t version);

}  // namespace dohle::wire
