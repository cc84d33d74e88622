#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "base/budget.hpp"
#include "base/time.hpp"
#include "client/cluster/client_environment.hpp"
#include "client/produce/outcome.hpp"
#include "wire/batch_builder.hpp"

namespace dohle::client {

/// Who is told what became of one record.
struct DeliveryCall {
  std::uint32_t index;
  /// See Outcome::of.
  std::int32_t timestamp_delta;
  DeliveryCallback callback;
};

/// Records that were accepted and not yet put on the wire.
struct OpenBatch {
  wire::BatchBuilder builder;
  client::OutcomeRef outcome;
  std::vector<DeliveryCall> calls;
  TimePoint opened_at;
  /// Counts the batches of the partition, from 1.
  std::uint64_t serial = 0;
};

/// One partition's records on their way from callers to the loop, and the only place where the two
/// meet. Callers encode under its lock, the loop takes whole batches.
/// Thread safety: any thread.
class PartitionQueue {
 public:
  struct Settings {
    std::size_t batch_bytes = std::size_t{256} << 10;
    /// Of a batch that holds one record.
    std::size_t max_lone_bytes = INT32_MAX;
    /// 0: no limit.
    std::size_t batch_records = 0;
    Duration linger = std::chrono::milliseconds(5);
    wire::BatchBuilder::Checksum checksum = wire::BatchBuilder::Checksum::while_appending;
  };
  enum class Appended : std::uint8_t {
    ok,
    no_memory,  ///< the budget is spent
    too_large,  ///< a batch of the record alone would exceed max_lone_bytes
    moved_on,   ///< the batch that the caller stuck to was taken or is full
    closed,
  };
  struct Place {
    Appended appended = Appended::ok;
    /// The loop has to look at this partition.
    bool wake = false;
    std::uint64_t serial = 0;
    std::uint32_t index = 0;
    std::int32_t timestamp_delta = 0;
    /// With a reference for the caller, if it wanted one.
    client::Outcome* outcome = nullptr;
  };
  /// What `append` is to do besides appending.
  struct Wish {
    /// Only into the batch of that serial; 0: whichever.
    std::uint64_t only_serial = 0;
    bool reference = false;
    DeliveryCallback* callback = nullptr;
  };
  struct Due {
    std::size_t bytes = 0;
    /// When the oldest due batch was opened.
    TimePoint since = never;
    /// When the next batch becomes due by itself.
    TimePoint next = never;
  };

  PartitionQueue(Budget& budget, const Settings& settings, const ClientEnvironment& environment,
                 std::weak_ptr<client::OutcomeOwner> owner, std::uint64_t topic_serial,
                 PartitionId partition)
      : budget_(budget),
        settings_(settings),
        environment_(environment),
        owner_(std::move(owner)),
        topic_serial_(topic_serial),
        partition_(partition) {}

  Place append(const Record& record, const Wish& wish);
  /// What it holds now is due. True: the loop has to look.
  bool hurry();
  /// Refuses further records.
  void close();

  // For the loop.

  [[nodiscard]] Due due(TimePoint now) const;
  /// The oldest batch, if it is due. When the last one goes, the next append wakes the loop.
  std::optional<OpenBatch> take(TimePoint now);
  /// The same, unless the batch has more than `max_bytes`: then `is_larger` is set.
  std::optional<OpenBatch> take(TimePoint now, std::size_t max_bytes, bool& is_larger);
  /// The oldest batch, due or not.
  std::optional<OpenBatch> take_any();
  [[nodiscard]] bool is_empty() const;
  /// When its oldest record was accepted; `never` when it is empty.
  [[nodiscard]] TimePoint oldest() const;
  /// The serial of the newest batch.
  [[nodiscard]] std::uint64_t opened() const;

 private:
  /// Returns the time of the record that it is opened for.
  Timestamp open(Timestamp of_record);
  [[nodiscard]] bool is_due(const OpenBatch& batch, TimePoint now) const;
  OpenBatch take_first();

  Budget& budget_;
  const Settings& settings_;
  const ClientEnvironment& environment_;
  const std::weak_ptr<client::OutcomeOwner> owner_;
  const std::uint64_t topic_serial_;
  const PartitionId partition_;

  mutable std::mutex mutex_;
  /// The last one takes records, unless it is full.
  std::deque<OpenBatch> batches_;
  std::uint64_t opened_ = 0;
  /// Batches up to this serial are due whatever their age.
  std::uint64_t due_up_to_ = 0;
  /// Published time may be older than the batch.
  Timestamp opened_wall_;
  bool is_full_ = false;
  bool is_closed_ = false;
};

}  // namespace dohle::client
