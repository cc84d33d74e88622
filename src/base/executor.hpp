#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "base/time.hpp"

namespace dohle {

/// Work for a loop. It allocates nothing if its captures fit three words.
using Task = std::move_only_function<void()>;

/// Names one armed timer; 0 is none.
using TimerId = std::uint64_t;

/// A loop: one thread (in simulation: the only thread) that runs all posted tasks in order.
/// Decisions do not use it; the engines of client and node do.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Runs `task` on the loop, after all tasks posted before. Any thread. Tasks still queued when
  /// the loop ends are destroyed, not run.
  virtual void post(Task task) = 0;
  /// True on the loop's own thread.
  [[nodiscard]] virtual bool is_loop_thread() const = 0;

  // Loop thread only from here.

  /// Runs `task` at `at` or as soon after as the timer wheel's tick (1 ms) allows.
  virtual TimerId arm(TimePoint at, Task task) = 0;
  /// After this call the task does not run. Unknown and fired ids are ignored.
  virtual void cancel(TimerId id) = 0;
  /// The time at which the loop began its current turn. No system call.
  [[nodiscard]] virtual Now tick() const = 0;
  /// The current time: one clock read, for work that limits its share of a turn. The time of `tick`
  /// for loops whose turns take no time.
  [[nodiscard]] virtual TimePoint mono_now() const { return tick().mono; }
  /// The time at which work that can continue in a later turn has to stop. Default: never.
  [[nodiscard]] virtual TimePoint turn_end() const { return never; }
  /// Runs `task` at the end of this turn, or of the next one that has time for it. Default: a
  /// posted task, for loops whose turns have no end of their own.
  virtual void at_turn_end(Task task) { post(std::move(task)); }
  /// Makes the loop poll for events until this time instead of sleeping, for a wait that is about
  /// as short as a wake-up. The latest of several times counts. Loops that never sleep ignore it.
  virtual void stay_awake(TimePoint /*until*/) {}
};

/// Threads beside the loop for long work (compression, name resolution). In simulation the job runs
/// on the only thread, after a delay that the seed chooses.
class Workers {
 public:
  virtual ~Workers() = default;
  /// Runs `job` on a worker, then `done` on `back`. Any thread. The queue of jobs has no limit of
  /// its own: callers bound their jobs.
  virtual void run(Task job, Executor& back, Task done) = 0;
};

}  // namespace dohle
