#include "base/watched_thread.hpp"

#include <mutex>
#include <utility>

#include "base/assert.hpp"
#include "base/time_shift.hpp"

namespace dohle {

Task WatchedThread::watched(std::string name, Task body) {
  IdleWatch* const watch = IdleWatch::current();
  if (watch == nullptr) return body;
  // It is at work before it runs.
  auto thread = std::make_unique<WatchedThread>(*watch, std::move(name));
  return [thread = std::move(thread), body = std::move(body)]() mutable {
    current_ = thread.get();
    set_here(thread.get());
    body();
    // Objects that the body keeps alive may be destroyed here, which may wait.
    body = nullptr;
    set_here(nullptr);
    current_ = nullptr;
    thread.reset();
  };
}

void WatchedThread::stand_still(TimePoint until) {
  DOHLE_ASSERT(here() == this, "a watched thread waits on behalf of another");
  std::unique_lock lock(watch_.mutex_);
  while (!is_woken_ && now() < until) {
    note_wait(until);
    if (until == never) {
      woken_.wait(lock);
    } else {
      const TimePoint real = until - time_shift();
      woken_.wait_until(lock, std::chrono::steady_clock::time_point(real.time_since_epoch()));
    }
  }
  is_woken_ = false;
  note_work();
}

void WatchedThread::wake() {
  const std::lock_guard lock(watch_.mutex_);
  note_work();
  is_woken_ = true;
  woken_.notify_one();
}

// It was given no work. Only its time may have come, which it checks itself.
void WatchedThread::rouse() {
  woken_.notify_one();
}

void UserCall::begin(std::string what) {
  sleeper_ = Sleeper::here();
  if (sleeper_ == nullptr) return;
  thread_->set_doing(std::move(what));
  WatchedThread::set_here(nullptr);
}

void UserCall::end() {
  if (sleeper_ == nullptr) return;
  WatchedThread::set_here(sleeper_);
  thread_->set_doing({});
}

}  // namespace dohle
