#include "base/idle_watch.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/assert.hpp"
#include "base/time_shift.hpp"

namespace dohle {

using std::chrono::steady_clock;

constinit std::atomic<IdleWatch*> IdleWatch::current_{nullptr};

IdleWatch& IdleWatch::begin() {
  IdleWatch* all = current_.load(std::memory_order_acquire);
  if (all != nullptr && !all->made_in_.is_forked()) return *all;
  auto made = std::make_unique<IdleWatch>();
  // Never destroyed: threads that are detached may outlive static objects.
  if (current_.compare_exchange_strong(all, made.get())) all = made.release();
  return *all;
}

TimePoint IdleWatch::now() {
  return TimePoint(steady_clock::now().time_since_epoch()) + time_shift();
}

void IdleWatch::one_more() {
  ++at_work_;
}

void IdleWatch::one_less() {
  DOHLE_ASSERT(at_work_ > 0, "more threads end their work than began any");
  if (--at_work_ > 0) return;
  ++rests_;
  idle_.notify_all();
}

// --- the threads that are watched

IdleWatch::Party::Party(IdleWatch& watch, std::string name)
    : watch_(watch), name_(std::move(name)) {
  const std::lock_guard lock(watch_.mutex_);
  watch_.parties_.push_back(this);
  watch_.one_more();
}

void IdleWatch::Party::leave() {
  const std::lock_guard lock(watch_.mutex_);
  if (std::exchange(has_left_, true)) return;
  std::erase(watch_.parties_, this);
  if (std::exchange(is_at_work_, true)) watch_.one_less();
}

void IdleWatch::Party::note_work() {
  if (!std::exchange(is_at_work_, true)) watch_.one_more();
}

void IdleWatch::Party::note_wait(TimePoint until) {
  if (has_left_) return;
  wakes_at_ = until;
  if (std::exchange(is_at_work_, false)) watch_.one_less();
}

void IdleWatch::Party::begin_work() {
  const std::lock_guard lock(watch_.mutex_);
  note_work();
}

void IdleWatch::Party::begin_wait(TimePoint until) {
  const std::lock_guard lock(watch_.mutex_);
  note_wait(until);
}

void IdleWatch::Party::set_doing(std::string what) {
  const std::lock_guard lock(watch_.mutex_);
  doing_ = std::move(what);
}

IdleWatch::Job::Job() : watch_(current()) {
  if (watch_ == nullptr) return;
  const std::lock_guard lock(watch_->mutex_);
  watch_->one_more();
}

IdleWatch::Job::~Job() {
  if (watch_ == nullptr) return;
  const std::lock_guard lock(watch_->mutex_);
  watch_->one_less();
}

// --- for tests

bool IdleWatch::is_idle_by(Lock& lock, steady_clock::time_point real_deadline) {
  return idle_.wait_until(lock, real_deadline, [this] { return at_work_ == 0; });
}

std::string IdleWatch::names_at_work() const {
  std::string names;
  std::size_t others = at_work_;
  for (const Party* const each : parties_) {
    if (!each->is_at_work_) continue;
    --others;
    names += (names.empty() ? "" : ", ") + each->name_;
    if (!each->doing_.empty()) names += " (" + each->doing_ + ")";
  }
  if (others == 0) return names;
  return names + (names.empty() ? "" : ", ") + std::to_string(others) + " jobs of workers";
}

std::string IdleWatch::at_work() {
  const std::lock_guard lock(mutex_);
  return names_at_work();
}

Error IdleWatch::not_idle(std::chrono::milliseconds patience) const {
  return Error::client(Errc::timed_out, "still at work after " + std::to_string(patience.count()) +
                                            " ms: " + names_at_work());
}

Result<void> IdleWatch::wait_idle(std::chrono::milliseconds patience) {
  Lock lock(mutex_);
  if (!is_idle_by(lock, steady_clock::now() + patience)) return fail(not_idle(patience));
  return {};
}

bool IdleWatch::wait_until(steady_clock::time_point real_deadline,
                           const std::function<bool()>& ready) {
  for (;;) {
    std::uint64_t seen = 0;
    {
      Lock lock(mutex_);
      if (!is_idle_by(lock, real_deadline)) return false;
      seen = rests_;
    }
    if (ready()) return true;
    Lock lock(mutex_);
    if (!idle_.wait_until(lock, real_deadline, [&] { return rests_ != seen; })) return false;
  }
}

TimePoint IdleWatch::next() const {
  TimePoint first = never;
  for (const Party* const each : parties_) first = std::min(first, each->wakes_at_);
  return first;
}

void IdleWatch::shift_to(TimePoint target) {
  const Duration ahead = target - now();
  if (ahead > Duration::zero()) shifted_nanoseconds.fetch_add(ahead.count());
}

void IdleWatch::rouse(bool all) {
  const TimePoint reached = now();
  for (Party* const each : parties_) {
    if (each->is_at_work_ || (!all && each->wakes_at_ > reached)) continue;
    each->is_at_work_ = true;
    one_more();
    each->rouse();
  }
}

Result<void> IdleWatch::advance(Duration by, std::chrono::milliseconds patience) {
  const std::lock_guard one_at_a_time(advancing_);
  Lock lock(mutex_);
  const TimePoint target = now() + by;
  bool is_idle = false;
  while ((is_idle = is_idle_by(lock, steady_clock::now() + patience))) {
    const TimePoint at = next();
    if (at > target) break;
    shift_to(at);
    rouse(false);
  }
  if (is_idle) shift_to(target);
  // Threads that wait for a later time reckoned how long that is in the time before.
  rouse(true);
  if (is_idle) is_idle = is_idle_by(lock, steady_clock::now() + patience);
  if (!is_idle) return fail(not_idle(patience));
  return {};
}

}  // namespace dohle
