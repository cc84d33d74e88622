#pragma once

#include <cstdint>
#include <functional>

#include "base/time.hpp"

namespace dohle {

/// Work for a loop. Free of allocation up to three words of captures.
using Task = std::move_only_function<void()>;

/// Names one armed timer; 0 is none.
using TimerId = std::uint64_t;

/// One loop: one thread (in simulation: the one thread) on which everything posted runs, in
/// order. Decisions do not see it; the engines of client and node do.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Runs `task` on the loop, after what was posted before. Any thread. Tasks still queued when
  /// the loop ends are destroyed, not run.
  virtual void post(Task task) = 0;
  /// True on the loop's own thread.
  [[nodiscard]] virtual bool is_loop_thread() const = 0;

  // Loop thread only from here.

  /// Runs `task` at `at` or as soon after as the timer wheel's tick (1 ms) allows.
  virtual TimerId arm(TimePoint at, Task task) = 0;
  /// After it returns the task does not run. Unknown and fired ids are ignored.
  virtual void cancel(TimerId id) = 0;
  /// Time as it was when the loop began its present turn; no system call.
  [[nodiscard]] virtual Now tick() const = 0;
  /// The time at present: one look at the clock, for work that bounds what it takes of a turn.
  /// Loops whose turns take no time: that of `tick`.
  [[nodiscard]] virtual TimePoint mono_now() const { return tick().mono; }
  /// Work that can go on in a later turn stops then, and leaves the thread to others. Default: the
  /// turn has no end.
  [[nodiscard]] virtual TimePoint turn_end() const { return never; }
  /// Until then the loop looks for what comes instead of sleeping, for a wait that is not much
  /// longer than to be woken takes; of several times the latest counts. Loops that never sleep have
  /// nothing to do.
  virtual void stay_awake(TimePoint /*until*/) {}
};

/// Threads beside the loop for what takes long (compression, name resolution). In simulation the
/// job runs on the one thread, after a delay that the seed chooses.
class Workers {
 public:
  virtual ~Workers() = default;
  /// Runs `job` on some worker, then `done` on `back`. Any thread. Jobs queue without limit:
  /// callers bound what they hand over.
  virtual void run(Task job, Executor& back, Task done) = 0;
};

}  // namespace dohle
