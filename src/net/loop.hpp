#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/executor.hpp"
#include "base/time.hpp"
#include "base/turns.hpp"

namespace dohle::frames {
class ReadBuffers;
}  // namespace dohle::frames

namespace dohle::net {

class Poller;

/// The event loop: one thread, its descriptors, its timers, and what other threads post to it.
///
/// A turn begins when something is ready. It takes the time once, tells connections what arrived,
/// runs what was posted before, then the timers that are due, and ends by running what was put off
/// to its end (connections write what they were given). What arrived, what was posted and the
/// timers have half of 5 ms each; what is left then is the beginning of the next turn's. Other
/// threads pay a system call for `post` only when the loop sleeps. It does not while it is to stay
/// awake, or for `busy_poll` after the last turn that found something: then turns follow each
/// other, and others may have the core between them; where they keep it, the loop sleeps all the
/// same.
///
/// Throws std::system_error when the system has no descriptors left for it.
class Loop final : public Executor, public Turns {
 public:
  explicit Loop(Duration busy_poll = Duration::zero());
  /// Stops and joins. Tasks that did not run are destroyed, in the calling thread.
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs the loop in the calling thread until stop().
  void run();
  /// Runs it in a thread of its own; `name` (at most 15 bytes) is shown by the system's tools.
  void start(std::string name);
  /// Ends run() after the present turn. Any thread; idempotent.
  void stop();
  /// Waits for the thread of start(). Not on the loop's own thread.
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
  /// The wall clock as of the last turn, however long ago that is. Any thread: what producers stamp
  /// records with instead of reading a clock.
  [[nodiscard]] Timestamp published_wall() const {
    return Timestamp{published_wall_.load(std::memory_order_relaxed)};
  }

  /// From here on each turn's CPU time is measured, at the price of one look at a clock. Before
  /// run().
  void measure_turns();
  /// The most CPU time that a measured turn took of the loop's thread since the last call. Any
  /// thread.
  [[nodiscard]] Duration take_longest_turn();

  // For net's own files.
  [[nodiscard]] Poller& poller();
  [[nodiscard]] frames::ReadBuffers& read_buffers();

 private:
  struct State;
  void turn();
  [[nodiscard]] Duration time_to_sleep();
  void take_time();
  void tell_what_arrived();
  /// Whether there was something.
  bool run_posted();
  void run_timers();
  void end_turn();
  void measure_turn();

  std::unique_ptr<State> state_;
  std::atomic<std::int64_t> published_wall_;
};

}  // namespace dohle::net
