#include "base/fork_watch.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

namespace dohle {

namespace {

std::atomic<std::uint32_t> forks{0};

/// Never destroyed: static objects of the program may be destroyed after those of this file.
struct Descriptors {
  std::mutex mutex;
  std::vector<int> open;
};
Descriptors& descriptors() {
  static auto* const all = new Descriptors;
  return *all;
}

// Holding the mutex during the fork leaves the child with a consistent list and a mutex that it can
// unlock.
void before_fork() {
  descriptors().mutex.lock();
}
void after_fork_in_parent() {
  descriptors().mutex.unlock();
}
void after_fork_in_child() {
  forks.fetch_add(1, std::memory_order_relaxed);
  for (const int descriptor : std::exchange(descriptors().open, {})) ::close(descriptor);
  descriptors().mutex.unlock();
}

}  // namespace

std::uint32_t fork_count() {
  [[maybe_unused]] static const int registered =
      ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  return forks.load(std::memory_order_relaxed);
}

void keep_for_ever(std::shared_ptr<const void> kept) {
  static auto* const all = new std::vector<std::shared_ptr<const void>>;
  static auto* const mutex = new std::mutex;
  const std::lock_guard lock(*mutex);
  all->push_back(std::move(kept));
}

ClosedInChild::ClosedInChild(int descriptor) : descriptor_(descriptor) {
  (void)fork_count();
  const std::lock_guard lock(descriptors().mutex);
  descriptors().open.push_back(descriptor);
}

ClosedInChild::~ClosedInChild() {
  const std::lock_guard lock(descriptors().mutex);
  const auto found = std::ranges::find(descriptors().open, descriptor_);
  if (found != descriptors().open.end()) descriptors().open.erase(found);
}

}  // namespace dohle
