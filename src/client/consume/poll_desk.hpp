#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <variant>

#include "base/assert.hpp"
#include "base/core_yield.hpp"
#include "base/repeats.hpp"
#include "base/wait_point.hpp"
#include "client/consume/fetch_planner.hpp"
#include "client/group/group_member.hpp"
#include "telemetry/counter.hpp"

namespace dohle::client {

/// Events for the polling thread, in their order.
using ConsumerNews = std::variant<group_action::Assigned, group_action::Revoke, group_action::Lose,
                                  group_action::Failed, group_action::Left>;

/// The state shared by polls and the loop, behind one lock.
struct PollTable {
  explicit PollTable(FetchPlanner planner) : fetch(std::move(planner)) {}
  FetchPlanner fetch;
  std::deque<ConsumerNews> news;
  /// The errors of read topics in the last metadata.
  std::map<std::string, Error> topic_errors;
  bool is_woken = false;
  bool is_closed = false;
  std::string member_id;
  Generation generation;
  /// The counters of the topics that polls have returned records of.
  std::map<std::string, telemetry::Counter*, std::less<>> consumed;
  /// Limits the lines about partitions that are not read until a seek.
  Repeats told_again{std::chrono::minutes(1)};
};

/// The only exchange between polls and the loop. It is locked a few times per poll and per answer,
/// never while records are decoded. Thread safety: any thread.
class PollDesk {
 public:
  explicit PollDesk(FetchPlanner fetch) : table_(std::move(fetch)) {}

  template <class F>
  auto with(F f) {
    const std::lock_guard lock(mutex_);
    const Check check{table_.fetch};
    return f(table_);
  }
  template <class F>
  auto with(F f) const {
    const std::lock_guard lock(mutex_);
    return f(table_);
  }
  /// Wakes waiting callers after a change.
  void notify() { changed_.notify_all(); }
  /// As notify, for records. A waiting caller should take them before the loop sends the next
  /// fetch, so the loop yields the CPU, which the two threads often share. Loop thread.
  void hand_over(const Clock& clock) {
    notify();
    if (waiting_.load(std::memory_order_relaxed) > 0) yield_.give_up(clock);
  }
  /// Waits until `ready(table)` is true or `timeout` has passed. Returns `ready`.
  template <class Ready>
  bool wait(std::chrono::milliseconds timeout, Ready ready) {
    std::unique_lock lock(mutex_);
    waiting_.fetch_add(1, std::memory_order_relaxed);
    const bool is_ready = changed_.wait_for(lock, timeout, [&] { return ready(table_); });
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    return is_ready;
  }

 private:
  /// Checks the invariants of the planner after each access.
  struct Check {
    const FetchPlanner& fetch;
    ~Check() { DOHLE_CHECK_INVARIANTS(fetch); }
  };

  mutable std::mutex mutex_;
  WaitPoint changed_;
  std::atomic<int> waiting_{0};
  CoreYield yield_;  // loop thread
  PollTable table_;
};

}  // namespace dohle::client
