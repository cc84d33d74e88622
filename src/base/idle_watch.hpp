#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/fork_watch.hpp"
#include "base/time.hpp"
#include "dohle/error.hpp"

namespace dohle {

/// Moves the time of this process on for a test (dohle::testing), and knows when the library's
/// threads have nothing to do but to wait for it. Loops, the threads of subscriptions and workers
/// take part if they start while there is a watch; others, and the program's own, do not.
///
/// A thread is at work from when another one gives it work, not from when it wakes. So at the
/// moment when no thread is at work, none is about to be, unless the program or the real time
/// wakes one.
///
/// Thread safety: any thread.
class IdleWatch {
 public:
  /// Null unless a test has begun one in this process. One load, outside of tests.
  [[nodiscard]] static IdleWatch* current() {
    IdleWatch* const watch = current_.load(std::memory_order_acquire);
    return watch == nullptr || watch->made_in_.is_forked() ? nullptr : watch;
  }
  /// Begins it, unless it has begun. It lasts as long as the process. A forked child has none of
  /// its parent's, whose threads it does not have.
  static IdleWatch& begin();

  /// A thread that takes part. It is at work from its construction on.
  class Party {
   public:
    Party(IdleWatch& watch, std::string name);
    Party(const Party&) = delete;
    Party& operator=(const Party&) = delete;

    /// Another thread has work for it, or it has woken by itself. No effect if it is at work.
    void begin_work();
    /// It waits until `until` or until it is given work. Called on its thread.
    void begin_wait(TimePoint until);
    /// It takes part no more.
    void leave();
    /// Names the work that it does beside the library's own. Empty if it does none. Called on its
    /// thread.
    void set_doing(std::string what);

   protected:
    ~Party() { leave(); }
    /// Ends its wait, so that it looks at the time. The watch's mutex is held.
    virtual void rouse() = 0;
    // As begin_work and begin_wait, for a caller that holds the watch's mutex.
    void note_work();
    void note_wait(TimePoint until);
    IdleWatch& watch_;

   private:
    friend class IdleWatch;
    const std::string name_;
    std::string doing_;
    TimePoint wakes_at_ = never;
    bool is_at_work_ = true;
    bool has_left_ = false;
  };

  /// Work that is under way on a thread that takes no part, until it is destroyed.
  class Job {
   public:
    Job();
    Job(Job&& other) noexcept : watch_(std::exchange(other.watch_, nullptr)) {}
    Job& operator=(Job&& other) noexcept {
      std::swap(watch_, other.watch_);
      return *this;
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    ~Job();

   private:
    IdleWatch* watch_;
  };

  /// Moves the time on by `by`, from one time at which a thread wakes to the next. Each time it
  /// wakes the threads whose time has come, and waits until no thread is at work. One call at a
  /// time; further ones wait. Errors: timed_out if a thread stays at work for `patience`, which is
  /// real, with the names of such threads.
  Result<void> advance(Duration by, std::chrono::milliseconds patience);
  /// Waits until no thread is at work. Errors: timed_out, as advance.
  Result<void> wait_idle(std::chrono::milliseconds patience);
  /// Waits until no thread is at work and `ready()` is true, which is called without the watch's
  /// mutex, whenever the last thread has ended its work. False if `real_deadline` has passed.
  bool wait_until(std::chrono::steady_clock::time_point real_deadline,
                  const std::function<bool()>& ready);
  /// The threads at work, each with the name of its work, separated by commas.
  [[nodiscard]] std::string at_work();
  [[nodiscard]] static TimePoint now();

 private:
  friend class WatchedThread;
  using Lock = std::unique_lock<std::mutex>;

  void one_more();
  void one_less();
  bool is_idle_by(Lock& lock, std::chrono::steady_clock::time_point real_deadline);
  [[nodiscard]] Error not_idle(std::chrono::milliseconds patience) const;
  [[nodiscard]] std::string names_at_work() const;
  [[nodiscard]] TimePoint next() const;
  static void shift_to(TimePoint target);
  /// Wakes the parties whose time has come; all if `all`.
  void rouse(bool all);

  static std::atomic<IdleWatch*> current_;
  const ForkMark made_in_ = {};
  std::mutex advancing_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::vector<Party*> parties_;
  /// Parties at work, and jobs.
  std::size_t at_work_ = 0;
  /// Times that at_work_ became 0.
  std::uint64_t rests_ = 0;
};

}  // namespace dohle
