#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/executor.hpp"
#include "base/time.hpp"

namespace dohle {
class ReadBuffers;
}  // namespace dohle

namespace dohle::net {

class Poller;

/// The event loop: one thread, its descriptors, its timers, and the tasks that are posted to it.
///
/// A turn begins when a descriptor, a task or a timer is ready. It reads the clock once, passes
/// readiness on to connections, runs the tasks posted before, then the due timers, and at last the
/// tasks deferred to its end (connections write their queued bytes). Readiness, posted tasks and
/// timers have half of 5 ms each; the next turn goes on with the rest.
///
/// `post` costs other threads a system call only while the loop sleeps. The loop does not sleep
/// before the time of `stay_awake`, nor for `busy_poll` after the last turn with work. Turns then
/// follow each other, and the loop yields its core between turns without work. If other threads
/// keep the core, the loop sleeps all the same.
///
/// Throws std::system_error if the system has no descriptors left for it.
class Loop final : public Executor {
 public:
  explicit Loop(Duration busy_poll = Duration::zero());
  /// Stops and joins. Tasks that did not run are destroyed, in the calling thread.
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs the loop in the calling thread until stop().
  void run();
  /// Runs the loop in a thread of its own. The system's tools show `name` (at most 15 bytes).
  void start(std::string name);
  /// Ends run() after the current turn. Any thread; idempotent.
  void stop();
  /// Waits for the thread of start(). Called on another thread than the loop's.
  void join();

  void post(Task task) override;
  [[nodiscard]] bool is_loop_thread() const override;
  TimerId arm(TimePoint at, Task task) override;
  void cancel(TimerId id) override;
  void at_turn_end(Task task) override;
  [[nodiscard]] Now tick() const override;
  [[nodiscard]] TimePoint mono_now() const override;
  [[nodiscard]] TimePoint turn_end() const override;
  void stay_awake(TimePoint until) override;

  /// The clock that ticks are read from. Any thread.
  [[nodiscard]] const Clock& clock() const;
  /// The wall clock as of the last turn, however long ago that is. Producers stamp records with it
  /// instead of reading a clock. Any thread.
  [[nodiscard]] Timestamp published_wall() const {
    return Timestamp{published_wall_.load(std::memory_order_relaxed)};
  }

  /// Measures the CPU time of each turn from now on, which costs one clock read per turn. Call it
  /// before run().
  void measure_turns();
  /// The most CPU time that one measured turn took since the last call. Any thread.
  [[nodiscard]] Duration take_longest_turn();

  /// The read buffers that the connections of this loop share.
  [[nodiscard]] ReadBuffers& read_buffers();
  // Only files of net call this.
  [[nodiscard]] Poller& poller();

 private:
  struct State;
  void turn();
  [[nodiscard]] Duration time_to_sleep();
  void take_time();
  void tell_what_arrived();
  /// True if a task ran.
  bool run_posted();
  void run_timers();
  void end_turn();
  /// The tasks of this end from `first` on run at the next one.
  void keep_for_next_end(std::size_t first);
  void measure_turn();

  std::unique_ptr<State> state_;
  std::atomic<std::int64_t> published_wall_;
};

}  // namespace dohle::net
