#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dohle/consumer.hpp"
#include "dohle/error.hpp"

namespace dohle::messaging {

/// Records as one poll returned them. Their views live as long as `buffer`.
struct PolledRecords {
  std::vector<ConsumerRecord> records;
  std::shared_ptr<const void> buffer;
  /// Why some partition could not be read to the end.
  std::optional<Error> error;
};

/// What a Subscription reads from; in a program a ConsumerSource. One thread at a time, but wakeup.
class Source {
 public:
  virtual ~Source() = default;

  /// Joins the group or assigns partitions; `listener` is called inside poll, leave and close.
  /// Called again after an error, and after leave.
  virtual Result<void> start(RebalanceListener listener) = 0;
  /// Errors as Consumer::poll.
  virtual Result<PolledRecords> poll(std::chrono::milliseconds timeout) = 0;
  /// Makes the present or the next poll return Errc::cancelled. Any thread.
  virtual void wakeup() = 0;
  virtual void commit_async(std::vector<PartitionOffset> offsets,
                            Consumer::CommitCallback callback) = 0;
  virtual Result<void> commit_sync(std::vector<PartitionOffset> offsets,
                                   std::chrono::milliseconds timeout) = 0;
  virtual void pause(std::span<const TopicPartition> partitions) = 0;
  virtual void resume(std::span<const TopicPartition> partitions) = 0;
  /// What is known now; it does not wait for the rest.
  virtual Result<Offset> position(const TopicPartition& partition) = 0;
  /// Leaves the group; start joins again.
  virtual Result<void> leave() = 0;
  virtual Result<void> close(std::chrono::milliseconds timeout) = 0;
};

}  // namespace dohle::messaging
