#include "messaging/subscribe/subscription.hpp"

#include <algorithm>
#include <exception>
#include <stop_token>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "base/call_deadline.hpp"
#include "dohle/detail/stopped.hpp"
#include "messaging/events/event_state.hpp"
#include "messaging/failures/redirect_headers.hpp"

namespace dohle::messaging {

using messaging::monotonic_now;

namespace {

/// The longest poll, after which the polling thread does its other work.
constexpr std::chrono::milliseconds max_poll{500};
/// The longest wait of the polling thread for room in a full queue before it pauses the partitions,
/// which stops fetching ahead.
constexpr std::chrono::milliseconds room_wait{100};
/// The poll's length until the start positions are known.
constexpr std::chrono::milliseconds unready_poll{20};
/// The longest commit before partitions are given up.
constexpr std::chrono::milliseconds max_commit{60'000};

thread_local const Subscription* running_here = nullptr;
thread_local const Subscription* polling_here = nullptr;

constexpr std::chrono::seconds default_idle_after{1};
/// Number of quick handlers between two looks at the clock.
constexpr int handled_per_look = 8;
/// The longest time that the thread that reads may be inside handlers until another one reads.
constexpr std::chrono::milliseconds longest_loan{2};

std::chrono::milliseconds until(TimePoint at, TimePoint now, std::chrono::milliseconds most) {
  if (at <= now) return std::chrono::milliseconds(0);
  return std::min(most,
                  std::chrono::ceil<std::chrono::milliseconds>(std::min<Duration>(at - now, most)));
}

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

// The workers.

Subscription::Working Subscription::work() {
  Lock lock(mutex_);
  HandlingTime time{.now = monotonic_now()};
  const TimePoint& now = time.now;
  std::uint64_t seen_loans = loans_;
  // While the lock was free, the subscription may have been asked to end.
  while (!is_stopping_) {
    if (now >= loan_ends_ && take_reading()) {
      // The thread that lent it may be inside a handler for long.
      share_work();
      return Working::took_reading;
    }
    if (!tell_waiting(lock, now)) {
      if (const auto redirect = state_.take_redirect(now)) {
        send(lock, *redirect);
      } else if (setup_.pulls) {
        attends_at_ = state_.next_attendance();
        attend_.wait_until(lock, attends_at_);
      } else if (!is_lent_ && handle_next(lock, time)) {
        continue;
      } else {
        wait_for_work(lock, std::min(next_look(now), watch_at(now, seen_loans)));
      }
    }
    time = {.now = monotonic_now()};
  }
  // One thread ends the source.
  return take_reading() ? Working::took_reading : Working::ended;
}

TimePoint Subscription::next_look(TimePoint now) const {
  const TimePoint next = state_.next_work();
  // Due events are taken by a thread that handles, once its handler has ended.
  return std::min(state_.next_attendance(), next > now ? next : never);
}

void Subscription::wait_for_work(Lock& lock, TimePoint next) {
  watched_until_ = std::min(watched_until_, next);
  ++idle_workers_;
  work_.wait_until(lock, next);
  --idle_workers_;
  is_worker_woken_ = false;
  // The others may wait for longer.
  watched_until_ = never;
}

void Subscription::wake_workers() {
  has_event_workers() ? share_work() : work_.notify_all();
}

void Subscription::share_work() {
  const bool has_event = state_.has_ready_work() && !is_lent_;
  if (has_event || state_.next_time() < watched_until_) wake_idle_worker();
}

void Subscription::share_watch() {
  share_work();
  if (is_lent_ && loan_ends_ < watched_until_) wake_idle_worker();
}

void Subscription::wake_idle_worker() {
  if (idle_workers_ == 0 || is_worker_woken_) return;
  is_worker_woken_ = true;
  work_.notify_one();
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

void Subscription::wake_worker() {
  work_.notify_one();
  if (setup_.pulls && state_.next_attendance() < attends_at_) attend_.notify_one();
}

bool Subscription::tell_waiting(Lock& lock, TimePoint now) {
  std::vector<Report> reports = state_.overdue_acks(now);
  for (Report& each : state_.take_redirect_reports()) reports.push_back(std::move(each));
  return tell(lock, std::move(reports));
}

bool Subscription::tell(Lock& lock, std::vector<Report> reports) {
  if (reports.empty()) return false;
  share_watch();
  lock.unlock();
  for (const Report& report : reports) tell(report);
  // The events that the error handler did not keep end without the lock.
  reports.clear();
  lock.lock();
  return true;
}

void Subscription::send(Lock& lock, const Redirect& redirect) {
  DOHLE_ASSERT(setup_.outbox != nullptr, "a message is redirected without an outbox");
  share_watch();
  lock.unlock();
  const EventState& event = *redirect.event;
  const RedirectHeaders headers(event, setup_.group_id, redirect.why);
  // The time is that of storing it, from which its delay counts.
  const Record record{.key = event.key,
                      .value = event.value,
                      .headers = headers.views(),
                      .partition = event.partition};
  setup_.outbox->send(redirect.to->name, record,
                      [self = shared_from_this(), id = redirect.id,
                       is_dead_letter = redirect.is_dead_letter](Result<Receipt> outcome) {
                        if (outcome) self->count_stored(is_dead_letter);
                        self->on_redirected(id, outcome);
                      });
  lock.lock();
}

void Subscription::count_stored(bool is_dead_letter) {
  FailureCounters& counters = setup_.reports->counters();
  (is_dead_letter ? counters.dead_letters : counters.sent_to_retry).add();
}

void Subscription::on_redirected(std::uint64_t id, const Result<Receipt>& outcome) {
  Lock lock(mutex_);
  state_.on_redirected(id, outcome, monotonic_now());
  // There may be a report, the freed lane may have an item, and the partition room.
  work_.notify_all();
  attend_.notify_all();
  change_.notify_all();
  nudge(lock);
}

FailureAction Subscription::decide(const Error& why, const EventPointer& event) {
  const auto& decision = setup_.options.failure_decision;
  if (!decision) return FailureAction::retry;
  FailureAction asked = FailureAction::retry;
  call_program(
      "the failure decision", [&] { return "about " + place_of(*event); },
      [&] { asked = decision(why, EventAccess::make(event)); });
  return asked;
}

void Subscription::handle(Lock& lock, EventPointer event, HandlingTime& time) {
  share_work();
  lock.unlock();
  // Until on_handled, state_ keeps it.
  EventState& running = *event;
  Result<void> result = [&] {
    RawEvent raw = EventAccess::make(std::move(event));
    return call_handler(running, raw);
  }();
  const FailureAction asked =
      result ? FailureAction::retry : decide(result.error(), EventPool::share(running));
  lock.lock();
  read_clock(time, result.has_value());
  if (result && state_.on_succeeded(running)) return go_on(lock, time.now);
  const auto report = state_.on_handled(running, std::move(result), time.now, asked);
  go_on(lock, time.now);
  if (!report) return;
  share_work();
  lock.unlock();
  tell(*report);
  lock.lock();
  time = {.now = monotonic_now(), .loan = time.loan};
}

void Subscription::tell_reader() {
  if (reader_wait_ == ReaderWait::nothing) return;
  if (reader_wait_ == ReaderWait::room && !state_.has_room()) return;
  change_.notify_all();
}

void Subscription::go_on(Lock& lock, TimePoint now) {
  tell_reader();
  // The freed lane may have another item, and a retry a new wake-up time. A worker that takes
  // single events looks for them itself.
  if (!has_event_workers()) wake_worker();
  end_by_policy(lock);
  nudge(lock, now);
}

bool Subscription::handle_next(Lock& lock, HandlingTime& time) {
  if (setup_.batch_handler) {
    const std::vector<EventPointer> batch = state_.take_batch(time.now);
    if (batch.empty()) return false;
    handle_batch(lock, batch, time.now);
    return true;
  }
  if (state_.running() >= setup_.workers) return false;
  EventPointer event = state_.take_work(time.now);
  if (!event) return false;
  handle(lock, std::move(event), time);
  return true;
}

void Subscription::handle_batch(Lock& lock, std::span<const EventPointer> batch, TimePoint& now) {
  // The queue has room again.
  tell_reader();
  lock.unlock();
  const BatchOutcome outcome = [&] {
    const UserCall call([&] {
      return "the handler of " + std::to_string(batch.size()) + " messages from " +
             place_of(*batch.front());
    });
    return (*setup_.batch_handler)(batch);
  }();
  lock.lock();
  const std::vector<const Error*> failures = SubscriptionState::failures_of(batch, outcome);
  lock.unlock();
  std::vector<FailureAction> asked(batch.size(), FailureAction::retry);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (failures[i] != nullptr) asked[i] = decide(*failures[i], batch[i]);
  }
  lock.lock();
  now = monotonic_now();
  std::vector<Report> reports = state_.on_batch_handled(batch, outcome, now, asked);
  go_on(lock, now);
  if (tell(lock, std::move(reports))) now = monotonic_now();
}

void Subscription::read_clock(HandlingTime& time, bool has_succeeded) {
  ++time.handled;
  // A look at the clock costs as much as a quick handler. Once the handlers have taken long, the
  // loan has ended.
  if (has_succeeded && is_on_loan(time) && time.handled < handled_per_look) return;
  look_at_clock(time);
}

void Subscription::look_at_clock(HandlingTime& time) {
  const TimePoint before = std::exchange(time.now, monotonic_now());
  pace_.on_handled((time.now - before) / std::exchange(time.handled, 0));
}

Result<void> Subscription::call_handler(const EventState& place, RawEvent& event) {
  const UserCall call([&] { return "the handler of " + place_of(place); });
  try {
    return setup_.handler(event);
  } catch (...) {
    return fail(thrown_by("the handler"));
  }
}

void Subscription::tell(const messaging::Report& report) {
  std::optional<RawEvent> event;
  if (report.event) event.emplace(EventAccess::make(report.event));
  setup_.reports->report({.kind = report.kind,
                          .error = report.error,
                          .topic = report.partition.topic,
                          .partition = report.partition.partition,
                          .offset = report.offset,
                          .event = event ? &*event : nullptr});
}

// The polling thread.

Subscription::Reading Subscription::read() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_) break;
    }
    read_once();
    if (handle_read() == Reading::taken_over) return Reading::taken_over;
  }
  finish();
  return Reading::ended;
}

void Subscription::read_once() {
  if (!is_started_ && !start_source()) return;
  leave_if_overdue();
  if (!is_started_) return;
  {
    Lock lock(mutex_);
    wait_for_room(lock);
  }
  apply_pauses();
  start_commit();
  report_lag();
  report_idle();
  poll();
}

bool Subscription::start_source() {
  if (!wait_for_overdue()) return false;
  auto started = source_.start(listener());
  if (!started) {
    back_off(started.error());
    return false;
  }
  is_started_ = true;
  const bool reports_lag = setup_.read_lag_interval.count() > 0;
  if (reports_lag && lag_due_at_ == TimePoint::max()) {
    lag_due_at_ = monotonic_now() + setup_.read_lag_interval;
  }
  return true;
}

RebalanceListener Subscription::listener() {
  // The source is a member, so its listener does not outlive this object.
  return {.on_assigned = [this](std::span<const TopicPartition> all) { on_assigned(all); },
          .on_revoked = [this](std::span<const TopicPartition> all) { on_revoked(all); },
          .on_lost = [this](std::span<const TopicPartition> all) { on_lost(all); }};
}

TopicListener Subscription::topic_listener() {
  return {.on_redirects =
              [this](const std::string& topic, RedirectTopics redirects) {
                const std::lock_guard lock(mutex_);
                state_.on_redirects(topic, std::move(redirects));
              },
          .on_dropped =
              [this](const std::string& topic) {
                const std::lock_guard lock(mutex_);
                state_.on_dropped(topic);
              },
          .on_trouble =
              [this](const Error& why) {
                {
                  const std::lock_guard lock(mutex_);
                  last_error_ = why;
                }
                report_subscription(why);
              },
          .on_delay =
              [this](const Error& why) {
                const std::lock_guard lock(mutex_);
                last_error_ = why;
              },
          .on_note =
              [this](const std::string& text) {
                Logger& logger = setup_.reports->logger();
                if (logger.level() <= LogLevel::info) logger.log(LogLevel::info, "messaging", text);
              }};
}

void Subscription::on_assigned(std::span<const TopicPartition> partitions) {
  {
    const std::lock_guard lock(mutex_);
    state_.on_assigned(partitions);
    was_assigned_ = true;
    unknown_positions_.insert(partitions.begin(), partitions.end());
    idle_.on_partitions(!state_.assignment().empty(), monotonic_now());
  }
  tell_assigned(partitions);
}

void Subscription::on_revoked(std::span<const TopicPartition> partitions) {
  drop_old_offsets();
  std::vector<PartitionOffset> offsets;
  {
    Lock lock(mutex_);
    state_.on_revoking(partitions);
    wake_workers();
    const TimePoint deadline =
        std::min(stop_by_, monotonic_now() + Duration(setup_.rebalance_timeout));
    wait_until(lock, deadline, ReaderWait::handlers,
               [&] { return !state_.is_running_in(partitions) || is_given_up_; });
  }
  tell_revoked(partitions);
  {
    const std::lock_guard lock(mutex_);
    offsets = state_.final_commit(partitions);
  }
  commit_now(std::move(offsets));
  give_up(partitions);
}

void Subscription::on_lost(std::span<const TopicPartition> partitions) {
  give_up(partitions);
  tell_lost(partitions);
}

void Subscription::give_up(std::span<const TopicPartition> partitions) {
  const std::lock_guard lock(mutex_);
  state_.on_given_up(partitions);
  wake_workers();
  for (const TopicPartition& partition : partitions) unknown_positions_.erase(partition);
  idle_.on_partitions(!state_.assignment().empty(), monotonic_now());
}

void Subscription::commit_now(std::vector<PartitionOffset> offsets) {
  if (offsets.empty()) return;
  std::chrono::milliseconds timeout;
  {
    const std::lock_guard lock(mutex_);
    timeout = until(stop_by_, monotonic_now(), max_commit);
  }
  const client::CommitOutcome outcome = source_.commit_sync(offsets, timeout);
  const Result<void> committed = outcome.as_one();
  std::vector<Report> refused;
  {
    const std::lock_guard lock(mutex_);
    refused = state_.on_committed(offsets, outcome, monotonic_now());
    if (committed) return;
    if (is_stopping_) {
      // unsubscribe returns it.
      if (!end_error_) end_error_ = committed.error().within("commit");
      return;
    }
  }
  report_commit(refused, outcome.others);
}

void Subscription::report_commit(const std::vector<Report>& refused, const Result<void>& others) {
  for (const Report& report : refused) tell(report);
  if (!others) report_subscription(others.error().within("commit"));
}

void Subscription::wait_for_room(Lock& lock) {
  if (state_.has_room()) return;
  const auto deadline = monotonic_now() + Duration(room_wait);
  wait_until(lock, deadline, ReaderWait::room, [&] { return state_.has_room() || is_stopping_; });
}

void Subscription::apply_pauses() {
  messaging::SubscriptionState::Pauses pauses;
  std::vector<Report> held;
  std::vector<std::pair<TopicPartition, Offset>> rewinds;
  {
    const std::lock_guard lock(mutex_);
    const TimePoint now = monotonic_now();
    is_asked_ = false;
    // This comes before the pauses: a rewound partition is paused, and resumes if nothing else
    // holds it.
    rewinds = state_.take_rewinds();
    pauses = state_.update_pauses(!state_.has_room(), now);
    held = state_.held_reports(now);
    DOHLE_CHECK_INVARIANTS(state_);
  }
  for (const Report& report : held) tell(report);
  setup_.reports->say_left_out(monotonic_now());
  rewind(rewinds);
  if (!pauses.pause.empty()) source_.pause(pauses.pause);
  if (!pauses.resume.empty()) source_.resume(pauses.resume);
}

void Subscription::drop_old_offsets(std::vector<ConsumerRecord>& fetched) {
  const std::vector<TopicPartition> replaced = source_.take_replaced();
  if (replaced.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    state_.on_replaced(replaced, fetched);
    wake_workers();
  }
  if (setup_.on_replaced) setup_.on_replaced();
}

void Subscription::drop_old_offsets() {
  std::vector<ConsumerRecord> none;
  drop_old_offsets(none);
}

void Subscription::start_commit() {
  drop_old_offsets();
  std::vector<PartitionOffset> offsets;
  {
    const std::lock_guard lock(mutex_);
    offsets = state_.start_commit(monotonic_now());
  }
  if (offsets.empty()) return;
  source_.commit_async(offsets,
                       [self = shared_from_this(), offsets](const client::CommitOutcome& outcome) {
                         std::vector<Report> refused;
                         {
                           Lock inner(self->mutex_);
                           const TimePoint now = monotonic_now();
                           refused = self->state_.on_commit_done(offsets, outcome, now);
                           const bool are_all = outcome.others && outcome.refused.empty();
                           are_all ? self->nudge(inner, now) : self->plan_retry(inner);
                         }
                         self->report_commit(refused, outcome.others);
                       });
}

void Subscription::plan_retry(Lock& lock) {
  // The poll began before it was known that offsets are committed again, and when.
  if (state_.next_commit_at() < poll_ends_) interrupt_poll(lock);
}

void Subscription::report_lag() {
  const TimePoint now = monotonic_now();
  if (now < lag_due_at_) return;
  lag_due_at_ = now + setup_.read_lag_interval;
  const ReadLag found = lag();
  if (setup_.read_lag_handler) {
    return call_program("the read lag handler", [&] { setup_.read_lag_handler(found); });
  }
  Logger& logger = setup_.reports->logger();
  if (logger.level() > LogLevel::info) return;
  logger.log(LogLevel::info, "messaging",
             "the subscription to " + setup_.topic + " is " + std::to_string(found.total()) +
                 " records behind the end of its " + std::to_string(found.partitions.size()) +
                 " partitions");
}

TimePoint Subscription::wake_at(TimePoint now) const {
  const TimePoint at = now + Duration(is_ready_ ? max_poll : unready_poll);
  const TimePoint due = std::min({at, lag_due_at_, state_.next_resume(now), idle_.next_time()});
  return state_.next_commit_at() > now ? std::min(due, state_.next_commit_at()) : due;
}

void Subscription::poll() {
  std::chrono::milliseconds timeout;
  {
    const std::lock_guard lock(mutex_);
    const TimePoint now = monotonic_now();
    if (is_stopping_) return;
    // A commit or a resume that became due since start_commit and apply_pauses must not wait for
    // the poll: nudge wakes a poll only once it is under way.
    timeout = has_work(now) ? std::chrono::milliseconds(0) : until(wake_at(now), now, max_poll);
    is_polling_ = true;
    poll_ends_ = now + Duration(timeout);
    is_nudged_ = false;
  }
  auto fetched = source_.poll(timeout);
  {
    const std::lock_guard lock(mutex_);
    is_polling_ = false;
  }
  if (fetched) {
    const bool is_empty = fetched->records.empty();
    std::optional<Error> error = fetched->error;
    drop_old_offsets(fetched->records);
    take(std::move(*fetched));
    learn_positions(is_empty);
    if (error) return on_failed_read(*error);
    backoff_ = std::chrono::milliseconds(0);
    failed_reads_ = 0;
  } else if (fetched.error().is(Errc::cancelled)) {
    learn_positions(false);
  } else if (fetched.error().is(Errc::limit_reached)) {
    // Events that the program still holds fill the buffer: no error, but nothing can be read now.
    Lock lock(mutex_);
    state_.hurry_batches();
    work_.notify_all();
    change_.wait_until(lock, monotonic_now() + Duration(room_wait), [&] { return is_stopping_; });
  } else {
    on_failed_read(fetched.error());
  }
}

void Subscription::take(messaging::PolledRecords fetched) {
  if (fetched.records.empty()) return;
  std::vector<std::pair<TopicPartition, Offset>> rewinds;
  {
    const std::lock_guard lock(mutex_);
    state_.on_records(fetched.records, std::move(fetched.buffer),
                      {monotonic_now(), setup_.outbox ? setup_.wall() : Timestamp{}});
    rewinds = state_.take_rewinds();
    idle_.on_message(monotonic_now());
    // After an error it waits before it continues.
    handles_itself_ = !fetched.error && handles_what_it_reads();
    if (!handles_itself_) wake_workers();
  }
  rewind(rewinds);
}

void Subscription::rewind(std::span<const std::pair<TopicPartition, Offset>> rewinds) {
  for (const auto& [partition, offset] : rewinds) {
    source_.pause({&partition, 1});
    source_.seek(partition, offset);
  }
}

void Subscription::learn_positions(bool all) {
  std::vector<TopicPartition> asked;
  {
    const std::lock_guard lock(mutex_);
    if (!was_assigned_) return;
    if (all) {
      asked = state_.assignment();
    } else {
      asked.assign(unknown_positions_.begin(), unknown_positions_.end());
    }
    if (asked.empty() && is_ready_) return;
  }
  std::vector<std::pair<TopicPartition, Offset>> known;
  for (const TopicPartition& partition : asked) {
    auto position = source_.position(partition);
    if (position && !position->is_none()) known.emplace_back(partition, *position);
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [partition, position] : known) {
    // Records may still be queued inside the source after a pause or an earlier poll. Its position
    // counts only returned records, and those have all been taken.
    state_.on_position(partition, position);
    unknown_positions_.erase(partition);
  }
  if (unknown_positions_.empty() && !is_ready_) {
    is_ready_ = true;
    change_.notify_all();
  }
}

void Subscription::leave_if_overdue() {
  // Without a group no other member takes over, and a new start would skip records.
  if (!setup_.settings.commits) return;
  std::vector<TopicPartition> owned;
  std::string why;
  {
    const std::lock_guard lock(mutex_);
    const auto since = busy_since();
    if (!since || monotonic_now() - *since < Duration(setup_.max_poll_interval)) return;
    owned = state_.assignment();
    release_pulled();
    waits_for_pull_ = setup_.pulls && pulling_ == 0;
    why = overdue_text();
  }
  // The next owner of the partitions handles the message again, so nothing waits for this handler.
  on_lost(owned);
  report_subscription(Error::client(Errc::limit_reached, why));
  if (auto left = source_.leave(); !left) back_off(left.error());
  is_started_ = false;
}

std::string Subscription::overdue_text() const {
  const char* what = "a handler runs";
  const char* until_when = "until the handler ends";
  if (setup_.pulls) {
    what = waits_for_pull_ ? "next was not called for" : "a thread holds a message of next for";
    until_when = waits_for_pull_ ? "until it is called again" : "and joins it again";
  }
  return std::string(what) + " longer than max_poll_interval (" +
         std::to_string(setup_.max_poll_interval.count()) +
         " ms); the subscription leaves the group " + until_when;
}

bool Subscription::wait_for_overdue() {
  Lock lock(mutex_);
  wait_until(lock, monotonic_now() + Duration(max_poll), ReaderWait::handlers,
             [&] { return is_free_to_join() || is_stopping_; });
  return is_free_to_join() && !is_stopping_;
}

void Subscription::back_off(const Error& why) {
  report_subscription(why);
  wait_longer(why);
}

void Subscription::on_failed_read(const Error& why) {
  failed_reads_ = std::min(failed_reads_, INT32_MAX - 1) + 1;
  if (!why.is_retriable() || failed_reads_ >= setup_.max_attempts) report_subscription(why);
  wait_longer(why);
}

void Subscription::wait_longer(const Error& why) {
  backoff_ = longer_wait(backoff_, setup_.min_backoff, setup_.max_backoff);
  Lock lock(mutex_);
  last_error_ = why;
  change_.wait_until(lock, monotonic_now() + Duration(backoff_), [&] { return is_stopping_; });
}

void Subscription::finish() {
  std::vector<TopicPartition> owned;
  std::vector<PartitionOffset> offsets;
  {
    Lock lock(mutex_);
    wait_until(lock, stop_by_, ReaderWait::handlers, [&] {
      return is_given_up_ || (state_.running() == 0 && state_.redirecting() == 0);
    });
    (void)tell_waiting(lock, monotonic_now());
  }
  drop_old_offsets();
  {
    const std::lock_guard lock(mutex_);
    owned = state_.assignment();
  }
  tell_revoked(owned);
  {
    const std::lock_guard lock(mutex_);
    offsets = state_.final_commit(owned);
  }
  commit_now(std::move(offsets));
  // All of them have the same deadline.
  const auto left = [this] {
    const std::lock_guard lock(mutex_);
    return until(stop_by_, monotonic_now(), std::chrono::hours(1));
  };
  if (setup_.outbox) setup_.outbox->close(left());
  auto closed = source_.close(left());
  const std::lock_guard lock(mutex_);
  state_.on_given_up(state_.assignment());
  if (!closed && !end_error_) end_error_ = closed.error();
}

}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {

Subscriber::Subscriber(std::shared_ptr<messaging::Subscription> subscription)
    : subscription_(std::move(subscription)) {}
Subscriber::Subscriber(Subscriber&&) noexcept = default;

Result<bool> Subscriber::next_event(std::chrono::milliseconds timeout,
                                    messaging::PullReceiver& receiver,
                                    const std::stop_token& stop) {
  if (!subscription_) {
    return fail(Error::client(Errc::closed, "the Subscriber was moved from"));
  }
  return subscription_->next(timeout, receiver, stop);
}

Subscriber& Subscriber::operator=(Subscriber&& other) noexcept {
  if (this == &other) return *this;
  const Subscriber ended(std::move(*this));
  subscription_ = std::move(other.subscription_);
  return *this;
}

Subscriber::~Subscriber() {
  if (!subscription_) return;
  if (subscription_->is_forked()) {
    keep_for_ever(std::move(subscription_));
    return;
  }
  if (subscription_->is_given_up()) return;
  if (auto ended = subscription_->unsubscribe(std::chrono::seconds(5)); !ended) {
    subscription_->log_end(ended.error());
  }
}

namespace {

Result<void> check(const messaging::Subscription* subscription) {
  if (subscription == nullptr) {
    return fail(Error::client(Errc::closed, "the Subscriber was moved from"));
  }
  return subscription->check_usable();
}

}  // namespace

const std::string& Subscriber::topic() const {
  static const std::string none;
  return subscription_ ? subscription_->topic() : none;
}
const SubscribeOptions& Subscriber::options() const {
  static const SubscribeOptions none;
  return subscription_ ? subscription_->options() : none;
}
Result<void> Subscriber::wait_ready(std::chrono::milliseconds timeout) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->wait_ready(timeout);
}
Result<void> Subscriber::wait_ready(std::chrono::milliseconds timeout,
                                    const std::stop_token& stop) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->wait_ready(timeout, stop);
}
std::vector<HeldMessage> Subscriber::held() const {
  const bool is_usable = subscription_ && !subscription_->is_forked();
  return is_usable ? subscription_->held() : std::vector<HeldMessage>();
}
ReadLag Subscriber::lag() const {
  const bool is_usable = subscription_ && !subscription_->is_forked();
  return is_usable ? subscription_->lag() : ReadLag();
}
std::vector<TopicPartition> Subscriber::assignment() const {
  const bool is_usable = subscription_ && !subscription_->is_forked();
  return is_usable ? subscription_->assignment() : std::vector<TopicPartition>();
}
Result<Offset> Subscriber::position(const TopicPartition& partition) const {
  if (auto usable = check(subscription_.get()); !usable) return fail(usable.error());
  return subscription_->position(partition);
}
Result<Offset> Subscriber::committed(const TopicPartition& partition) const {
  if (auto usable = check(subscription_.get()); !usable) return fail(usable.error());
  return subscription_->committed(partition);
}
Result<void> Subscriber::pause() {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->pause_all(true);
}
Result<void> Subscriber::resume() {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->pause_all(false);
}
Result<void> Subscriber::pause(const TopicPartition& partition) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->pause(partition, true);
}
Result<void> Subscriber::resume(const TopicPartition& partition) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->pause(partition, false);
}
Result<void> Subscriber::seek(const TopicPartition& partition, Offset offset) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->seek(partition, offset);
}

Result<TopicPartition> Subscriber::of_only_topic(PartitionId partition,
                                                 std::string_view call) const {
  if (auto usable = check(subscription_.get()); !usable) return fail(usable.error());
  return subscription_->of_only_topic(partition, call);
}
Result<Offset> Subscriber::position(PartitionId partition) const {
  const auto name = of_only_topic(partition, "position");
  return name ? position(*name) : Result<Offset>(fail(name.error()));
}
Result<Offset> Subscriber::committed(PartitionId partition) const {
  const auto name = of_only_topic(partition, "committed");
  return name ? committed(*name) : Result<Offset>(fail(name.error()));
}
Result<void> Subscriber::pause(PartitionId partition) {
  const auto name = of_only_topic(partition, "pause");
  return name ? pause(*name) : Result<void>(fail(name.error()));
}
Result<void> Subscriber::resume(PartitionId partition) {
  const auto name = of_only_topic(partition, "resume");
  return name ? resume(*name) : Result<void>(fail(name.error()));
}
Result<void> Subscriber::seek(PartitionId partition, Offset offset) {
  const auto name = of_only_topic(partition, "seek");
  return name ? seek(*name, offset) : Result<void>(fail(name.error()));
}

Result<void> Subscriber::unsubscribe(std::chrono::milliseconds timeout) {
  if (auto usable = check(subscription_.get()); !usable) return usable;
  return subscription_->unsubscribe(timeout);
}

}  // namespace v0
}  // namespace dohle
