#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <vector>

#include "base/time.hpp"

namespace dohle::net {

/// What wants to know that a descriptor is ready.
class Watcher {
 public:
  /// `events` as epoll tells them. Loop thread. May remove any watch, its own too.
  virtual void on_ready(std::uint32_t events) = 0;

 protected:
  ~Watcher() = default;
};

/// Names one watch; 0 is none.
using WatchId = std::uint64_t;

/// Readiness of descriptors, by epoll. Every descriptor is registered once, edge-triggered and for
/// both directions, and never again: who stops reading or writing early has to remember that there
/// is more. A short read or write says that there is not, so no call is spent on being told so.
///
/// Loop thread only, `wake` excepted.
class Poller {
 public:
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// 0, with errno set, when the system refuses.
  [[nodiscard]] WatchId watch(int descriptor, Watcher& watcher);
  /// From now on `watcher` is told.
  void hand_over(WatchId id, Watcher& watcher);
  /// No call follows, events already fetched included. The caller closes the descriptor, which
  /// ends its registration.
  void remove(WatchId id);

  /// Waits at most `patience`; below zero: without limit. False: nothing is ready. While `tell` has
  /// left something it does not wait.
  bool wait(Duration patience);
  /// Tells the watchers what `wait` found, at least one of them, and until `end` as many as there
  /// is time for; the others come first in the next turn.
  void tell(const Clock& clock, TimePoint end);
  /// Ends the present or next wait. Any thread.
  void wake() const;

 private:
  struct Slot {
    Watcher* watcher = nullptr;
    std::uint32_t generation = 0;
  };
  static constexpr std::size_t events_per_wait = 128;

  [[nodiscard]] Slot* find(WatchId id);

  int epoll_ = -1;
  int wake_ = -1;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::array<epoll_event, events_per_wait> ready_;
  std::size_t ready_count_ = 0;
  std::size_t told_count_ = 0;
};

}  // namespace dohle::net
