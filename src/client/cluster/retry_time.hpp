#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "client/cluster/backoff.hpp"
#include "client/cluster/cluster.hpp"

namespace dohle::client {

/// The time at which a failed request is repeated: after its backoff, or soon after a server is
/// reached. Loop thread only.
class RetryTime {
 public:
  explicit RetryTime(const Cluster& cluster) : backoff_(cluster.retry_backoff()) {}

  /// An attempt failed now.
  void on_failure(Cluster& cluster) {
    failed_at_ = cluster.now();
    times_reached_ = cluster.times_reached();
    at_ = failed_at_ + backoff_.next(cluster.environment().random);
  }
  void on_success() { backoff_.reset(); }
  /// Of the next attempt.
  [[nodiscard]] TimePoint at() const { return at_; }
  /// Whether `at` is earlier now: a server was reached since the failure, so the next attempt comes
  /// at most retry_backoff after it.
  [[nodiscard]] bool hasten(const Cluster& cluster) {
    if (times_reached_ == cluster.times_reached()) return false;
    times_reached_ = cluster.times_reached();
    const TimePoint soon = failed_at_ + cluster.options().retry_backoff;
    if (soon >= at_) return false;
    at_ = soon;
    return true;
  }

 private:
  Backoff backoff_;
  TimePoint failed_at_{};
  TimePoint at_{};
  std::uint64_t times_reached_ = 0;
};

}  // namespace dohle::client
