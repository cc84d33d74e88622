#pragma once

#include <memory>

#include "base/executor.hpp"

namespace dohle::net {

/// Threads for jobs that take long. They start as jobs come, up to the number given, and end with
/// the object, which waits for the jobs that run and drops those that queue. The queue has no limit
/// of its own: callers bound what they hand over. A job's loop has to outlive the object.
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
