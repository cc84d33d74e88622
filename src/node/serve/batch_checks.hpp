#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/disk.hpp"
#include "base/executor.hpp"
#include "node/storage/partition.hpp"
#include "wire/batch.hpp"

namespace dohle::node {

/// Validates the batches that clients produce. A batch that decompresses to few bytes, or an
/// uncompressed one of up to 1 MiB, is validated at once. A larger one is validated on a disk
/// thread and decompressed in a window of 256 KiB, so that it takes neither time nor memory from
/// other requests. One batch is validated there at a time, and connections take turns. The outcomes
/// of one partition arrive in the order of the calls, and not before its log is prepared for
/// appends; many of them arrive in several turns.
///
/// Owner's thread only. A batch's bytes are kept until its outcome is delivered.
class BatchChecks {
 public:
  using Done = std::move_only_function<void(Result<wire::ProducedBatch>)>;
  /// Largest decompressed size that is validated on the owner's thread.
  static constexpr std::size_t max_bytes_at_once = std::size_t{64} << 10;
  /// The same for batches that are not compressed.
  static constexpr std::size_t max_plain_bytes_at_once = std::size_t{1} << 20;

  /// `loop` and `disk` outlive the checks.
  BatchChecks(Executor& loop, Disk& disk) : loop_(&loop), disk_(&disk) {}
  ~BatchChecks() { *is_alive_ = false; }
  BatchChecks(const BatchChecks&) = delete;
  BatchChecks& operator=(const BatchChecks&) = delete;

  /// Calls `done` once, within the call or later.
  void check(std::uint64_t connection, const PartitionRef& partition, Slice batch,
             const wire::DecompressionLimits& limits, Done done);
  /// The node stops: no pending `done` is called.
  void drop_all();
  [[nodiscard]] std::size_t size() const { return waiting_; }
  /// Asserts the conditions that hold between two turns.
  void check_invariants() const;

 private:
  /// The data that the disk thread uses. The thread may hold the last reference to it.
  struct Work {
    Slice batch;
    wire::DecompressionLimits limits;
    std::optional<Result<wire::ProducedBatch>> outcome;
  };
  struct Check {
    PartitionRef partition;
    std::shared_ptr<Work> work;
    Done done;
  };
  using Queue = std::deque<std::shared_ptr<Check>>;

  void start_next();
  void prepare(const PartitionRef& partition);
  void settle(const PartitionRef& partition);
  void settle_later(const PartitionRef& partition);

  Executor* loop_;
  Disk* disk_;
  std::unordered_map<const Partition*, Queue> by_partition_;
  /// Partitions whose logs are being prepared.
  std::unordered_set<const Partition*> preparing_;
  /// Checks that wait for the disk thread.
  std::map<std::uint64_t, Queue> by_connection_;
  std::uint64_t last_connection_ = 0;
  std::size_t waiting_ = 0;
  bool is_running_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
