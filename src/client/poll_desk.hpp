#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <variant>

#include "client/fetch_core.hpp"
#include "client/group_core.hpp"

namespace dohle::client {

/// What the thread that polls is told, in this order.
using ConsumerNews = std::variant<group_action::Assigned, group_action::Revoke, group_action::Lose,
                                  group_action::Failed, group_action::Left>;

/// What polls and the loop share, behind one lock.
struct PollTable {
  explicit PollTable(FetchCore fetch_core) : fetch(std::move(fetch_core)) {}
  FetchCore fetch;
  std::deque<ConsumerNews> news;
  /// What the last answer said against a topic that is read.
  std::map<std::string, Error> topic_errors;
  bool is_woken = false;
  bool is_closed = false;
  std::string member_id;
  Generation generation;
};

/// The one place where polls meet the loop. Locked once per poll and once per answer, never while
/// records are decoded. Thread safety: any thread.
class PollDesk {
 public:
  explicit PollDesk(FetchCore fetch) : table_(std::move(fetch)) {}

  template <class F>
  auto with(F f) {
    const std::lock_guard lock(mutex_);
    return f(table_);
  }
  template <class F>
  auto with(F f) const {
    const std::lock_guard lock(mutex_);
    return f(table_);
  }
  /// After a change that somebody may wait for.
  void notify() { changed_.notify_all(); }
  /// Until `ready(table)` is true or the time is up.
  template <class Ready>
  bool wait(std::chrono::milliseconds timeout, Ready ready) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [&] { return ready(table_); });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  PollTable table_;
};

}  // namespace dohle::client
