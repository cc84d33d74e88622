#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "base/topic_name.hpp"
#include "dohle/broker.hpp"
#include "dohle/detail/event_pointer.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "dohle/record.hpp"

namespace dohle::messaging {

class EventPool;

/// Receives the acks and nacks of events. Thread safety: any thread.
class AckSink {
 public:
  virtual ~AckSink() = default;
  virtual Result<void> ack(EventState& event) = 0;
  virtual Result<void> nack(const EventPointer& event, Error why) = 0;
  virtual Result<void> retry_after(const EventPointer& event, std::chrono::milliseconds delay) = 0;
};

/// The bytes of one poll, which live as long as events refer to them. It has one count for each
/// event, all added at once. Thread safety: any thread.
class FetchedBytes {
 public:
  FetchedBytes(std::shared_ptr<const void> bytes, std::size_t count)
      : bytes_(std::move(bytes)), count_(count) {}
  void add() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  /// Destroys it with the last count.
  void drop(std::size_t count) noexcept {
    if (count_.fetch_sub(count, std::memory_order_acq_rel) == count) delete this;
  }

 private:
  ~FetchedBytes() = default;
  std::shared_ptr<const void> bytes_;
  std::atomic<std::size_t> count_;
};

/// A received record, its attempts, and its place in the subscription: the same in each of its
/// deliveries but for the attempt.
struct DeliveredRecord {
  /// Keeps the views alive. Null in tests, whose records live long enough.
  FetchedBytes* buffer = nullptr;
  std::string_view topic;
  PartitionId partition;
  Offset offset;
  LeaderEpoch leader_epoch;
  Timestamp timestamp;
  std::optional<Bytes> key;
  std::optional<Bytes> value;
  HeaderRange headers;
  /// Attempts of this delivery, this one included.
  int attempt = 1;
  /// Attempts before this record was stored in its retry topic.
  int earlier_attempts = 0;
  /// 0 for the source, otherwise the number of its retry topic.
  std::size_t level = 0;
  /// The number of the partition's assignment that it belongs to.
  std::uint64_t assignment = 0;
  std::size_t lane = 0;
  /// The error of its reply handler in an attempt whose answer was not stored. Set by the thread
  /// that handles it.
  std::optional<Error> failed_reply;
};

/// One delivery of one record. A retry in place is a separate delivery, so that an ack of an
/// earlier one cannot settle a later one.
struct EventState : DeliveredRecord {
  enum class Settled : std::uint8_t {
    pending,
    acked,
    nacked,  ///< retried, or about to be: this event can no longer be acknowledged
    failed,  ///< retries used up; the error handler may still acknowledge
  };

  EventState() = default;
  EventState(const EventState&) = delete;
  EventState& operator=(const EventState&) = delete;

  // Set by EventPool.
  EventPool* pool = nullptr;
  std::atomic<std::uint32_t> references = 0;
  /// The next one without references.
  EventState* next = nullptr;
  /// The number of this use of the memory. Guarded by the subscription's lock.
  std::uint64_t use = 0;
  /// Number of entries that remember this memory and look at `use`. Guarded by the subscription's
  /// lock.
  std::uint32_t remembered = 0;

  // Guarded by the subscription's lock.
  Settled settled = Settled::pending;
  bool is_running = false;
  /// Its place among the running ones.
  std::size_t running_place = 0;
  /// The time at which it was read, and later the time at which its handler started.
  TimePoint started;
  std::optional<Error> nacked_with;
  /// If nacked_with is set: the program's decision, and the retry topic that retry_after chose.
  FailureAction nacked_action = FailureAction::retry;
  std::size_t wanted_level = 0;

  [[nodiscard]] int attempts() const { return earlier_attempts + attempt; }
  [[nodiscard]] std::size_t bytes() const {
    return (key ? key->size() : 0) + (value ? value->size() : 0);
  }
};

/// "TOPIC-PARTITION at offset OFFSET".
[[nodiscard]] inline std::string place_of(std::string_view topic, PartitionId partition,
                                          Offset offset) {
  return partition_name(topic, partition) + " at offset " + std::to_string(offset.value);
}
[[nodiscard]] inline std::string place_of(const EventState& event) {
  return place_of(event.topic, event.partition, event.offset);
}

}  // namespace dohle::messaging
