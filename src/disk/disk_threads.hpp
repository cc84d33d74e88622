#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/executor.hpp"

namespace dohle::disk {

/// Threads that wait for the device. A new one starts when a task finds no idle thread, up to a
/// limit. Thread safety: any thread.
class DiskThreads {
 public:
  explicit DiskThreads(std::size_t max_threads) : max_threads_(max_threads) {}
  DiskThreads(const DiskThreads&) = delete;
  DiskThreads& operator=(const DiskThreads&) = delete;
  /// Stops, if `stop` has not been called.
  ~DiskThreads() { stop(); }

  /// The queue has no limit. After `stop` the task is dropped.
  void run(Task task);
  /// Waits for running tasks and destroys waiting ones.
  void stop();

 private:
  void work();

  const std::size_t max_threads_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Task> waiting_;
  std::size_t idle_ = 0;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace dohle::disk
