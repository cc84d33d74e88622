#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/chain.hpp"
#include "base/time.hpp"
#include "client/produce/partition_queue.hpp"
#include "client/produce/split_batch.hpp"
#include "dohle/error.hpp"

namespace dohle::client {

/// A producer's id and epoch (KIP-98). The id is none without idempotence.
struct ProducerIdentity {
  ProducerId id;
  ProducerEpoch epoch;
};

/// A numbered batch with its header, ready to be sent.
struct SealedBatch {
  Chain bytes;
  std::int32_t base_sequence = -1;
  std::int32_t count = 0;
  client::OutcomeRef outcome;
  /// The serial of the open batch. The parts of a split batch share it.
  std::uint64_t serial = 0;
  /// The index of its first record in the outcome; not 0 for later parts of a split batch.
  std::uint32_t first = 0;
  std::vector<DeliveryCall> calls;
  std::shared_ptr<const KeptRecords> kept = nullptr;
  TimePoint expires_at = never;
  /// Counts the batches of the partition in the order of their records.
  std::uint64_t order = 0;
  std::uint64_t order_span = 1;
  /// The failure because of which it is sent again.
  std::optional<Error> last_failure = std::nullopt;
  /// How often it failed by itself, and not because of an earlier batch.
  std::int32_t failures = 0;
  /// A request with it got no conclusive answer.
  bool may_be_stored = false;
  /// It may be stored under its current number. Only an answer to that number can decide.
  bool is_unresolved = false;
  /// Its callers were told that its time is up. Its answer still matters, and so does its number if
  /// other batches were sent after it.
  bool is_abandoned = false;
  /// Refused as too large. Its halves are sent in its place once they are made.
  bool is_splitting = false;
};

/// A server's answer for one batch.
struct ProduceVerdict {
  std::optional<Error> error = std::nullopt;
  Offset base_offset = {};
  Timestamp append_time = {};
  std::vector<std::pair<std::uint32_t, Error>> record_errors = {};
  /// The batch may be stored: there is no answer, or an inconclusive one.
  bool is_unanswered = false;
};

/// Order and idempotence of one partition. Decides which batch may be sent next, and how to treat a
/// server's verdict.
///
/// - A sequence is assigned when a batch is sealed. A batch that was sent never changes under the
///   same epoch.
/// - After a retriable failure only the oldest batch is sent, alone, until it succeeds.
/// - The first batch of an epoch is sent alone. A server that does not know the producer accepts
///   any first number, so after refusing the first batch it would accept the second one's.
/// - A new leader gets no batch while batches at the old one are in flight.
/// - A batch that the server refuses as too large is split in two halves, and those again, down to
///   single records.
/// - A gap or a doubt in the sequence makes the partition continue under its next epoch, numbered
///   from 0, once no batch is in flight (KIP-360). Before that, an unanswered batch is sent again
///   under its old number, and so are the batches before it, even expired ones: under a new number
///   it would be stored twice if it is already stored or still on its way.
///
/// Decides only: no clock, no socket. Loop thread. Settles outcomes and calls delivery callbacks.
class ProducePartition {
 public:
  enum class Next : std::uint8_t {
    nothing,       ///< wait for answers, for a backoff or for a leader
    resend,        ///< call resend()
    fresh,         ///< seal the next batch
    new_identity,  ///< all epochs are used: ask for a new producer id
  };
  /// Per partition. Servers remember this many batches to detect duplicates.
  static constexpr std::size_t max_in_flight = 5;

  struct Events {
    virtual ~Events() = default;
    /// The outcome of the batch is known, and no caller has it yet. Called before on_settled.
    virtual void on_outcome(const SealedBatch& batch, const Outcome::Part& outcome) = 0;
    /// Called once for each batch, and for each part of a split batch. It may give up
    /// batch.outcome, which nothing reads afterwards.
    virtual void on_settled(SealedBatch& batch, const std::optional<Error>& why) = 0;
    /// The batch with that order was refused as too large. The owner has to call on_halves with the
    /// result of split_batch.
    virtual void on_too_large(std::uint64_t order, Chain batch) = 0;
    /// A delivery callback has thrown. Called inside the catch block.
    virtual void on_thrown() = 0;
  };

  /// `name` is the partition's, for messages. A batch is sent again at most `retries` times,
  /// without a limit if they are absent.
  ProducePartition(Events& events, std::string name,
                   std::optional<std::int32_t> retries = std::nullopt)
      : events_(events), name_(std::move(name)), retries_(retries) {}

  /// Offers the producer's id and epoch. They are taken at once if there are none yet, else once
  /// all epochs of the current id are used.
  void offer(const ProducerIdentity& identity);
  [[nodiscard]] Next next(NodeId leader, TimePoint now);
  /// Bytes of the batch that resend() returns.
  [[nodiscard]] std::size_t resend_bytes() const { return resend_.front().bytes.size(); }
  /// Takes the oldest batch that has to be sent again; it counts as sent to `leader`. Valid until
  /// answered.
  const SealedBatch& resend(NodeId leader);
  /// Numbers and seals a fresh batch; it counts as sent to `leader`. `compressed` holds its records
  /// unless the codec is none. Valid until answered.
  const SealedBatch& seal(OpenBatch taken, wire::Compression codec, Chain compressed,
                          Duration delivery_timeout, NodeId leader);
  /// `retry_at` is the earliest time of a retry, if the verdict allows one.
  void on_verdict(std::uint64_t order, const ProduceVerdict& verdict, TimePoint retry_at);

  /// Replaces a batch that was too large by its halves. An error fails its records.
  void on_halves(std::uint64_t order, Result<Halves> halves);

  /// Fails the batches whose time is up.
  void expire(TimePoint now);
  /// Fails all batches. No batch may be sent afterwards.
  void fail_all(const Error& why);

  /// Whether all batches before the one with that order have an outcome.
  [[nodiscard]] bool is_oldest(std::uint64_t order) const;
  /// Whether the server refused the batch because of its sequence or epoch. A new epoch may help.
  [[nodiscard]] bool is_about_numbers(const Error& why) const;
  [[nodiscard]] bool is_idle() const { return in_flight_.empty() && resend_.empty(); }
  /// The time at which expire() has to be called next; `never` without a batch that can expire.
  [[nodiscard]] TimePoint expires_at() const;
  /// The last failure of the oldest batch, if it has failed.
  [[nodiscard]] std::optional<Error> last_failure() const;
  /// The time before which next() returns `nothing`.
  [[nodiscard]] TimePoint not_before() const { return not_before_; }
  [[nodiscard]] const ProducerIdentity& identity() const { return identity_; }

  /// Asserts the invariants between two events. Visits all batches.
  void check_invariants() const;

 private:
  enum class Remedy : std::uint8_t { none, resend, bump_and_resend, split, fail };

  [[nodiscard]] Remedy remedy_for(const SealedBatch& batch, const ProduceVerdict& verdict,
                                  bool is_oldest) const;
  void check_batch(const SealedBatch& batch) const;
  [[nodiscard]] bool has_unresolved() const;
  [[nodiscard]] bool is_splitting() const;
  bool bump();
  void take_back(SealedBatch batch);
  [[nodiscard]] static SealedBatch abandon(SealedBatch& batch);
  void drop_abandoned();
  void split(SealedBatch batch);
  static SealedBatch part_of(SealedBatch& whole, HalfBatch half, std::int32_t done);
  void settle(SealedBatch& batch, const ProduceVerdict& verdict);
  [[nodiscard]] Error out_of_time(const SealedBatch& batch) const;
  [[nodiscard]] bool has_no_retry_left(SealedBatch& batch, const Error& failure) const;
  [[nodiscard]] std::string retries_used() const;
  [[nodiscard]] bool is_numbered() const { return !identity_.id.is_none(); }
  [[nodiscard]] std::int32_t take_sequence(std::int32_t count);

  Events& events_;
  const std::string name_;
  const std::optional<std::int32_t> retries_;
  ProducerIdentity identity_;
  ProducerIdentity offered_;
  std::int32_t next_sequence_ = 0;
  std::uint64_t next_order_ = 1;
  std::deque<SealedBatch> in_flight_;
  std::deque<SealedBatch> resend_;
  NodeId in_flight_node_;
  TimePoint not_before_{};
  /// The oldest batch failed and has not succeeded since; batches are sent one at a time.
  bool is_recovering_ = false;
  bool must_bump_ = false;
  /// A server has accepted a batch under the current id and epoch.
  bool is_known_ = false;
};

/// Calls the delivery callbacks of a batch, whose outcome is settled.
void call_back(std::vector<DeliveryCall> calls, Outcome& outcome, ProducePartition::Events& events);

}  // namespace dohle::client
