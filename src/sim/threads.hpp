#pragma once

#include <cstddef>
#include <memory>
#include <semaphore>
#include <string>
#include <vector>

#include "base/executor.hpp"
#include "base/simulated_thread.hpp"

namespace dohle::sim {

class Process;
class World;

/// Threads of simulated processes, for programs whose calls wait: each is a thread of the system,
/// but one of them or the world runs at a time, so that the same seed gives the same run. A thread
/// runs, in no virtual time, until a call of its waits; its turn comes again some microseconds
/// after what it waits for, later where its process stands still.
///
///     sim::Threads threads(world);
///     threads.start(process, "sender", [&] { …producer.flush(5s)… });
///     world.run_for(60s);
///     EXPECT_THAT(threads.unfinished(), IsEmpty());
///
/// A process that has threads is not killed: their stacks cannot go.
/// Thread safety: the world's thread. All threads have ended before it goes.
class Threads {
 public:
  explicit Threads(World& world);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  /// `body` gets its first turn soon, and throws nothing.
  void start(Process& process, std::string name, Task body);
  /// The names of those whose bodies have not returned.
  [[nodiscard]] std::vector<std::string> unfinished() const;

 private:
  class WorldsThread;
  class OneThread;

  World& world_;
  std::unique_ptr<WorldsThread> worlds_;
  std::vector<std::shared_ptr<OneThread>> all_;
  /// Released by the thread whose turn ends.
  std::binary_semaphore turn_ended_{0};
};

}  // namespace dohle::sim
