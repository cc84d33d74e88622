#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/time.hpp"
#include "dohle/broker.hpp"
#include "dohle/consumer.hpp"
#include "dohle/error.hpp"
#include "messaging/ack_ledger.hpp"
#include "messaging/event_state.hpp"
#include "messaging/lanes.hpp"

namespace dohle::messaging {

/// What a subscription was asked for, as far as it decides anything here.
struct SubscriptionSettings {
  bool auto_ack = true;
  bool unordered = false;
  int max_retries = 3;
  std::chrono::milliseconds retry_delay{100};
  FailurePolicy failure_policy = FailurePolicy::hold;
  std::chrono::milliseconds ack_timeout{60'000};
  std::size_t max_unacknowledged = 10'000;
  std::size_t max_unacknowledged_bytes = std::size_t{64} << 20;
  std::size_t queue_capacity = 100;
  /// Nothing is committed without a group.
  bool commits = true;
  std::chrono::milliseconds commit_interval{0};
  /// Wait after a commit that failed; doubles up to the maximum.
  std::chrono::milliseconds min_backoff{100};
  std::chrono::milliseconds max_backoff{1'000};
};

using EventPointer = std::shared_ptr<messaging::EventState>;

/// Something for the error handler.
struct Report {
  Failure::Kind kind = Failure::Kind::handler;
  Error error;
  EventPointer event;
  TopicPartition partition;
  Offset offset;
};

/// Decides for one subscription: what is handed to which worker and when, what an ack or a failure
/// means, what is committed, which partitions pause. It reads no clock and knows no thread: the
/// Subscription holds its lock around each call.
class SubscriptionState {
 public:
  explicit SubscriptionState(SubscriptionSettings settings);

  // The assignment. Each time of owning a partition has a number of its own, so that what belongs
  // to an earlier one changes nothing.

  void on_assigned(std::span<const TopicPartition> partitions);
  /// Nothing more of these is handed out; what waits is dropped, what runs may still be settled.
  void on_revoking(std::span<const TopicPartition> partitions);
  [[nodiscard]] bool is_running_in(std::span<const TopicPartition> partitions) const;
  /// These are no longer owned.
  void on_given_up(std::span<const TopicPartition> partitions);
  [[nodiscard]] std::vector<TopicPartition> assignment() const;
  /// Nothing is handed out any more, of any partition.
  void stop();

  // Records in, work out.

  void on_record(const ConsumerRecord& record, std::shared_ptr<const void> buffer,
                 const std::shared_ptr<messaging::AckSink>& sink);
  void on_position(const TopicPartition& partition, Offset position);
  /// The next event to handle; it is running until on_handled.
  [[nodiscard]] EventPointer take_work(TimePoint now);
  /// `result` is what the handler returned; decode failures are told by their code.
  std::optional<Report> on_handled(const EventPointer& event, Result<void> result, TimePoint now);
  Result<void> ack(messaging::EventState& event);
  Result<void> nack(const EventPointer& event, Error why, TimePoint now,
                    std::optional<Report>& report);

  // Time.

  /// When take_work or overdue_acks have something to say next.
  [[nodiscard]] TimePoint next_time() const;
  /// Events that nobody acknowledged in time, each once.
  [[nodiscard]] std::vector<Report> overdue_acks(TimePoint now);
  /// Since when the handler that runs longest does.
  [[nodiscard]] std::optional<TimePoint> running_since() const;
  [[nodiscard]] std::size_t running() const { return running_.size(); }
  /// Events whose acknowledgement is waited for, some acknowledged meanwhile.
  [[nodiscard]] std::size_t awaited() const { return awaited_.size(); }

  // What failed.

  /// Partitions that paused for a message that failed, and once a minute those that are held.
  [[nodiscard]] std::vector<Report> held_reports(TimePoint now);
  [[nodiscard]] std::vector<HeldMessage> held() const;
  /// The failure that ends the subscription (FailurePolicy::stop).
  [[nodiscard]] const std::optional<Error>& stop_reason() const { return stop_reason_; }

  // Commits: one at a time.

  /// Starts a commit: what is due, unless one is under way or the interval has not passed.
  [[nodiscard]] std::vector<PartitionOffset> start_commit(TimePoint now);
  /// As far as these say; ends the commit that start_commit started. Refused ones are due again,
  /// after a while.
  void on_commit_done(const std::vector<PartitionOffset>& offsets, bool succeeded, TimePoint now);
  /// What is due of these partitions now, whatever is under way.
  [[nodiscard]] std::vector<PartitionOffset> final_commit(
      std::span<const TopicPartition> partitions) const;
  void on_committed(const std::vector<PartitionOffset>& offsets);
  /// start_commit would return something now.
  [[nodiscard]] bool is_commit_due(TimePoint now) const;
  [[nodiscard]] TimePoint next_commit_at() const;

  // Bounds.

  /// Room for what one poll returns, which is at most half of the queue.
  [[nodiscard]] bool has_room() const { return lanes_.queued() <= settings_.queue_capacity / 2; }
  struct Pauses {
    std::vector<TopicPartition> pause, resume;
  };
  /// Partitions above, or again below, what may be unacknowledged; `all` pauses everything.
  [[nodiscard]] Pauses update_pauses(bool all);
  /// A paused partition could go on.
  [[nodiscard]] bool may_resume() const;

  /// Asserts what holds between two events. Walks everything that is handed out.
  void check_invariants() const;

 private:
  struct Partition {
    std::uint64_t assignment = 0;
    AckLedger ledger;
    std::size_t running = 0;
    bool is_closing = false;
    bool is_paused = false;
    /// Why those that failed did; at most as many as are outstanding.
    std::map<Offset, Error> held = {};
    bool is_pause_told = false;
    TimePoint next_told = never;
    std::uint64_t times_told = 0;
  };
  struct AwaitedAck {
    TimePoint due;
    TopicPartition partition;
    Offset offset;
    int attempt;
    std::uint64_t assignment;
    /// Not kept alive for its ack's sake: it holds a fetched buffer.
    std::weak_ptr<messaging::EventState> event;
  };

  [[nodiscard]] Partition* owned(const messaging::EventState& event);
  [[nodiscard]] bool is_full(const Partition& partition) const;
  [[nodiscard]] std::size_t lane_of(const ConsumerRecord& record);
  std::optional<Report> on_failed(const EventPointer& event, Partition& partition, Error why,
                                  TimePoint now);
  void settle(messaging::EventState& event, Partition& partition);
  void await_ack(const EventPointer& event, TimePoint now);
  [[nodiscard]] bool is_awaited(const AwaitedAck& awaited) const;
  void drop_waiting(const TopicPartition& partition);
  static Report report_of(const EventPointer& event, Error why);
  Report on_failed_for_good(const EventPointer& event, Partition& partition, const Error& why,
                            TimePoint now);
  void hold(Partition& partition, Offset offset, Error why, TimePoint now);
  static void release(Partition& partition, Offset offset);
  Report tell_held(const TopicPartition& name, Partition& partition, TimePoint now);

  SubscriptionSettings settings_;
  Lanes<EventPointer> lanes_;
  std::map<TopicPartition, Partition> partitions_;
  std::deque<AwaitedAck> awaited_;
  /// Where those of `awaited_` that were acknowledged meanwhile are looked for.
  std::size_t max_awaited_ = 1'024;
  /// As many as there are workers at most.
  std::vector<EventPointer> running_;
  std::uint64_t assignments_ = 0;
  std::size_t unordered_ = 0;
  std::optional<Error> stop_reason_;
  TimePoint last_commit_ = TimePoint::min();
  TimePoint commit_not_before_ = TimePoint::min();
  std::chrono::milliseconds commit_backoff_{0};
  bool is_committing_ = false;
  bool is_stopped_ = false;
};

}  // namespace dohle::messaging
