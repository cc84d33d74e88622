#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "dohle/admin.hpp"
#include "dohle/broker.hpp"
#include "dohle/client.hpp"
#include "messaging/source.hpp"

namespace dohle::messaging {

/// Reads a topic through the client: as a member of a group, or without a group all partitions
/// (including new ones) or a single one.
class ConsumerSource final : public Source {
 public:
  struct Plan {
    std::string topic;
    /// Read beside it in a group, from their beginnings without a committed offset.
    std::vector<std::string> retry_topics = {};
    /// Empty: no group.
    std::string group_id;
    /// none: all.
    PartitionId partition;
    /// If absent, the consumer's reset policy applies.
    std::optional<StartOffset> start;
    /// Absent: new partitions stay unread.
    std::optional<std::chrono::milliseconds> partition_watch_interval =
        std::chrono::milliseconds(5'000);
    /// Timeout for looking up the topic's partitions; nothing is read meanwhile.
    std::chrono::milliseconds look_timeout{10'000};
  };

  ConsumerSource(Plan plan, Consumer consumer, Admin admin);

  Result<void> start(RebalanceListener listener) override;
  Result<PolledRecords> poll(std::chrono::milliseconds timeout) override;
  void wakeup() override;
  void commit_async(std::vector<PartitionOffset> offsets,
                    Consumer::CommitCallback callback) override;
  Result<void> commit_sync(std::vector<PartitionOffset> offsets,
                           std::chrono::milliseconds timeout) override;
  void pause(std::span<const TopicPartition> partitions) override;
  void resume(std::span<const TopicPartition> partitions) override;
  void seek(const TopicPartition& partition, Offset offset) override;
  Result<Offset> position(const TopicPartition& partition) override;
  [[nodiscard]] std::optional<std::int64_t> lag(const TopicPartition& partition) const override;
  Result<void> leave() override;
  Result<void> close(std::chrono::milliseconds timeout) override;

 private:
  Result<void> join();
  Result<void> assign_by_hand();
  Result<void> follow_new_partitions();
  void watch_again();
  Result<std::vector<TopicPartition>> partitions_of_topic(std::chrono::milliseconds timeout);
  Result<void> place(const TopicPartition& partition, const StartOffset& start);
  Result<void> place_unless_committed();
  /// Whether it starts elsewhere than the consumer's reset policy says.
  [[nodiscard]] bool needs_place(const TopicPartition& partition) const;
  [[nodiscard]] StartOffset start_of(const TopicPartition& partition) const;
  void forget_unplaced(std::span<const TopicPartition> partitions);

  const Plan plan_;
  Consumer consumer_;
  Admin admin_;
  RebalanceListener listener_;
  std::vector<TopicPartition> by_hand_;
  /// Assigned by the group, and not yet checked for a committed offset, without which they start at
  /// plan_.start.
  std::vector<TopicPartition> unplaced_;
  TimePoint watch_at_ = TimePoint::min();
};

}  // namespace dohle::messaging
