#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include "base/assert.hpp"
#include "base/call_deadline.hpp"
#include "base/executor.hpp"
#include "base/wait_point.hpp"
#include "dohle/error.hpp"

namespace dohle::client {

/// Lets a blocking call wait for an asynchronous one. One thread waits, another delivers once.
template <class T>
class Waiter {
 public:
  void deliver(Result<T> outcome) {
    {
      const std::lock_guard lock(mutex_);
      DOHLE_ASSERT(!outcome_, "an outcome is delivered twice");
      outcome_.emplace(std::move(outcome));
    }
    delivered_.notify_one();
  }
  Result<T> wait() {
    std::unique_lock lock(mutex_);
    delivered_.wait_until(lock, never, [this] { return outcome_.has_value(); });
    return std::move(*outcome_);
  }
  /// Absent if a stop was requested, or the deadline has passed; null: none. The outcome may still
  /// come, to a further wait.
  std::optional<Result<T>> wait_until(const CallDeadline* deadline, const std::stop_token& stop) {
    // Outlives the lock, since its destructor waits for the function if that runs.
    const std::stop_callback wakes(stop, [this] {
      {
        const std::lock_guard lock(mutex_);
      }
      delivered_.notify_one();
    });
    std::unique_lock lock(mutex_);
    while (!outcome_) {
      if (stop.stop_requested() || (deadline != nullptr && deadline->has_passed())) {
        return std::nullopt;
      }
      delivered_.wait_until(lock, deadline != nullptr ? deadline->at() : never);
    }
    return std::move(outcome_);
  }

 private:
  std::mutex mutex_;
  WaitPoint delivered_;
  std::optional<Result<T>> outcome_;
};

/// Delivers exactly once: an outcome, or `closed` if it is destroyed before (the loop ended before
/// the task ran), so that no call waits for ever.
template <class T>
class Promise {
 public:
  explicit Promise(std::shared_ptr<Waiter<T>> waiter) : waiter_(std::move(waiter)) {}
  Promise(Promise&&) noexcept = default;
  Promise& operator=(Promise&&) noexcept = default;
  ~Promise() {
    if (waiter_) waiter_->deliver(fail(Error::client(Errc::closed, "the client is closed")));
  }
  void operator()(Result<T> outcome) {
    DOHLE_ASSERT(waiter_ != nullptr, "a promise gets a second outcome");
    std::exchange(waiter_, nullptr)->deliver(std::move(outcome));
  }

 private:
  std::shared_ptr<Waiter<T>> waiter_;
};

/// Runs `start` on the loop. Errors: would_deadlock on the loop's own thread.
template <class T>
Result<std::shared_ptr<Waiter<T>>> begin_call(Executor& loop,
                                              std::move_only_function<void(Promise<T>)> start) {
  if (loop.is_loop_thread()) {
    return fail(Error::client(Errc::would_deadlock,
                              "a blocking call on the client's own thread would wait for itself"));
  }
  auto waiter = std::make_shared<Waiter<T>>();
  loop.post([start = std::move(start), promise = Promise<T>(waiter)]() mutable {
    start(std::move(promise));
  });
  return waiter;
}

/// Runs `start` on the loop and waits until its argument was called. `start` has to enforce a
/// deadline.
/// Errors: would_deadlock on the loop's own thread; closed if the loop ends first.
template <class T>
Result<T> wait_for(Executor& loop, std::move_only_function<void(Promise<T>)> start) {
  auto waiter = begin_call<T>(loop, std::move(start));
  if (!waiter) return fail(waiter.error());
  return (*waiter)->wait();
}

/// How a blocking call ends without an outcome of its own.
enum class CallEnd : std::uint8_t {
  late,     ///< the deadline has passed
  stopped,  ///< a stop was requested
};

/// The same for a call that the waiting thread may have to end. `start` enforces
/// `deadline.for_loop()`. If the caller keeps the deadline, or a stop is requested, `end` runs on
/// the loop after `start`. It makes the call end, unless that has ended.
template <class T>
Result<T> wait_for(Executor& loop, const CallDeadline& deadline, const std::stop_token& stop,
                   std::move_only_function<void(Promise<T>)> start,
                   std::move_only_function<void(CallEnd)> end) {
  auto waiter = begin_call<T>(loop, std::move(start));
  if (!waiter) return fail(waiter.error());
  auto outcome = (*waiter)->wait_until(deadline.is_kept_by_caller() ? &deadline : nullptr, stop);
  if (outcome) return *std::move(outcome);
  const CallEnd how = stop.stop_requested() ? CallEnd::stopped : CallEnd::late;
  loop.post([end = std::move(end), how]() mutable { end(how); });
  return (*waiter)->wait();
}

}  // namespace dohle::client
