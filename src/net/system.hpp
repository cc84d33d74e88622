#pragma once

#include "base/random.hpp"
#include "base/time.hpp"

namespace dohle::net {

/// The machine's clocks: CLOCK_MONOTONIC and CLOCK_REALTIME, moved on by time_shift(). Thread
/// safety: any thread.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] TimePoint mono() const override;
  [[nodiscard]] Timestamp wall() const override;
};

/// A generator seeded by the operating system, once. Not thread safe.
class SystemRandom final : public Random {
 public:
  SystemRandom();
  std::uint64_t next() override { return generator_.next(); }

 private:
  SeededRandom generator_;
};

}  // namespace dohle::net
