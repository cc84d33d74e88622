#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fork_watch.hpp"
#include "base/thread.hpp"
#include "base/wait_point.hpp"
#include "dohle/broker.hpp"
#include "messaging/reports.hpp"
#include "messaging/source.hpp"
#include "messaging/subscription_state.hpp"

namespace dohle::messaging {

/// The engine of one subscription: a thread that polls the source, and the workers that call the
/// handler. What to do is SubscriptionState's to decide, behind one lock that is never held while
/// the source, the handler or the error handler is called.
///
/// The threads own it, so that one that hangs in a handler can be left behind.
class Subscription : public AckSink, public std::enable_shared_from_this<Subscription> {
 public:
  /// In a child of the process that it was made in. Any thread; before any lock.
  [[nodiscard]] bool is_forked() const { return made_in_.is_forked(); }

  struct Setup {
    std::string topic;
    SubscribeOptions options;
    messaging::SubscriptionSettings settings;
    std::size_t workers = 1;
    std::chrono::milliseconds rebalance_timeout{30'000};
    std::chrono::milliseconds max_poll_interval{300'000};
    std::chrono::milliseconds min_backoff{100};
    std::chrono::milliseconds max_backoff{1'000};
    SubscribeHandler handler;
    std::unique_ptr<messaging::Source> source;
    std::shared_ptr<messaging::Reports> reports;
    /// Whether the caller is the thread that serves the source: nothing may wait there.
    std::function<bool()> is_client_thread = [] { return false; };
    /// What is wrong with the servers, with ": " in front, or nothing. Not on the client's thread.
    std::function<std::string()> troubles = [] { return std::string(); };
  };

  static std::shared_ptr<Subscription> start(Setup setup);
  explicit Subscription(Setup setup);
  ~Subscription() override;

  [[nodiscard]] const std::string& topic() const { return setup_.topic; }
  [[nodiscard]] const SubscribeOptions& options() const { return setup_.options; }
  Result<void> wait_ready(std::chrono::milliseconds timeout);
  Result<void> unsubscribe(std::chrono::milliseconds timeout);
  /// Makes it end by itself; does not wait.
  void request_stop(std::chrono::milliseconds timeout);
  [[nodiscard]] std::vector<HeldMessage> held() const;
  /// Called from its handler or error handler, or from a callback of the client's.
  [[nodiscard]] bool may_not_wait() const;

  /// What nobody is left to be told of.
  void log_end(const Error& why);

  Result<void> ack(EventState& event) override;
  Result<void> nack(const std::shared_ptr<EventState>& event, Error why) override;

 private:
  using Lock = std::unique_lock<std::mutex>;

  // The polling thread.
  void read();
  void read_once();
  bool start_source();
  RebalanceListener listener();
  void on_assigned(std::span<const TopicPartition> partitions);
  void on_revoked(std::span<const TopicPartition> partitions);
  void on_lost(std::span<const TopicPartition> partitions);
  void wait_for_room(Lock& lock);
  void apply_pauses();
  void report_subscription(const Error& why);
  void start_commit();
  void poll();
  void take(messaging::PolledRecords fetched);
  void learn_positions(bool all);
  void leave_if_overdue();
  bool wait_for_overdue();
  void back_off(const Error& why);
  void finish();
  void commit_now(std::vector<PartitionOffset> offsets);

  void mark_stopping(Lock& lock, std::chrono::milliseconds timeout);
  /// After a failure that ends the subscription.
  void end_by_policy(Lock& lock);

  // The workers.
  void work();
  void handle(Lock& lock, messaging::EventPointer event);
  void tell(const messaging::Report& report);
  Result<void> call_handler(RawEvent& event);

  void thread_ended();
  /// Wakes the polling thread if something waits for it.
  void nudge(Lock& lock);
  [[nodiscard]] TimePoint wake_at(TimePoint now) const;

  const Setup setup_;
  messaging::Source& source_;

  mutable std::mutex mutex_;
  WaitPoint work_;    ///< for workers: something to hand out, or stop
  WaitPoint change_;  ///< for everybody else
  messaging::SubscriptionState core_;
  std::vector<Thread> threads_;
  std::size_t alive_ = 0;
  bool is_polling_ = false;
  bool is_nudged_ = false;
  bool is_stopping_ = false;
  bool is_ready_ = false;
  bool is_started_ = false;
  bool was_assigned_ = false;
  TimePoint stop_by_ = TimePoint::max();
  std::optional<Error> last_error_;
  std::optional<Error> end_error_;
  std::chrono::milliseconds backoff_{0};
  std::vector<TopicPartition> unknown_positions_;
  const ForkMark made_in_;
};

}  // namespace dohle::messaging
