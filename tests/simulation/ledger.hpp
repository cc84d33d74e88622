#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "dohle/error.hpp"
#include "dohle/record.hpp"
#include "simulation/complaints.hpp"
#include "wire/batch.hpp"

namespace dohle::simulation {

/// The sent records, the outcomes told to their senders, and the records found in the log at the
/// end.
class Ledger {
 public:
  /// `counts_epochs`: outcomes are told at once, so that failures explain epochs.
  explicit Ledger(Complaints& complaints, bool counts_epochs = true)
      : complaints_(complaints), counts_epochs_(counts_epochs) {}

  /// Registers a record that is about to be sent and returns its number, which is its value. A
  /// producer's records for one partition are numbered in the order of sending.
  std::size_t sent(int producer, PartitionId partition) {
    records_.push_back({producer, partition, {}});
    return records_.size() - 1;
  }
  void told(std::size_t record, Result<Receipt> outcome, TimePoint now) {
    auto& entry = records_[record];
    if (entry.outcome) accuse(record, "was told of twice");
    if (!outcome) failures_[{entry.producer, entry.partition.value}].insert(now);
    entry.outcome = std::move(outcome);
  }
  /// A batch was refused as too large, so its halves will be sent.
  void split(ProducerId id, PartitionId partition) { ++splits_[{id.value, partition.value}]; }
  /// The producer died: it gets none of the outcomes that are still missing.
  void died(int producer) { dead_.insert(producer); }

  /// A batch of the log. Batches and records come in the order of their offsets.
  void found_batch(const wire::BatchHeader& header, PartitionId partition) {
    batch_ = {header.producer_id.value, partition.value};
    epochs_[batch_].insert(header.producer_epoch.value);
  }
  void found(std::size_t record, PartitionId partition, Offset offset) {
    if (record >= records_.size()) return accuse(record, "was never sent");
    auto& entry = records_[record];
    if (entry.partition != partition) accuse(record, "is in another partition");
    const std::string at = std::to_string(offset.value);
    if (++entry.found > 1) accuse(record, "is there twice, the second time at offset " + at);
    if (entry.outcome && *entry.outcome && (*entry.outcome)->offset != offset) {
      accuse(record, "is at offset " + at + ", and its receipt says " +
                         std::to_string((*entry.outcome)->offset.value));
    }
    auto [last, is_first] = last_found_.try_emplace({entry.producer, partition.value}, record);
    if (!is_first && record < last->second) accuse(record, "is out of order");
    last->second = record;
    producers_[batch_] = entry.producer;
  }
  /// Called once all outcomes were told and all batches found.
  void settle() {
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const Entry& entry = records_[i];
      if (!entry.outcome) {
        if (!dead_.contains(entry.producer)) accuse(i, "was never told of");
      } else if (*entry.outcome && entry.found == 0) {
        accuse(i, "was acknowledged and is lost");
      } else if (!*entry.outcome && entry.outcome->error().stored() == Stored::no &&
                 entry.found > 0) {
        accuse(i, "is there, after '" + entry.outcome->error().to_string() + "', not stored");
      }
    }
    if (!counts_epochs_) return;
    for (const auto& [batch, epochs] : epochs_) check_epochs(batch, epochs.size());
  }

  [[nodiscard]] std::size_t size() const { return records_.size(); }
  [[nodiscard]] std::size_t epochs_begun() const {
    std::size_t count = 0;
    for (const auto& [batch, epochs] : epochs_) count += epochs.size() - 1;
    return count;
  }
  /// Failed records that are in the log; their sender was told "possibly".
  [[nodiscard]] std::size_t stored_after_all() const {
    std::size_t count = 0;
    for (const Entry& entry : records_) count += entry.outcome && !*entry.outcome && entry.found;
    return count;
  }

 private:
  struct Entry {
    int producer;
    PartitionId partition;
    std::optional<Result<Receipt>> outcome;
    int found = 0;
  };
  using Where = std::pair<int, std::int32_t>;
  using Batch = std::pair<std::int64_t, std::int32_t>;

  /// A producer begins a new epoch in a partition after batches that failed at one time, and after
  /// a batch that was refused as too large, whose halves need numbers of their own.
  void check_epochs(const Batch& batch, std::size_t epochs) {
    const Where where{producers_[batch], batch.second};
    const std::size_t failures = failures_[where].size();
    const std::size_t splits = splits_[batch];
    if (epochs <= 1 + failures + splits) return;
    complaints_.add("producer " + std::to_string(where.first) + " went through " +
                    std::to_string(epochs) + " epochs in partition " +
                    std::to_string(where.second) + ", where batches of its failed at " +
                    std::to_string(failures) + " times and " + std::to_string(splits) +
                    " were too large");
  }
  void accuse(std::size_t record, const std::string& of) {
    std::string line = "record " + std::to_string(record);
    if (record < records_.size()) {
      line += " of producer " + std::to_string(records_[record].producer) + " for partition " +
              std::to_string(records_[record].partition.value);
    }
    complaints_.add(line + " " + of);
  }

  Complaints& complaints_;
  const bool counts_epochs_;
  std::vector<Entry> records_;
  std::set<int> dead_;
  std::map<Where, std::set<TimePoint>> failures_;
  std::map<Batch, std::size_t> splits_;
  std::map<Where, std::size_t> last_found_;
  Batch batch_{};
  std::map<Batch, std::set<std::int16_t>> epochs_;
  std::map<Batch, int> producers_;
};

}  // namespace dohle::simulation
