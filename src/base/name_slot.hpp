#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace dohle {

/// The slot of a name in a table of at most 256 names that were used last. Faster than a hash of
/// all of it: names of topics differ in their length or near their end. Several names may share a
/// slot.
[[nodiscard]] inline std::size_t name_slot(std::string_view name, std::size_t slots) {
  constexpr std::uint64_t odd = 0x9E3779B97F4A7C15;
  std::uint64_t end = 0;
  const std::size_t looked_at = name.size() < sizeof end ? name.size() : sizeof end;
  if (looked_at > 0) std::memcpy(&end, name.data() + name.size() - looked_at, looked_at);
  // The last character is in the highest byte, whose difference reaches the highest bits alone.
  return static_cast<std::size_t>(((end ^ name.size()) * odd) >> 56U) % slots;
}

}  // namespace dohle
