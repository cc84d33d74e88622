#pragma once

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <system_error>

#include "base/descriptor.hpp"

namespace dohle::fault {

/// A timer that expires at equal intervals: the rate of a load, or of a look at something that only
/// can be looked at.
class Pace {
 public:
  explicit Pace(std::chrono::nanoseconds interval)
      : timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) {
    constexpr std::int64_t ns_per_second = 1'000'000'000;
    const timespec every{interval.count() / ns_per_second, interval.count() % ns_per_second};
    const itimerspec setting{every, every};
    if (!timer_.is_open() || ::timerfd_settime(timer_.number(), 0, &setting, nullptr) != 0) {
      throw std::system_error(errno, std::generic_category(), "a timer");
    }
  }

  /// Returns at the next expiry. Missed ones are not lost: later calls return at once for them.
  void wait() {
    if (missed_ > 0) {
      --missed_;
      return;
    }
    std::uint64_t expired = 0;
    while (::read(timer_.number(), &expired, sizeof expired) != sizeof expired) {
      if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "a timer");
    }
    missed_ = expired - 1;
  }

 private:
  Descriptor timer_;
  std::uint64_t missed_ = 0;
};

/// Looks every 200 ms until `holds`, at most for `limit`.
inline void wait_until(std::chrono::seconds limit, const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (Pace pace(std::chrono::milliseconds(200));
       !holds() && std::chrono::steady_clock::now() < end;) {
    pace.wait();
  }
}

}  // namespace dohle::fault
