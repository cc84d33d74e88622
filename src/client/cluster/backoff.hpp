#pragma once

#include <cstdint>

#include "base/random.hpp"
#include "base/time.hpp"

namespace dohle::client {

/// Waits that double from `first` to `most`, each 20 % shorter or longer by chance, so that clients
/// that failed together do not return together. Not thread safe.
class Backoff {
 public:
  Backoff(Duration first, Duration most) : first_(first), most_(most) {}

  /// The wait after one more failure.
  Duration next(Random& random);
  void reset() { failures_ = 0; }
  [[nodiscard]] std::uint32_t failures() const { return failures_; }

 private:
  Duration first_;
  Duration most_;
  std::uint32_t failures_ = 0;
};

}  // namespace dohle::client
