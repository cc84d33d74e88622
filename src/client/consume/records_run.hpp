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

/// The state of a batch's reader after one poll's part. With it the poll that got the next part
/// neither checks nor decompresses the batch again. Written once, by the walk of the earlier part;
/// while it is not ready, the later walk begins at the batch's start.
struct PartEnd {
  std::atomic<bool> is_ready{false};
  std::optional<wire::BatchReader> reader;
  /// The charge for the reader's decompressed bytes.
  std::shared_ptr<BufferCharge> charge;
};

/// Consecutive whole batches of one partition. One poll returns their records from `from` up to,
/// not including, `to`.
struct RecordsRun {
  std::shared_ptr<const TopicPartition> where;
  /// Serial of the partition's assignment and position. It changes with a seek.
  std::uint64_t serial = 0;
  Slice batches;
  Offset from;
  Offset to;
  /// The state after the beginning of the first batch, if an earlier poll got it.
  std::shared_ptr<PartEnd> before;
  /// Receives the state at `to`, if a later poll gets the rest of the last batch.
  std::shared_ptr<PartEnd> after;
  /// The charge for the bytes.
  std::shared_ptr<const BufferCharge> charge;
  /// The number of records; of a batch that begins before `from` the most that it can be.
  std::size_t records = 0;
};

/// Receives reports of damaged records. Any thread.
class DamageReports {
 public:
  virtual ~DamageReports() = default;
  /// `next`: the offset after the last good record.
  virtual void on_damage(const TopicPartition& where, std::uint64_t serial, Offset next,
                         const Error& why) = 0;
};

}  // namespace dohle::client
