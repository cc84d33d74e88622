#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/broker_errors.hpp"
#include "base/topic_name.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "log/partition_log.hpp"
#include "node/storage/run_note.hpp"

namespace dohle::node {

/// The node is a cluster of one broker, which leads all partitions in their first epoch.
inline constexpr NodeId node_id{1};
inline constexpr LeaderEpoch leader_epoch{0};

/// A fetch that waits for a partition: its slot in FetchWaits, and the index of the partition in
/// the fetch's list. There may be a million of these.
struct PartitionWait {
  std::uint32_t wait;
  std::uint32_t index;
};

/// A partition as handlers use it: its log, while that is usable, and the fetches that wait for it.
/// Shared by its topic and by syncs and fetches in flight; `close` makes it unusable for all of
/// them.
class Partition {
 public:
  Partition(std::string topic, PartitionId index, std::unique_ptr<log::PartitionLog> log)
      : topic_(std::move(topic)), index_(index), log_(std::move(log)) {}
  /// A partition whose log failed to open.
  Partition(std::string topic, PartitionId index, Error fault)
      : topic_(std::move(topic)), index_(index), fault_(std::move(fault)) {}

  [[nodiscard]] const std::string& topic() const { return topic_; }
  [[nodiscard]] PartitionId index() const { return index_; }
  [[nodiscard]] std::string name() const { return dohle::partition_name(topic_, index_); }

  /// The reason why it cannot be used. Null if it can.
  [[nodiscard]] const Error* fault() const {
    if (fault_) return &*fault_;
    return log_->offline();
  }
  /// Usable while `fault` is null. Null after `close`, and if the log never opened.
  [[nodiscard]] log::PartitionLog* log() const { return log_.get(); }
  /// Called when the topic is deleted. All users of the partition see a fault from then on.
  void close() {
    log_.reset();
    fault_ = Error::broker(broker_error::unknown_topic_or_partition, "partition " + name(),
                           "the topic was deleted");
    is_closed_ = true;
  }
  [[nodiscard]] bool is_closed() const { return is_closed_; }

  // Maintained by TopicTable.
  NotedPartition noted;
  RunNote::Place note_place;

  // Maintained by NodeEngine, Syncing, FetchWaits and NewestBatches.
  /// Bytes of batches since the start: of all appended ones, and of those visible to consumers.
  std::uint64_t appended_bytes = 0;
  std::uint64_t visible_bytes = 0;
  bool is_dirty = false;
  /// Has records of this turn that the run's note does not cover yet.
  bool is_unnoted = false;
  /// PlaceWatch has its file on the list of this second.
  bool is_watched = false;
  std::vector<PartitionWait> waits;
  /// Its batch in NewestBatches. 0: none.
  std::uint64_t newest_batch = 0;
  /// Calls of FetchWaits::changed.
  std::uint64_t changes = 0;
  /// The logged reason why it keeps old records. Empty if there is none or it was not logged.
  std::string told_of_retention;

 private:
  std::string topic_;
  PartitionId index_;
  std::unique_ptr<log::PartitionLog> log_;
  std::optional<Error> fault_;
  bool is_closed_ = false;
};

using PartitionRef = std::shared_ptr<Partition>;

}  // namespace dohle::node
