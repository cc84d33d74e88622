#include "net/loop.hpp"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/core_yield.hpp"
#include "base/idle_watch.hpp"
#include "base/read_buffers.hpp"
#include "net/poller.hpp"
#include "net/system.hpp"
#include "net/timer_wheel.hpp"

namespace dohle::net {

namespace {

constexpr Duration until_woken{-1};
constexpr Duration half_of_a_turn = std::chrono::microseconds(2'500);

/// Blocks SIGPIPE in the current thread. sendfile, unlike sendmsg, has no flag against it, and a
/// client that closes during a large answer would end the process.
class WithoutPipeSignal {
 public:
  WithoutPipeSignal() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutPipeSignal() {
    if (::sigismember(&before_, SIGPIPE) == 1) return;
    const timespec at_once{};
    while (::sigtimedwait(&pipe_, nullptr, &at_once) == -1 && errno == EINTR) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  WithoutPipeSignal(const WithoutPipeSignal&) = delete;
  WithoutPipeSignal& operator=(const WithoutPipeSignal&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
};

/// The loop's thread in a process whose test moves the time on.
class LoopParty final : public IdleWatch::Party {
 public:
  LoopParty(IdleWatch& watch, const std::string& name, const Poller& poller)
      : Party(watch, "the loop " + name), poller_(poller) {}
  ~LoopParty() { leave(); }

 private:
  void rouse() override { poller_.wake(); }
  const Poller& poller_;
};

}  // namespace

struct Loop::State {
  explicit State(Duration busy_poll_) : busy_poll(busy_poll_) {}

  const Duration busy_poll;
  TimePoint awake_until{};
  bool was_idle = false;
  CoreYield core;  // yields between turns without work
  SystemClock clock;
  Now now = clock.now();
  TimePoint turn_end = never;
  Poller poller;
  ReadBuffers read_buffers;
  TimerWheel timers{now.mono};
  std::vector<Task> at_turn_end;
  std::vector<Task> ending;  // keeps its capacity, as `running` does

  std::mutex mutex;
  std::vector<Task> posted;  // guarded by mutex
  // Set under the mutex just before the loop waits, if no task is posted. The poster that clears it
  // wakes the loop.
  std::atomic<bool> is_asleep{false};

  bool is_measured = false;
  Duration measured_until{-1};  // the thread's CPU time at the end of the last turn
  std::atomic<Duration> longest_turn{Duration::zero()};

  std::vector<Task> running;  // loop thread; tasks that the last turn had no time for
  std::atomic<bool> is_stopping{false};
  std::atomic<std::thread::id> thread_id;
  std::thread thread;
  std::optional<LoopParty> party;  // set before the thread starts
};

Loop::Loop(Duration busy_poll)
    : state_(std::make_unique<State>(busy_poll)), published_wall_(state_->now.wall.value) {}

Loop::~Loop() {
  stop();
  join();
  // A destroyed task may own connections, and may post or arm: the loop still accepts that.
  for (bool is_clean = false; !is_clean;) {
    std::vector<Task> posted;
    {
      const std::lock_guard guard(state_->mutex);
      posted.swap(state_->posted);
    }
    const std::vector<Task> running = std::exchange(state_->running, {});
    const std::vector<Task> turn_end = std::exchange(state_->at_turn_end, {});
    const std::vector<Task> timers = state_->timers.take_all();
    is_clean = posted.empty() && running.empty() && turn_end.empty() && timers.empty();
  }
}

void Loop::run() {
  const WithoutPipeSignal without_pipe_signal;
  DOHLE_ASSERT(state_->thread_id == std::thread::id(), "a loop runs in two threads");
  state_->thread_id = std::this_thread::get_id();
  while (!state_->is_stopping) turn();
  // Bytes of the last turn are still written, even if no caller waits for them.
  while (!state_->at_turn_end.empty()) end_turn();
  if (state_->party) state_->party->leave();
  state_->thread_id = std::thread::id();
}

void Loop::start(std::string name) {
  DOHLE_ASSERT(!state_->thread.joinable(), "a loop is started twice");
  if (IdleWatch* const watch = IdleWatch::current()) {
    state_->party.emplace(*watch, name, state_->poller);
  }
  state_->thread = std::thread([this, name = std::move(name)] {
    ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
    run();
  });
}

void Loop::stop() {
  state_->is_stopping = true;
  state_->poller.wake();
}

void Loop::join() {
  DOHLE_ASSERT(!is_loop_thread(), "a loop is joined on its own thread");
  if (state_->thread.joinable()) state_->thread.join();
}

void Loop::turn() {
  const bool is_told = state_->poller.wait(time_to_sleep());
  // A poster that cleared it has noted the work.
  if (state_->is_asleep.exchange(false) && state_->party) state_->party->begin_work();
  take_time();
  tell_what_arrived();
  const bool is_asked = run_posted();
  state_->was_idle = !is_told && !is_asked;
  if (!state_->was_idle) stay_awake(state_->now.mono + state_->busy_poll);
  run_timers();
  end_turn();
  if (state_->is_measured) measure_turn();
}

Duration Loop::time_to_sleep() {
  State& state = *state_;
  // `at_turn_end` may hold tasks from before run(), `running` those that a turn had no time for.
  if (!state.at_turn_end.empty() || !state.running.empty()) return Duration::zero();
  if (state.timers.has_due()) return Duration::zero();
  const bool may_stay_awake = state.now.mono < state.awake_until;
  if (may_stay_awake && (!state.was_idle || state.core.give_up(state.clock))) {
    return Duration::zero();
  }
  const TimePoint next = state.timers.next();
  Duration patience = until_woken;
  if (next != never) {
    const TimePoint now = state.clock.mono();
    if (next <= now) return Duration::zero();
    patience = next - now;
  }
  const std::lock_guard guard(state.mutex);
  if (!state.posted.empty()) return Duration::zero();
  if (state.party) state.party->begin_wait(next);
  state.is_asleep = true;
  return patience;
}

void Loop::take_time() {
  state_->now = state_->clock.now();
  published_wall_.store(state_->now.wall.value, std::memory_order_relaxed);
}

void Loop::post(Task task) {
  {
    const std::lock_guard guard(state_->mutex);
    state_->posted.push_back(std::move(task));
  }
  if (!state_->is_asleep.load() || !state_->is_asleep.exchange(false)) return;
  if (state_->party) state_->party->begin_work();
  state_->poller.wake();
}

void Loop::tell_what_arrived() {
  state_->turn_end = state_->now.mono + half_of_a_turn;
  state_->poller.tell(state_->clock, state_->turn_end);
}

bool Loop::run_posted() {
  std::vector<Task>& running = state_->running;
  {
    const std::lock_guard guard(state_->mutex);
    if (running.empty()) {
      running.swap(state_->posted);
    } else {
      std::ranges::move(state_->posted, std::back_inserter(running));
      state_->posted.clear();
    }
  }
  if (running.empty()) return false;
  state_->turn_end = state_->clock.mono() + half_of_a_turn;
  std::size_t count = 0;
  while (count < running.size()) {
    // Destroyed right after it ran, so that its objects do not live on while later tasks run.
    Task once = std::move(running[count++]);
    once();
    if (count < running.size() && state_->clock.mono() >= state_->turn_end) break;
  }
  running.erase(running.begin(), running.begin() + static_cast<std::ptrdiff_t>(count));
  return true;
}

bool Loop::is_loop_thread() const {
  return state_->thread_id.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

TimerId Loop::arm(TimePoint at, Task task) {
  return state_->timers.arm(at, std::move(task));
}

void Loop::cancel(TimerId id) {
  state_->timers.cancel(id);
}

Now Loop::tick() const {
  return state_->now;
}

TimePoint Loop::mono_now() const {
  return state_->clock.mono();
}

TimePoint Loop::turn_end() const {
  return state_->turn_end;
}

const Clock& Loop::clock() const {
  return state_->clock;
}

void Loop::stay_awake(TimePoint until) {
  state_->awake_until = std::max(state_->awake_until, until);
}

void Loop::at_turn_end(Task task) {
  state_->at_turn_end.push_back(std::move(task));
}

Poller& Loop::poller() {
  return state_->poller;
}

ReadBuffers& Loop::read_buffers() {
  return state_->read_buffers;
}

void Loop::run_timers() {
  TimerWheel& timers = state_->timers;
  timers.expire(state_->now.mono);
  if (!timers.has_due()) return;
  state_->turn_end = state_->clock.mono() + half_of_a_turn;
  while (Task task = timers.take_due()) {
    task();
    if (timers.has_due() && state_->clock.mono() >= state_->turn_end) break;
  }
}

// A single task, the usual case, costs no look at the clock.
void Loop::end_turn() {
  std::vector<Task>& ending = state_->ending;
  TimePoint end = never;
  for (bool is_first = true; !state_->at_turn_end.empty(); is_first = false) {
    ending.swap(state_->at_turn_end);
    if (end == never && (!is_first || ending.size() > 1)) {
      end = state_->turn_end = state_->clock.mono() + half_of_a_turn;
    }
    std::size_t count = 0;
    while (count < ending.size()) {
      ending[count++]();
      if (count < ending.size() && state_->clock.mono() >= end) break;
    }
    if (count < ending.size()) return keep_for_next_end(count);
    ending.clear();
  }
}

// They run before those that came meanwhile.
void Loop::keep_for_next_end(std::size_t first) {
  std::vector<Task>& ending = state_->ending;
  ending.erase(ending.begin(), ending.begin() + static_cast<std::ptrdiff_t>(first));
  std::ranges::move(state_->at_turn_end, std::back_inserter(ending));
  state_->at_turn_end.clear();
  ending.swap(state_->at_turn_end);
}

void Loop::measure_turns() {
  DOHLE_ASSERT(state_->thread_id == std::thread::id(),
               "measure_turns is called after the loop has started");
  state_->is_measured = true;
}

Duration Loop::take_longest_turn() {
  return state_->longest_turn.exchange(Duration::zero());
}

void Loop::measure_turn() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  const Duration until = std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
  const Duration before = std::exchange(state_->measured_until, until);
  if (before < Duration::zero()) return;
  Duration longest = state_->longest_turn;
  while (until - before > longest &&
         !state_->longest_turn.compare_exchange_weak(longest, until - before)) {
  }
}

}  // namespace dohle::net
