#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "node/storage/partition.hpp"
#include "node/storage/strays.hpp"

namespace dohle::node {

/// The error about a partition's directory that holds other files. Broker error 56.
[[nodiscard]] Error in_the_way(std::string_view topic, std::int32_t index);

/// The directories of topics that are created and deleted, on disk threads. Work for several topics
/// shares a job, a topic of many partitions takes several jobs, and topics take turns. Callers
/// change the topics of one name one after the other.
///
/// Owner's thread only. Callbacks run in turns of their own, and none runs after the destruction.
class TopicFiles {
 public:
  /// Callbacks of the owner.
  struct Owner {
    /// Whether a directory in the way of a new partition may be removed.
    std::function<bool(const Stray&)> may_be_removed;
    /// A directory holds records that belong to no topic, and is kept.
    std::function<void(const Stray&)> on_stray;
    /// The files of a partition were created; they are not durable yet.
    std::function<void(const PartitionRef&, const TopicId&)> on_made;
    /// A partition is about to be closed or discarded.
    std::function<void(const PartitionRef&)> on_closing;
    /// A partition of a deleted topic is closed.
    std::function<void(const PartitionRef&)> on_closed;
    std::function<void(std::string_view line)> warn;
  };
  /// `log_options`: those of each new log, except for the topic's id.
  TopicFiles(Disk& disk, std::string directory, log::OpenOptions log_options, Owner owner);
  ~TopicFiles() { *is_alive_ = false; }
  TopicFiles(const TopicFiles&) = delete;
  TopicFiles& operator=(const TopicFiles&) = delete;

  /// The partitions from `first` up to but not including `end`.
  struct NewPartitions {
    std::string topic;
    TopicId id;
    std::int32_t first = 0;
    std::int32_t end = 0;
    log::LogConfig config;
  };
  using Partitions = std::vector<PartitionRef>;
  using Made = std::move_only_function<void(Result<Partitions>)>;
  /// Creates the partitions' directories and first files, and makes them durable. After a failure
  /// nothing of these partitions is left. Errors: kafka_storage_error (other files are in the way),
  /// storage.
  void make(NewPartitions wanted, Made made);
  /// Removes the files of partitions that were created but could not be listed; then calls `done`.
  void discard(const std::string& name, Partitions partitions, Task done);
  /// Closes the partitions of a deleted topic and renames their directories, so that the topic's
  /// name can be used again; then calls `done`. The files are removed later.
  void put_away(const std::string& name, const TopicId& id, Partitions partitions, Task done);
  /// Removes an unused directory, some time later.
  void remove_later(std::string directory);

  /// Ends all other callbacks. Calls `idle` once no job changes a directory that has a topic's
  /// name.
  void stop(Task idle);

  [[nodiscard]] std::string directory_of(std::string_view topic, std::int32_t index) const;
  /// The path of a deleted partition's directory until its files are removed.
  [[nodiscard]] std::string doomed_directory(std::string_view topic, std::int32_t index,
                                             const TopicId& id) const;
  /// Whether `name` has the form of such a path's last part.
  [[nodiscard]] static bool is_doomed(std::string_view name);

 private:
  struct Making {
    NewPartitions wanted;
    Made made;
    Partitions partitions;
    /// Whether a directory in the way of the next partition is to be removed.
    bool clears_next = false;
    std::optional<Error> fault;

    [[nodiscard]] std::int32_t next() const {
      return wanted.first + static_cast<std::int32_t>(partitions.size());
    }
  };
  struct PuttingAway {
    std::string name;
    TopicId id;
    Partitions partitions;
    Task done;
    std::size_t next = 0;
  };
  struct MakeJob;
  struct RenameJob;
  using MakingRef = std::shared_ptr<Making>;
  using PuttingAwayRef = std::shared_ptr<PuttingAway>;

  void run(Task job, Task done);
  void start_next();
  void make_some();
  void end_making_some(MakeJob& job);
  void settle(const MakingRef& making);
  void sync_made();
  void put_some_away();
  void end_putting_away(RenameJob& job);
  void remove_some();
  void look_if_idle();

  Disk* disk_;
  std::string directory_;
  log::OpenOptions log_options_;
  Owner owner_;
  /// Topics with partitions to create.
  std::deque<MakingRef> to_make_;
  /// Topics whose partitions are all created, but not durable.
  std::vector<MakingRef> to_sync_;
  std::deque<PuttingAwayRef> to_put_away_;
  std::deque<std::string> to_remove_;
  bool is_making_ = false;
  bool is_syncing_ = false;
  bool is_putting_away_ = false;
  bool is_removing_ = false;
  /// Number of jobs that change directories of topics.
  std::size_t running_ = 0;
  bool is_stopped_ = false;
  Task when_idle_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
