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

/// The directories of topics that are made and deleted, on disk threads: what is done for many
/// topics at a time is done in few jobs, a topic of many partitions takes several, and topics take
/// turns. Callers keep two topics of one name apart.
///
/// Owner's thread only. Callbacks come in turns of their own, and none after it is destroyed.
class TopicFiles {
 public:
  /// What its owner says and is told.
  struct Owner {
    /// Whether a directory that is in the way of a new partition may be removed.
    std::function<bool(const Stray&)> may_be_removed;
    /// A directory holds records that belong to no topic, and stays.
    std::function<void(const Stray&)> on_stray;
    /// A partition has its files; not yet durable.
    std::function<void(const PartitionRef&, const TopicId&)> on_made;
    /// A partition is about to be closed, or came to nothing.
    std::function<void(const PartitionRef&)> on_closing;
    /// A partition of a deleted topic is closed.
    std::function<void(const PartitionRef&)> on_closed;
    std::function<void(std::string_view line)> warn;
  };
  /// Of each new log, but for its topic's id.
  TopicFiles(Disk& disk, std::string directory, log::OpenOptions log_options, Owner owner);
  ~TopicFiles() { *is_alive_ = false; }
  TopicFiles(const TopicFiles&) = delete;
  TopicFiles& operator=(const TopicFiles&) = delete;

  struct NewTopic {
    std::string name;
    TopicId id;
    std::int32_t partitions = 0;
    log::LogConfig config;
  };
  using Partitions = std::vector<PartitionRef>;
  using Made = std::move_only_function<void(Result<Partitions>)>;
  /// Makes the partitions' directories and first files, and makes those durable. Of a topic that
  /// cannot be made whole nothing is left. Errors: kafka_storage_error (something is in the way),
  /// storage.
  void make(NewTopic topic, Made made);
  /// Removes the files of a topic that was made and could not be listed; then calls `done`.
  void discard(const std::string& name, Partitions partitions, Task done);
  /// Closes the partitions of a deleted topic and renames their directories, so that the topic's
  /// name can be used again; then calls `done`. The files go later.
  void put_away(const std::string& name, const TopicId& id, Partitions partitions, Task done);
  /// Removes a directory that nothing needs any more, some time later.
  void remove_later(std::string directory);

  /// Tells of nothing any more: calls `idle` once no job changes a directory that has a
  /// topic's name.
  void stop(Task idle);

  [[nodiscard]] std::string directory_of(std::string_view topic, std::int32_t index) const;
  /// Where a deleted partition's directory waits until its files are gone.
  [[nodiscard]] std::string doomed_directory(std::string_view topic, std::int32_t index,
                                             const TopicId& id) const;
  /// Whether a directory has such a name.
  [[nodiscard]] static bool is_doomed(std::string_view name);

 private:
  struct Making {
    NewTopic topic;
    Made made;
    Partitions partitions;
    /// A directory that is in the way of the next partition and may be removed.
    bool clears_next = false;
    std::optional<Error> fault;
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
  /// With partitions to be made.
  std::deque<MakingRef> to_make_;
  /// Whole, and not durable.
  std::vector<MakingRef> to_sync_;
  std::deque<PuttingAwayRef> to_put_away_;
  std::deque<std::string> to_remove_;
  bool is_making_ = false;
  bool is_syncing_ = false;
  bool is_putting_away_ = false;
  bool is_removing_ = false;
  /// Jobs that change directories of topics.
  std::size_t running_ = 0;
  bool is_stopped_ = false;
  Task when_idle_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
