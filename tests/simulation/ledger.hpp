#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/record.hpp"

namespace dohle::simulation {

/// What was sent, what its sender was told, and what of it was found in the log.
class Ledger {
 public:
  /// Notes a record about to be sent and returns its number. One partition's records are numbered
  /// in the order in which their producer sends them.
  std::size_t sent(int producer, std::int32_t partition) {
    records_.push_back({producer, PartitionId{partition}, {}, 0});
    return records_.size() - 1;
  }
  void told(std::size_t record, Result<Receipt> outcome) {
    auto& known = records_[record].outcome;
    if (known) accuse(record, "was told of twice");
    known = std::move(outcome);
  }
  /// Records of one partition have to be reported in the order of their offsets.
  void found(std::size_t record, PartitionId partition, Offset offset) {
    if (record >= records_.size()) return accuse(record, "was never sent");
    auto& entry = records_[record];
    if (entry.partition != partition) accuse(record, "is in another partition");
    if (++entry.found > 1) accuse(record, "is there twice");
    if (entry.outcome && *entry.outcome && (*entry.outcome)->offset != offset) {
      accuse(record, "is at another offset than its receipt says");
    }
    auto [last, is_first] = last_found_.try_emplace({entry.producer, partition.value}, record);
    if (!is_first && record < last->second) accuse(record, "is out of order");
    last->second = record;
  }
  /// Once everything has been told and read.
  void settle() {
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const auto& [producer, partition, outcome, found] = records_[i];
      if (!outcome) {
        accuse(i, "was never told of");
      } else if (*outcome && found == 0) {
        accuse(i, "was acknowledged and is lost");
      } else if (!*outcome && outcome->error().stored() == Stored::no && found > 0) {
        accuse(i, "is there, after '" + outcome->error().to_string() + "', not stored");
      }
    }
  }

  [[nodiscard]] std::size_t size() const { return records_.size(); }
  [[nodiscard]] std::size_t failed() const {
    std::size_t count = 0;
    for (const auto& each : records_) count += each.outcome && !*each.outcome ? 1u : 0u;
    return count;
  }
  /// What is wrong; the first few, and how many there are. Empty: nothing.
  [[nodiscard]] std::string wrongs() const {
    if (accusations_ == 0) return {};
    return std::to_string(accusations_) + " wrong:\n" + first_wrongs_;
  }

 private:
  struct Entry {
    int producer;
    PartitionId partition;
    std::optional<Result<Receipt>> outcome;
    int found;
  };
  void accuse(std::size_t record, const std::string& of) {
    if (++accusations_ > 10) return;
    first_wrongs_ += "  record " + std::to_string(record);
    if (record < records_.size()) {
      first_wrongs_ += " of producer " + std::to_string(records_[record].producer) +
                       " for partition " + std::to_string(records_[record].partition.value);
    }
    first_wrongs_ += " " + of + "\n";
  }

  std::vector<Entry> records_;
  std::map<std::pair<int, std::int32_t>, std::size_t> last_found_;
  std::size_t accusations_ = 0;
  std::string first_wrongs_;
};

}  // namespace dohle::simulation
