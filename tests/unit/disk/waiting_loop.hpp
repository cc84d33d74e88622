#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "base/executor.hpp"

namespace dohle::disk {

/// An Executor whose tasks run in the test's thread while that waits.
class WaitingLoop final : public Executor {
 public:
  void post(Task task) override {
    {
      const std::scoped_lock lock(mutex_);
      tasks_.push_back(std::move(task));
      ++posts_;
    }
    ready_.notify_one();
  }
  [[nodiscard]] bool is_loop_thread() const override { return true; }
  TimerId arm(TimePoint, Task) override { return 0; }
  void cancel(TimerId) override {}
  [[nodiscard]] Now tick() const override { return {}; }

  void run_until(const std::function<bool()>& done) {
    while (!done()) {
      std::vector<Task> tasks;
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [this] { return !tasks_.empty(); });
        tasks.swap(tasks_);
      }
      for (Task& task : tasks) task();
    }
  }
  [[nodiscard]] int posts() const {
    const std::scoped_lock lock(mutex_);
    return posts_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<Task> tasks_;
  int posts_ = 0;
};

}  // namespace dohle::disk
