// A subscription whose messages the program's own threads take by Subscription::next.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "base/call_deadline.hpp"
#include "dohle/detail/stopped.hpp"
#include "messaging/events/event_state.hpp"
#include "messaging/events/pull_call.hpp"
#include "messaging/subscribe/subscription.hpp"

namespace dohle::messaging {

using std::chrono::milliseconds;

namespace {

std::atomic<std::uint64_t> pulling_threads{0};

/// The number of the calling thread.
std::uint64_t own_number() {
  thread_local const std::uint64_t number = ++pulling_threads;
  return number;
}

}  // namespace

/// A thread inside `next`. Lives under the lock.
class Subscription::Puller {
 public:
  explicit Puller(Subscription& subscription) : of_(subscription), inside_(subscription) {
    ++of_.pulling_;
    if (std::exchange(of_.waits_for_pull_, false)) of_.change_.notify_all();
  }
  ~Puller() {
    --of_.pulling_;
    of_.last_pull_ = monotonic_now();
  }
  Puller(const Puller&) = delete;
  Puller& operator=(const Puller&) = delete;

 private:
  Subscription& of_;
  const Inside inside_;
};

Result<bool> Subscription::next(milliseconds timeout, PullReceiver& receiver,
                                const std::stop_token& stop) {
  DOHLE_ASSERT_COSTLY(setup_.pulls, "a subscription is pulled that has a handler");
  if (auto usable = check_usable(); !usable) return fail(usable.error());
  if (may_not_wait()) {
    return fail(Error::client(Errc::would_deadlock,
                              "next inside a callback or a middleware of its subscription, or on "
                              "the client's thread, would wait for itself"));
  }
  const CallDeadline deadline(call_timeout(timeout));
  // Outlives the lock, since its destructor waits for the function if that runs.
  const std::stop_callback wakes(stop, [this] {
    // The thread that waits has looked at the stop before, or sees it now.
    const Lock lock(mutex_);
    work_.notify_all();
  });
  Lock lock(mutex_);
  const Puller here(*this);
  end_last_pulled(lock);
  for (bool is_first = true; !is_stopping_; is_first = false) {
    if (stop.stop_requested()) {
      gave_up();
      return fail(stopped("the next message is not awaited any more"));
    }
    const TimePoint now = monotonic_now();
    if (!is_first && now >= deadline.at()) return gave_up();
    if (EventPointer event = state_.take_work(now)) {
      if (pass(lock, std::move(event), receiver)) return true;
      continue;
    }
    if (now >= deadline.at()) return gave_up();
    work_.wait_until(lock, std::min(deadline.at(), state_.next_work()));
  }
  const auto& why = state_.stop_reason();
  return fail(Error::client(Errc::closed, "next: the subscription to " + setup_.topic +
                                              " has ended" +
                                              (why ? ": " + why->to_string() : std::string())));
}

bool Subscription::gave_up() {
  // This thread may have been woken for work that another one has to do now, or wait for.
  work_.notify_one();
  return false;
}

bool Subscription::pass(Lock& lock, EventPointer event, PullReceiver& receiver) {
  // The queue has room again.
  tell_reader();
  lock.unlock();
  const PullCall call(receiver);
  Result<void> result = [&] {
    RawEvent passing = EventAccess::make(event);
    return call_handler(*event, passing);
  }();
  const bool is_taken = result && call.has_taken();
  const FailureAction asked = result ? FailureAction::retry : decide(result.error(), event);
  lock.lock();
  const bool is_pending = event->settled == EventState::Settled::pending;
  if (is_taken && is_pending && setup_.settings.auto_ack) {
    keep_pulled(std::move(event));
  } else {
    end_pulled(lock, event, std::move(result), asked);
  }
  return is_taken;
}

void Subscription::keep_pulled(EventPointer event) {
  if (is_stopping_) {
    state_.on_released(event);
    tell_reader();
    return;
  }
  const auto free = std::ranges::find(pulled_, EventPointer(), &Pulled::event);
  const std::uint64_t own = own_number();
  if (free == pulled_.end()) {
    pulled_.push_back({own, std::move(event)});
  } else {
    *free = {own, std::move(event)};
  }
}

void Subscription::end_pulled(Lock& lock, const EventPointer& event, Result<void> result,
                              FailureAction asked) {
  const TimePoint now = monotonic_now();
  const auto report = state_.on_handled(event, std::move(result), now, asked);
  go_on(lock, now);
  if (!report) return;
  lock.unlock();
  tell(*report);
  lock.lock();
}

void Subscription::end_last_pulled(Lock& lock) {
  const std::uint64_t own = own_number();
  const auto last = std::ranges::find_if(
      pulled_, [&](const Pulled& each) { return each.event && each.thread == own; });
  if (last == pulled_.end()) return;
  const EventPointer event = std::exchange(last->event, nullptr);
  end_pulled(lock, event, {}, FailureAction::retry);
}

std::optional<Report> Subscription::end_if_pulled(const EventState& event,
                                                  const Result<void>& settled) {
  if (!settled && !settled.error().is(Errc::not_owner)) return std::nullopt;
  const auto found =
      std::ranges::find_if(pulled_, [&](const Pulled& each) { return each.event.get() == &event; });
  if (found == pulled_.end()) return std::nullopt;
  const EventPointer ended = std::exchange(found->event, nullptr);
  auto report = state_.on_handled(ended, {}, monotonic_now());
  tell_reader();
  return report;
}

void Subscription::release_pulled() {
  for (Pulled& each : pulled_) {
    if (each.event) state_.on_released(std::exchange(each.event, nullptr));
  }
}

std::optional<TimePoint> Subscription::busy_since() const {
  auto since = state_.running_since();
  if (!setup_.pulls || pulling_ > 0) return since;
  return since ? std::min(*since, last_pull_) : last_pull_;
}

}  // namespace dohle::messaging
