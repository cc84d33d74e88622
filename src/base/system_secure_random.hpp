#pragma once

#include "base/secure_random.hpp"

namespace dohle {

/// getrandom(2). Not thread safe.
class SystemSecureRandom final : public SecureRandom {
 public:
  void fill(std::span<std::byte> bytes) override;
};

}  // namespace dohle
