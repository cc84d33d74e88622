#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "dohle/ids.hpp"

namespace dohle::simulation {

/// The order in which the handlers of one subscription get the messages of its partitions. Retry
/// topics are left out.
class Turns {
 public:
  /// The partition begins anew; `committed` is the offset that is known to be committed.
  void assigned(const TopicPartition& partition, std::int64_t committed) {
    of_.insert_or_assign(partition, Assignment{.committed = committed});
  }
  /// The fault of a handling that begins. Absent if there is none.
  [[nodiscard]] std::optional<std::string> begins(const TopicPartition& partition,
                                                  const std::string& key, std::int64_t offset,
                                                  int attempt) {
    const auto assignment = of_.find(partition);
    if (assignment == of_.end()) return "is handled, and its partition is not assigned";
    const std::pair turn(offset, attempt);
    const auto [known, is_first] = assignment->second.last.try_emplace(key, turn);
    const auto before = is_first ? std::pair<std::int64_t, int>(-1, 0) : known->second;
    known->second = turn;
    const std::int64_t committed = assignment->second.committed;
    if (offset < committed) {
      return "is handled, and " + std::to_string(committed) +
             " was committed before its partition was assigned";
    }
    const bool is_retry = offset == before.first && attempt > before.second;
    if (offset > before.first || is_retry) return std::nullopt;
    return "is handled after offset " + std::to_string(before.first) +
           " of its key, without a new assignment";
  }

 private:
  struct Assignment {
    std::int64_t committed = 0;
    /// The last message of each key: offset and attempt.
    std::map<std::string, std::pair<std::int64_t, int>> last = {};
  };

  std::map<TopicPartition, Assignment> of_;
};

}  // namespace dohle::simulation
