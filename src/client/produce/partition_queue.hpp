#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/budget.hpp"
#include "base/time.hpp"
#include "client/cluster/client_environment.hpp"
#include "client/produce/kept_records.hpp"
#include "client/produce/outcome.hpp"
#include "wire/batch_builder.hpp"

namespace dohle::client {

/// The delivery callback of one record.
struct DeliveryCall {
  std::uint32_t index;
  /// See Outcome::of.
  std::int32_t timestamp_delta;
  DeliveryCallback callback;
  /// It only looks: a failure that no caller reads is reported nevertheless.
  bool is_observer = false;
};

/// An unsealed batch of accepted records.
struct OpenBatch {
  wire::BatchBuilder builder;
  client::OutcomeRef outcome;
  std::vector<DeliveryCall> calls;
  TimePoint opened_at;
  /// Counts the batches of the partition, from 1.
  std::uint64_t serial = 0;
  /// Set if ProducerOptions::on_batch gets the records.
  std::shared_ptr<const KeptRecords> kept = nullptr;
};

/// The queue of one partition's batches between callers and the loop, which share nothing else.
/// Callers encode records under its lock; the loop takes whole batches. Thread safety: any thread.
class PartitionQueue {
 public:
  struct Settings {
    std::size_t batch_bytes = std::size_t{256} << 10;
    /// Maximum size of a batch with a single record.
    std::size_t max_lone_bytes = INT32_MAX;
    /// Default: 0, no limit.
    std::size_t batch_records = 0;
    Duration linger = std::chrono::milliseconds(5);
    wire::BatchBuilder::Checksum checksum = wire::BatchBuilder::Checksum::while_appending;
  };
  enum class Appended : std::uint8_t {
    ok,
    no_memory,  ///< the budget is spent
    too_large,  ///< a batch with only this record would exceed max_lone_bytes
    moved_on,   ///< the batch of `only_serial` was taken or is full
    closed,
  };
  struct Place {
    Appended appended = Appended::ok;
    /// The caller has to wake the loop for this partition.
    bool wake = false;
    std::uint64_t serial = 0;
    std::uint32_t index = 0;
    std::int32_t timestamp_delta = 0;
    /// Holds a reference for the caller if `Wish::reference` was set, else null.
    client::Outcome* outcome = nullptr;
  };
  /// Options of `append`.
  struct Wish {
    /// Default: 0, any batch. Otherwise append only to the batch with this serial.
    std::uint64_t only_serial = 0;
    bool reference = false;
    DeliveryCallback* callback = nullptr;
    /// See DeliveryCall.
    bool is_observer = false;
  };
  struct Due {
    std::size_t bytes = 0;
    /// The time at which the oldest due batch was opened.
    TimePoint since = never;
    /// The time at which the next batch becomes due by linger.
    TimePoint next = never;
  };

  /// The topic's name has to live as long as the queue and its outcomes' owner.
  PartitionQueue(Budget& budget, const Settings& settings, const ClientEnvironment& environment,
                 std::weak_ptr<client::OutcomeOwner> owner, std::string_view topic,
                 std::uint64_t topic_serial, PartitionId partition)
      : budget_(budget),
        settings_(settings),
        environment_(environment),
        owner_(std::move(owner)),
        topic_(topic),
        topic_serial_(topic_serial),
        partition_(partition) {}

  Place append(const Record& record, const Wish& wish);
  /// Makes all batches in the queue due. True if the loop has to be woken.
  bool hurry();
  /// Refuses further records.
  void close();
  /// Refuses further records if no batch after that serial was opened. False otherwise.
  bool close_if_settled(std::uint64_t up_to);
  /// Takes records again.
  void reopen();

  // Loop thread.

  [[nodiscard]] Due due(TimePoint now) const;
  /// Takes the oldest batch if it is due. After the last batch is taken, the next append wakes the
  /// loop.
  std::optional<OpenBatch> take(TimePoint now);
  /// The same, unless the batch has more than `max_bytes`; then `is_larger` is set.
  std::optional<OpenBatch> take(TimePoint now, std::size_t max_bytes, bool& is_larger);
  /// Takes the oldest batch, due or not.
  std::optional<OpenBatch> take_any();
  [[nodiscard]] bool is_empty() const;
  /// The time at which its oldest record was accepted; `never` if it is empty.
  [[nodiscard]] TimePoint oldest() const;
  /// The serial of the newest batch.
  [[nodiscard]] std::uint64_t opened() const;

 private:
  /// Opens a batch and returns the time of its first record.
  Timestamp open(Timestamp of_record);
  [[nodiscard]] bool is_due(const OpenBatch& batch, TimePoint now) const;
  OpenBatch take_first();

  Budget& budget_;
  const Settings& settings_;
  const ClientEnvironment& environment_;
  const std::weak_ptr<client::OutcomeOwner> owner_;
  const std::string_view topic_;
  const std::uint64_t topic_serial_;
  const PartitionId partition_;

  mutable std::mutex mutex_;
  /// Records go into the last one, unless it is full.
  std::deque<OpenBatch> batches_;
  std::uint64_t opened_ = 0;
  /// Batches up to this serial are due at any age.
  std::uint64_t due_up_to_ = 0;
  /// Wall time at which the newest batch was opened. It is the lower bound of record times, since
  /// published time may be older.
  Timestamp opened_wall_;
  bool is_full_ = false;
  bool is_closed_ = false;
};

}  // namespace dohle::client
