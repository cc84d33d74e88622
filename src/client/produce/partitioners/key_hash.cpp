#include "client/produce/partitioners/key_hash.hpp"

#include <zlib.h>

#include <array>
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

constexpr std::size_t max_short_key = 64;

/// crc_tables[n][b] is the checksum of the byte b with n bytes of zero behind it.
constexpr auto crc_tables = [] {
  constexpr std::uint32_t reversed_polynomial = 0xedb88320u;
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? reversed_polynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t behind = 1; behind < tables.size(); ++behind) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t crc = tables[behind - 1][byte];
      tables[behind][byte] = crc >> 8 ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}();

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

// zlib takes short texts byte by byte; a key costs less eight bytes at a time.
std::uint32_t crc32(Bytes bytes) {
  if (bytes.size() > max_short_key) {
    return static_cast<std::uint32_t>(
        ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  }
  std::uint32_t crc = 0xffffffffu;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    const std::uint32_t low = crc ^ word_at(bytes, at), high = word_at(bytes, at + 4);
    crc = crc_tables[7][low & 0xff] ^ crc_tables[6][low >> 8 & 0xff] ^
          crc_tables[5][low >> 16 & 0xff] ^ crc_tables[4][low >> 24] ^ crc_tables[3][high & 0xff] ^
          crc_tables[2][high >> 8 & 0xff] ^ crc_tables[1][high >> 16 & 0xff] ^
          crc_tables[0][high >> 24];
  }
  for (; at < bytes.size(); ++at) crc = crc >> 8 ^ crc_tables[0][(crc ^ byte_at(bytes, at)) & 0xff];
  return ~crc;
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
