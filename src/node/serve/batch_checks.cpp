#include "node/serve/batch_checks.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "node/turn.hpp"
#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/compression.hpp"
#include "wire/streamed_batch.hpp"

namespace dohle::node {

namespace {

/// None also if there is no whole header.
wire::Compression codec_of(const Slice& batch) {
  if (batch.size() < wire::batch_header_bytes) return wire::Compression::none;
  const auto attributes =
      wire::load_big_endian<std::int16_t>(batch.data() + wire::batch_at::attributes);
  return static_cast<wire::Compression>(attributes & 7);
}

bool says_that_it_is_large(wire::Compression codec, const Slice& batch) {
  return wire::min_decompressed_bytes(codec, batch.bytes().subspan(wire::batch_at::records)) >
         BatchChecks::max_bytes_at_once;
}

/// Absent if validating it takes too long for the owner's thread.
std::optional<Result<wire::ProducedBatch>> check_at_once(const Slice& batch,
                                                         const wire::DecompressionLimits& limits) {
  const wire::Compression codec = codec_of(batch);
  if (codec == wire::Compression::none) {
    if (batch.size() > BatchChecks::max_plain_bytes_at_once) return std::nullopt;
    return wire::validate_produced_batch(batch, limits);
  }
  if (batch.size() > BatchChecks::max_bytes_at_once || says_that_it_is_large(codec, batch)) {
    return std::nullopt;
  }
  const bool is_whole = limits.max_bytes <= BatchChecks::max_bytes_at_once;
  auto outcome = wire::validate_produced_batch(
      batch, {std::min(limits.max_bytes, BatchChecks::max_bytes_at_once)});
  if (!is_whole && !outcome && outcome.error().is(Errc::too_large)) return std::nullopt;
  return outcome;
}

/// True also for a partition with a fault: the append reports it.
bool is_prepared(const Partition& partition) {
  return partition.fault() != nullptr || partition.log()->is_prepared();
}

}  // namespace

void BatchChecks::check(std::uint64_t connection, const PartitionRef& partition, Slice batch,
                        const wire::DecompressionLimits& limits, Done done) {
  auto outcome = check_at_once(batch, limits);
  const auto before = by_partition_.find(partition.get());
  if (outcome && before == by_partition_.end() && is_prepared(*partition)) {
    return done(*std::move(outcome));
  }
  auto work = std::make_shared<Work>(Work{std::move(batch), limits, std::move(outcome)});
  auto waiting = std::make_shared<Check>(Check{partition, work, std::move(done)});
  ++waiting_;
  if (before == by_partition_.end()) prepare(partition);
  by_partition_[partition.get()].push_back(waiting);
  if (work->outcome) return;
  by_connection_[connection].push_back(std::move(waiting));
  start_next();
}

void BatchChecks::check_invariants() const {
  std::size_t waiting = 0;
  for (const auto& [partition, queue] : by_partition_) {
    DOHLE_ASSERT(!queue.empty() && queue.front()->partition.get() == partition,
                 "a batch waits for another partition's outcomes");
    waiting += queue.size();
  }
  DOHLE_ASSERT(waiting == waiting_, "the batches that wait are miscounted");
  DOHLE_ASSERT(by_connection_.empty() || is_running_, "batches wait for a check that does not run");
}

void BatchChecks::prepare(const PartitionRef& partition) {
  if (is_prepared(*partition) || !preparing_.insert(partition.get()).second) return;
  partition->log()->prepare([this, partition, alive = is_alive_] {
    if (!*alive) return;
    preparing_.erase(partition.get());
    settle(partition);
  });
}

void BatchChecks::start_next() {
  if (is_running_ || by_connection_.empty()) return;
  auto turn = by_connection_.upper_bound(last_connection_);
  if (turn == by_connection_.end()) turn = by_connection_.begin();
  last_connection_ = turn->first;
  auto next = std::move(turn->second.front());
  turn->second.pop_front();
  if (turn->second.empty()) by_connection_.erase(turn);
  is_running_ = true;
  disk_->run(
      [work = next->work] { work->outcome = wire::validate_streamed(work->batch, work->limits); },
      [this, next, alive = is_alive_] {
        if (!*alive) return;
        DOHLE_ASSERT(next->work->outcome.has_value(), "a check of a batch ends without an outcome");
        is_running_ = false;
        start_next();
        settle(next->partition);
      });
}

void BatchChecks::settle(const PartitionRef& partition) {
  for (;;) {
    const auto queue = by_partition_.find(partition.get());
    if (queue == by_partition_.end() || !queue->second.front()->work->outcome) return;
    // The last append may have found that the partition is not prepared.
    if (!is_prepared(*partition)) return prepare(partition);
    const auto first = std::move(queue->second.front());
    queue->second.pop_front();
    if (queue->second.empty()) by_partition_.erase(queue);
    DOHLE_ASSERT(waiting_ > 0 && first->partition == partition,
                 "an outcome is told that was not waited for");
    --waiting_;
    first->done(*std::move(first->work->outcome));
    if (is_turn_over(*loop_)) return settle_later(partition);
  }
}

void BatchChecks::settle_later(const PartitionRef& partition) {
  if (!by_partition_.contains(partition.get())) return;
  loop_->post([this, partition, alive = is_alive_] {
    if (*alive) settle(partition);
  });
}

void BatchChecks::drop_all() {
  *std::exchange(is_alive_, std::make_shared<bool>(true)) = false;
  by_partition_.clear();
  preparing_.clear();
  by_connection_.clear();
  waiting_ = 0;
  is_running_ = false;
}

}  // namespace dohle::node
