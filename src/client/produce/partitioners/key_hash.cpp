#include "client/produce/partitioners/key_hash.hpp"

#include <zlib.h>

#include <cstddef>

#include "dohle/partitioner.hpp"

namespace dohle::client {

namespace {

constexpr std::uint32_t seed = 0x9747b28c;
constexpr std::uint32_t multiplier = 0x5bd1e995;

std::uint32_t byte_at(Bytes bytes, std::size_t at) {
  return std::to_integer<std::uint32_t>(bytes[at]);
}

std::uint32_t word_at(Bytes bytes, std::size_t at) {
  return byte_at(bytes, at) | byte_at(bytes, at + 1) << 8 | byte_at(bytes, at + 2) << 16 |
         byte_at(bytes, at + 3) << 24;
}

}  // namespace

std::uint32_t murmur2(Bytes bytes) {
  std::uint32_t hash = seed ^ static_cast<std::uint32_t>(bytes.size());
  std::size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    std::uint32_t word = word_at(bytes, at) * multiplier;
    word ^= word >> 24;
    hash = (hash * multiplier) ^ (word * multiplier);
  }
  if (at < bytes.size()) {
    for (std::size_t i = bytes.size(); i > at; --i)
      hash ^= byte_at(bytes, i - 1) << 8 * (i - 1 - at);
    hash *= multiplier;
  }
  hash ^= hash >> 13;
  hash *= multiplier;
  return hash ^ hash >> 15;
}

std::uint32_t crc32(Bytes bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

std::uint32_t fnv1a(Bytes key) {
  std::uint32_t hash = 2'166'136'261u;
  for (const std::byte byte : key)
    hash = (hash ^ std::to_integer<std::uint32_t>(byte)) * 16'777'619u;
  return hash;
}

}  // namespace v0
}  // namespace dohle
