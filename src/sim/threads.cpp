#include "sim/threads.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/assert.hpp"
#include "sim/process.hpp"
#include "sim/process_loop.hpp"
#include "sim/world.hpp"

namespace dohle::sim {

namespace {

/// Minimum time from a wake to the turn of the thread, and maximum of its random addition.
constexpr Duration wake_cost = std::chrono::microseconds(2);
constexpr std::uint64_t wake_jitter_ns = 20'000;

}  // namespace

/// The world's own thread, on which loops run: it knows the time and never waits.
class Threads::WorldsThread final : public SimulatedThread {
 public:
  explicit WorldsThread(World& world) : world_(world) {
    DOHLE_ASSERT(here() == nullptr, "one simulated thread makes the world of another");
    set_here(this);
  }
  ~WorldsThread() override { set_here(nullptr); }
  [[nodiscard]] TimePoint now() const override { return world_.now(); }
  void stand_still(TimePoint) override { DOHLE_ASSERT(false, "the world's own thread blocks"); }
  void wake() override {
    DOHLE_ASSERT(false, "the world's own thread is woken, but it never blocks");
  }
  std::shared_ptr<SimulatedThread> start(Task) override {
    DOHLE_ASSERT(false, "threads of a process start others, or a test does");
    return nullptr;
  }
  void join() override { DOHLE_ASSERT(false, "the world's thread has no end"); }

 private:
  World& world_;
};

class Threads::OneThread final : public SimulatedThread,
                                 public std::enable_shared_from_this<OneThread> {
 public:
  OneThread(Threads& all, ProcessLoop& loop, std::string name, Task body)
      : all_(all),
        loop_(loop),
        name_(std::move(name)),
        random_(all.world_.stream(name_)),
        mark_(random_.next()),
        body_(std::move(body)) {}
  ~OneThread() override { join_system(); }
  /// Waits until the thread of the system has ended.
  void join_system() {
    if (system_.joinable()) system_.join();
  }

  void begin() {
    system_ = std::thread([this] {
      turn_.take();
      set_here(this);
      body_();
      body_ = nullptr;
      set_here(nullptr);
      has_ended_ = true;
      for (SimulatedThread* const each : joining_) each->wake();
      all_.worlds_turn_.give();
    });
    wake();
  }

  [[nodiscard]] TimePoint now() const override { return all_.world_.now(); }

  void stand_still(TimePoint until) override {
    DOHLE_ASSERT(here() == this, "a simulated thread waits on behalf of another");
    waits_ = true;
    if (until != never) {
      // A wait takes time even if none is left. Otherwise a thread that polls would keep the world
      // from going on.
      event_ = all_.world_.queue().add(std::max(until, now() + cost()), [this] { take_turn(); });
    }
    all_.worlds_turn_.give();
    turn_.take();
  }

  void wake() override {
    if (!std::exchange(waits_, false)) return;
    if (event_ != 0) all_.world_.queue().cancel(event_);
    event_ = all_.world_.queue().add(now() + cost(), [this] { take_turn(); });
  }

  std::shared_ptr<SimulatedThread> start(Task body) override {
    auto made = std::make_shared<OneThread>(all_, loop_, name_ + "/" + std::to_string(++started_),
                                            std::move(body));
    all_.all_.push_back(made);
    made->begin();
    return made;
  }

  void join() override {
    SimulatedThread* const caller = here();
    joining_.push_back(caller);
    while (!has_ended_) caller->stand_still(never);
  }

  [[nodiscard]] bool has_ended() const { return has_ended_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  [[nodiscard]] Duration cost() { return wake_cost + Duration(random_.below(wake_jitter_ns)); }

  /// Runs on the world's thread.
  void take_turn() {
    World& world = all_.world_;
    if (const TimePoint paused_until = loop_.feel_pause(); world.now() < paused_until) {
      event_ = world.queue().add(paused_until, [this] { take_turn(); });
      return;
    }
    event_ = 0;
    waits_ = false;
    world.mark(mark_, static_cast<std::uint64_t>(world.now().time_since_epoch().count()));
    world.set_runs_thread(true);
    turn_.give();
    all_.worlds_turn_.take();
    world.set_runs_thread(false);
  }

  Threads& all_;
  ProcessLoop& loop_;
  const std::string name_;
  SeededRandom random_;
  const std::uint64_t mark_;
  Task body_;
  std::thread system_;
  Turn turn_;
  EventQueue::Id event_ = 0;
  /// True from the beginning of a wait until the thread is woken.
  bool waits_ = true;
  bool has_ended_ = false;
  unsigned started_ = 0;
  std::vector<SimulatedThread*> joining_;
};

Threads::Threads(World& world) : world_(world), worlds_(std::make_unique<WorldsThread>(world)) {}

Threads::~Threads() {
  DOHLE_ASSERT(unfinished().empty(), "simulated threads outlive their world");
  // Others may hold them, and they give the world's turn at their end.
  for (const auto& each : all_) each->join_system();
}

void Threads::start(Process& process, std::string name, Task body) {
  // A process's executor is its loop.
  auto& loop = static_cast<ProcessLoop&>(process.executor());
  all_.push_back(std::make_shared<OneThread>(*this, loop, std::move(name), std::move(body)));
  all_.back()->begin();
}

std::vector<std::string> Threads::unfinished() const {
  std::vector<std::string> names;
  for (const auto& each : all_) {
    if (!each->has_ended()) names.push_back(each->name());
  }
  return names;
}

}  // namespace dohle::sim
