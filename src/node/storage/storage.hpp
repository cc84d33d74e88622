#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "base/executor.hpp"
#include "base/secure_random.hpp"
#include "dohle/node.hpp"
#include "node/lines.hpp"
#include "node/storage/clock_watch.hpp"
#include "node/storage/newest_batches.hpp"
#include "node/storage/partition_walk.hpp"
#include "node/storage/place_watch.hpp"
#include "node/storage/syncing.hpp"
#include "node/storage/topics.hpp"

namespace dohle::node {

/// Events of the storage, for the objects that serve requests. On the node's thread.
class StorageEvents {
 public:
  /// `bytes` more bytes of the partition can be read.
  virtual void on_advanced(Partition& partition, std::size_t bytes) = 0;
  /// The partition went offline, was closed, or was checked: requests that wait for it have to
  /// check it again.
  virtual void on_changed(Partition& partition) = 0;
  /// A topic was removed. Its name is free again once `then` is called, within the call or later.
  virtual void on_removed(const std::string& topic, Task then) = 0;
  /// A round of maintenance has ended. `believed` is the time to use for deletions by age.
  virtual void on_maintained(Now believed) = 0;

 protected:
  ~StorageEvents() = default;
};

/// The data directory while the node runs: its topics, appends with their durability and
/// visibility, and maintenance (retention, checkpoints, checks in the background). On the node's
/// thread.
class Storage final : private log::LogEvents {
 public:
  struct Options {
    std::string directory;
    Durability durability = Durability::fsync;
    std::size_t max_open_files = log::FileCache::open_max_default;
    /// As TopicTable::Options.
    log::LogConfig log_defaults = {};
    std::vector<std::string> adopt = {};
    std::vector<AcceptedLoss> accept_losses = {};
    UsersJournal users = {};
  };

  /// All references outlive it.
  Storage(StorageEvents& events, Executor& loop, Disk& disk, SecureRandom& random, Lines& lines,
          Options options);
  ~Storage() override;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  /// Locks the directory, opens and recovers the data, and logs the findings. Blocks. Errors:
  /// locked, damaged, storage.
  Result<void> open();
  /// Starts the rounds of maintenance and the checks in the background.
  void start_maintenance();
  void stop_maintenance();
  /// Makes the data durable, marks the stop as clean and releases the lock; then calls `done`.
  void close(Disk::Synced done);

  /// Whether the data directory is locked.
  [[nodiscard]] bool is_open() const { return static_cast<bool>(lock_); }
  /// Asserts the conditions that hold between two turns.
  void check_invariants() const;

  [[nodiscard]] TopicTable& topics() { return topics_; }
  /// Appends a checked batch, which then becomes durable and visible.
  Result<log::Appended> append(const PartitionRef& partition, const Slice& batch,
                               const wire::BatchHeader& header);
  /// The same for a batch that takes long to write, as PartitionLog::append_beside: calls `done`,
  /// within the call or later, unless the storage is destroyed before.
  void append_beside(const PartitionRef& partition, const Slice& batch,
                     const wire::BatchHeader& header, log::PartitionLog::AppendedBeside done);
  /// As PartitionLog::fetch of a partition without a fault. A batch for which fetches waited comes
  /// from memory while it is the newest.
  [[nodiscard]] Result<log::FetchedBatches> fetch(const Partition& partition, Offset offset,
                                                  Offset limit, std::size_t max_bytes,
                                                  bool at_least_one) const {
    return partition.log()->fetch(offset, limit, max_bytes, at_least_one, newest_.find(partition));
  }
  /// As Syncing::when_durable.
  void when_durable(Task done) { syncing_.when_durable(std::move(done)); }
  /// As Syncing::when_synced.
  void when_synced(Task done) { syncing_.when_synced(std::move(done)); }
  [[nodiscard]] Durability durability() const { return options_.durability; }

 private:
  /// A checkpoint to write, and the number of offsets that a start after a crash reads without it.
  struct Due {
    std::int64_t to_walk;
    PartitionRef partition;
  };

  void took(const PartitionRef& partition, std::size_t bytes, bool has_rolled);
  void on_partition_synced(const PartitionRef& partition, std::uint64_t bytes);
  void show(const PartitionRef& partition, std::uint64_t visible_bytes);
  void on_checked(log::PartitionLog& log) override;
  void on_offline(log::PartitionLog& log, const Error& why) override;
  void arm_maintenance();
  void begin_maintenance();
  void maintain_some();
  void end_maintenance();
  void finish_recovery_of_next();
  void choose_checkpoint(const PartitionRef& partition);
  void checkpoint_some();
  void retain(const PartitionRef& partition, Now now);
  void check_in_background();

  StorageEvents& events_;
  Executor& loop_;
  Disk& disk_;
  Lines& lines_;
  const Options options_;
  const log::Visible visible_;
  Disk::DirectoryLock lock_;
  TopicTable topics_;
  Syncing syncing_;
  NewestBatches newest_;
  PlaceWatch places_;
  ClockWatch clock_watch_;
  TimerId maintenance_ = 0;
  TimerId background_check_ = 0;
  std::uint64_t maintenance_round_ = 0;
  bool is_maintained_ = false;
  PartitionWalk maintained_;
  /// Of this round: partitions that get a checkpoint, a heap with the shortest walk in front, and
  /// those with an unfinished recovery.
  std::vector<Due> due_;
  std::vector<PartitionRef> unrecovered_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
