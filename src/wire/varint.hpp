#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace dohle::wire {

// Kafka's variable-length integers: groups of seven bits, lowest first, the high bit set on all but
// the last byte. Signed ones are zigzag encoded, so that small negative numbers stay short.

inline constexpr std::size_t varint_bytes_max = 5;
inline constexpr std::size_t varlong_bytes_max = 10;

[[nodiscard]] constexpr std::uint32_t zigzag(std::int32_t n) {
  return (static_cast<std::uint32_t>(n) << 1) ^ static_cast<std::uint32_t>(n >> 31);
}
[[nodiscard]] constexpr std::uint64_t zigzag(std::int64_t n) {
  return (static_cast<std::uint64_t>(n) << 1) ^ static_cast<std::uint64_t>(n >> 63);
}
[[nodiscard]] constexpr std::int32_t unzigzag(std::uint32_t n) {
  return static_cast<std::int32_t>((n >> 1) ^ (~(n & 1) + 1));
}
[[nodiscard]] constexpr std::int64_t unzigzag(std::uint64_t n) {
  return static_cast<std::int64_t>((n >> 1) ^ (~(n & 1) + 1));
}

/// Bytes that an unsigned varint takes.
[[nodiscard]] constexpr std::size_t unsigned_varint_size(std::uint64_t n) {
  // A byte per seven bits begun; 9/64 is close enough to 1/7 for all widths up to 64.
  return (static_cast<std::size_t>(std::bit_width(n | 1)) * 9 + 64) / 64;
}
[[nodiscard]] constexpr std::size_t varint_size(std::int32_t n) {
  return unsigned_varint_size(zigzag(n));
}
[[nodiscard]] constexpr std::size_t varlong_size(std::int64_t n) {
  return unsigned_varint_size(zigzag(n));
}

/// Writes at `to`, which has room for varlong_bytes_max; returns the byte after.
inline std::byte* write_unsigned_varint(std::byte* to, std::uint64_t n) {
  while (n >= 0x80) {
    *to++ = static_cast<std::byte>(n | 0x80);
    n >>= 7;
  }
  *to++ = static_cast<std::byte>(n);
  return to;
}
inline std::byte* write_varint(std::byte* to, std::int32_t n) {
  return write_unsigned_varint(to, zigzag(n));
}
inline std::byte* write_varlong(std::byte* to, std::int64_t n) {
  return write_unsigned_varint(to, zigzag(n));
}

/// Reads into `n` and returns the byte after; null when `end` comes first, when there are more
/// bytes than the type can need, or when bits are set that it does not have.
template <class Unsigned>
[[nodiscard]] inline const std::byte* read_unsigned(const std::byte* at, const std::byte* end,
                                                    Unsigned& n) {
  constexpr int width = static_cast<int>(sizeof(Unsigned)) * 8;
  if (at == end) return nullptr;
  auto byte = std::to_integer<Unsigned>(*at++);
  if (byte < 0x80) {
    n = byte;
    return at;
  }
  Unsigned result = byte & 0x7f;
  for (int shift = 7; shift < width; shift += 7) {
    if (at == end) return nullptr;
    byte = std::to_integer<Unsigned>(*at++);
    if (shift + 7 > width && (byte & 0x7f) >> (width - shift) != 0) return nullptr;
    result |= static_cast<Unsigned>((byte & 0x7f) << shift);
    if (byte < 0x80) {
      n = result;
      return at;
    }
  }
  return nullptr;
}

[[nodiscard]] inline const std::byte* read_unsigned_varint(const std::byte* at,
                                                           const std::byte* end, std::uint32_t& n) {
  return read_unsigned(at, end, n);
}
[[nodiscard]] inline const std::byte* read_varint(const std::byte* at, const std::byte* end,
                                                  std::int32_t& n) {
  std::uint32_t raw = 0;
  at = read_unsigned(at, end, raw);
  n = unzigzag(raw);
  return at;
}
[[nodiscard]] inline const std::byte* read_varlong(const std::byte* at, const std::byte* end,
                                                   std::int64_t& n) {
  std::uint64_t raw = 0;
  at = read_unsigned(at, end, raw);
  n = unzigzag(raw);
  return at;
}

}  // namespace dohle::wire
