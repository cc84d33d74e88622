#include "net/poller.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>

#include "base/assert.hpp"

namespace dohle::net {

namespace {

constexpr std::uint32_t both_ways = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

int wait_for_events(int epoll, epoll_event* into, int count, Duration patience) {
  if (patience < Duration::zero()) return ::epoll_wait(epoll, into, count, -1);
  if (patience == Duration::zero()) return ::epoll_wait(epoll, into, count, 0);
  static std::atomic<bool> has_precise_wait = true;  // since Linux 5.11
  if (has_precise_wait) {
    const timespec limit{.tv_sec = static_cast<time_t>(patience.count() / 1'000'000'000),
                         .tv_nsec = static_cast<long>(patience.count() % 1'000'000'000)};
    const int found = ::epoll_pwait2(epoll, into, count, &limit, nullptr);
    if (found >= 0 || errno != ENOSYS) return found;
    has_precise_wait = false;
  }
  const auto rounded_up = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
  return ::epoll_wait(epoll, into, count, static_cast<int>(std::min<long>(rounded_up, 60'000)));
}

}  // namespace

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC)) {
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = 0}};
  if (epoll_ < 0 || wake_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
    const int code = errno;
    if (epoll_ >= 0) ::close(epoll_);
    if (wake_ >= 0) ::close(wake_);
    throw std::system_error(code, std::generic_category(), "an event loop needs two descriptors");
  }
}

Poller::~Poller() {
  ::close(wake_);
  ::close(epoll_);
}

WatchId Poller::watch(int descriptor, Watcher& watcher) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t index = free_.back();
  const WatchId id = (std::uint64_t{slots_[index].generation} << 32) | (index + 1);
  epoll_event event{.events = both_ways, .data = {.u64 = id}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) return 0;
  free_.pop_back();
  DOHLE_ASSERT(slots_[index].watcher == nullptr, "a slot that is free has a watcher");
  slots_[index].watcher = &watcher;
  return id;
}

Poller::Slot* Poller::find(WatchId id) {
  const auto index = static_cast<std::uint32_t>(id) - 1;
  if (id == 0 || index >= slots_.size() || slots_[index].generation != id >> 32) return nullptr;
  return &slots_[index];
}

void Poller::hand_over(WatchId id, Watcher& watcher) {
  Slot* slot = find(id);
  DOHLE_ASSERT(slot != nullptr, "a watch is handed over that was removed");
  slot->watcher = &watcher;
}

void Poller::remove(WatchId id) {
  Slot* slot = find(id);
  if (slot == nullptr) return;
  slot->watcher = nullptr;
  ++slot->generation;
  free_.push_back(static_cast<std::uint32_t>(id) - 1);
}

bool Poller::wait(Duration patience) {
  if (told_count_ < ready_count_) return true;
  const int found =
      wait_for_events(epoll_, ready_.data(), static_cast<int>(ready_.size()), patience);
  // An interrupted wait makes a turn with nothing ready.
  ready_count_ = found > 0 ? static_cast<std::size_t>(found) : 0;
  told_count_ = 0;
  return ready_count_ > 0;
}

void Poller::tell(const Clock& clock, TimePoint end) {
  while (told_count_ < ready_count_) {
    const epoll_event& event = ready_[told_count_++];
    Slot* slot = find(event.data.u64);
    if (slot == nullptr) continue;
    DOHLE_ASSERT(slot->watcher != nullptr, "a watch with an event has no watcher");
    slot->watcher->on_ready(event.events);
    if (clock.mono() >= end) return;
  }
}

// The watch is edge-triggered: each write is an event of its own, so the counter is never read. It
// would overflow after 2^64 writes.
void Poller::wake() const {
  const std::uint64_t one = 1;
  while (::write(wake_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

}  // namespace dohle::net
