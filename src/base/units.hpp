#pragma once

#include <cstddef>
#include <cstdint>

namespace dohle {

inline constexpr std::size_t operator""_KiB(unsigned long long n) {
  return n << 10;
}
inline constexpr std::size_t operator""_MiB(unsigned long long n) {
  return n << 20;
}
inline constexpr std::size_t operator""_GiB(unsigned long long n) {
  return n << 30;
}

}  // namespace dohle
