#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/connection.hpp"
#include "base/disk.hpp"
#include "base/executor.hpp"
#include "base/random.hpp"

namespace dohle::sim {

class Machine;
class Process;
class ProcessLife;
class ProcessLoop;

/// What a process runs: builds its objects with what the Process offers and returns what keeps
/// them alive. Called again, on the new life, by each restart.
using Program = std::function<std::shared_ptr<void>(Process&)>;

/// A simulated process: one loop, its clock, random numbers, network, disk and workers, each the
/// twin of the interface in base. Made by Machine::start.
///
/// Killing: pending tasks, timers, answers and connections vanish (destroyed in that order while
/// the program's objects still stand), then the program's result is released. Objects of a former
/// life may go on calling what they were given; it does nothing and answers nothing.
class Process {
 public:
  Process(Machine& machine, std::string name, Program program);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Machine& machine() { return machine_; }
  [[nodiscard]] bool is_running() const;
  /// 1 for the first life, one more after each restart.
  [[nodiscard]] unsigned life() const { return static_cast<unsigned>(lives_.size()); }

  // Of the present life; references stay valid (and dead) after it.
  [[nodiscard]] Executor& executor();
  [[nodiscard]] Clock& clock();
  [[nodiscard]] Random& random();
  [[nodiscard]] Dialer& dialer();
  [[nodiscard]] Listening& listening();
  [[nodiscard]] Disk& disk();
  /// Runs jobs on the one thread, after a delay that the seed chooses; not in order.
  [[nodiscard]] Workers& workers();

  /// Runs `check` after each turn of the present life: what it asserts holds between two turns.
  void after_each_turn(Task check);

  /// What the program returned, as the type that it is; null while it has not run.
  template <class T>
  [[nodiscard]] T* running_as() {
    return static_cast<T*>(program_state());
  }

  /// SIGKILL: the machine's kernel closes its connections, the page cache survives. From within
  /// its own turn the objects are released when the turn ends. Nothing when it does not run.
  void kill();
  /// Begins a new life; kills the present one first. The machine is up.
  void restart();
  /// Stands still for `span`; what arrives meanwhile waits.
  void pause(Duration span);
  /// How long its present life stands still in all, also for what is left of the present pause.
  [[nodiscard]] Duration paused_for() const;

 private:
  friend class Machine;
  friend class World;
  enum class End : bool { killed, power_lost };
  void end(End how);
  [[nodiscard]] ProcessLife& present() { return *lives_.back(); }
  [[nodiscard]] void* program_state();

  Machine& machine_;
  const std::string name_;
  Program program_;
  std::vector<std::unique_ptr<ProcessLife>> lives_;
};

}  // namespace dohle::sim
