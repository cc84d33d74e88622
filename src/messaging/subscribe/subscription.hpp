#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/call_deadline.hpp"
#include "base/fork_watch.hpp"
#include "base/thread.hpp"
#include "base/wait_point.hpp"
#include "base/watched_thread.hpp"
#include "dohle/broker.hpp"
#include "dohle/detail/pull_receiver.hpp"
#include "messaging/events/batch_call.hpp"
#include "messaging/failures/outbox.hpp"
#include "messaging/reports/reports.hpp"
#include "messaging/reports/thrown_by.hpp"
#include "messaging/source/source.hpp"
#include "messaging/subscribe/handler_pace.hpp"
#include "messaging/subscribe/idle_phase.hpp"
#include "messaging/subscribe/subscription_state.hpp"

namespace dohle::messaging {

/// The engine of one subscription: a thread that polls the source, and the workers that call the
/// handler. SubscriptionState decides, under one lock that is never held while the source, the
/// handler or the error handler is called.
///
/// While the handler is quick, the polling thread handles the messages that it has read, since a
/// switch of threads would cost more than the handler. Meanwhile it lends the reading: if it does
/// not come back in time, an idle worker becomes the polling thread, and this one a worker.
///
/// The threads own it, so that a thread that hangs in a handler can be detached.
class Subscription : public AckSink, public std::enable_shared_from_this<Subscription> {
 public:
  /// True in a child of the process that it was made in. Any thread.
  [[nodiscard]] bool is_forked() const { return made_in_.is_forked(); }
  /// Errors: forked. Every call checks it before any lock, which a thread that does not exist in
  /// the child may hold.
  [[nodiscard]] Result<void> check_usable() const;

  struct Setup {
    /// The text of Topics.
    std::string topic;
    /// True if that is the name of the only topic.
    bool has_one_topic = true;
    /// It is empty without a group.
    std::string group_id = {};
    SubscribeOptions options;
    messaging::SubscriptionSettings settings;
    std::size_t workers = 1;
    std::chrono::milliseconds rebalance_timeout{30'000};
    std::chrono::milliseconds max_poll_interval{300'000};
    /// If it is negative, the lag is not reported.
    std::chrono::milliseconds read_lag_interval{60'000};
    /// Without it, the lag is a line of information.
    ReadLagHandler read_lag_handler = nullptr;
    /// Failed reads in a row until one is reported.
    std::int32_t max_attempts = 1;
    std::chrono::milliseconds min_backoff{100};
    std::chrono::milliseconds max_backoff{1'000};
    SubscribeHandler handler = nullptr;
    /// It replaces `handler` if `settings.batches` is set.
    std::optional<BatchCall> batch_handler = {};
    /// `handler` is called by `next`. The only worker attends to the rest.
    bool pulls = false;
    std::unique_ptr<messaging::Source> source;
    /// Null without retry topics and dead letters.
    std::unique_ptr<Outbox> outbox = nullptr;
    /// Called on the polling thread after one of its topics was deleted and created again. May be
    /// null.
    std::function<void()> on_replaced = nullptr;
    /// The time that records have.
    std::function<Timestamp()> wall = [] { return to_timestamp(std::chrono::system_clock::now()); };
    std::shared_ptr<messaging::Reports> reports;
    /// True if the calling thread serves the source; it must not wait.
    std::function<bool()> is_client_thread = [] { return false; };
    /// The current failures of the servers, after ": ", or an empty text. Not for the client's
    /// thread.
    std::function<std::string()> troubles = [] { return std::string(); };
  };

  static std::shared_ptr<Subscription> start(Setup setup);
  explicit Subscription(Setup setup);
  ~Subscription() override;

  [[nodiscard]] const std::string& topic() const { return setup_.topic; }
  [[nodiscard]] const SubscribeOptions& options() const { return setup_.options; }
  /// The group; empty without one.
  [[nodiscard]] const std::string& group_id() const { return setup_.group_id; }
  /// Errors: also cancelled if a stop was requested.
  Result<void> wait_ready(std::chrono::milliseconds timeout, const std::stop_token& stop = {});
  Result<void> unsubscribe(std::chrono::milliseconds timeout) {
    return unsubscribe(CallDeadline(call_timeout(timeout)));
  }
  Result<void> unsubscribe(const CallDeadline& deadline);
  /// Requests the end, which gives up at `by`. Does not wait.
  void request_stop(TimePoint by);
  /// True once unsubscribe ran out of time: its threads are detached, and no call waits for them.
  [[nodiscard]] bool is_given_up() const;
  [[nodiscard]] std::vector<HeldMessage> held() const;
  [[nodiscard]] ReadLag lag() const;

  // Calls for partitions of its topics. Errors: not_owner for one that is not assigned; closed.

  [[nodiscard]] std::vector<TopicPartition> assignment() const;
  [[nodiscard]] Result<Offset> position(const TopicPartition& partition) const;
  [[nodiscard]] Result<Offset> committed(const TopicPartition& partition) const;
  /// Pauses reading, or resumes it.
  Result<void> pause_all(bool pauses);
  Result<void> pause(const TopicPartition& partition, bool pauses);
  Result<void> seek(const TopicPartition& partition, Offset offset);
  /// The partition of its only topic. Errors: invalid_argument if it has several.
  [[nodiscard]] Result<TopicPartition> of_only_topic(PartitionId partition,
                                                     std::string_view call) const;
  /// The progress of all assigned partitions, also of those of retry topics.
  [[nodiscard]] std::vector<PartitionProgress> progress() const;
  /// Passes the next message to `receiver`; false if none came in time. Only with `Setup::pulls`.
  /// Errors: closed, would_deadlock, forked.
  Result<bool> next(std::chrono::milliseconds timeout, PullReceiver& receiver,
                    const std::stop_token& stop = {});
  /// True inside its handler or error handler, and on the client's thread.
  [[nodiscard]] bool may_not_wait() const;

  /// Reports an error of the end that no call can return.
  void log_end(const Error& why);

  Result<void> ack(EventState& event) override;
  Result<void> nack(const EventPointer& event, Error why) override;
  Result<void> retry_after(const EventPointer& event, std::chrono::milliseconds delay) override;

 private:
  using Lock = std::unique_lock<std::mutex>;

  /// Makes may_not_wait true on this thread.
  class Inside {
   public:
    explicit Inside(const Subscription& subscription);
    ~Inside();
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    const Subscription* const before_;
  };

  enum class Role : std::uint8_t { reads, works };
  enum class Reading : std::uint8_t { goes_on, taken_over, ended };
  enum class Working : std::uint8_t { took_reading, ended };
  /// The thread's whole life.
  void run(Role role);

  // The polling thread.
  /// Reads until the subscription ends, or another thread has taken over.
  Reading read();
  void read_once();
  bool start_source();
  RebalanceListener listener();
  TopicListener topic_listener();
  void on_assigned(std::span<const TopicPartition> partitions);
  void on_revoked(std::span<const TopicPartition> partitions);
  void on_lost(std::span<const TopicPartition> partitions);
  void give_up(std::span<const TopicPartition> partitions);

  // The program's callbacks, without the lock. They name partitions of the source, each once as
  // assigned and once as revoked or lost.

  void tell_assigned(std::span<const TopicPartition> partitions);
  void tell_revoked(std::span<const TopicPartition> partitions);
  void tell_lost(std::span<const TopicPartition> partitions);
  void report_idle();
  void call_back(std::string_view name, const PartitionsHandler& callback,
                 std::span<const TopicPartition> partitions);
  /// Calls a function of the program, without the lock, and reports its exceptions. `about()` is
  /// the subject of the call, for a test that waits for it.
  template <class About, class Call>
  void call_program(std::string_view who, About about, Call call) {
    const UserCall inside([&] { return std::string(who) + " " + about(); });
    try {
      call();
    } catch (...) {
      report_subscription(thrown_by(who));
    }
  }
  template <class Call>
  void call_program(std::string_view who, Call call) {
    call_program(who, [this] { return "of " + setup_.topic; }, std::move(call));
  }
  /// Removes the partitions that were passed to on_assigned, and returns them.
  [[nodiscard]] std::vector<TopicPartition> take_told(std::span<const TopicPartition> partitions);

  void wait_for_room(Lock& lock);
  /// The event for which the polling thread waits, and which the end of a handler may bring.
  enum class ReaderWait : std::uint8_t { nothing, room, handlers };
  /// Called on the polling thread.
  template <class Ready>
  void wait_until(Lock& lock, TimePoint deadline, ReaderWait for_what, Ready ready) {
    reader_wait_ = for_what;
    change_.wait_until(lock, deadline, std::move(ready));
    reader_wait_ = ReaderWait::nothing;
  }
  void apply_pauses();
  void rewind(std::span<const std::pair<TopicPartition, Offset>> rewinds);
  void report_subscription(const Error& why);
  void start_commit();
  /// Drops the offsets of topics that were created again. Called before every commit, and before
  /// the records of a poll are taken.
  void drop_old_offsets(std::vector<ConsumerRecord>& fetched);
  void drop_old_offsets();
  /// Reports the lag if it is time.
  void report_lag();
  void poll();
  void take(messaging::PolledRecords fetched);
  void learn_positions(bool all);
  void leave_if_overdue();
  [[nodiscard]] std::string overdue_text() const;
  bool wait_for_overdue();
  [[nodiscard]] bool is_free_to_join() const { return state_.running() == 0 && !waits_for_pull_; }
  /// Reports the error and waits.
  void back_off(const Error& why);
  /// The same, but reports a failure that may pass only once max_attempts reads in a row have
  /// failed.
  void on_failed_read(const Error& why);
  void wait_longer(const Error& why);
  void finish();
  void commit_now(std::vector<PartitionOffset> offsets);
  void report_commit(const std::vector<Report>& refused, const Result<void>& others);

  void mark_stopping(Lock& lock, TimePoint by);
  /// Requests the end after a failure under FailurePolicy::stop.
  void end_by_policy(Lock& lock);

  // Reading is lent by the thread that has it. At most one thread has it: the first one that takes
  // it.

  /// Whether the polling thread handles the messages that it has just read.
  [[nodiscard]] bool handles_what_it_reads() const;
  /// Handles it, if it is to.
  Reading handle_read();
  /// Returns the number of the loan.
  std::uint64_t lend_reading(TimePoint now);
  /// False if it is not lent.
  bool take_reading();
  /// The time at which a waiting worker checks whether it has to take over the reading.
  /// `seen_loans` is the number of loans at its last look; a look without new ones is the last.
  [[nodiscard]] TimePoint watch_at(TimePoint now, std::uint64_t& seen_loans) const;

  // The workers.
  /// Handles until the subscription ends, or this worker has taken over the reading.
  Working work();
  /// The time at which a worker that found no work looks again, unless it is woken.
  [[nodiscard]] TimePoint next_look(TimePoint now) const;
  /// Waits until there may be work, at most until `next`.
  void wait_for_work(Lock& lock, TimePoint next);
  /// Called after events were handed out, or dropped, since others may have waited behind those.
  void wake_workers();
  /// Wakes a waiting worker if there is an event for it, or a time at which no waiting worker would
  /// wake. It wakes one at a time: that one calls it before it leaves for a handler. Events are not
  /// shared while the thread that reads handles them.
  void share_work();
  /// The same, and another waiting worker watches the loan. Called by a worker that leaves for
  /// anything but a handler. It leaves for a handler only while reading is not lent, so that a
  /// worker that watches a loan is not itself inside a handler when the loan ends.
  void share_watch();
  void wake_idle_worker();
  /// Whether workers take single events, and no other thread does.
  [[nodiscard]] bool has_event_workers() const { return !setup_.batch_handler && !setup_.pulls; }
  /// The time of a thread that handles, which it does not look at for each quick handler.
  struct HandlingTime {
    TimePoint now;
    /// The loan of the reading that this thread has; 0 without one.
    std::uint64_t loan = 0;
    /// Handlers that ended since it looked at the clock.
    int handled = 0;
  };
  /// Whether the thread still has its loan.
  [[nodiscard]] bool is_on_loan(const HandlingTime& time) const {
    return is_lent_ && time.loan == loans_;
  }
  /// Called after a handler.
  void read_clock(HandlingTime& time, bool has_succeeded);
  void look_at_clock(HandlingTime& time);
  void handle(Lock& lock, messaging::EventPointer event, HandlingTime& time);
  /// Takes the next due event or batch and handles it. False if there is none. `time` becomes about
  /// that at which it ended.
  bool handle_next(Lock& lock, HandlingTime& time);
  void handle_batch(Lock& lock, std::span<const EventPointer> batch, TimePoint& now);
  /// Called after a handler.
  void go_on(Lock& lock, TimePoint now);
  /// Wakes the polling thread if it waits for something that may have come with an event that was
  /// taken or handled. A wake-up for each event costs more than the event.
  void tell_reader();
  void tell(const messaging::Report& report);
  /// True if there are any; the lock was free meanwhile.
  bool tell(Lock& lock, std::vector<Report> reports);
  Result<void> call_handler(const EventState& place, RawEvent& event);
  /// Asks the program.
  FailureAction decide(const Error& why, const EventPointer& event);
  /// Stores a failed message elsewhere. The lock is free meanwhile.
  void send(Lock& lock, const Redirect& redirect);
  /// Counts a message that was stored in a retry topic or among the dead letters.
  void count_stored(bool is_dead_letter);
  void on_redirected(std::uint64_t id, const Result<Receipt>& outcome);
  /// A thread has something to do: one that handles, or the worker of a subscription that is
  /// pulled.
  void wake_worker();

  // The threads that pull.

  class Puller;
  struct Pulled {
    /// The number of the thread, which no later one has. A std::thread::id is used again.
    std::uint64_t thread = 0;
    EventPointer event;
  };
  /// `next` ends without a message. False.
  bool gave_up();
  /// True if the receiver has taken the event.
  bool pass(Lock& lock, EventPointer event, PullReceiver& receiver);
  /// With auto_ack, counts the event as running until its thread calls `next` again.
  void keep_pulled(EventPointer event);
  void end_pulled(Lock& lock, const EventPointer& event, Result<void> result, FailureAction asked);
  void end_last_pulled(Lock& lock);
  /// Called after an ack or a nack. It also ends the handling of an event whose partition was given
  /// up, which nothing else may do.
  [[nodiscard]] std::optional<Report> end_if_pulled(const EventState& event,
                                                    const Result<void>& settled);
  void release_pulled();
  /// The time since which a handler runs, or no thread has called `next`.
  [[nodiscard]] std::optional<TimePoint> busy_since() const;

  /// Makes the reports that are due. True if there was one; the lock was free meanwhile.
  bool tell_waiting(Lock& lock, TimePoint now);

  /// Makes the polling thread carry out the program's calls.
  void ask_reader(Lock& lock);
  void thread_ended();
  /// Wakes the polling thread if it has work: a due commit, a resume, or the end.
  void nudge(Lock& lock) { nudge(lock, monotonic_now()); }
  void nudge(Lock& lock, TimePoint now);
  /// Wakes the polling thread. The lock is free meanwhile.
  void interrupt_poll(Lock& lock);
  /// Called after a commit that left offsets out: they must not wait for the end of a longer poll.
  void plan_retry(Lock& lock);
  /// Whether the polling thread has anything to do but to poll.
  [[nodiscard]] bool has_work(TimePoint now) const;
  [[nodiscard]] TimePoint wake_at(TimePoint now) const;

  const Setup setup_;
  messaging::Source& source_;

  mutable std::mutex mutex_;
  WaitPoint work_;    ///< for workers: work, or the end
  WaitPoint attend_;  ///< for the worker of a subscription that is pulled, in place of work_
  WaitPoint change_;  ///< for all other waiting threads
  messaging::SubscriptionState state_;
  std::vector<Thread> threads_;
  std::size_t alive_ = 0;
  bool is_polling_ = false;
  /// The end of the poll under way if nothing wakes it.
  TimePoint poll_ends_ = {};
  bool is_nudged_ = false;
  ReaderWait reader_wait_ = ReaderWait::nothing;
  HandlerPace pace_;
  /// The polling thread handles the messages that it has just read.
  bool handles_itself_ = false;
  /// Reading is lent, by the loan of this number, until this time.
  bool is_lent_ = false;
  std::uint64_t loans_ = 0;
  TimePoint loan_ends_ = never;
  std::size_t idle_workers_ = 0;
  /// A worker was woken by share_work and has not looked for work yet.
  bool is_worker_woken_ = false;
  /// A waiting worker wakes by itself at this time at the latest.
  TimePoint watched_until_ = never;
  /// A pause, a resume or a seek is to be carried out.
  bool is_asked_ = false;
  bool is_stopping_ = false;
  bool is_given_up_ = false;
  bool is_ready_ = false;
  bool is_started_ = false;
  bool was_assigned_ = false;
  TimePoint stop_by_ = TimePoint::max();
  std::optional<Error> last_error_;
  std::optional<Error> end_error_;
  std::chrono::milliseconds backoff_{0};
  std::int32_t failed_reads_ = 0;
  std::set<TopicPartition> unknown_positions_;
  TimePoint lag_due_at_ = TimePoint::max();  ///< set once it has started, unless it is off
  IdlePhase idle_;
  /// The partitions that were passed to on_assigned. Only the polling thread uses it.
  std::vector<TopicPartition> told_;
  /// It has at most one event for each thread.
  std::vector<Pulled> pulled_;
  /// Number of threads inside `next`.
  std::size_t pulling_ = 0;
  TimePoint last_pull_;
  /// The subscription left the group since no thread called `next`.
  bool waits_for_pull_ = false;
  /// The time at which the worker of a pulled subscription wakes.
  TimePoint attends_at_ = never;
  const ForkMark made_in_;
};

}  // namespace dohle::messaging
