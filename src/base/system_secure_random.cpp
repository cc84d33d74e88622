#include "base/system_secure_random.hpp"

#include <sys/random.h>

#include <cerrno>

#include "base/assert.hpp"

namespace dohle {

// Without random bytes nothing may be signed or salted.
void SystemSecureRandom::fill(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    DOHLE_ASSERT(got > 0 || errno == EINTR, "the kernel gives random bytes");
    if (got > 0) bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace dohle
