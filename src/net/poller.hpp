#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <vector>

#include "base/time.hpp"

namespace dohle::net {

/// Receives the readiness of a descriptor.
class Watcher {
 public:
  /// `events` are epoll's flags. Loop thread. May remove any watch, also its own.
  virtual void on_ready(std::uint32_t events) = 0;

 protected:
  ~Watcher() = default;
};

/// Names one watch; 0 is none.
using WatchId = std::uint64_t;

/// Readiness of descriptors, by epoll. Every descriptor is registered once, edge-triggered and for
/// both directions. A watcher that stops reading or writing early has to remember that more is
/// possible: no event repeats that. A short read or write means that no more is possible for now,
/// so no further call is needed to learn that.
///
/// Loop thread only, `wake` excepted.
class Poller {
 public:
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Registers a descriptor. Returns 0, with errno set, if the system refuses.
  [[nodiscard]] WatchId watch(int descriptor, Watcher& watcher);
  /// From now on events go to `watcher`.
  void hand_over(WatchId id, Watcher& watcher);
  /// Removes a watch. No call follows, not even for events already fetched. The caller closes the
  /// descriptor, which ends its registration.
  void remove(WatchId id);

  /// Waits at most `patience`, or without limit if it is negative. Returns false if nothing is
  /// ready. Does not wait while `tell` has events left.
  bool wait(Duration patience);
  /// Passes the events that `wait` found to their watchers: at least one, and further ones until
  /// `end`. The rest comes first in the next turn.
  void tell(const Clock& clock, TimePoint end);
  /// Ends the current or next wait. Any thread.
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
