#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/fork_watch.hpp"
#include "base/wait_point.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "dohle/producer.hpp"

namespace dohle::client {

/// Who can hurry a batch along, and hears of failures that nobody looked at.
class OutcomeOwner {
 public:
  virtual ~OutcomeOwner() = default;
  /// Somebody waits: the batch is due. Any thread.
  virtual void hurry(PartitionId partition, std::uint64_t topic_serial) = 0;
  /// The last who could have asked is gone. Any thread.
  virtual void report_untaken(const Error& why) = 0;
};

/// What became of the records of one batch, for whoever asks: reference-counted, it outlives the
/// batch and the producer. A batch that is split settles in parts, each with offsets of its own.
///
/// Thread safety: `settle` on the client's loop; the rest from any thread.
struct Outcome {
  /// The records from `first` on, `count` of them.
  struct Part {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    Offset base_offset = {};
    /// The server's time under LogAppendTime; none: the records' own.
    Timestamp append_time = {};
    std::optional<Error> error = std::nullopt;
    /// Records that were at fault themselves (KIP-467), by index in the part.
    std::vector<std::pair<std::uint32_t, Error>> record_errors = {};
  };

  Outcome(std::weak_ptr<OutcomeOwner> owner_, std::uint64_t topic_serial_, PartitionId partition_,
          Timestamp base_timestamp_)
      : owner(std::move(owner_)),
        topic_serial(topic_serial_),
        partition(partition_),
        base_timestamp(base_timestamp_) {}

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept;
  [[nodiscard]] bool is_shared() const { return references_.load(std::memory_order_acquire) > 1; }

  /// The batch was taken with so many records; settled once its parts make them up.
  void expect(std::uint32_t count) { expected_ = count; }
  void settle(Part part);
  [[nodiscard]] bool is_settled() const { return settled_.load(std::memory_order_acquire); }
  /// False when `timeout` passed first.
  bool wait_for(std::chrono::milliseconds timeout);
  /// The record's time lies too far from the first one's for a delta. Before the batch is taken,
  /// under its partition's lock.
  void note_far(std::uint32_t index, Timestamp timestamp) {
    far_timestamps_.emplace_back(index, timestamp);
  }
  /// Settled only. `timestamp_delta`: milliseconds after the batch's first record, or
  /// far_timestamp.
  [[nodiscard]] Result<Receipt> of(std::uint32_t index, std::int32_t timestamp_delta) const;
  /// Somebody looked at a failure, so nobody else is told.
  void take() { taken_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] const Error* first_error() const;

  const std::weak_ptr<OutcomeOwner> owner;
  const std::uint64_t topic_serial;
  const PartitionId partition;
  const Timestamp base_timestamp;
  const ForkMark made_in = {};

 private:
  std::atomic<std::uint32_t> references_{1};
  std::atomic<bool> settled_{false};
  std::atomic<bool> taken_{false};
  std::uint32_t expected_ = 0;
  std::uint32_t have_ = 0;
  std::vector<Part> parts_;
  /// By index, ascending.
  std::vector<std::pair<std::uint32_t, Timestamp>> far_timestamps_;
  std::mutex mutex_;
  WaitPoint changed_;
};

/// The delta of a record whose time lies more than 24 days from its batch's first; the outcome
/// keeps the time itself.
inline constexpr std::int32_t far_timestamp = INT32_MIN;

/// Owns one reference.
class OutcomeRef {
 public:
  OutcomeRef() = default;
  explicit OutcomeRef(Outcome* adopted) : outcome_(adopted) {}
  OutcomeRef(OutcomeRef&& other) noexcept : outcome_(std::exchange(other.outcome_, nullptr)) {}
  OutcomeRef(const OutcomeRef& other) noexcept : outcome_(other.outcome_) {
    if (outcome_ != nullptr) outcome_->retain();
  }
  OutcomeRef& operator=(OutcomeRef other) noexcept {
    std::swap(outcome_, other.outcome_);
    return *this;
  }
  ~OutcomeRef() {
    if (outcome_ != nullptr) outcome_->release();
  }
  Outcome* operator->() const { return outcome_; }
  [[nodiscard]] Outcome* get() const { return outcome_; }

 private:
  Outcome* outcome_ = nullptr;
};

}  // namespace dohle::client
