#include "net/workers.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/assert.hpp"
#include "base/idle_watch.hpp"

namespace dohle::net {

struct WorkerThreads::Pool {
  struct Job {
    Task work;
    Executor* back;
    Task done;
    IdleWatch::Job watched = {};
  };

  explicit Pool(std::size_t threads) : max_threads(std::clamp<std::size_t>(threads, 1, 64)) {}

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      ++idle;
      wake.wait(lock, [&] { return stopping || !jobs.empty(); });
      --idle;
      if (stopping) return;
      Job job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      DOHLE_ASSERT(job.back != nullptr, "a job has no loop to be done on");
      job.work();
      job.back->post(std::move(job.done));
      lock.lock();
    }
  }

  const std::size_t max_threads;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;
  std::vector<std::thread> threads;
  std::size_t idle = 0;
  bool stopping = false;
};

WorkerThreads::WorkerThreads(std::size_t threads) : pool_(std::make_unique<Pool>(threads)) {}

WorkerThreads::~WorkerThreads() {
  std::deque<Pool::Job> dropped;
  {
    const std::lock_guard guard(pool_->mutex);
    pool_->stopping = true;
    dropped.swap(pool_->jobs);
  }
  dropped.clear();
  pool_->wake.notify_all();
  for (std::thread& thread : pool_->threads) thread.join();
}

void WorkerThreads::run(Task job, Executor& back, Task done) {
  {
    const std::lock_guard guard(pool_->mutex);
    DOHLE_ASSERT(!pool_->stopping, "workers that are ending get a job");
    pool_->jobs.push_back({std::move(job), &back, std::move(done)});
    if (pool_->idle < pool_->jobs.size() && pool_->threads.size() < pool_->max_threads) {
      pool_->threads.emplace_back([pool = pool_.get()] { pool->work(); });
    }
  }
  pool_->wake.notify_one();
}

}  // namespace dohle::net
