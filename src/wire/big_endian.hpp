#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>

namespace dohle::wire {

/// Reads an integer as Kafka writes it. `from` need not be aligned. The caller has checked the
/// length.
template <std::integral T>
[[nodiscard]] inline T load_big_endian(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  return value;
}

template <std::integral T>
inline void store_big_endian(std::byte* to, T value) {
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
}

}  // namespace dohle::wire
