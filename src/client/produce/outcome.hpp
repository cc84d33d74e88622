#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fork_watch.hpp"
#include "base/wait_point.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "dohle/producer.hpp"

namespace dohle::client {

/// A failed batch whose outcome no caller has read. Valid during the call that it is passed to.
struct UntakenFailure {
  const Error& why;
  std::string_view topic;
  PartitionId partition;
};
using UntakenHandler = std::function<void(const UntakenFailure&)>;

/// Makes batches due on request and reports failures that no caller has read.
class OutcomeOwner {
 public:
  virtual ~OutcomeOwner() = default;
  /// A caller waits for the partition's records, so its batches become due. Any thread.
  virtual void hurry(PartitionId partition, std::uint64_t topic_serial) = 0;
  /// The last reference to a failed outcome is gone and no caller has read it. Any thread.
  virtual void report_untaken(const UntakenFailure& failure) = 0;
  /// Whether the caller is on the thread that settles outcomes. Any thread.
  [[nodiscard]] virtual bool is_loop_thread() const = 0;
};

/// The outcome of one batch's records. It is reference-counted and may outlive the batch and the
/// producer. A batch that was split settles in parts, each with offsets of its own.
///
/// Thread safety: `settle` on the client's loop; the rest from any thread.
struct Outcome {
  /// `count` records from index `first` on.
  struct Part {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    Offset base_offset = {};
    /// The server's time under LogAppendTime. If none, the records keep their own times.
    Timestamp append_time = {};
    std::optional<Error> error = std::nullopt;
    /// Errors of single records (KIP-467), by index in the part.
    std::vector<std::pair<std::uint32_t, Error>> record_errors = {};
  };

  Outcome(std::weak_ptr<OutcomeOwner> owner_, std::string_view topic_, std::uint64_t topic_serial_,
          PartitionId partition_, Timestamp base_timestamp_)
      : owner(std::move(owner_)),
        topic(topic_),
        topic_serial(topic_serial_),
        partition(partition_),
        base_timestamp(base_timestamp_) {}

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept;
  [[nodiscard]] bool is_shared() const { return references_.load(std::memory_order_acquire) > 1; }

  /// Sets the number of the batch's records. It is settled once its parts add up to that number.
  void expect(std::uint32_t count) { expected_ = count; }
  void settle(Part part);
  [[nodiscard]] bool is_settled() const { return settled_.load(std::memory_order_acquire); }
  /// False if `timeout` passed first.
  bool wait_for(std::chrono::milliseconds timeout);
  /// Stores the time of a record that is too far from the first record's for a delta. Called before
  /// the batch is taken, under its partition's lock.
  void note_far(std::uint32_t index, Timestamp timestamp) {
    far_timestamps_.emplace_back(index, timestamp);
  }
  /// The outcome must be settled. `timestamp_delta`: milliseconds after the batch's first record,
  /// or far_timestamp.
  [[nodiscard]] Result<Receipt> of(std::uint32_t index, std::int32_t timestamp_delta) const;
  /// Marks the outcome as read by a caller, so that a failure is not reported to the owner.
  void take() { taken_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] const Error* first_error() const;

  const std::weak_ptr<OutcomeOwner> owner;
  /// Valid while the owner lives.
  const std::string_view topic;
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
  /// Timestamps by the record's index, ascending.
  std::vector<std::pair<std::uint32_t, Timestamp>> far_timestamps_;
  std::mutex mutex_;
  WaitPoint changed_;
};

/// The delta of a record whose time is more than 24 days from that of its batch's first record. The
/// outcome stores the time itself.
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
