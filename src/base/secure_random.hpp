#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/random.hpp"

namespace dohle {

/// Bytes that cannot be guessed from earlier ones: for nonces, salts, keys, and ids that a
/// client may act with. Seeded in tests and simulation, the operating system's otherwise. Not
/// thread safe: each loop has its own.
class SecureRandom {
 public:
  virtual ~SecureRandom() = default;
  virtual void fill(std::span<std::byte> bytes) = 0;

  [[nodiscard]] std::uint64_t next() {
    std::uint64_t bits = 0;
    fill(std::as_writable_bytes(std::span(&bits, 1)));
    return bits;
  }
  /// Uniform in [0, bound); 0 for a bound of 0. The bias is below bound / 2^64.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
};

/// For tests and simulation alone: one output reveals the rest.
class SeededSecureRandom final : public SecureRandom {
 public:
  explicit SeededSecureRandom(std::uint64_t seed) : bits_(seed) {}
  void fill(std::span<std::byte> bytes) override {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(bits_.next() & 0xff);
  }

 private:
  SeededRandom bits_;
};

}  // namespace dohle
