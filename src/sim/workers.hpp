#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "base/executor.hpp"
#include "base/random.hpp"
#include "sim/process_loop.hpp"

namespace dohle::sim {

/// Workers of one process. Each job runs on the only thread, 10 to 500 µs later; the delays decide
/// the order.
class SimWorkers final : public Workers {
 public:
  SimWorkers(ProcessLoop& loop, SeededRandom random) : loop_(loop), random_(std::move(random)) {}

  void run(Task job, Executor& back, Task done) override;
  /// Destroys jobs that have not run.
  void clear() { pending_.clear(); }

 private:
  struct Job {
    Task job;
    Executor* back;
    Task done;
  };
  void finish(std::uint64_t id);

  ProcessLoop& loop_;
  SeededRandom random_;
  std::map<std::uint64_t, Job> pending_;
  std::uint64_t last_ = 0;
};

}  // namespace dohle::sim
