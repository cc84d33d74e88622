#pragma once

#include <cstdint>
#include <deque>
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

/// Under which numbers a producer sends (KIP-98). No id: without idempotence.
struct ProducerIdentity {
  ProducerId id;
  ProducerEpoch epoch;
};

/// A batch as it goes over the wire.
struct SealedBatch {
  Chain bytes;
  std::int32_t base_sequence = -1;
  std::int32_t count = 0;
  client::OutcomeRef outcome;
  /// That of the open batch; the parts of one that was split share it.
  std::uint64_t serial = 0;
  /// Where its records begin in the outcome; not 0 when a batch was split.
  std::uint32_t first = 0;
  std::vector<DeliveryCall> calls;
  TimePoint expires_at = never;
  /// Counts the batches of the partition in the order of their records.
  std::uint64_t order = 0;
  std::uint64_t order_span = 1;
  /// Why it has to go again.
  std::optional<Error> last_failure = std::nullopt;
  /// A request with it went unanswered.
  bool may_be_stored = false;
  /// It may be stored under its present number; only the answer to that number will tell.
  bool is_unresolved = false;
  /// Its users have been told that its time is up; its answer, and its number if others were sent
  /// behind it, are of interest still.
  bool is_abandoned = false;
  /// Refused as too large: its halves go in its place once they are there.
  bool is_splitting = false;
};

/// What a server said about one batch.
struct ProduceVerdict {
  std::optional<Error> error = std::nullopt;
  Offset base_offset = {};
  Timestamp append_time = {};
  std::vector<std::pair<std::uint32_t, Error>> record_errors = {};
  /// The request may have been carried out although there is no answer.
  bool is_unanswered = false;
};

/// Order and idempotence of one partition: decides what may go out next, and what follows from a
/// server's verdict.
///
/// - A sequence is assigned when a batch is sealed. A batch that was sent never changes under the
///   same epoch.
/// - After a retriable failure only the oldest batch is sent, alone, until it succeeds.
/// - The first batch of an epoch goes alone: a server that knows nothing of the producer takes
///   whatever number comes first, also that of the second, when it refused the first.
/// - A new leader gets nothing while batches at the old one are unresolved.
/// - A batch that the server finds too large goes as two halves, and those likewise, down to single
///   records.
/// - Whatever leaves a hole or a doubt in the sequence makes the partition go on under its next
///   epoch, numbered from 0, once nothing is in flight (KIP-360). What went unanswered first goes
///   again under its old number, and before it what it was sent behind, even if that one's time is
///   up: renumbered, it would be stored twice if it is there already or still on its way.
///
/// Decides only: no clock, no socket. Loop thread. Settles outcomes and calls delivery callbacks.
class ProducePartition {
 public:
  enum class Next : std::uint8_t {
    nothing,       ///< wait: for answers, a backoff, a leader
    resend,        ///< call resend()
    fresh,         ///< seal the next batch
    new_identity,  ///< the epochs are used up: ask for a new producer id
  };
  /// Per partition, as many as servers remember for telling duplicates.
  static constexpr std::size_t max_in_flight = 5;

  struct Events {
    virtual ~Events() = default;
    /// Each batch once, and each part of one that was split.
    virtual void on_settled(const SealedBatch& batch, const std::optional<Error>& why) = 0;
    /// The batch of that order was refused as too large: on_halves is to follow, with what
    /// split_batch makes of it.
    virtual void on_too_large(std::uint64_t order, Chain batch) = 0;
  };

  /// `name`: of the partition, for messages.
  ProducePartition(Events& events, std::string name) : events_(events), name_(std::move(name)) {}

  /// The producer's numbers; taken at once if there are none yet, otherwise when its own epochs
  /// are used up.
  void offer(const ProducerIdentity& identity);
  [[nodiscard]] Next next(NodeId leader, TimePoint now);
  /// Bytes of the batch that resend() gives.
  [[nodiscard]] std::size_t resend_bytes() const { return resend_.front().bytes.size(); }
  /// The oldest batch that has to go again; it counts as sent to `leader`. Valid until answered.
  const SealedBatch& resend(NodeId leader);
  /// Numbers and seals a fresh batch; it counts as sent to `leader`. `compressed`: its records,
  /// unless the codec is none. Valid until answered.
  const SealedBatch& seal(OpenBatch taken, wire::Compression codec, Chain compressed,
                          Duration delivery_timeout, NodeId leader);
  /// `retry_at`: when it may be tried again, if the verdict allows that.
  void on_verdict(std::uint64_t order, const ProduceVerdict& verdict, TimePoint retry_at);

  /// The halves of a batch that was too large; its records fail if there are none.
  void on_halves(std::uint64_t order, Result<Halves> halves);

  /// Fails what ran out of time.
  void expire(TimePoint now);
  /// Fails everything. Nothing is sent any more.
  void fail_all(const Error& why);

  /// No batch that was sent before the one of that order is without an outcome.
  [[nodiscard]] bool is_oldest(std::uint64_t order) const;
  /// A server says that of a batch under numbers that it does not take; a new epoch may cure it.
  [[nodiscard]] bool is_about_numbers(const Error& why) const;
  [[nodiscard]] bool is_idle() const { return in_flight_.empty() && resend_.empty(); }
  [[nodiscard]] bool has_in_flight() const { return !in_flight_.empty(); }
  /// When expire() has something to do; `never`: with nothing that is here.
  [[nodiscard]] TimePoint expires_at() const;
  /// Why the oldest batch has to go again, or went again; nothing: it did not fail.
  [[nodiscard]] std::optional<Error> last_failure() const;
  /// When next() may change by time alone.
  [[nodiscard]] TimePoint not_before() const { return not_before_; }
  [[nodiscard]] const ProducerIdentity& identity() const { return identity_; }

  /// Asserts what holds between two events. Walks all batches that are here.
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
  [[nodiscard]] bool is_numbered() const { return !identity_.id.is_none(); }
  [[nodiscard]] std::int32_t take_sequence(std::int32_t count);

  Events& events_;
  const std::string name_;
  ProducerIdentity identity_;
  ProducerIdentity offered_;
  std::int32_t next_sequence_ = 0;
  std::uint64_t next_order_ = 1;
  std::deque<SealedBatch> in_flight_;
  std::deque<SealedBatch> resend_;
  NodeId in_flight_node_;
  TimePoint not_before_{};
  /// Something failed that the next success makes good.
  bool is_recovering_ = false;
  bool must_bump_ = false;
  /// A server has taken a batch under the present id and epoch.
  bool is_known_ = false;
};

}  // namespace dohle::client
