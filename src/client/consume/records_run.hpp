#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/slice.hpp"
#include "client/consume/buffer_account.hpp"
#include "dohle/ids.hpp"
#include "wire/batch.hpp"

namespace dohle::client {

/// Where the walk of one poll's part of a batch stopped, for the poll that got the next part: it
/// neither checks nor decompresses the batch again. Written once, by the walk of the earlier part;
/// who finds it not ready begins at the batch's start.
struct PartEnd {
  std::atomic<bool> is_ready{false};
  std::optional<wire::BatchReader> reader;
  /// What the reader's decompressed bytes count.
  std::shared_ptr<BufferCharge> charge;
};

/// Whole batches of one partition, one after the other, of which one poll hands out the records
/// from `from` up to, not including, `to`.
struct RecordsRun {
  std::shared_ptr<const TopicPartition> where;
  /// Of the partition's assignment and position; another one after a seek.
  std::uint64_t serial = 0;
  Slice batches;
  Offset from;
  Offset to;
  /// Where the first batch goes on, if an earlier poll got its beginning.
  std::shared_ptr<PartEnd> before;
  /// Where to say that the walk reached `to`, if a later poll gets the last batch's end.
  std::shared_ptr<PartEnd> after;
  /// What the bytes count.
  std::shared_ptr<const BufferCharge> charge;
};

/// Told of records that cannot be read. Any thread.
class DamageReports {
 public:
  virtual ~DamageReports() = default;
  /// `next`: the offset after the last good record.
  virtual void on_damage(const TopicPartition& where, std::uint64_t serial, Offset next,
                         const Error& why) = 0;
};

}  // namespace dohle::client
