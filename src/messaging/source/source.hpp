#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/group/commit_outcome.hpp"
#include "dohle/consumer.hpp"
#include "dohle/error.hpp"
#include "messaging/failures/retry_topics.hpp"

namespace dohle::messaging {

/// The records of one poll. Their views are valid while `buffer` lives.
struct PolledRecords {
  std::vector<ConsumerRecord> records;
  std::shared_ptr<const void> buffer;
  /// Set if a partition could not be read to the end.
  std::optional<Error> error;
};

/// Receives the changes of the topics of a Source that chooses them, inside start and poll.
struct TopicListener {
  /// A topic is read from now on, and its failed messages go there.
  std::function<void(const std::string& topic, RedirectTopics redirects)> on_redirects = nullptr;
  /// A topic is no longer read.
  std::function<void(const std::string& topic)> on_dropped = nullptr;
  /// A failure that ends neither call, since other topics are read, or will be.
  std::function<void(const Error& why)> on_trouble = nullptr;
  /// A failure that is reported elsewhere: why topics that match are not known yet.
  std::function<void(const Error& why)> on_delay = nullptr;
  /// A line of information.
  std::function<void(const std::string& text)> on_note = nullptr;
};

/// The records' source of a Subscription; in a program a ConsumerSource. Thread safety: one thread
/// at a time, except wakeup.
class Source {
 public:
  virtual ~Source() = default;

  /// Called before start. A source of given topics does not use it.
  virtual void listen_to_topics(TopicListener /*listener*/) {}
  /// Joins the group or assigns partitions; `listener` is called inside poll, leave and close. May
  /// be called again after an error and after leave.
  virtual Result<void> start(RebalanceListener listener) = 0;
  /// Errors as Consumer::poll.
  virtual Result<PolledRecords> poll(std::chrono::milliseconds timeout) = 0;
  /// The assigned partitions whose topic was deleted and created again since the last call. Records
  /// of them in a later poll are those of the new topic, from its first record on.
  virtual std::vector<TopicPartition> take_replaced() = 0;
  /// Makes the running or the next poll return Errc::cancelled. Any thread.
  virtual void wakeup() = 0;
  virtual void commit_async(std::vector<PartitionOffset> offsets, client::CommitDone callback) = 0;
  virtual client::CommitOutcome commit_sync(std::vector<PartitionOffset> offsets,
                                            std::chrono::milliseconds timeout) = 0;
  virtual void pause(std::span<const TopicPartition> partitions) = 0;
  virtual void resume(std::span<const TopicPartition> partitions) = 0;
  /// Continues at `offset`; queued records of the partition are dropped. Never waits. No effect on
  /// a partition that is not assigned.
  virtual void seek(const TopicPartition& partition, Offset offset) = 0;
  /// The position as known now. Never waits.
  virtual Result<Offset> position(const TopicPartition& partition) = 0;
  /// Records between position and high watermark, as of the last fetch. Never waits. Any thread.
  [[nodiscard]] virtual std::optional<std::int64_t> lag(const TopicPartition& partition) const = 0;
  /// Leaves the group. `start` joins again.
  virtual Result<void> leave() = 0;
  virtual Result<void> close(std::chrono::milliseconds timeout) = 0;
};

}  // namespace dohle::messaging
