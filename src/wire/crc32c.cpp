#include "wire/crc32c.hpp"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace dohle::wire {

namespace {

static_assert(std::endian::native == std::endian::little);

using Table = std::array<std::uint32_t, 256>;

constexpr std::uint32_t polynomial_reflected = 0x82f63b78;

constexpr Table make_byte_table() {
  Table table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) * polynomial_reflected);
    table[i] = crc;
  }
  return table;
}
constexpr Table byte_table = make_byte_table();

// slicing[k][b]: the CRC of byte b followed by k zero bytes.
constexpr std::array<Table, 8> make_slicing_tables() {
  std::array<Table, 8> tables{byte_table};
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::uint32_t crc = tables[k - 1][i];
      tables[k][i] = (crc >> 8) ^ byte_table[crc & 0xff];
    }
  }
  return tables;
}
constexpr std::array<Table, 8> slicing = make_slicing_tables();

template <class Word>
Word load(const std::byte* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

#if defined(__x86_64__)

// Appends `Length` zero bytes to a CRC state by table, since the state is linear in its bits.
template <std::size_t Length>
class ZeroBytes {
 public:
  [[nodiscard]] static std::uint32_t append_to(std::uint32_t crc) {
    return tables[0][crc & 0xff] ^ tables[1][(crc >> 8) & 0xff] ^ tables[2][(crc >> 16) & 0xff] ^
           tables[3][crc >> 24];
  }

 private:
  static constexpr std::array<Table, 4> make() {
    std::array<std::uint32_t, 32> image_of_bit{};
    for (std::size_t bit = 0; bit < 32; ++bit) {
      std::uint32_t crc = std::uint32_t{1} << bit;
      for (std::size_t i = 0; i < Length; ++i) crc = (crc >> 8) ^ byte_table[crc & 0xff];
      image_of_bit[bit] = crc;
    }
    std::array<Table, 4> tables{};
    for (std::size_t byte = 0; byte < 4; ++byte) {
      for (std::size_t value = 0; value < 256; ++value) {
        for (std::size_t bit = 0; bit < 8; ++bit) {
          if (((value >> bit) & 1) != 0) tables[byte][value] ^= image_of_bit[byte * 8 + bit];
        }
      }
    }
    return tables;
  }
  static constexpr std::array<Table, 4> tables = make();
};

// The instruction has a latency of three cycles and a throughput of one per cycle, so three lanes
// keep it busy.
template <std::size_t Lane>
__attribute__((target("sse4.2"))) std::uint64_t three_lanes(std::uint64_t crc, const std::byte*& at,
                                                            std::size_t& left) {
  while (left >= 3 * Lane) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < Lane; i += 8) {
      crc = _mm_crc32_u64(crc, load<std::uint64_t>(at + i));
      second = _mm_crc32_u64(second, load<std::uint64_t>(at + Lane + i));
      third = _mm_crc32_u64(third, load<std::uint64_t>(at + 2 * Lane + i));
    }
    crc = ZeroBytes<Lane>::append_to(static_cast<std::uint32_t>(crc)) ^ second;
    crc = ZeroBytes<Lane>::append_to(static_cast<std::uint32_t>(crc)) ^ third;
    at += 3 * Lane;
    left -= 3 * Lane;
  }
  return crc;
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_hardware(std::uint32_t crc, Bytes bytes) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t state = ~crc;
  state = three_lanes<1024>(state, at, left);
  state = three_lanes<128>(state, at, left);
  for (; left >= 8; at += 8, left -= 8) state = _mm_crc32_u64(state, load<std::uint64_t>(at));
  auto narrow = static_cast<std::uint32_t>(state);
  for (; left > 0; ++at, --left) narrow = _mm_crc32_u8(narrow, std::to_integer<std::uint8_t>(*at));
  return ~narrow;
}

bool has_hardware() {
  return __builtin_cpu_supports("sse4.2") != 0;
}

#elif defined(__ARM_FEATURE_CRC32)

std::uint32_t crc32c_hardware(std::uint32_t crc, Bytes bytes) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  crc = ~crc;
  for (; left >= 8; at += 8, left -= 8) crc = __crc32cd(crc, load<std::uint64_t>(at));
  for (; left > 0; ++at, --left) crc = __crc32cb(crc, std::to_integer<std::uint8_t>(*at));
  return ~crc;
}

bool has_hardware() {
  return true;
}

#else

std::uint32_t crc32c_hardware(std::uint32_t crc, Bytes bytes) {
  return crc32c_software(crc, bytes);
}

bool has_hardware() {
  return false;
}

#endif

// The product of two polynomials over GF(2), modulo the CRC's polynomial. The highest bit is the
// coefficient of x^0.
constexpr std::uint32_t product(std::uint32_t a, std::uint32_t b) {
  std::uint32_t sum = 0;
  for (std::uint32_t power = std::uint32_t{1} << 31; power != 0; power >>= 1) {
    if ((a & power) != 0) sum ^= b;
    b = (b >> 1) ^ ((b & 1) * polynomial_reflected);
  }
  return sum;
}

// x^(8 · 2^k), the factor by which 2^k zero bytes multiply a CRC.
constexpr std::array<std::uint32_t, 64> make_zero_bytes_by_power() {
  std::array<std::uint32_t, 64> powers{std::uint32_t{1} << (31 - 8)};
  for (std::size_t k = 1; k < powers.size(); ++k) powers[k] = product(powers[k - 1], powers[k - 1]);
  return powers;
}
constexpr std::array<std::uint32_t, 64> zero_bytes_by_power = make_zero_bytes_by_power();

}  // namespace

std::uint32_t crc32c_combined(std::uint32_t crc_of_a, std::uint32_t crc_of_b,
                              std::size_t bytes_of_b) {
  for (std::size_t k = 0; bytes_of_b >> k != 0; ++k) {
    if ((bytes_of_b >> k & 1) != 0) crc_of_a = product(crc_of_a, zero_bytes_by_power[k]);
  }
  return crc_of_a ^ crc_of_b;
}

std::uint32_t crc32c_software(std::uint32_t crc, Bytes bytes) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  crc = ~crc;
  for (; left >= 8; at += 8, left -= 8) {
    const auto low = load<std::uint32_t>(at) ^ crc;
    const auto high = load<std::uint32_t>(at + 4);
    crc = slicing[7][low & 0xff] ^ slicing[6][(low >> 8) & 0xff] ^ slicing[5][(low >> 16) & 0xff] ^
          slicing[4][low >> 24] ^ slicing[3][high & 0xff] ^ slicing[2][(high >> 8) & 0xff] ^
          slicing[1][(high >> 16) & 0xff] ^ slicing[0][high >> 24];
  }
  for (; left > 0; ++at, --left) {
    crc = (crc >> 8) ^ byte_table[(crc ^ std::to_integer<std::uint32_t>(*at)) & 0xff];
  }
  return ~crc;
}

std::uint32_t crc32c(std::uint32_t crc, Bytes bytes) {
  static const bool hardware = has_hardware();
  return hardware ? crc32c_hardware(crc, bytes) : crc32c_software(crc, bytes);
}

}  // namespace dohle::wire
