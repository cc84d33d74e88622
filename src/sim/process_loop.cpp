#include "sim/process_loop.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "sim/machine.hpp"
#include "sim/world.hpp"

namespace dohle::sim {

namespace {

constexpr Duration timer_tick = std::chrono::milliseconds(1);
/// Minimum cost of a turn, maximum of its random addition, and cost of each task.
constexpr Duration turn_cost = std::chrono::microseconds(1);
constexpr std::uint64_t turn_jitter_ns = 8'000;
constexpr Duration task_cost = std::chrono::nanoseconds(200);

TimePoint next_tick(TimePoint at) {
  const auto ticks = (at.time_since_epoch() + timer_tick - Duration(1)) / timer_tick;
  return TimePoint(ticks * timer_tick);
}

}  // namespace

ProcessLoop::ProcessLoop(Machine& machine, std::string name, SeededRandom random)
    : machine_(machine),
      world_(machine.world()),
      name_(std::move(name)),
      mark_(machine.world().stream(name_).next()),
      random_(std::move(random)) {}

TimePoint ProcessLoop::mono() const {
  return world_.now();
}

Timestamp ProcessLoop::wall() const {
  return machine_.wall();
}

bool ProcessLoop::is_loop_thread() const {
  return !runs_beside_ && !world_.runs_thread() &&
         (world_.running() == this || world_.running() == nullptr);
}

void ProcessLoop::post(Task task) {
  if (!is_alive_) return;
  inbox_.push_back(std::move(task));
  wake();
}

void ProcessLoop::at_turn_end(Task task) {
  if (!is_alive_) return;
  at_end_.push_back(std::move(task));
  wake();
}

/// Without effect within a turn: the end of the turn wakes the loop if tasks are left.
void ProcessLoop::wake() {
  if (turn_is_due_ || world_.running() == this) return;
  turn_is_due_ = true;
  feel_pause();
  const TimePoint at = std::max(world_.now(), busy_until_);
  world_.queue().add(at, [this] { turn(); });
}

void ProcessLoop::run_all(std::vector<Task>& tasks) {
  batch_.swap(tasks);
  for (Task& task : batch_) {
    if (!is_alive_) break;
    task();
    task = nullptr;
  }
  batch_.clear();
}

void ProcessLoop::turn() {
  turn_is_due_ = false;
  if (!is_alive_) return;
  if (world_.now() < busy_until_) return wake();
  world_.mark(mark_, static_cast<std::uint64_t>(world_.now().time_since_epoch().count()));
  const auto tasks = static_cast<Duration::rep>(inbox_.size());
  DOHLE_ASSERT(world_.running() == nullptr, "a process runs while another one runs");
  world_.set_running(this);
  run_all(inbox_);
  run_all(at_end_);
  if (is_alive_ && after_turns_) after_turns_();
  world_.set_running(nullptr);
  const Duration jitter(random_.below(turn_jitter_ns));
  busy_until_ = std::max(busy_until_, world_.now() + turn_cost + tasks * task_cost + jitter);
  if (!inbox_.empty() || !at_end_.empty()) wake();
}

TimerId ProcessLoop::arm(TimePoint at, Task task) {
  if (!is_alive_) return 0;
  const TimerId id = ++last_timer_;
  if (at == never) {
    timers_.emplace(id, Timer{std::move(task), 0});
    return id;
  }
  const TimePoint when = next_tick(std::max(at, world_.now()));
  const auto event = world_.queue().add(when, [this, id] {
    if (is_alive_) post([this, id] { run_timer(id); });
  });
  timers_.emplace(id, Timer{std::move(task), event});
  return id;
}

void ProcessLoop::run_timer(TimerId id) {
  const auto at = timers_.find(id);
  if (at == timers_.end()) return;
  Task task = std::move(at->second.task);
  timers_.erase(at);
  task();
}

void ProcessLoop::cancel(TimerId id) {
  const auto at = timers_.find(id);
  if (at == timers_.end()) return;
  world_.queue().cancel(at->second.event);
  // Destroyed last: captures of the task may call the loop.
  const Timer dropped = std::move(at->second);
  timers_.erase(at);
}

void ProcessLoop::run_beside(Task& job) {
  ProcessLoop* const before = world_.running();
  world_.set_running(this);
  runs_beside_ = true;
  job();
  runs_beside_ = false;
  world_.set_running(before);
}

TimePoint ProcessLoop::feel_pause() {
  if (world_.now() < paused_until_ && std::exchange(is_pause_unfelt_, false)) {
    world_.bitten(Fault::pause, name_, "stands still");
  }
  return paused_until_;
}

void ProcessLoop::pause(Duration span) {
  const TimePoint until = std::max(paused_until_, world_.now() + span);
  paused_for_ += until - std::max(paused_until_, world_.now());
  paused_until_ = until;
  busy_until_ = std::max(busy_until_, paused_until_);
  is_pause_unfelt_ = true;
}

void ProcessLoop::clear() {
  const auto inbox = std::exchange(inbox_, {});
  const auto at_end = std::exchange(at_end_, {});
  const auto after_turns = std::exchange(after_turns_, {});
  for (auto& [id, timer] : timers_) world_.queue().cancel(timer.event);
  const auto timers = std::exchange(timers_, {});
}

}  // namespace dohle::sim
