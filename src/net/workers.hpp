#pragma once

#include <memory>

#include "base/executor.hpp"

namespace dohle::net {

/// Threads for long jobs. They start as jobs come, up to the given number, and end with the object.
/// Its destructor waits for running jobs and drops queued ones. The queue has no limit of its own:
/// callers bound their jobs. The loop of a job has to outlive the object.
class WorkerThreads final : public Workers {
 public:
  /// 1 to 64 threads.
  explicit WorkerThreads(std::size_t threads);
  ~WorkerThreads() override;
  void run(Task job, Executor& back, Task done) override;

 private:
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace dohle::net
