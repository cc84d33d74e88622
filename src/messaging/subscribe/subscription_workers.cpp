// The workers of a subscription: they handle events, report failures to the program and store
// failed messages elsewhere.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "messaging/events/event_state.hpp"
#include "messaging/failures/redirect_headers.hpp"
#include "messaging/subscribe/subscription.hpp"

namespace dohle::messaging {

namespace {

/// Number of quick handlers between two looks at the clock.
constexpr int handled_per_look = 8;

}  // namespace

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

}  // namespace dohle::messaging
