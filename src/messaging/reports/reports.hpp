#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <mutex>

#include "base/time.hpp"
#include "dohle/broker.hpp"
#include "dohle/logger.hpp"
#include "messaging/reports/failure_lines.hpp"
#include "telemetry/registry.hpp"

namespace dohle::messaging {

/// The counters of a Broker for failed messages. Subscriptions count their own here. Any thread.
class FailureCounters {
 public:
  explicit FailureCounters(telemetry::Registry& registry);

  /// Each failure that the error handler or the logger got.
  void add_report(Failure::Kind kind) { reported_.at(static_cast<std::size_t>(kind))->add(); }

  /// A message that was stored in a dead-letter topic.
  telemetry::Counter& dead_letters;
  /// A message that was stored in a retry topic.
  telemetry::Counter& sent_to_retry;

 private:
  /// The counters, one for each Failure::Kind.
  std::array<telemetry::Counter*, 6> reported_;
};

/// Passes failures that no call could return to the error handler, or without one to the logger:
/// one line per kind and second. The suppressed failures follow with their number and offsets once
/// the second has passed, or at the end. Thread safety: any thread.
class Reports {
 public:
  Reports(ErrorHandler handler, std::shared_ptr<Logger> logger,
          std::shared_ptr<telemetry::Registry> registry = std::make_shared<telemetry::Registry>())
      : handler_(std::move(handler)),
        logger_(std::move(logger)),
        registry_(std::move(registry)),
        counters_(*registry_) {}

  /// Logs the suppressed failures.
  ~Reports() { say_left_out(TimePoint::max()); }
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;

  void report(const Failure& failure);
  /// Logs the suppressed failures of each kind whose last line is a second old.
  void say_left_out(TimePoint now);
  [[nodiscard]] FailureCounters& counters() { return counters_; }
  [[nodiscard]] Logger& logger() const { return *logger_; }
  [[nodiscard]] const std::shared_ptr<Logger>& shared_logger() const { return logger_; }

 private:
  void log(const Failure& failure);

  ErrorHandler handler_;
  std::shared_ptr<Logger> logger_;
  const std::shared_ptr<telemetry::Registry> registry_;
  FailureCounters counters_;
  std::mutex mutex_;
  FailureLines lines_;
};

/// The clock of the messaging API's engines.
[[nodiscard]] TimePoint monotonic_now();
/// The time until `deadline` by that clock, rounded up; 0 once it has passed.
[[nodiscard]] std::chrono::milliseconds left_until(TimePoint deadline);

}  // namespace dohle::messaging
