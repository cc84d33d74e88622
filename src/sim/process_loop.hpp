#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "base/executor.hpp"
#include "base/random.hpp"
#include "base/read_buffers.hpp"
#include "sim/event_queue.hpp"

namespace dohle::sim {

class Machine;
class World;

/// The loop and the clock of one life of a process. After `die` no call has an effect.
class ProcessLoop final : public Executor, public Clock {
 public:
  ProcessLoop(Machine& machine, std::string name, SeededRandom random);

  void post(Task task) override;
  [[nodiscard]] bool is_loop_thread() const override;
  TimerId arm(TimePoint at, Task task) override;
  void cancel(TimerId id) override;
  void at_turn_end(Task task) override;
  [[nodiscard]] Now tick() const override { return now(); }
  [[nodiscard]] TimePoint mono() const override;
  [[nodiscard]] Timestamp wall() const override;

  /// Runs `task` after all tasks of each turn, from now on.
  void after_each_turn(Task task) { after_turns_ = std::move(task); }
  /// Runs `job` as if on another thread of the process.
  void run_beside(Task& job);
  /// Stops the process for `span`. Counts as a fault once an event has to wait for its end.
  void pause(Duration span);
  /// The end of the pause, for an event that has to wait for it.
  TimePoint feel_pause();
  /// Total time of pauses, including the rest of the current one.
  [[nodiscard]] Duration paused_for() const { return paused_for_; }
  /// No further task starts.
  void die() { is_alive_ = false; }
  /// Destroys queued tasks and armed timers. Call it after `die`.
  void clear();

  [[nodiscard]] bool is_alive() const { return is_alive_; }
  [[nodiscard]] Machine& machine() const { return machine_; }
  [[nodiscard]] World& world() const { return world_; }
  [[nodiscard]] ReadBuffers& read_buffers() { return read_buffers_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  struct Timer {
    Task task;
    EventQueue::Id event;
  };

  void wake();
  void turn();
  void run_timer(TimerId id);
  void run_all(std::vector<Task>& tasks);

  Machine& machine_;
  World& world_;
  const std::string name_;
  const std::uint64_t mark_;
  SeededRandom random_;
  bool is_alive_ = true;
  bool runs_beside_ = false;
  bool turn_is_due_ = false;
  TimePoint busy_until_{};
  TimePoint paused_until_{};
  Duration paused_for_{};
  /// True if no event had to wait for the end of the current pause so far.
  bool is_pause_unfelt_ = false;
  std::vector<Task> inbox_;
  std::vector<Task> batch_;
  std::vector<Task> at_end_;
  Task after_turns_;
  std::unordered_map<TimerId, Timer> timers_;
  TimerId last_timer_ = 0;
  ReadBuffers read_buffers_;
};

}  // namespace dohle::sim
