#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.hpp"
#include "base/simulated_thread.hpp"
#include "sim/turn.hpp"

namespace dohle::sim {

class Process;
class World;

/// Threads of simulated processes, for programs whose calls block. Each is a thread of the system,
/// but only one of them or the world runs at a time, so the same seed gives the same run. A thread
/// runs, in no virtual time, until one of its calls blocks. Its next turn comes some microseconds
/// after it is woken, or later if its process is paused.
///
///     sim::Threads threads(world);
///     threads.start(process, "sender", [&] { …producer.flush(5s)… });
///     world.run_for(60s);
///     EXPECT_THAT(threads.unfinished(), IsEmpty());
///
/// A process with threads cannot be killed: their stacks cannot be destroyed.
/// Thread safety: the world's thread. All threads have to end before the object is destroyed.
class Threads {
 public:
  explicit Threads(World& world);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  /// Starts a thread of `process`. `body` gets its first turn soon. It must not throw.
  void start(Process& process, std::string name, Task body);
  /// Names of the threads whose bodies have not returned.
  [[nodiscard]] std::vector<std::string> unfinished() const;

 private:
  class WorldsThread;
  class OneThread;

  World& world_;
  std::unique_ptr<WorldsThread> worlds_;
  std::vector<std::shared_ptr<OneThread>> all_;
  /// Given by the thread whose turn ends.
  Turn worlds_turn_;
};

}  // namespace dohle::sim
