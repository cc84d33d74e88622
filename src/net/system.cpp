#include "net/system.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/assert.hpp"

namespace dohle::net {

namespace {

std::int64_t nanoseconds_of(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::uint64_t system_seed() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) == static_cast<ssize_t>(sizeof seed)) return seed;
  // If getrandom fails, ids still differ by time and process.
  return static_cast<std::uint64_t>(nanoseconds_of(CLOCK_REALTIME)) ^
         (static_cast<std::uint64_t>(::getpid()) << 32);
}

}  // namespace

TimePoint SystemClock::mono() const {
  return TimePoint{Duration{nanoseconds_of(CLOCK_MONOTONIC)}};
}
Timestamp SystemClock::wall() const {
  return Timestamp{nanoseconds_of(CLOCK_REALTIME) / 1'000'000};
}

// Without random bytes nothing may be signed or salted.
void SystemSecureRandom::fill(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    DOHLE_ASSERT(got > 0 || errno == EINTR, "the kernel gives random bytes");
    if (got > 0) bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

SystemRandom::SystemRandom() : generator_(system_seed()) {}

}  // namespace dohle::net
