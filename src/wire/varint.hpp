#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace dohle::wire {

// Kafka's variable-length integers: groups of seven bits, lowest first, the high bit set on all but
// the last byte. Signed ones are zigzag encoded, so that small negative numbers are short.

inline constexpr std::size_t max_varint_bytes = 5;
inline constexpr std::size_t max_varlong_bytes = 10;

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

/// Encoded bytes of an unsigned varint.
[[nodiscard]] constexpr std::size_t unsigned_varint_size(std::uint64_t n) {
  if (n < 0x80) return 1;
  if (n < 0x4000) return 2;
  // ceil(width / 7); 9/64 approximates 1/7 well enough for all widths up to 64.
  return (static_cast<std::size_t>(std::bit_width(n | 1)) * 9 + 64) / 64;
}
[[nodiscard]] constexpr std::size_t varint_size(std::int32_t n) {
  return unsigned_varint_size(zigzag(n));
}
[[nodiscard]] constexpr std::size_t varlong_size(std::int64_t n) {
  return unsigned_varint_size(zigzag(n));
}

/// Writes at `to`, which has space for max_varlong_bytes. Returns the byte after the number.
inline std::byte* write_unsigned_varint(std::byte* to, std::uint64_t n) {
  if (n < 0x80) [[likely]] {
    *to = static_cast<std::byte>(n);
    return to + 1;
  }
  do {
    *to++ = static_cast<std::byte>(n | 0x80);
    n >>= 7;
  } while (n >= 0x80);
  *to++ = static_cast<std::byte>(n);
  return to;
}
inline std::byte* write_varint(std::byte* to, std::int32_t n) {
  return write_unsigned_varint(to, zigzag(n));
}
inline std::byte* write_varlong(std::byte* to, std::int64_t n) {
  return write_unsigned_varint(to, zigzag(n));
}

template <class Unsigned>
struct ReadNumber {
  const std::byte* at;  // null if there is no valid number
  Unsigned n;
};

// Reads numbers of three bytes and more, and all numbers near `end`. Returns in two registers, so
// that the fast paths keep their numbers in registers too.
template <class Unsigned>
[[gnu::noinline]] ReadNumber<Unsigned> read_long_unsigned(const std::byte* at,
                                                          const std::byte* end) {
  constexpr int width = static_cast<int>(sizeof(Unsigned)) * 8;
  Unsigned n = 0;
  for (int shift = 0; shift < width; shift += 7) {
    if (at == end) return {nullptr, 0};
    const auto byte = std::to_integer<Unsigned>(*at++);
    if (shift + 7 > width && (byte & 0x7f) >> (width - shift) != 0) return {nullptr, 0};
    n |= static_cast<Unsigned>((byte & 0x7f) << shift);
    if (byte < 0x80) return {at, n};
  }
  return {nullptr, 0};
}

/// Whether a number that begins at `at` may reach `end`.
enum class Room : bool {
  unknown,
  ample,  ///< the caller has checked that max_varint_bytes or max_varlong_bytes bytes follow
};

/// Reads into `n` and returns the byte after the number. Null if the number reaches `end` or
/// exceeds the type. `at` is at most `end`.
template <Room room = Room::unknown, class Unsigned>
[[nodiscard, gnu::always_inline]] inline const std::byte* read_unsigned(const std::byte* at,
                                                                        const std::byte* end,
                                                                        Unsigned& n) {
  if (room == Room::ample || end - at >= 2) [[likely]] {
    const auto first = std::to_integer<Unsigned>(at[0]);
    if (first < 0x80) [[likely]] {
      n = first;
      return at + 1;
    }
    const auto second = std::to_integer<Unsigned>(at[1]);
    if (second < 0x80) [[likely]] {
      n = static_cast<Unsigned>((first & 0x7f) | (second << 7));
      return at + 2;
    }
  }
  const auto read = read_long_unsigned<Unsigned>(at, end);
  n = read.n;
  return read.at;
}

[[nodiscard]] inline const std::byte* read_unsigned_varint(const std::byte* at,
                                                           const std::byte* end, std::uint32_t& n) {
  return read_unsigned(at, end, n);
}
template <Room room = Room::unknown>
[[nodiscard, gnu::always_inline]] inline const std::byte* read_varint(const std::byte* at,
                                                                      const std::byte* end,
                                                                      std::int32_t& n) {
  std::uint32_t raw = 0;
  at = read_unsigned<room>(at, end, raw);
  n = unzigzag(raw);
  return at;
}
template <Room room = Room::unknown>
[[nodiscard, gnu::always_inline]] inline const std::byte* read_varlong(const std::byte* at,
                                                                       const std::byte* end,
                                                                       std::int64_t& n) {
  std::uint64_t raw = 0;
  at = read_unsigned<room>(at, end, raw);
  n = unzigzag(raw);
  return at;
}

}  // namespace dohle::wire
