#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "log/partition_log.hpp"

namespace dohle::log {

/// Opens many logs whose recoveries share their syncs: the writes of all, then one group of syncs,
/// as often as a recovery has steps. A sync that fails concerns only the logs of its file. Blocks.
class GroupOpening {
 public:
  using Done = std::move_only_function<void(Result<PartitionLog::Opened>)>;

  /// `max_files`: about how many files wait open for a sync.
  GroupOpening(Disk& disk, std::size_t max_files) : disk_(&disk), max_files_(max_files) {}
  GroupOpening(const GroupOpening&) = delete;
  GroupOpening& operator=(const GroupOpening&) = delete;

  /// Opens a log as PartitionLog::open does. Calls `done` within this call or a later one.
  void open(std::string directory, LogConfig config, OpenOptions options, Done done);
  /// Opens the logs that wait for a sync.
  void finish();

 private:
  struct Waiting {
    PartitionLog::Opened opened;
    Done done;
    Result<void> outcome = {};
  };

  void sync_all();
  void sync_each(Waiting& waiting);

  Disk* disk_;
  std::size_t max_files_;
  std::size_t files_ = 0;
  std::vector<Waiting> waiting_;
};

}  // namespace dohle::log
