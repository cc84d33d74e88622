#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dohle/ids.hpp"
#include "simulation/complaints.hpp"

namespace dohle::simulation {

/// The number of the record at each offset of a partition.
using LogContents = std::vector<std::size_t>;

/// Records read and offsets committed by the members of one group, or by one reader alone.
class Readings {
 public:
  /// A member's ownership of a partition, from the news of its assignment to the news of its end.
  struct Hold {
    /// The offset certainly committed before. The member may not begin below it.
    std::int64_t least = 0;
    std::optional<std::int64_t> next = std::nullopt;
  };

  struct Setting {
    bool commits = true;
    /// A commit that its sender has given up and repeated may arrive after later ones, since
    /// Kafka's commits have no sequence number. Then the committed offset may go back within one
    /// generation.
    bool may_be_overtaken = false;
  };
  Readings(Complaints& complaints, std::string name, std::size_t partitions, Setting setting)
      : complaints_(complaints),
        name_(std::move(name)),
        setting_(setting),
        partitions_(partitions) {}

  /// A member gets a partition, which belongs to one member per generation. The generation is none
  /// if it has already changed again.
  Hold held(const std::string& member, Generation generation, PartitionId partition) {
    if (!generation.is_none()) {
      const auto [owner, is_new] = owners_.try_emplace({generation.value, partition.value}, member);
      if (!is_new && owner->second != member) {
        accuse(partition, member + " and " + owner->second + " have it in generation " +
                              std::to_string(generation.value));
      }
    }
    return {.least = of(partition).committed};
  }
  /// The member has handled a record.
  void handled(const std::string& member, Hold& hold, PartitionId partition, Offset offset,
               std::size_t record) {
    Partition& known = of(partition);
    const std::int64_t at = offset.value;
    if (hold.next) {
      if (at != *hold.next) accuse(partition, at_offset(member, at, *hold.next));
    } else if (at < hold.least && !setting_.may_be_overtaken) {
      accuse(partition, at_offset(member, at, hold.least) + ", the committed offset");
    } else if (at > known.handled()) {
      accuse(partition, at_offset(member, at, known.handled()) + ", where nobody had gone on");
    }
    hold.next = at + 1;
    if (at < known.handled()) {
      ++again_;
      if (known.seen[static_cast<std::size_t>(at)] != record) {
        accuse(partition, member + " found another record at " + std::to_string(at) +
                              " than was read there before");
      }
    } else {
      known.seen.resize(static_cast<std::size_t>(at), unread);
      known.seen.push_back(record);
    }
  }
  /// The node confirmed a commit.
  void committed(PartitionId partition, Offset offset) {
    Partition& known = of(partition);
    known.committed = std::max(known.committed, offset.value);
  }
  /// The node may not report a committed offset below this one.
  [[nodiscard]] std::int64_t least_committed(PartitionId partition) {
    return of(partition).committed;
  }
  void observed(PartitionId partition, Offset offset, std::int64_t least) {
    Partition& known = of(partition);
    const std::int64_t at = std::max<std::int64_t>(offset.value, 0);
    if (at < least && setting_.may_be_overtaken) {
      ++overtaken_;
    } else if (at < least) {
      accuse(partition,
             "the committed offset is " + std::to_string(at) + " after " + std::to_string(least));
    }
    if (at > known.handled()) {
      accuse(partition, "the committed offset is " + std::to_string(at) + ", handled is up to " +
                            std::to_string(known.handled()));
    }
    known.observed = at;
    if (at < least) known.committed = at;  // complains once
    known.committed = std::max(known.committed, at);
  }
  /// Called once all records of the log were read.
  void settle(const std::vector<LogContents>& log) {
    for (std::size_t i = 0; i < log.size(); ++i) {
      const PartitionId partition{static_cast<std::int32_t>(i)};
      const Partition& known = partitions_[i];
      const auto end = static_cast<std::int64_t>(log[i].size());
      if (known.handled() != end) {
        accuse(partition,
               "handled up to " + std::to_string(known.handled()) + " of " + std::to_string(end));
      }
      if (setting_.commits && known.observed != end) {
        accuse(partition,
               "committed up to " + std::to_string(known.observed) + " of " + std::to_string(end));
      }
      const std::size_t both = std::min(known.seen.size(), log[i].size());
      for (std::size_t at = 0; at < both; ++at) {
        if (known.seen[at] == log[i][at]) continue;
        accuse(partition, "what was read at " + std::to_string(at) + " is not there");
      }
    }
  }
  void accuse(PartitionId partition, const std::string& of_what) {
    complaints_.add(name_ + ", partition " + std::to_string(partition.value) + ": " + of_what);
  }
  void accuse(const std::string& of_what) { complaints_.add(name_ + ": " + of_what); }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::int32_t partitions() const {
    return static_cast<std::int32_t>(partitions_.size());
  }
  [[nodiscard]] bool commits() const { return setting_.commits; }
  /// Number of records that were handled again.
  [[nodiscard]] std::size_t again() const { return again_; }
  /// Number of times that the committed offset went back and was allowed to.
  [[nodiscard]] std::size_t overtaken() const { return overtaken_; }

 private:
  static constexpr std::size_t unread = static_cast<std::size_t>(-1);
  struct Partition {
    [[nodiscard]] std::int64_t handled() const { return static_cast<std::int64_t>(seen.size()); }
    std::vector<std::size_t> seen;
    std::int64_t committed = 0;
    std::int64_t observed = 0;
  };
  Partition& of(PartitionId partition) {
    return partitions_.at(static_cast<std::size_t>(partition.value));
  }
  static std::string at_offset(const std::string& member, std::int64_t at, std::int64_t wanted) {
    return member + " goes on at " + std::to_string(at) + " instead of " + std::to_string(wanted);
  }

  Complaints& complaints_;
  const std::string name_;
  const Setting setting_;
  std::vector<Partition> partitions_;
  std::map<std::pair<std::int32_t, std::int32_t>, std::string> owners_;
  std::size_t again_ = 0;
  std::size_t overtaken_ = 0;
};

}  // namespace dohle::simulation
