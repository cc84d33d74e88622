#pragma once

#include <memory>

#include "base/executor.hpp"

namespace dohle::net {

/// Threads for jobs that take long. They start with the first job and end with the object, which
/// waits for the running jobs; queued ones are dropped.
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
