#pragma once

#include <cstdint>

#include "base/random.hpp"
#include "base/time.hpp"

namespace dohle::client {

/// Delays that double from `first` up to `most`. Each is up to 20 % shorter or longer at random, so
/// that clients that failed together do not retry together. Not thread safe.
class Backoff {
 public:
  Backoff(Duration first, Duration most) : first_(first), most_(most) {}

  /// The delay after one more failure.
  Duration next(Random& random);
  void reset() { failures_ = 0; }
  [[nodiscard]] std::uint32_t failures() const { return failures_; }

 private:
  Duration first_;
  Duration most_;
  std::uint32_t failures_ = 0;
};

}  // namespace dohle::client
