#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/random.hpp"
#include "base/slice.hpp"
#include "sim/disk.hpp"
#include "sim/event_queue.hpp"
#include "sim/fault.hpp"
#include "sim/network.hpp"

namespace dohle::sim {

class Machine;
class ProcessLoop;

/// A frame that a process reads from a connection.
struct ReadFrame {
  /// Number of the connection in the world.
  std::uint64_t connection;
  /// Names of the dialing process and of the dialed address.
  std::string_view dialer;
  std::string_view dialed;
  /// True for answers, which the dialer reads; false for requests.
  bool is_read_by_dialer;
  const Slice& bytes;
};

struct WorldOptions {
  /// Default: none; no line is formatted. Receives each line of the trace: "[   1.204518] node: …".
  std::function<void(std::string_view)> trace = {};
  /// Default: 2025-01-01 00:00 UTC. Time of all wall clocks at the beginning.
  Timestamp wall_start{1'735'689'600'000};
  NetworkOptions network = {};
  DiskOptions disk = {};
};

/// A simulated world: machines with processes, a network and disks, under virtual time, in one
/// thread (or several that take turns: sim/threads.hpp). The seed decides all events: the same seed
/// and program give the same run, which `trace_hash` proves. No clock is read.
///
///     sim::World world(seed);
///     world.machine("node").start("node", [&](sim::Process& self) {
///       return std::make_shared<MyNode>(self.executor(), self.clock(), self.disk(),
///                                       self.listening());
///     });
///     world.machine("client").start("client", [&](sim::Process& self) { … });
///     world.after(5s, [&] { world.machine("node").lose_power(); });
///     world.after(7s, [&] { world.machine("node").power_on(); });
///     world.run_for(60s);
///     EXPECT_TRUE(checker.holds()) << "seed " << world.seed();
///
/// Virtual time moves only from event to event; it stands still while code runs. A process works in
/// turns: events that arrive while it is "busy" (a few microseconds after each turn, by the seed)
/// wait for the next turn. Monotonic time is the same on all machines and never jumps. Each machine
/// has its own wall clock, which may jump both ways (`Machine::jump_wall_clock`).
///
/// `schedule_faults` in sim/fault_plan.hpp lets the seed choose faults.
/// Thread safety: one thread. Machines, processes and network live as long as the world.
class World {
 public:
  explicit World(std::uint64_t seed, WorldOptions options = {});
  /// Ends all processes, machine by machine. None of their code runs after that.
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  /// Virtual time; a world begins at 1 s, so that no time is mistaken for "none".
  [[nodiscard]] TimePoint now() const { return now_; }
  /// The test's own random numbers; nothing in the world draws from them.
  [[nodiscard]] Random& random() { return random_; }
  /// A random sequence that depends on the seed and the name alone.
  [[nodiscard]] SeededRandom stream(std::string_view name) const;

  /// The machine of that name, made at its first mention. Its name is its host name.
  Machine& machine(std::string_view name);
  [[nodiscard]] Network& network() { return network_; }
  [[nodiscard]] const std::map<std::string, std::unique_ptr<Machine>, std::less<>>& machines()
      const {
    return machines_;
  }

  /// Runs `task` at `at`, or next if that is past. It runs outside of any process.
  void schedule(TimePoint at, Task task);
  void after(Duration delay, Task task) { schedule(now_ + delay, std::move(task)); }

  /// Runs all events within `span`. The time is then `span` later.
  void run_for(Duration span);
  /// Runs until `done` (asked after each event) or until `at_most` has passed; true if done.
  bool run_until(const std::function<bool()>& done, Duration at_most);
  /// Runs the next event. Returns false if there is none.
  bool step();
  /// Number of events so far. About 100,000 take 0.05 s of CPU if they do little.
  [[nodiscard]] std::uint64_t events() const { return events_; }

  /// Faults that took effect.
  [[nodiscard]] FaultCounts& faults() { return faults_; }
  /// Faults that a FaultPlan began, also those without effect.
  [[nodiscard]] FaultCounts& drawn_faults() { return drawn_faults_; }

  /// Depends on everything that happened, in order: events, bytes, faults, notes.
  [[nodiscard]] std::uint64_t trace_hash() const { return hash_; }
  [[nodiscard]] bool is_traced() const { return options_.trace != nullptr; }
  /// Adds a line of the test (or of a process, `who`) to the trace and to the hash.
  void note(std::string_view who, std::string_view line);

  /// Calls `hear` with every frame, before its reader gets it.
  void on_frame(std::function<void(const ReadFrame&)> hear) { on_frame_ = std::move(hear); }

  // Other parts of the world call the following functions.

  void frame_read(const ReadFrame& frame) const {
    if (on_frame_) on_frame_(frame);
  }
  [[nodiscard]] EventQueue& queue() { return queue_; }
  [[nodiscard]] const WorldOptions& options() const { return options_; }
  /// Mixes an event into the hash.
  void mark(std::uint64_t what, std::uint64_t value) {
    hash_ = (hash_ ^ what ^ (value << 20)) * 0x9e3779b97f4a7c15u;
    hash_ ^= hash_ >> 29;
  }
  void mark(std::uint64_t what, Bytes bytes);
  /// Counts, marks and traces a fault; in the trace, repetitions are one line.
  void bitten(Fault fault, std::string_view who, std::string_view how);
  /// Adds a line to the trace, not to the hash. Check is_traced first.
  void trace(std::string_view who, std::string_view line) const;
  /// The process that has its turn. Null between turns.
  [[nodiscard]] ProcessLoop* running() const { return running_; }
  void set_running(ProcessLoop* loop) { running_ = loop; }
  /// True if a thread beside the loops has its turn.
  [[nodiscard]] bool runs_thread() const { return runs_thread_; }
  void set_runs_thread(bool runs) { runs_thread_ = runs; }

 private:
  const std::uint64_t seed_;
  const WorldOptions options_;
  TimePoint now_{std::chrono::seconds(1)};
  SeededRandom random_;
  std::uint64_t hash_;
  std::uint64_t events_ = 0;
  FaultCounts faults_;
  FaultCounts drawn_faults_;
  std::function<void(const ReadFrame&)> on_frame_;
  std::string last_bitten_;
  ProcessLoop* running_ = nullptr;
  bool runs_thread_ = false;
  EventQueue queue_;
  Network network_;
  std::map<std::string, std::unique_ptr<Machine>, std::less<>> machines_;
};

}  // namespace dohle::sim
