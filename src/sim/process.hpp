#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/connection.hpp"
#include "base/disk.hpp"
#include "base/executor.hpp"
#include "base/random.hpp"
#include "base/secure_random.hpp"

namespace dohle::sim {

class Machine;
class Process;
class ProcessLife;
class ProcessLoop;
class StreamLayer;

/// The program of a process. It builds its objects on the interfaces of the Process and returns an
/// owner that keeps them alive. Each restart calls it again, for the new life.
using Program = std::function<std::shared_ptr<void>(Process&)>;

/// A simulated process: one loop, its clock, random numbers, network, disk and workers, each a
/// simulated version of the interface in base. Made by Machine::start.
///
/// Killing destroys pending tasks, timers, answers and connections, in that order, while the
/// program's objects still exist; then it releases the program's result. Objects of a former life
/// may go on calling their interfaces; such calls have no effect and get no answer.
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

  // Interfaces of the current life. References stay valid after it, but calls have no effect.
  [[nodiscard]] Executor& executor();
  [[nodiscard]] Clock& clock();
  [[nodiscard]] Random& random();
  [[nodiscard]] SecureRandom& secure_random();
  [[nodiscard]] ConnectionDialer& dialer();
  [[nodiscard]] Listening& listening();
  /// The same with `layer` between the connections and their sockets.
  [[nodiscard]] std::unique_ptr<ConnectionDialer> dialer(StreamLayer& layer);
  [[nodiscard]] std::unique_ptr<Listening> listening(StreamLayer& layer);
  [[nodiscard]] Disk& disk();
  /// Runs jobs on the only thread, each after a delay that the seed chooses, so not in order.
  [[nodiscard]] Workers& workers();

  /// Runs `check` after each turn of the current life, for assertions that hold between two turns.
  void after_each_turn(Task check);

  /// The result of the program, as its type. Null before the program ran.
  template <class T>
  [[nodiscard]] T* running_as() {
    return static_cast<T*>(program_state());
  }

  /// SIGKILL: the machine's kernel closes its connections, the page cache survives. If it is called
  /// in a turn of the process, the objects are released after that turn. No effect if the process
  /// does not run.
  void kill();
  /// Begins a new life; kills the current one first. The machine has to be up.
  void restart();
  /// Stops the process for `span`; events that arrive meanwhile wait.
  void pause(Duration span);
  /// Total time of pauses of the current life, including the rest of the current pause.
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
