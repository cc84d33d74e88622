#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/time.hpp"
#include "dohle/tracer.hpp"

namespace dohle::telemetry {

/// Decides when an exporter sends which spans, again after which failure, and which ones it drops.
/// Reads no clock, owns no socket. Not thread safe.
class ExportQueue {
 public:
  struct Options {
    /// The most spans that wait, those under way included.
    std::size_t max_queue = 2'048;
    /// The most spans of a request; so many are sent at once.
    std::size_t max_batch = 512;
    /// How long spans wait for more.
    Duration batch_delay = std::chrono::seconds(1);
    /// Wait before a request is repeated; it doubles.
    Duration retry_backoff = std::chrono::seconds(1);
    Duration max_retry_backoff = std::chrono::seconds(30);
    /// How long after its first attempt a request is dropped.
    Duration give_up_after = std::chrono::minutes(1);
  };
  enum class Answer : std::uint8_t {
    accepted,
    refused,    ///< sending it again is of no use
    try_again,  ///< no answer, or one that may be another later
  };

  explicit ExportQueue(const Options& options) : options_(options) {}

  /// False if the queue is full; the span is then dropped and counted.
  bool add(FinishedSpan span, TimePoint now);
  /// The spans to send now; empty if it is not time. on_answer follows.
  [[nodiscard]] std::span<const FinishedSpan> next(TimePoint now);
  /// `retry_after` is the server's wish. `jitter` in [0, 1) spreads the repeats of many exporters.
  void on_answer(Answer answer, std::optional<Duration> retry_after, double jitter, TimePoint now);
  /// All spans that wait now are sent without delay, repeats too.
  void hurry();
  /// A request that is repeated later than that is repeated then.
  void retry_by(TimePoint at) { retry_at_ = std::min(retry_at_, at); }
  /// Drops and counts all spans that wait.
  void drop_all();

  /// When next() has something to send; `never` if nothing waits, or while a request is under way.
  [[nodiscard]] TimePoint next_at() const;
  /// No span waits or is under way.
  [[nodiscard]] bool is_empty() const { return waiting_.empty() && batch_.empty(); }
  [[nodiscard]] std::size_t size() const { return waiting_.size() + batch_.size(); }
  /// Spans that it took, and those of them that were exported or dropped since. They go in their
  /// order.
  [[nodiscard]] std::uint64_t taken() const { return taken_; }
  [[nodiscard]] std::uint64_t settled() const { return taken_ - size(); }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
  [[nodiscard]] std::uint64_t exported() const { return exported_; }
  /// Requests that were not accepted.
  [[nodiscard]] std::uint64_t failures() const { return failures_; }

 private:
  void drop_batch();

  const Options options_;
  std::deque<FinishedSpan> waiting_;
  /// When the oldest waiting span came.
  TimePoint oldest_{};
  /// So many of the waiting spans are due at once.
  std::size_t hurried_ = 0;
  /// The spans of the request that is under way or is repeated.
  std::vector<FinishedSpan> batch_;
  bool is_under_way_ = false;
  TimePoint first_attempt_{};
  TimePoint retry_at_{};
  Duration backoff_{};
  std::uint64_t taken_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t exported_ = 0;
  std::uint64_t failures_ = 0;
};

}  // namespace dohle::telemetry
