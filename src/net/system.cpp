#include "net/system.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <ctime>

#include "base/time_shift.hpp"

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
  return TimePoint{Duration{nanoseconds_of(CLOCK_MONOTONIC)}} + time_shift();
}
Timestamp SystemClock::wall() const {
  return Timestamp{(nanoseconds_of(CLOCK_REALTIME) + time_shift().count()) / 1'000'000};
}

SystemRandom::SystemRandom() : generator_(system_seed()) {}

}  // namespace dohle::net
