#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "base/executor.hpp"
#include "node/storage/partition.hpp"

namespace dohle::node {

/// Detects writes to files that are no longer at their paths, because the data directory or a
/// partition's was removed, moved or replaced while the node runs. Once a second a disk thread
/// compares the path of each segment that was appended to with the open file. A partition whose
/// file differs goes offline. Without appends nothing is compared. Many partitions take several
/// turns of the loop.
class PlaceWatch {
 public:
  /// Both outlive the watch.
  PlaceWatch(Executor& loop, Disk& disk) : loop_(loop), disk_(disk) {}
  ~PlaceWatch();
  PlaceWatch(const PlaceWatch&) = delete;
  PlaceWatch& operator=(const PlaceWatch&) = delete;

  /// A batch was appended to the partition. Costs one test of a flag, except for the first append
  /// of each second.
  void appended(const PartitionRef& partition) {
    if (!partition->is_watched) watch(partition);
  }

 private:
  struct Place {
    PartitionRef partition;
    std::string path;
    FileIdentity identity;
    bool is_lost = false;
  };

  using Places = std::shared_ptr<std::vector<Place>>;

  void watch(const PartitionRef& partition);
  void begin();
  void release(Places places, std::size_t released);
  void compare(const Places& places);
  void settle_some(Places places);
  static void settle(const Place& place);

  Executor& loop_;
  Disk& disk_;
  std::vector<Place> places_;
  TimerId timer_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
