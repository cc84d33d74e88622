#include "messaging/subscribe/subscription.hpp"

#include <algorithm>
#include <stop_token>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "base/call_deadline.hpp"
#include "dohle/detail/stopped.hpp"
#include "messaging/events/event_state.hpp"

namespace dohle::messaging {

namespace {

thread_local const Subscription* running_here = nullptr;
thread_local const Subscription* polling_here = nullptr;

constexpr std::chrono::seconds default_idle_after{1};
/// The longest time that the thread that reads may be inside handlers until another one reads.
constexpr std::chrono::milliseconds longest_loan{2};

}  // namespace

std::shared_ptr<Subscription> Subscription::start(Setup setup) {
  auto made = std::make_shared<Subscription>(std::move(setup));
  const std::size_t workers = made->setup_.workers;
  made->alive_ = workers + 1;
  const std::lock_guard lock(made->mutex_);
  made->state_.set_sink(made);
  const std::string& topic = made->setup_.topic;
  made->threads_.emplace_back("the polling thread of the subscription to " + topic,
                              [made] { made->run(Role::reads); });
  for (std::size_t i = 0; i < workers; ++i) {
    made->threads_.emplace_back("a worker of the subscription to " + topic,
                                [made] { made->run(Role::works); });
  }
  return made;
}

void Subscription::run(Role role) {
  running_here = this;
  for (bool is_over = false; !is_over;) {
    polling_here = role == Role::reads ? this : nullptr;
    is_over = role == Role::reads ? read() == Reading::ended : work() == Working::ended;
    role = role == Role::reads ? Role::works : Role::reads;
  }
  thread_ended();
}

Subscription::Subscription(Setup setup)
    : setup_(std::move(setup)),
      source_(*setup_.source),
      state_(setup_.settings),
      pace_(setup_.workers),
      idle_(setup_.options.on_idle
                ? std::optional(setup_.options.idle_after.value_or(default_idle_after))
                : std::nullopt),
      last_pull_(monotonic_now()) {
  source_.listen_to_topics(topic_listener());
}

Subscription::~Subscription() {
  // The last reference may be that of one of these threads, which cannot join itself.
  for (Thread& thread : threads_) {
    if (thread.joinable()) thread.detach();
  }
  // No call of unsubscribe has returned it.
  if (end_error_) report_subscription(*end_error_);
}

Subscription::Inside::Inside(const Subscription& subscription)
    : before_(std::exchange(running_here, &subscription)) {}

Subscription::Inside::~Inside() {
  running_here = before_;
}

bool Subscription::may_not_wait() const {
  return running_here == this || setup_.is_client_thread();
}

void Subscription::report_subscription(const Error& why) {
  setup_.reports->report(
      {.kind = Failure::Kind::subscription, .error = why, .topic = setup_.topic});
}

void Subscription::thread_ended() {
  const std::lock_guard lock(mutex_);
  DOHLE_ASSERT(alive_ > 0, "more threads end than were started");
  --alive_;
  change_.notify_all();
}

// Callers of any thread.

Result<void> Subscription::wait_ready(std::chrono::milliseconds timeout,
                                      const std::stop_token& stop) {
  const bool is_needed_here = polling_here == this || setup_.is_client_thread();
  const CallDeadline deadline(call_timeout(timeout));
  // Outlives the lock, since its destructor waits for the function if that runs.
  const std::stop_callback wakes(stop, [this] {
    // The thread that waits has looked at the stop before, or sees it now.
    const Lock lock(mutex_);
    change_.notify_all();
  });
  Lock lock(mutex_);
  if (is_needed_here && !is_ready_ && !is_stopping_) {
    return fail(Error::client(Errc::would_deadlock,
                              "wait_ready would wait for its own thread to make it ready"));
  }
  while (!is_ready_ && !is_stopping_ && !stop.stop_requested() && !deadline.has_passed()) {
    change_.wait_until(lock, deadline.at());
  }
  if (is_ready_ && !is_stopping_) return {};
  if (is_stopping_) {
    const auto& why = state_.stop_reason();
    return fail(Error::client(Errc::closed, "the subscription has ended" +
                                                (why ? ": " + why->to_string() : std::string())));
  }
  if (stop.stop_requested()) return fail(stopped("the subscription is not awaited any more"));
  std::string text = "subscription to " + setup_.topic + " is not ready after " +
                     std::to_string(timeout.count()) + " ms: ";
  if (last_error_) {
    text += last_error_->to_string();
  } else {
    text += was_assigned_ ? "it is not known yet where reading starts"
                          : "no partitions are assigned yet";
  }
  lock.unlock();
  return fail(Error::client(Errc::timed_out, text + setup_.troubles()));
}

void Subscription::request_stop(TimePoint by) {
  Lock lock(mutex_);
  mark_stopping(lock, by);
}

void Subscription::mark_stopping(Lock& lock, TimePoint by) {
  stop_by_ = std::min(stop_by_, by);
  is_stopping_ = true;
  release_pulled();
  state_.stop();
  work_.notify_all();
  attend_.notify_all();
  change_.notify_all();
  nudge(lock);
}

Result<void> Subscription::unsubscribe(const CallDeadline& deadline) {
  const auto timeout = deadline.left();
  const bool may_wait = !may_not_wait();
  request_stop(may_wait ? deadline.for_loop() : deadline.at());
  if (!may_wait) return {};
  std::vector<Thread> ended;
  {
    Lock lock(mutex_);
    while (alive_ > 0 && !deadline.has_passed()) change_.wait_until(lock, deadline.at());
    ended.swap(threads_);
    if (alive_ > 0) {
      for (Thread& thread : ended) thread.detach();
      is_given_up_ = true;
      // The threads may not know the deadline.
      mark_stopping(lock, monotonic_now());
      return fail(
          Error::client(Errc::timed_out, "unsubscribe from " + setup_.topic +
                                             ": a handler or a request was still running after " +
                                             std::to_string(timeout.count()) + " ms"));
    }
  }
  for (Thread& thread : ended) thread.join();
  const std::lock_guard lock(mutex_);
  if (end_error_) return fail(*std::exchange(end_error_, std::nullopt));
  return {};
}

Result<void> Subscription::check_usable() const {
  if (!is_forked()) return {};
  return fail(
      Error::client(Errc::forked, "a subscriber cannot be used after fork() in the child process"));
}

Result<void> Subscription::ack(EventState& event) {
  if (auto usable = check_usable(); !usable) return usable;
  Lock lock(mutex_);
  auto acked = state_.ack(event);
  // There is no report, since the message did not fail.
  (void)end_if_pulled(event, acked);
  // There may be room for messages beyond max_unacknowledged.
  wake_workers();
  if (acked) nudge(lock);
  return acked;
}

Result<void> Subscription::nack(const EventPointer& event, Error why) {
  if (auto usable = check_usable(); !usable) return usable;
  const FailureAction asked = decide(why, event);
  std::optional<messaging::Report> report;
  {
    Lock lock(mutex_);
    auto nacked = state_.nack(event, std::move(why), monotonic_now(), report, asked);
    if (auto ended = end_if_pulled(*event, nacked)) report = std::move(ended);
    wake_worker();
    if (!nacked) return nacked;
    end_by_policy(lock);
  }
  if (report) tell(*report);
  return {};
}

Result<void> Subscription::retry_after(const EventPointer& event, std::chrono::milliseconds delay) {
  if (auto usable = check_usable(); !usable) return usable;
  const Lock lock(mutex_);
  auto asked = state_.retry_after(event, delay, monotonic_now());
  // There is no report, since the message goes to a retry topic.
  (void)end_if_pulled(*event, asked);
  wake_worker();
  return asked;
}

void Subscription::end_by_policy(Lock& lock) {
  DOHLE_ASSERT_COSTLY(lock.owns_lock(), "a subscription's state is read without its lock");
  if (!state_.stop_reason() || is_stopping_) return;
  end_error_ = state_.stop_reason();
  mark_stopping(lock, monotonic_now() + setup_.rebalance_timeout);
}

ReadLag Subscription::lag() const {
  ReadLag found{.topic = setup_.topic, .group_id = setup_.group_id, .partitions = {}};
  for (TopicPartition& each : assignment()) {
    if (const auto records = source_.lag(each)) {
      found.partitions.push_back({each.partition, *records, std::move(each.topic)});
    }
  }
  return found;
}

bool Subscription::is_given_up() const {
  const std::lock_guard lock(mutex_);
  return is_given_up_;
}

std::vector<HeldMessage> Subscription::held() const {
  const std::lock_guard lock(mutex_);
  return state_.held();
}

void Subscription::nudge(Lock& lock, TimePoint now) {
  DOHLE_ASSERT_COSTLY(lock.owns_lock(), "a subscription's state is read without its lock");
  if (is_stopping_ || has_work(now)) interrupt_poll(lock);
}

void Subscription::interrupt_poll(Lock& lock) {
  if (!is_polling_ || is_nudged_) return;
  is_nudged_ = true;
  lock.unlock();
  source_.wakeup();
  lock.lock();
}

bool Subscription::has_work(TimePoint now) const {
  return is_asked_ || state_.is_commit_due(now) || state_.may_resume(now);
}

void Subscription::log_end(const Error& why) {
  report_subscription(why);
}

// Reading, which threads lend to one another.

bool Subscription::handles_what_it_reads() const {
  return has_event_workers() && idle_workers_ > 0 && pace_.is_quick() &&
         state_.running() < setup_.workers && WatchedThread::current() == nullptr;
}

Subscription::Reading Subscription::handle_read() {
  Lock lock(mutex_);
  if (!std::exchange(handles_itself_, false)) return Reading::goes_on;
  // No other thread could take over. Each worker looks for work before it waits.
  if (idle_workers_ == 0) return Reading::goes_on;
  HandlingTime time{.now = monotonic_now()};
  time.loan = lend_reading(time.now);
  polling_here = nullptr;
  // Once it is a worker, it also has a worker's other duties.
  while (!is_stopping_ && is_on_loan(time) && handle_next(lock, time)) {
  }
  // Else a slow handler of a few messages for each poll would count as quick.
  if (time.handled > 0) look_at_clock(time);
  polling_here = this;
  const bool has_reading = take_reading();
  // The handlers may have left work for later: a retry, a redirection, an acknowledgement.
  share_work();
  return has_reading ? Reading::goes_on : Reading::taken_over;
}

std::uint64_t Subscription::lend_reading(TimePoint now) {
  DOHLE_ASSERT(!is_lent_, "a thread lends the reading that it does not have");
  is_lent_ = true;
  ++loans_;
  loan_ends_ = now + longest_loan;
  if (watched_until_ > loan_ends_) wake_idle_worker();
  return loans_;
}

bool Subscription::take_reading() {
  loan_ends_ = never;
  return std::exchange(is_lent_, false);
}

TimePoint Subscription::watch_at(TimePoint now, std::uint64_t& seen_loans) const {
  const bool is_used = std::exchange(seen_loans, loans_) != loans_;
  if (!is_lent_ && !is_used) return never;
  const TimePoint at = is_lent_ ? loan_ends_ : now + longest_loan;
  // One worker at a time watches the loan.
  return at < watched_until_ ? at : never;
}

}  // namespace dohle::messaging
