#include "net/loop.hpp"

#include <pthread.h>

#include <mutex>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/system.hpp"
#include "net/timer_queue.hpp"

namespace dohle::net {

namespace asio = boost::asio;

namespace {

constexpr auto tick_interval = std::chrono::milliseconds(5);

}  // namespace

struct Loop::State {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  asio::steady_timer timer{context};
  TimePoint timer_at = never;
  SystemClock clock;
  Now now;
  bool in_turn = false;
  TimerQueue timers;
  std::vector<Task> turn_end;
  TimerId ticking = 0;

  std::mutex mutex;
  std::vector<Task> posted;  // guarded by mutex

  std::vector<Task> draining;  // loop thread; keeps its capacity
  std::atomic<bool> stopping{false};
  std::atomic<std::thread::id> thread_id;
  std::thread thread;
};

Loop::Loop() : state_(std::make_unique<State>()) {
  state_->now = state_->clock.now();
  published_wall_ = state_->now.wall.value;
}

Loop::~Loop() {
  stop();
  join();
  // What was posted and never run may own connections: it goes while the context still stands.
  std::vector<Task> left;
  {
    const std::lock_guard guard(state_->mutex);
    left.swap(state_->posted);
  }
  left.clear();
  state_->turn_end.clear();
}

void Loop::run() {
  State& state = *state_;
  state.thread_id = std::this_thread::get_id();
  while (!state.stopping) {
    state.context.run_one();
    if (state.context.stopped()) break;
    begin_turn();
    state.context.poll();
    end_turn();
  }
  state.thread_id = std::thread::id();
}

void Loop::start(std::string name) {
  state_->thread = std::thread([this, name = std::move(name)] {
    ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
    run();
  });
}

void Loop::stop() {
  state_->stopping = true;
  state_->context.stop();
}

void Loop::join() {
  if (state_->thread.joinable()) state_->thread.join();
}

void Loop::post(Task task) {
  bool was_empty = false;
  {
    const std::lock_guard guard(state_->mutex);
    was_empty = state_->posted.empty();
    state_->posted.push_back(std::move(task));
  }
  if (was_empty) asio::post(state_->context, [this] { drain_posted(); });
}

void Loop::drain_posted() {
  begin_turn();
  {
    const std::lock_guard guard(state_->mutex);
    state_->draining.swap(state_->posted);
  }
  for (Task& task : state_->draining) task();
  state_->draining.clear();
}

bool Loop::is_loop_thread() const {
  return state_->thread_id.load() == std::this_thread::get_id();
}

TimerId Loop::arm(TimePoint at, Task task) {
  const TimerId id = state_->timers.arm(at, std::move(task));
  rearm();
  return id;
}

void Loop::cancel(TimerId id) {
  state_->timers.cancel(id);
}

Now Loop::tick() const {
  return state_->now;
}

void Loop::keep_ticking(bool on) {
  if (on == (state_->ticking != 0)) return;
  if (on) {
    tick_again();
  } else {
    cancel(std::exchange(state_->ticking, 0));
  }
}

void Loop::tick_again() {
  state_->ticking = arm(state_->now.mono + tick_interval, [this] { tick_again(); });
}

void Loop::at_turn_end(Task task) {
  state_->turn_end.push_back(std::move(task));
  // Outside of a turn (before run, or in a foreign handler) somebody has to end one.
  if (!state_->in_turn) asio::post(state_->context, [] {});
}

asio::io_context& Loop::context() {
  return state_->context;
}

void Loop::begin_turn() {
  if (state_->in_turn) return;
  state_->in_turn = true;
  state_->now = state_->clock.now();
  published_wall_.store(state_->now.wall.value, std::memory_order_relaxed);
}

void Loop::end_turn() {
  while (!state_->turn_end.empty()) {
    std::vector<Task> tasks;
    tasks.swap(state_->turn_end);
    for (Task& task : tasks) task();
  }
  state_->in_turn = false;
}

// The system's timer moves only when the next time moved earlier: one that fires too early finds
// nothing due and is armed anew.
void Loop::rearm() {
  State& state = *state_;
  const TimePoint next = state.timers.next();
  if (next >= state.timer_at) return;
  state.timer_at = next;
  state.timer.expires_at(asio::steady_timer::time_point(
      std::chrono::duration_cast<asio::steady_timer::duration>(next.time_since_epoch())));
  state.timer.async_wait([this](const boost::system::error_code& code) {
    if (code != boost::system::error_code()) return;
    state_->timer_at = never;
    run_timers();
  });
}

void Loop::run_timers() {
  begin_turn();
  // The turn may have begun before this timer was due.
  const TimePoint now = state_->clock.mono();
  while (Task task = state_->timers.take_due(now)) task();
  rearm();
}

}  // namespace dohle::net
