#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "client/group/commit_outcome.hpp"
#include "dohle/broker.hpp"
#include "dohle/consumer.hpp"
#include "dohle/error.hpp"
#include "messaging/events/batch_call.hpp"
#include "messaging/events/event_pool.hpp"
#include "messaging/failures/redirect_book.hpp"
#include "messaging/failures/retry_policy.hpp"
#include "messaging/failures/retry_topics.hpp"
#include "messaging/subscribe/ack_ledger.hpp"
#include "messaging/subscribe/batcher.hpp"
#include "messaging/subscribe/lanes.hpp"
#include "messaging/subscribe/ring.hpp"

namespace dohle::messaging {

/// The bounds of a subscription's batches.
struct BatchSettings {
  /// Batches at a time.
  std::size_t lanes = 1;
  std::size_t size = 100;
  std::chrono::milliseconds interval{100};
};

/// The settings of a subscription that influence its decisions.
struct SubscriptionSettings {
  bool auto_ack = true;
  bool unordered = false;
  /// The messages of a partition keep their order, whatever their keys.
  bool orders_partitions = false;
  /// If absent, the handler takes one event at a time.
  std::optional<BatchSettings> batches = {};
  int max_retries = 3;
  std::chrono::milliseconds retry_delay{100};
  std::chrono::milliseconds max_retry_delay{1'000};
  FailurePolicy failure_policy = FailurePolicy::hold;
  /// The topics of the only source. With several sources only the delays apply, and on_redirects
  /// has the topics of each.
  RedirectTopics redirects = {};
  /// The topics of each source, if several are named.
  std::map<std::string, RedirectTopics> redirects_of = {};
  /// The seed of the random part of waits.
  std::uint64_t seed = 0;
  std::optional<std::chrono::milliseconds> ack_timeout = std::chrono::milliseconds(60'000);
  std::size_t max_unacknowledged = 10'000;
  std::size_t max_unacknowledged_bytes = std::size_t{64} << 20;
  std::size_t queue_capacity = 100;
  /// False without a group: nothing is then committed.
  bool commits = true;
  std::chrono::milliseconds commit_interval{0};
  /// Wait after a failed commit or redirection; it doubles up to max_backoff.
  std::chrono::milliseconds min_backoff{100};
  std::chrono::milliseconds max_backoff{1'000};
};

/// A failure for the error handler.
struct Report {
  Failure::Kind kind = Failure::Kind::handler;
  Error error;
  EventPointer event;
  TopicPartition partition;
  Offset offset;
};

/// The acknowledged messages of a partition.
struct PartitionProgress {
  TopicPartition partition;
  /// The first message that is not acknowledged; none if it is not known.
  Offset done_up_to;
  /// The partition is that of a retry topic.
  bool is_retry = false;
};

/// A failed message that has to be stored elsewhere.
struct Redirect {
  std::uint64_t id = 0;
  EventPointer event;
  std::shared_ptr<const RedirectTopic> to;
  /// If false, `to` is a retry topic.
  bool is_dead_letter = false;
  Error why;
};

/// The state of a partition whose offset the coordinator refused in its last commit.
struct CommitRefusal {
  TimePoint not_before = {};
  std::chrono::milliseconds backoff{0};
  TimePoint next_told = TimePoint::min();
  std::uint64_t untold = 0;
};

/// The decisions of one subscription: which event a worker gets and when, the effect of an ack or a
/// failure, the offsets to commit, the partitions to pause. It reads no clock and starts no thread;
/// the Subscription holds its lock around each call.
class SubscriptionState {
 public:
  explicit SubscriptionState(SubscriptionSettings settings);
  /// Sets the receiver of the events' acks. Call it before the first records.
  void set_sink(std::weak_ptr<AckSink> sink) { pool_->set_sink(std::move(sink)); }

  // The sources: the topics that are read, without their retry topics.

  /// Sets the topics for failed messages of a source. Called before its partitions are assigned.
  void on_redirects(const std::string& source, RedirectTopics topics) {
    redirect_book_.set(source, std::move(topics));
  }
  /// The source is no longer read. Its partitions that are still assigned keep their redirections.
  void on_dropped(const std::string& source) { redirect_book_.drop(source); }
  /// True if the topic is none of the retry topics.
  [[nodiscard]] bool is_source(std::string_view topic) const {
    return redirect_book_.find(topic).level == 0;
  }
  /// The assigned partitions of sources.
  [[nodiscard]] std::vector<TopicPartition> assignment_of_sources() const;

  // The assignment. Each assignment of a partition has a number of its own, so that events of an
  // earlier one have no effect.

  void on_assigned(std::span<const TopicPartition> partitions);
  /// Stops handing out events of these partitions. Waiting events are dropped; running ones may
  /// still be settled.
  void on_revoking(std::span<const TopicPartition> partitions);
  [[nodiscard]] bool is_running_in(std::span<const TopicPartition> partitions) const;
  /// These are no longer owned.
  void on_given_up(std::span<const TopicPartition> partitions);
  [[nodiscard]] std::vector<TopicPartition> assignment() const;
  /// Stops handing out events.
  void stop();

  // Calls of the program. They return false, or an absent value, for a partition that is not
  // assigned.

  /// Pauses or resumes reading of all partitions. Events that wait for a handler are handed out
  /// nevertheless.
  void pause_all(bool pauses);
  /// The same for one partition, until its assignment ends.
  bool pause(const TopicPartition& partition, bool pauses);
  /// Ends the assignment's number. Reading continues at `offset` once take_rewinds returns it.
  bool seek(const TopicPartition& partition, Offset offset);
  /// The offset after the last record that was read for a handler; none if it is not known.
  [[nodiscard]] std::optional<Offset> position(const TopicPartition& partition) const;
  /// The last committed offset of this assignment; none if nothing was committed.
  [[nodiscard]] std::optional<Offset> committed(const TopicPartition& partition) const;

  /// The progress of all assigned partitions.
  [[nodiscard]] std::vector<PartitionProgress> progress() const;

  // Calls that bring records and take work.

  /// The records of one poll; `buffer` keeps their views alive.
  void on_records(std::span<const ConsumerRecord> records, std::shared_ptr<const void> buffer,
                  Now now);
  /// Partitions that have to be read from these offsets: those that the program sought, and those
  /// of retry topics of which a record was read whose delay has not passed. They are paused.
  [[nodiscard]] std::vector<std::pair<TopicPartition, Offset>> take_rewinds();
  void on_position(const TopicPartition& partition, Offset position);
  /// The topics of these partitions were deleted and created again: offsets of the former ones are
  /// committed no more. The new ones are read from their first record, which is due at once, since
  /// a commit of a former one may have come to the new one by its name. `fetched` has the records
  /// of the last poll; those of a former topic are removed.
  void on_replaced(std::span<const TopicPartition> partitions,
                   std::vector<ConsumerRecord>& fetched);
  /// The next event to handle; it is running until on_handled. Not with batches.
  [[nodiscard]] EventPointer take_work(TimePoint now);
  /// True if take_work may return an event now. Not with batches.
  [[nodiscard]] bool has_ready_work() const { return lanes_.has_ready(); }
  /// The part of on_handled for the usual success: with auto_ack, and the handler has not refused
  /// the event. Otherwise false. Cheaper, since it has no Report to return.
  [[nodiscard]] bool on_succeeded(EventState& handled);
  /// `result` is the handler's result; a decode failure has the code codec_failed. `asked` is the
  /// program's decision about a failed one.
  std::optional<Report> on_handled(EventState& handled, Result<void> result, TimePoint now,
                                   FailureAction asked = FailureAction::retry);
  std::optional<Report> on_handled(const EventPointer& event, Result<void> result, TimePoint now,
                                   FailureAction asked = FailureAction::retry) {
    return on_handled(*event, std::move(result), now, asked);
  }
  /// The outcome of a running event will not be reported: it stays pending, and its lane continues.
  void on_released(const EventPointer& event);

  // The same calls for a subscription in batches.

  /// The events of the next due batch; they are running until on_batch_handled.
  [[nodiscard]] std::vector<EventPointer> take_batch(TimePoint now);
  /// The error of each event of the batch that failed in its handler; null for the others, also for
  /// those of a failed batch that were acknowledged or passed to nack.
  [[nodiscard]] static std::vector<const Error*> failures_of(std::span<const EventPointer> batch,
                                                             const BatchOutcome& outcome);
  /// `asked` has the program's decision about each event that failed.
  [[nodiscard]] std::vector<Report> on_batch_handled(std::span<const EventPointer> batch,
                                                     const BatchOutcome& outcome, TimePoint now,
                                                     std::span<const FailureAction> asked);
  /// Makes all batches due, since nothing more can be read before one is handled.
  void hurry_batches();

  // Calls of the program for an event.

  Result<void> ack(messaging::EventState& event);
  Result<void> nack(const EventPointer& event, Error why, TimePoint now,
                    std::optional<Report>& report, FailureAction asked = FailureAction::retry);
  Result<void> retry_after(const EventPointer& event, std::chrono::milliseconds delay,
                           TimePoint now);

  // Failed messages that are stored in retry topics or among dead letters. Their events count as
  // outstanding, and keep their lanes, until that is done.

  /// The next one to store; its outcome is awaited.
  [[nodiscard]] std::optional<Redirect> take_redirect(TimePoint now);
  /// The outcome of take_redirect's. If it failed, it is taken again after a backoff.
  void on_redirected(std::uint64_t id, const Result<Receipt>& outcome, TimePoint now);
  /// Reports of dead letters that are stored, and of redirections that fail.
  [[nodiscard]] std::vector<Report> take_redirect_reports();
  /// Number of redirections whose outcome is awaited.
  [[nodiscard]] std::size_t redirecting() const { return redirecting_; }

  // Time.

  /// The next time at which take_work, take_redirect or overdue_acks may return an event.
  [[nodiscard]] TimePoint next_time() const { return std::min(next_work(), next_attendance()); }
  /// The next time of take_work alone, and that of the other calls.
  [[nodiscard]] TimePoint next_work() const {
    return batcher_ ? batcher_->next_time() : lanes_.next_time();
  }
  [[nodiscard]] TimePoint next_attendance() const;
  /// The next time after `now` at which the delay of a retry topic's record has passed.
  [[nodiscard]] TimePoint next_resume(TimePoint now) const;
  /// Events that were not acknowledged in time, each once.
  [[nodiscard]] std::vector<Report> overdue_acks(TimePoint now);
  /// True if a message waits for a handler, or is being handled.
  [[nodiscard]] bool is_busy() const { return queued() > 0 || !running_.empty(); }
  /// The start of the handler that has been running longest.
  [[nodiscard]] std::optional<TimePoint> running_since() const;
  [[nodiscard]] std::size_t running() const { return running_.size(); }
  /// Number of events whose acknowledgement is awaited, including some that were acknowledged
  /// meanwhile.
  [[nodiscard]] std::size_t awaited() const { return awaited_.size(); }

  // Failures.

  /// Reports of partitions that paused because of a failed message, and once a minute of all held
  /// partitions.
  [[nodiscard]] std::vector<Report> held_reports(TimePoint now);
  [[nodiscard]] std::vector<HeldMessage> held() const;
  /// The failure that ends the subscription (FailurePolicy::stop).
  [[nodiscard]] const std::optional<Error>& stop_reason() const { return stop_reason_; }

  // Commits: one at a time.

  /// Starts a commit of all due offsets. Empty while a commit is under way, or before the interval
  /// has passed.
  [[nodiscard]] std::vector<PartitionOffset> start_commit(TimePoint now);
  /// Ends the commit that start_commit started. Offsets that are not committed are due again after
  /// a backoff: that of their partition if it was refused alone, so that it never holds the others
  /// back. Returns the reports about refused partitions.
  [[nodiscard]] std::vector<Report> on_commit_done(const std::vector<PartitionOffset>& offsets,
                                                   const client::CommitOutcome& outcome,
                                                   TimePoint now);
  /// The due offsets of these partitions, also while a commit is under way.
  [[nodiscard]] std::vector<PartitionOffset> final_commit(
      std::span<const TopicPartition> partitions) const;
  /// The outcome of a commit of them. Returns the same. A refused partition is reported the first
  /// time and then every minute, with the number of refusals between.
  [[nodiscard]] std::vector<Report> on_committed(const std::vector<PartitionOffset>& offsets,
                                                 const client::CommitOutcome& outcome,
                                                 TimePoint now);
  /// True if start_commit would return offsets now.
  [[nodiscard]] bool is_commit_due(TimePoint now) const;
  /// The earliest time of the next commit, of offsets that are due or become due.
  [[nodiscard]] TimePoint next_commit_at() const;

  // Bounds.

  /// True if the queue has room for the records of one poll, at most half of its capacity. Events
  /// of partitions whose redirections fail do not count: they may wait for long, and must not stop
  /// the other partitions.
  [[nodiscard]] bool has_room() const;
  struct Pauses {
    std::vector<TopicPartition> pause, resume;
  };
  /// The partitions to pause because they reached max_unacknowledged, their redirections fail, or
  /// their next record's delay has not passed; and those to resume. `all` pauses every partition.
  [[nodiscard]] Pauses update_pauses(bool all, TimePoint now);
  /// True if a paused partition can resume.
  [[nodiscard]] bool may_resume(TimePoint now) const;

  /// Asserts the invariants that hold between two events. Walks all events that are handed out.
  void check_invariants() const;

 private:
  struct Partition {
    std::uint64_t assignment = 0;
    /// The hash of its name.
    std::size_t hash = 0;
    /// Its events in lanes. Not beside `running`: one vector instruction would load both, and a
    /// processor waits before it loads so what was just written in two parts.
    std::size_t queued = 0;
    AckLedger ledger;
    std::size_t running = 0;
    bool is_closing = false;
    bool is_paused = false;
    bool is_paused_by_program = false;
    /// The errors of failed messages by offset; at most as many as are outstanding.
    std::map<Offset, Error> held = {};
    bool is_pause_told = false;
    TimePoint next_told = never;
    std::uint64_t times_told = 0;
    /// 0 for the source, otherwise the number of the retry topic.
    std::size_t level = 0;
    /// The topics for its failed messages.
    std::shared_ptr<const RedirectTopics> redirects = {};
    /// Whether ledger.due() has a value, as counted in due_.
    bool is_due = false;
    /// A partition that is also due is counted in refused_.
    std::optional<CommitRefusal> refusal = {};
    /// Redirections whose outcome is awaited, and those whose last attempt failed.
    std::size_t redirecting = 0;
    std::size_t failing_redirects = 0;
    /// The end of the delay of its next record, and the record's offset.
    TimePoint waits_until = TimePoint::min();
    Offset waits_for = {};
    /// The offset from which it has to be read again.
    std::optional<Offset> rewind = {};
    /// Events that a read brought beyond max_unacknowledged. They are not handed out until there is
    /// room.
    Ring<EventPointer> beyond = {};
  };
  struct Place {
    std::string_view topic;
    PartitionId partition;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  /// Finds a partition by views of its name.
  struct Before {
    using is_transparent = void;
    static Place place(const TopicPartition& name) { return {name.topic, name.partition}; }
    static Place place(const Place& place) { return place; }
    bool operator()(const auto& a, const auto& b) const { return place(a) < place(b); }
  };
  using Partitions = std::map<TopicPartition, Partition, Before>;
  struct PendingRedirect {
    Redirect redirect;
    /// False for a failure outside of a handler.
    bool has_lane = false;
    bool is_under_way = false;
    bool is_failing = false;
    TimePoint due = {};
    std::chrono::milliseconds backoff{0};
    TimePoint next_told = TimePoint::min();
    std::uint64_t failed = 0;
  };
  struct AwaitedAck {
    TimePoint due = {};
    Offset offset = {};
    int attempt = 0;
    std::uint64_t assignment = 0;
    /// The event's memory and its use. No reference, since the event holds a fetched buffer.
    messaging::EventState* memory = nullptr;
    std::uint64_t use = 0;
  };

  /// An entry of by_assignment_; number 0 is never given.
  struct Known {
    std::uint64_t assignment = 0;
    Partitions::value_type* entry = nullptr;
  };

  /// Null if the assignment has ended.
  [[nodiscard]] Partitions::value_type* assigned(std::uint64_t assignment) const;
  [[nodiscard]] Partition* owned(const messaging::EventState& event) const;
  void assign(Partitions::value_type& entry);
  void end_assignment(std::uint64_t assignment);
  void set_paused(Partition& partition, bool is_paused);
  /// Called after each change of its ledger.
  void count_due(Partition& partition);
  /// Takes it out of the counts.
  void uncount(Partition& partition);
  /// The report if it is time for one.
  [[nodiscard]] std::optional<Report> refuse(Partitions::value_type& entry, Offset offset,
                                             const Error& why, TimePoint now);
  void end_refusal(Partition& partition);
  /// The time from which offsets may be committed that were not refused.
  [[nodiscard]] TimePoint commit_not_before() const;
  /// The earliest time at which a refused partition may be committed again.
  [[nodiscard]] TimePoint next_refused() const;
  /// The number of the partition's assignment ends, and its member keeps it. Pauses stay.
  void begin_again(Partitions::value_type& entry);
  /// Null if it is not assigned.
  [[nodiscard]] Partitions::value_type* find(const ConsumerRecord& record);
  [[nodiscard]] bool on_record(Partitions::value_type* found, const ConsumerRecord& record,
                               FetchedBytes* buffer, Now now);
  [[nodiscard]] bool waits_for_its_delay(Partition& partition, const ConsumerRecord& record,
                                         Now now);
  void forget_acknowledged();
  [[nodiscard]] bool is_full(const Partition& partition) const;
  [[nodiscard]] bool is_waiting(const Partition& partition, TimePoint now) const;
  [[nodiscard]] std::size_t lane_of(const Partition& partition, const ConsumerRecord& record);
  /// The rest of `wait` that a record of a retry topic has to wait, rounded up a little so that
  /// records that follow one another closely are read together.
  [[nodiscard]] Duration rest_of_delay(std::size_t level, Timestamp stored, Now now) const;
  /// `has_lane`: its handler's lane is busy until the failure is dealt with. It is cleared if the
  /// lane stays busy.
  std::optional<Report> on_failed(const EventPointer& event, Partition& partition, Error why,
                                  TimePoint now, FailureAction asked, bool& has_lane);
  /// Level 0: to the dead letters.
  void redirect(EventPointer event, std::size_t level, Error why, TimePoint now, bool& has_lane);
  void end_redirect(PendingRedirect& pending);
  void fail_redirect(PendingRedirect& pending, const Error& why, TimePoint now);
  void drop_redirects(std::uint64_t assignment);
  static Report dead_letter_report(const PendingRedirect& pending, const Receipt& receipt);
  void check_redirects() const;
  void check_counts() const;
  /// Number of events of this assignment that wait for a handler. Walks all waiting events.
  [[nodiscard]] std::size_t queued_of(std::uint64_t assignment) const;
  [[nodiscard]] static PartitionOffset offset_of(const TopicPartition& name,
                                                 const Partition& partition);
  void settle(messaging::EventState& event, Partition& partition);
  void hand_out(Partition& partition, EventPointer event);
  void start(EventPointer event, TimePoint now);
  struct Ended {
    /// The reference that kept the running event.
    EventPointer event;
    /// Null if its partition is no longer owned.
    Partition* partition = nullptr;
  };
  /// Ends the running that `start` began.
  Ended end_running(EventState& event);

  // The events that wait for a handler, one by one or in batches.

  [[nodiscard]] std::size_t queued() const {
    return batcher_ ? batcher_->queued() : lanes_.queued();
  }
  void enqueue(EventPointer event);
  void enqueue_retry(EventPointer event, TimePoint at);
  void finish_lane(std::size_t lane);
  void hurry_batches_of(const Partition& partition);
  template <class Predicate>
  void drop_queued_if(Predicate predicate) {
    batcher_ ? batcher_->drop_if(predicate) : lanes_.drop_if(predicate);
  }
  template <class F>
  void for_each_queued(F f) const {
    batcher_ ? batcher_->for_each(f) : lanes_.for_each(f);
  }
  [[nodiscard]] bool may_hand_out(const Partition& partition) const;
  void hand_out_beyond(Partition& partition);
  void await_ack(const EventPointer& event, TimePoint due);
  [[nodiscard]] bool is_awaited(const AwaitedAck& awaited) const;
  /// Its events that wait for a handler or for room, and redirections that are not under way.
  void drop_waiting(Partition& partition);
  [[nodiscard]] std::size_t queued_behind_failing_redirects() const;
  /// The error handler gets the event.
  static Report report_of(const EventPointer& event, Error why);
  /// The error handler does not get the event, since it can no longer be settled.
  static Report report_about(const EventState& event, Error why);
  std::optional<Report> give_up(const EventPointer& event, Partition& partition, const Error& why,
                                FailurePolicy policy, TimePoint now, bool& has_lane);
  void hold(Partition& partition, Offset offset, Error why, TimePoint now);
  static void release(Partition& partition, Offset offset);
  Report tell_held(const TopicPartition& name, Partition& partition, TimePoint now);

  SubscriptionSettings settings_;
  RetryPolicy retry_policy_;
  /// Declared before all members that hold events, since it has to outlive them.
  EventPool::Owner pool_;
  Lanes<EventPointer> lanes_;
  /// Absent unless the handler takes batches; it then has the events in place of lanes_.
  std::optional<Batcher<EventPointer>> batcher_;
  /// The retries of the batch whose handler has ended, until all of its events are looked at.
  std::vector<std::pair<EventPointer, TimePoint>> batch_retries_;
  bool is_ending_batch_ = false;
  RedirectBook redirect_book_;
  Partitions partitions_;
  /// Numbers of partitions, so that none is looked for per message.
  std::size_t paused_ = 0;
  std::size_t due_ = 0;
  std::size_t refused_ = 0;
  std::unordered_map<std::uint64_t, Partitions::value_type*> by_assignment_;
  /// The entries of by_assignment_ that were looked up last, by the lowest bits of their numbers.
  mutable std::array<Known, 16> known_assignments_;
  Ring<AwaitedAck> awaited_;
  /// The size of `awaited_` at which acknowledged entries are removed.
  std::size_t max_awaited_ = 1'024;
  /// It has at most one event per worker, or one batch.
  std::vector<EventPointer> running_;
  /// The redirections by their ids: at most one per lane, and one per failure outside of a handler.
  std::map<std::uint64_t, PendingRedirect> redirects_;
  std::vector<Report> redirect_reports_;
  std::uint64_t last_redirect_ = 0;
  std::size_t redirecting_ = 0;
  std::uint64_t assignments_ = 0;
  std::size_t unordered_ = 0;
  std::optional<Error> stop_reason_;
  TimePoint last_commit_ = TimePoint::min();
  TimePoint commit_not_before_ = TimePoint::min();
  std::chrono::milliseconds commit_backoff_{0};
  bool is_committing_ = false;
  bool is_stopped_ = false;
  bool is_paused_by_program_ = false;
};

}  // namespace dohle::messaging
