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

/// The node is its own cluster: one broker, leader of everything, in its first epoch.
inline constexpr NodeId node_id{1};
inline constexpr LeaderEpoch leader_epoch{0};

/// A fetch that waits for a partition, by its slot in FetchWaits, and the partition's place among
/// those that it waits for. There may be a million.
struct PartitionWait {
  std::uint32_t wait;
  std::uint32_t index;
};

/// A partition as handlers see it: its log, as long as it can be used, and who waits for it.
/// Shared by the topic, syncs and fetches under way; `close` ends it for all of them.
class Partition {
 public:
  Partition(std::string topic, PartitionId index, std::unique_ptr<log::PartitionLog> log)
      : topic_(std::move(topic)), index_(index), log_(std::move(log)) {}
  /// One whose log refused to open.
  Partition(std::string topic, PartitionId index, Error fault)
      : topic_(std::move(topic)), index_(index), fault_(std::move(fault)) {}

  [[nodiscard]] const std::string& topic() const { return topic_; }
  [[nodiscard]] PartitionId index() const { return index_; }
  [[nodiscard]] std::string name() const { return dohle::partition_name(topic_, index_); }

  /// Why it cannot be used; null when it can.
  [[nodiscard]] const Error* fault() const {
    if (fault_) return &*fault_;
    return log_->offline();
  }
  /// Usable while `fault` is null; null itself after `close` and when it never opened.
  [[nodiscard]] log::PartitionLog* log() const { return log_.get(); }
  /// The topic was deleted, or the node stops: everybody who still refers to it sees a fault.
  void close() {
    log_.reset();
    fault_ = Error::broker(broker_error::unknown_topic_or_partition, "partition " + name(),
                           "the topic was deleted");
    is_closed_ = true;
  }
  [[nodiscard]] bool is_closed() const { return is_closed_; }

  // Kept by Topics.
  NotedPartition noted;
  RunNote::Place note_place;

  // Kept by NodeEngine, Syncing and FetchWaits.
  /// Bytes of batches since the start: appended, and of those visible to consumers.
  std::uint64_t appended_bytes = 0;
  std::uint64_t visible_bytes = 0;
  bool is_dirty = false;
  /// Has records of this turn that the run's note does not tell of yet.
  bool is_unnoted = false;
  /// Noted by PlaceWatch in this second.
  bool is_watched = false;
  std::vector<PartitionWait> waits;
  /// As of FetchWaits::changed.
  std::uint64_t changes = 0;
  /// Why it keeps old records, as it was logged; empty: it does not, or nobody was told.
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
