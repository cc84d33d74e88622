#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dohle/ids.hpp"
#include "simulation/complaints.hpp"

namespace dohle::simulation {

/// The handlers' treatment of a topic's messages, over all subscriptions of a group.
class Handlings {
 public:
  Handlings(Complaints& complaints, std::size_t partitions)
      : complaints_(complaints), partitions_(partitions) {}

  /// A handler of that subscription begins or ends.
  void begins(const std::string& subscription, const std::string& key, PartitionId partition,
              Offset offset) {
    if (!running_.insert({subscription, key}).second) {
      accuse(partition, "two handlers of one subscription have messages of the key " + key +
                            ", one of them " + std::to_string(offset.value));
    }
  }
  void ends(const std::string& subscription, const std::string& key) {
    running_.erase({subscription, key});
  }
  /// The message was handled or skipped, or is about to be acknowledged.
  void done(PartitionId partition, Offset offset) {
    auto& done = of(partition).done;
    const auto at = static_cast<std::size_t>(offset.value);
    if (done.size() <= at) done.resize(at + 1, false);
    if (done[at]) ++again_;
    done[at] = true;
  }
  void observed(PartitionId partition, Offset committed) {
    of(partition).committed = committed.value;
    told(partition, committed);
  }
  /// A subscription says that this offset is committed, now or a while ago.
  void told(PartitionId partition, Offset committed) {
    Partition& known = of(partition);
    for (; known.checked < committed.value; ++known.checked) {
      const auto at = static_cast<std::size_t>(known.checked);
      if (at < known.done.size() && known.done[at]) continue;
      accuse(partition, "the committed offset is " + std::to_string(committed.value) +
                            ", and the message at " + std::to_string(at) + " is not done");
    }
  }
  void settle(PartitionId partition, std::size_t end) {
    Partition& known = of(partition);
    const auto all = std::ranges::count(known.done, true);
    if (known.done.size() != end || static_cast<std::size_t>(all) != end) {
      accuse(partition, "handled " + std::to_string(all) + " of " + std::to_string(end));
    }
    if (known.committed != static_cast<std::int64_t>(end)) {
      accuse(partition,
             "committed up to " + std::to_string(known.committed) + " of " + std::to_string(end));
    }
  }
  [[nodiscard]] std::size_t again() const { return again_; }

 private:
  struct Partition {
    std::vector<bool> done;
    std::int64_t checked = 0;
    std::int64_t committed = 0;
  };
  Partition& of(PartitionId partition) {
    return partitions_.at(static_cast<std::size_t>(partition.value));
  }
  void accuse(PartitionId partition, const std::string& of_what) {
    complaints_.add("workers, partition " + std::to_string(partition.value) + ": " + of_what);
  }

  Complaints& complaints_;
  std::vector<Partition> partitions_;
  std::set<std::pair<std::string, std::string>> running_;
  std::size_t again_ = 0;
};

}  // namespace dohle::simulation
