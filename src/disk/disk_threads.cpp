#include "disk/disk_threads.hpp"

#include <utility>

namespace dohle::disk {

void DiskThreads::run(Task task) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopped_) return;
    waiting_.push_back(std::move(task));
    if (idle_ < waiting_.size() && threads_.size() < max_threads_) {
      threads_.emplace_back([this] { work(); });
      return;
    }
  }
  ready_.notify_one();
}

void DiskThreads::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    ready_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
    --idle_;
    if (stopped_) return;
    Task task = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

void DiskThreads::stop() {
  std::deque<Task> dropped;
  std::vector<std::thread> threads;
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    dropped.swap(waiting_);
    threads.swap(threads_);
  }
  ready_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace dohle::disk
