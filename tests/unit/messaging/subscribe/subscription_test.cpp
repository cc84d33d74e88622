#include "messaging/subscribe/subscription.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/time_shift.hpp"
#include "messaging/broker_access.hpp"
#include "messaging/events/pull_call.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

const std::vector<TopicPartition> both{{"t", PartitionId{0}}, {"t", PartitionId{1}}};
constexpr auto patience = 20s;

/// A source that returns given records and records the commits.
class ScriptedSource final : public Source {
 public:
  struct Script {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<PolledRecords> fetches;
    std::map<TopicPartition, std::int64_t> positions, committed, lags, sought;
    std::set<TopicPartition> paused;
    std::optional<std::vector<TopicPartition>> revoke, lose;
    std::vector<TopicPartition> replaced;
    std::optional<Error> commit_error;
    /// Partitions that a commit refuses, beside the others.
    std::map<TopicPartition, Error> refused;
    /// Default: commits are answered at once. Otherwise by the next poll that may last, which
    /// waits after a failed one until it is woken.
    bool answers_commits_in_polls = false;
    std::move_only_function<void()> unanswered;
    bool was_woken_after_failed_commit = false;
    std::deque<Error> poll_errors;
    /// The redirections that it reports when it starts.
    std::optional<RedirectTopics> redirects;
    std::optional<Error> trouble;
    std::vector<TopicPartition> assigned = both;
    bool is_woken = false, is_closed = false, has_left = false;
    /// The thread of the last poll, and their number.
    std::thread::id reads_on;
    std::size_t polls = 0;
    /// A poll has found no records, so all earlier ones have been taken.
    bool is_waiting = false;

    void put(std::int64_t first, std::int64_t count, std::int32_t partition = 0,
             std::optional<Error> error = std::nullopt) {
      const std::lock_guard lock(mutex);
      PolledRecords fetched{.records = {}, .buffer = nullptr, .error = std::move(error)};
      for (std::int64_t i = 0; i < count; ++i) {
        ConsumerRecord record;
        record.topic = "t";
        record.partition = PartitionId{partition};
        record.offset = Offset{first + i};
        fetched.records.push_back(record);
      }
      fetches.push_back(std::move(fetched));
      changed.notify_all();
    }
    bool wait_for_commit(std::int32_t partition, std::int64_t offset) {
      std::unique_lock lock(mutex);
      return changed.wait_for(lock, patience,
                              [&] { return committed[{"t", PartitionId{partition}}] == offset; });
    }
  };

  explicit ScriptedSource(Script& script) : script_(script) {}

  void listen_to_topics(TopicListener listener) override { topics_ = std::move(listener); }
  Result<void> start(RebalanceListener listener) override {
    listener_ = std::move(listener);
    if (script_.redirects) topics_.on_redirects("t", *script_.redirects);
    if (script_.trouble) topics_.on_trouble(*script_.trouble);
    listener_.on_assigned(script_.assigned);
    return {};
  }
  Result<PolledRecords> poll(std::chrono::milliseconds timeout) override {
    std::unique_lock lock(script_.mutex);
    script_.reads_on = std::this_thread::get_id();
    ++script_.polls;
    script_.changed.notify_all();
    if (script_.unanswered && timeout > 100ms) answer_commit(lock);
    script_.is_waiting = true;
    script_.changed.wait_for(lock, timeout, [&] {
      return script_.is_woken || script_.revoke || script_.lose || !script_.poll_errors.empty() ||
             (!script_.fetches.empty() && script_.paused.empty());
    });
    script_.is_waiting = false;
    if (script_.revoke) {
      const auto revoked = *std::exchange(script_.revoke, std::nullopt);
      lock.unlock();
      listener_.on_revoked(revoked);
      return PolledRecords{};
    }
    if (script_.lose) {
      const auto lost = *std::exchange(script_.lose, std::nullopt);
      lock.unlock();
      listener_.on_lost(lost);
      return PolledRecords{};
    }
    if (std::exchange(script_.is_woken, false)) {
      return fail(Error::client(Errc::cancelled, "woken"));
    }
    if (!script_.poll_errors.empty()) {
      const Error why = script_.poll_errors.front();
      script_.poll_errors.pop_front();
      return fail(why);
    }
    if (script_.fetches.empty() || !script_.paused.empty()) return PolledRecords{};
    PolledRecords fetched = std::move(script_.fetches.front());
    script_.fetches.pop_front();
    for (const ConsumerRecord& record : fetched.records) {
      script_.positions[{std::string(record.topic), record.partition}] = record.offset.value + 1;
    }
    return fetched;
  }
  std::vector<TopicPartition> take_replaced() override {
    const std::lock_guard lock(script_.mutex);
    return std::exchange(script_.replaced, {});
  }
  void wakeup() override {
    const std::lock_guard lock(script_.mutex);
    script_.is_woken = true;
    script_.changed.notify_all();
  }
  void commit_async(std::vector<PartitionOffset> offsets, client::CommitDone callback) override {
    auto outcome = commit_sync(std::move(offsets), patience);
    {
      const std::lock_guard lock(script_.mutex);
      if (script_.answers_commits_in_polls) {
        script_.unanswered = [callback = std::move(callback),
                              outcome = std::move(outcome)]() mutable {
          callback(std::move(outcome));
        };
        return;
      }
    }
    callback(std::move(outcome));
  }
  client::CommitOutcome commit_sync(std::vector<PartitionOffset> offsets,
                                    std::chrono::milliseconds) override {
    const std::lock_guard lock(script_.mutex);
    client::CommitOutcome outcome{.offsets = offsets.size()};
    if (script_.commit_error) {
      outcome.others = fail(*script_.commit_error);
      return outcome;
    }
    for (const auto& offset : offsets) {
      const auto refused = script_.refused.find(offset.partition);
      if (refused == script_.refused.end()) {
        script_.committed[offset.partition] = offset.committed.offset.value;
      } else {
        outcome.refused.push_back({offset.partition, refused->second});
      }
    }
    script_.changed.notify_all();
    return outcome;
  }
  void pause(std::span<const TopicPartition> partitions) override {
    const std::lock_guard lock(script_.mutex);
    script_.paused.insert(partitions.begin(), partitions.end());
    script_.changed.notify_all();
  }
  void resume(std::span<const TopicPartition> partitions) override {
    const std::lock_guard lock(script_.mutex);
    for (const auto& partition : partitions) script_.paused.erase(partition);
  }
  void seek(const TopicPartition& partition, Offset offset) override {
    const std::lock_guard lock(script_.mutex);
    script_.sought[partition] = offset.value;
  }
  Result<Offset> position(const TopicPartition& partition) override {
    const std::lock_guard lock(script_.mutex);
    return Offset{script_.positions[partition]};
  }
  std::optional<std::int64_t> lag(const TopicPartition& partition) const override {
    const std::lock_guard lock(script_.mutex);
    const auto found = script_.lags.find(partition);
    return found == script_.lags.end() ? std::nullopt : std::optional(found->second);
  }
  Result<void> leave() override {
    const std::lock_guard lock(script_.mutex);
    script_.has_left = true;
    return {};
  }
  Result<void> close(std::chrono::milliseconds) override {
    const std::lock_guard lock(script_.mutex);
    script_.is_closed = true;
    script_.unanswered = nullptr;
    return {};
  }

 private:
  void answer_commit(std::unique_lock<std::mutex>& lock) {
    auto answer = std::exchange(script_.unanswered, nullptr);
    lock.unlock();
    answer();
    lock.lock();
    if (!std::exchange(script_.commit_error, std::nullopt)) return;
    script_.was_woken_after_failed_commit =
        script_.changed.wait_for(lock, patience, [&] { return script_.is_woken; });
  }

  Script& script_;
  RebalanceListener listener_;
  TopicListener topics_;
};

/// An outbox whose outcomes the test gives.
class ScriptedOutbox final : public Outbox {
 public:
  struct Sent {
    std::string topic, value;
    PartitionId partition;
    std::map<std::string, std::string> headers;
    Done done;
  };
  struct Script {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Sent> sent;
    std::size_t count = 0;
    bool is_closed = false;

    Sent next() {
      std::unique_lock lock(mutex);
      if (!changed.wait_for(lock, patience, [&] { return !sent.empty(); })) return {};
      Sent first = std::move(sent.front());
      sent.pop_front();
      return first;
    }
  };
  explicit ScriptedOutbox(Script& script) : script_(script) {}
  void send(const std::string& topic, const Record& record, Done done) override {
    Sent sent{topic,
              record.value ? std::string(as_text(*record.value)) : "null",
              record.partition,
              {},
              std::move(done)};
    for (const HeaderView& each : record.headers) {
      sent.headers.emplace(each.name, each.value ? as_text(*each.value) : "null");
    }
    const std::lock_guard lock(script_.mutex);
    script_.sent.push_back(std::move(sent));
    ++script_.count;
    script_.changed.notify_all();
  }
  void close(std::chrono::milliseconds) override {
    const std::lock_guard lock(script_.mutex);
    script_.is_closed = true;
  }

 private:
  Script& script_;
};

struct SubscriptionEngine : testing::Test {
  ScriptedSource::Script script;
  ScriptedOutbox::Script outbox;
  messaging::Subscription::Setup setup;
  std::atomic<int> failures{0};
  const std::shared_ptr<telemetry::Registry> metrics = std::make_shared<telemetry::Registry>();
  std::shared_ptr<messaging::Subscription> subscription;

  SubscriptionEngine() {
    setup.topic = "t";
    setup.source = std::make_unique<ScriptedSource>(script);
    setup.reports =
        std::make_shared<Reports>([this](const Failure&) { ++failures; }, silent_logger(), metrics);
  }
  std::optional<double> counted(std::string_view name,
                                std::initializer_list<MetricLabel> labels = {}) const {
    return metrics->snapshot().value(name, labels);
  }
  void redirect_failures(std::chrono::milliseconds delay) {
    setup.group_id = "g";
    setup.settings.max_retries = 0;
    setup.settings.failure_policy = FailurePolicy::dead_letter;
    setup.settings.redirects.dead_letters = RedirectTopic{.name = "t.g.dlt"};
    if (delay.count() > 0) {
      setup.settings.redirects.retries = {{.name = "t.g.retry", .delay = delay}};
    }
    setup.settings.min_backoff = setup.settings.max_backoff = 1ms;
    setup.outbox = std::make_unique<ScriptedOutbox>(outbox);
  }
  bool wait_for_end() {
    return wait_until([&] {
      const std::lock_guard lock(script.mutex);
      return script.is_closed;
    });
  }
  template <class Condition>
  bool wait_until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  /// Ends the subscription in the test's body, before objects that its handler captured there.
  class Running {
   public:
    explicit Running(SubscriptionEngine& fixture) : fixture_(fixture) {}
    Running(const Running&) = delete;
    ~Running() {
      if (!fixture_.subscription) return;
      EXPECT_TRUE(fixture_.subscription->unsubscribe(patience).has_value());
    }

   private:
    SubscriptionEngine& fixture_;
  };
  [[nodiscard]] Running start(SubscribeHandler handler) {
    setup.handler = std::move(handler);
    subscription = messaging::Subscription::start(std::move(setup));
    return Running(*this);
  }
};

TEST_F(SubscriptionEngine, reports_failed_reads_once_max_attempts_have_failed_in_a_row) {
  const Error lost = Error::client(Errc::connection_lost, "gone");
  setup.max_attempts = 3;
  setup.min_backoff = setup.max_backoff = 1ms;
  script.poll_errors = {lost, lost};
  std::atomic<int> handled{0};
  const auto running = start([&](RawEvent&) -> Result<void> {
    ++handled;
    return {};
  });
  script.put(0, 1);
  EXPECT_TRUE(wait_until([&] { return handled == 1; }));
  EXPECT_EQ(failures, 0);
  {
    const std::lock_guard lock(script.mutex);
    script.poll_errors = {lost, lost, lost, lost};
    script.changed.notify_all();
  }
  EXPECT_TRUE(wait_until([&] { return failures == 2; }));
  script.put(1, 1);
  EXPECT_TRUE(wait_until([&] { return handled == 2; }));
  EXPECT_EQ(failures, 2);
}

TEST_F(SubscriptionEngine, reports_a_read_error_that_is_not_retriable_at_once) {
  setup.max_attempts = 3;
  setup.min_backoff = setup.max_backoff = 1ms;
  script.poll_errors = {Error::client(Errc::malformed, "damaged")};
  const auto running = start([](RawEvent&) -> Result<void> { return {}; });
  EXPECT_TRUE(wait_until([&] { return failures == 1; }));
}

TEST_F(SubscriptionEngine, reports_the_lag_of_partitions_that_were_fetched) {
  script.lags = {{{"t", PartitionId{1}}, 7}};
  setup.group_id = "g";
  const auto running = start([](RawEvent&) -> Result<void> { return {}; });
  ASSERT_TRUE(subscription->wait_ready(patience).has_value());
  ReadLag lag = subscription->lag();
  EXPECT_EQ(lag.topic, "t");
  EXPECT_EQ(lag.group_id, "g");
  ASSERT_EQ(lag.partitions.size(), 1u);
  EXPECT_EQ(lag.partitions[0].partition, PartitionId{1});
  EXPECT_EQ(lag.total(), 7);
  {
    const std::lock_guard lock(script.mutex);
    script.lags[{"t", PartitionId{0}}] = 5;
  }
  lag = subscription->lag();
  ASSERT_EQ(lag.partitions.size(), 2u);
  EXPECT_EQ(lag.partitions[0].records, 5);
  EXPECT_EQ(lag.total(), 12);
}

TEST_F(SubscriptionEngine, reports_the_lag_every_interval_whatever_its_handler_throws) {
  std::atomic<int> reports{0};
  setup.read_lag_interval = 10ms;
  setup.read_lag_handler = [&](const ReadLag&) {
    if (++reports == 1) throw std::runtime_error("no");
  };
  std::atomic<int> handled{0};
  const auto running = start([&](RawEvent&) { return ++handled, Result<void>{}; });
  EXPECT_TRUE(wait_until([&] { return reports >= 3; }));
  EXPECT_EQ(failures, 1);
  script.put(0, 1);
  EXPECT_TRUE(wait_until([&] { return handled == 1; }));
}

TEST_F(SubscriptionEngine, reports_no_lag_at_a_negative_interval) {
  std::atomic<int> reports{0};
  setup.read_lag_interval = -1ms;
  setup.read_lag_handler = [&](const ReadLag&) { ++reports; };
  std::atomic<int> handled{0};
  const auto running = start([&](RawEvent&) { return ++handled, Result<void>{}; });
  for (int round = 1; round <= 3; ++round) {
    script.put(0, 1);
    EXPECT_TRUE(wait_until([&] { return handled == round; }));
  }
  EXPECT_EQ(reports, 0);
}

TEST_F(SubscriptionEngine, logs_the_lag_without_a_handler) {
  struct Lines final : Logger {
    [[nodiscard]] LogLevel level() const noexcept override { return LogLevel::info; }
    void log(LogLevel, std::string_view, std::string_view line) noexcept override {
      const std::lock_guard lock(mutex);
      text.append(line).append("\n");
    }
    std::mutex mutex;
    std::string text;
  };
  const auto lines = std::make_shared<Lines>();
  setup.reports = std::make_shared<Reports>([](const Failure&) {}, lines);
  setup.read_lag_interval = 10ms;
  script.lags = {{{"t", PartitionId{0}}, 3}, {{"t", PartitionId{1}}, 4}};
  const auto running = start([](RawEvent&) -> Result<void> { return {}; });
  EXPECT_TRUE(wait_until([&] {
    const std::lock_guard lock(lines->mutex);
    return lines->text.find(
               "the subscription to t is 7 records behind the end of its 2 "
               "partitions") != std::string::npos;
  }));
}

TEST_F(SubscriptionEngine, handles_and_commits_all_messages) {
  std::atomic<int> handled{0};
  setup.workers = 4;
  const Running running = start([&](RawEvent&) { return ++handled, Result<void>{}; });
  ASSERT_TRUE(subscription->wait_ready(patience).has_value());
  for (int i = 0; i < 20; ++i) script.put(i * 50, 50, 0);
  script.put(0, 50, 1);
  EXPECT_TRUE(script.wait_for_commit(0, 1'000));
  EXPECT_TRUE(script.wait_for_commit(1, 50));
  EXPECT_EQ(handled, 1'050);
}

TEST_F(SubscriptionEngine, wakes_a_worker_for_each_message_that_may_be_handled) {
  constexpr int workers = 8;
  std::atomic<int> running_handlers{0};
  std::atomic<bool> were_together{true};
  setup.workers = workers;
  setup.settings.unordered = true;
  const Running running = start([&](RawEvent&) {
    ++running_handlers;
    if (!wait_until([&] { return running_handlers == workers; })) were_together = false;
    return Result<void>{};
  });
  ASSERT_TRUE(subscription->wait_ready(patience).has_value());
  script.put(0, workers);
  EXPECT_TRUE(script.wait_for_commit(0, workers));
  EXPECT_TRUE(were_together);
}

TEST_F(SubscriptionEngine,
       handles_messages_that_waited_in_the_lane_of_a_retry_once_its_partition_is_sought) {
  // The numbers differ by the count of lanes, so that the partitions share one.
  const TopicPartition failing{"t", PartitionId{0}}, other{"t", PartitionId{256}};
  script.assigned = {failing, other};
  setup.settings.retry_delay = setup.settings.max_retry_delay = 1h;
  std::atomic<int> failed{0}, handled{0};
  const Running running = start([&](RawEvent& event) -> Result<void> {
    if (event.partition() == other.partition) return ++handled, Result<void>{};
    ++failed;
    return fail(Error::client(Errc::handler_failed, "no"));
  });
  ASSERT_TRUE(subscription->wait_ready(patience).has_value());
  script.put(0, 1, failing.partition.value);
  ASSERT_TRUE(wait_until([&] { return failed == 1; }));
  script.put(0, 1, other.partition.value);
  ASSERT_TRUE(wait_until([&] {
    const auto position = subscription->position(other);
    return position && *position == Offset{1};
  }));
  ASSERT_TRUE(subscription->seek(failing, Offset{0}).has_value());
  EXPECT_TRUE(wait_until([&] { return handled == 1; }));
}

TEST_F(SubscriptionEngine, of_pulls_does_not_acknowledge_messages_of_a_thread_that_has_ended) {
  struct Taking final : PullReceiver {
    Result<void> take(RawEvent&) override { return {}; }
  };
  const auto takes = [this](std::chrono::milliseconds timeout) {
    bool has_taken = false;
    std::thread([&] {
      Taking receiver;
      const auto taken = subscription->next(timeout, receiver);
      has_taken = taken && *taken;
    }).join();
    return has_taken;
  };
  setup.pulls = true;
  setup.settings.orders_partitions = true;
  const Running running = start(PullCall::handler());
  script.put(0, 2);
  ASSERT_TRUE(takes(patience));
  // The system may give the next thread the same std::thread::id.
  EXPECT_FALSE(takes(0ms)) << "the second is handed out once the first is acknowledged";
  EXPECT_TRUE(subscription->unsubscribe(patience).has_value());
  EXPECT_EQ(script.committed[both[0]], 0);
}

TEST_F(SubscriptionEngine, of_pulls_continues_after_an_ack_of_a_message_whose_partition_was_lost) {
  struct Keeping final : PullReceiver {
    Result<void> take(RawEvent& event) override {
      kept.push_back(EventAccess::share(event));
      return {};
    }
    std::vector<RawEvent> kept;
  };
  // They share a lane.
  const TopicPartition lost{"t", PartitionId{0}}, other{"t", PartitionId{256}};
  script.assigned = {lost, other};
  setup.pulls = true;
  setup.settings.orders_partitions = true;
  std::atomic<bool> is_lost{false};
  setup.options.on_lost = [&](std::span<const TopicPartition>) { is_lost = true; };
  Keeping receiver;
  const Running running = start(PullCall::handler());
  script.put(0, 1, lost.partition.value);
  ASSERT_EQ(subscription->next(patience, receiver), true);
  {
    const std::lock_guard lock(script.mutex);
    script.lose = {lost};
    script.changed.notify_all();
  }
  ASSERT_TRUE(wait_until([&] { return is_lost.load(); }));
  EXPECT_TRUE(receiver.kept.front().ack().error().is(Errc::not_owner));
  script.put(0, 1, other.partition.value);
  std::thread([&] { EXPECT_EQ(subscription->next(patience, receiver), true); }).join();
  receiver.kept.clear();
}

TEST_F(SubscriptionEngine, of_pulls_waits_in_real_time_while_a_test_moves_the_time) {
  struct Refusing final : PullReceiver {
    Result<void> take(RawEvent& event) override {
      if (event.offset() == Offset{1}) return {};
      shifted_nanoseconds += std::chrono::nanoseconds(2h).count();
      return fail(permanent(Error::client(Errc::handler_failed, "no")));
    }
  };
  setup.pulls = true;
  setup.max_poll_interval = 24h;
  setup.settings.failure_policy = FailurePolicy::skip;
  const Running running = start(PullCall::handler());
  script.put(0, 2);
  Refusing receiver;
  EXPECT_EQ(subscription->next(1h, receiver), true);
}

TEST_F(SubscriptionEngine, reports_a_missing_acknowledgement_while_the_next_handler_runs) {
  setup.workers = 2;
  setup.settings.auto_ack = false;
  setup.settings.ack_timeout = 1ms;
  std::promise<bool> reported;
  const Running running = start([&](RawEvent& event) -> Result<void> {
    if (event.offset() == Offset{0}) return {};
    reported.set_value(wait_until([&] { return failures == 1; }));
    return event.ack();
  });
  ASSERT_TRUE(subscription->wait_ready(patience).has_value());
  script.put(0, 2);
  EXPECT_TRUE(reported.get_future().get());
}

TEST_F(SubscriptionEngine, unsubscribe_waits_for_the_running_handler_and_commits_it) {
  std::promise<void> entered, leave;
  const Running running = start([&](RawEvent&) {
    entered.set_value();
    leave.get_future().wait();
    return Result<void>{};
  });
  script.put(0, 2);
  entered.get_future().wait();
  auto ended = std::async(std::launch::async, [&] { return subscription->unsubscribe(patience); });
  EXPECT_EQ(ended.wait_for(10ms), std::future_status::timeout);
  leave.set_value();
  EXPECT_TRUE(ended.get().has_value());
  EXPECT_TRUE(script.wait_for_commit(0, 1)) << "the second was not handled";
  EXPECT_TRUE(script.is_closed);
}

TEST_F(SubscriptionEngine, unsubscribe_inside_a_handler_requests_the_end_and_returns) {
  std::promise<bool> returned;
  const Running running = start([&](RawEvent&) {
    returned.set_value(subscription->unsubscribe(patience).has_value());
    return Result<void>{};
  });
  ASSERT_TRUE(subscription->wait_ready(patience).has_value());
  script.put(0, 1);
  EXPECT_TRUE(returned.get_future().get());
  EXPECT_TRUE(script.wait_for_commit(0, 1));
}

TEST_F(SubscriptionEngine, ends_if_asked_to_while_it_reports_a_missing_acknowledgement) {
  std::promise<bool> asked;
  setup.settings.auto_ack = false;
  setup.settings.ack_timeout = 0ms;
  setup.reports = std::make_shared<Reports>(
      [&](const Failure&) { asked.set_value(subscription->unsubscribe(patience).has_value()); },
      silent_logger());
  const Running running = start([](RawEvent&) { return Result<void>{}; });
  script.put(0, 1);
  EXPECT_TRUE(asked.get_future().get());
}

TEST_F(SubscriptionEngine, a_hung_handler_does_not_hold_unsubscribe) {
  auto leave = std::make_shared<std::promise<void>>();
  std::promise<void> entered;
  const Running running = start([leave, &entered](RawEvent&) {
    entered.set_value();
    leave->get_future().wait();
    return Result<void>{};
  });
  script.put(0, 1);
  entered.get_future().wait();
  const auto ended = subscription->unsubscribe(1ms);
  ASSERT_FALSE(ended.has_value());
  EXPECT_TRUE(ended.error().is(Errc::timed_out));
  leave->set_value();
  EXPECT_TRUE(subscription->unsubscribe(patience).has_value());
}

TEST_F(SubscriptionEngine, without_a_group_continues_reading_however_long_a_handler_runs) {
  std::promise<void> entered, leave;
  std::atomic<int> handled{0};
  setup.settings.commits = false;
  setup.settings.max_unacknowledged = 2;
  setup.max_poll_interval = 1ms;
  const Running running = start([&](RawEvent&) {
    if (++handled > 1) return Result<void>{};
    entered.set_value();
    leave.get_future().wait();
    return Result<void>{};
  });
  script.put(0, 1);
  entered.get_future().wait();
  script.put(1, 1);
  {
    // Full: all records were taken, and the handler runs too long for a group.
    std::unique_lock lock(script.mutex);
    ASSERT_TRUE(script.changed.wait_for(lock, patience, [&] { return !script.paused.empty(); }));
    EXPECT_FALSE(script.has_left) << "it would start anew at the end, and pass over the second";
  }
  leave.set_value();
  script.put(2, 1);
  EXPECT_TRUE(wait_until([&] { return handled == 3; }));
}

TEST_F(SubscriptionEngine, commits_beside_a_refused_partition_and_reports_that_one_once) {
  script.refused.emplace(both[1], Error::broker(29, "commit t-1"));
  setup.settings.min_backoff = setup.settings.max_backoff = 1ms;
  std::mutex told;
  std::vector<std::pair<PartitionId, std::string>> reported;
  setup.reports = std::make_shared<Reports>(
      [&](const Failure& failure) {
        const std::lock_guard lock(told);
        reported.emplace_back(failure.partition, failure.error.to_string());
      },
      silent_logger(), metrics);
  {
    const auto running = start([](RawEvent&) -> Result<void> { return {}; });
    for (std::int64_t offset = 0; offset < 20; ++offset) {
      script.put(offset, 1, 0);
      script.put(offset, 1, 1);
      ASSERT_TRUE(script.wait_for_commit(0, offset + 1));
    }
    {
      const std::lock_guard lock(script.mutex);
      EXPECT_FALSE(script.committed.contains(both[1]));
      script.refused.clear();
    }
    EXPECT_TRUE(script.wait_for_commit(1, 20)) << "it is tried again";
  }
  const std::lock_guard lock(told);
  ASSERT_EQ(reported.size(), 1u);
  EXPECT_EQ(reported[0].first, PartitionId{1});
  EXPECT_TRUE(reported[0].second.starts_with("TOPIC_AUTHORIZATION_FAILED (29): "))
      << reported[0].second;
}

TEST_F(SubscriptionEngine, ends_its_poll_to_try_a_failed_commit_again) {
  setup.settings.min_backoff = setup.settings.max_backoff = 1ms;
  script.commit_error = Error::broker(14, "commit");
  script.answers_commits_in_polls = true;
  script.positions = {{both[0], 5}, {both[1], 5}};
  const auto running = start([](RawEvent&) -> Result<void> { return {}; });
  EXPECT_TRUE(script.wait_for_commit(0, 5));
  const std::lock_guard lock(script.mutex);
  EXPECT_TRUE(script.was_woken_after_failed_commit);
}

TEST_F(SubscriptionEngine, reports_a_failed_last_commit_once) {
  script.commit_error = Error::broker(25, "commit");
  setup.settings.commit_interval = 1h;
  setup.settings.min_backoff = setup.settings.max_backoff = 1h;
  std::promise<void> handled;
  const Running running = start([&](RawEvent&) { return handled.set_value(), Result<void>{}; });
  ASSERT_TRUE(wait_until([&] { return failures == 1; })) << "that of the positions";
  script.put(0, 1);
  handled.get_future().wait();
  const auto ended = subscription->unsubscribe(patience);
  ASSERT_FALSE(ended.has_value());
  EXPECT_TRUE(ended.error().is_broker(25));
  EXPECT_EQ(failures, 1) << "unsubscribe has told";
}

TEST_F(SubscriptionEngine, reports_a_failed_last_commit_if_no_call_returns_it) {
  std::promise<void> returned;
  script.commit_error = Error::broker(25, "commit");
  setup.settings.commit_interval = 1h;
  setup.settings.min_backoff = setup.settings.max_backoff = 1h;
  const Running running = start([&](RawEvent&) {
    subscription->request_stop(monotonic_now() + patience);
    return returned.set_value(), Result<void>{};
  });
  ASSERT_TRUE(wait_until([&] { return failures == 1; })) << "that of the positions";
  script.put(0, 1);
  returned.get_future().wait();
  subscription.reset();
  EXPECT_TRUE(wait_until([&] { return failures == 2; }));
}

TEST_F(SubscriptionEngine, never_blocks_the_clients_thread) {
  std::promise<void> entered, leave;
  const auto here = std::this_thread::get_id();
  setup.is_client_thread = [here] { return std::this_thread::get_id() == here; };
  const Running running = start([&](RawEvent&) {
    entered.set_value();
    leave.get_future().wait();
    return Result<void>{};
  });
  script.put(0, 1);
  entered.get_future().wait();
  EXPECT_TRUE(subscription->unsubscribe(1h).has_value()) << "it marks and returns";
  EXPECT_TRUE(subscription->wait_ready(1h).error().is(Errc::closed));
  leave.set_value();
  std::async(std::launch::async, [&] { EXPECT_TRUE(subscription->unsubscribe(patience)); }).wait();
}

TEST_F(SubscriptionEngine, treats_an_unlimited_timeout_as_a_long_one) {
  std::promise<void> entered;
  const Running running = start([&](RawEvent&) { return entered.set_value(), Result<void>{}; });
  EXPECT_TRUE(subscription->wait_ready(std::chrono::milliseconds::max()).has_value());
  script.put(0, 1);
  entered.get_future().wait();
  EXPECT_TRUE(subscription->unsubscribe(std::chrono::milliseconds::max()).has_value());
}

TEST_F(SubscriptionEngine, ends_when_its_subscriber_is_assigned_another) {
  ScriptedSource::Script other_script;  // outlives both subscriptions
  const Running running = start([](RawEvent&) { return Result<void>{}; });
  Subscriber one = BrokerAccess::make(subscription);
  messaging::Subscription::Setup other;
  other.topic = "other";
  other.source = std::make_unique<ScriptedSource>(other_script);
  other.reports = std::make_shared<Reports>(nullptr, silent_logger());
  other.handler = [](RawEvent&) { return Result<void>{}; };
  Subscriber two = BrokerAccess::make(messaging::Subscription::start(std::move(other)));
  one = std::move(two);
  EXPECT_EQ(one.topic(), "other");
  EXPECT_TRUE(script.is_closed);
  EXPECT_FALSE(other_script.is_closed);
}

TEST_F(SubscriptionEngine,
       names_the_message_that_holds_its_partition_with_20000_good_ones_behind_it) {
  std::mutex mutex;
  std::optional<Error> told;
  std::optional<Offset> at;
  setup.reports = std::make_shared<Reports>(
      [&](const Failure& failure) {
        const std::lock_guard lock(mutex);
        if (failure.kind != Failure::Kind::held) return;
        told = failure.error;
        at = failure.offset;
      },
      silent_logger());
  std::atomic<int> handled{0};
  const Running running = start([&](RawEvent& event) -> Result<void> {
    if (event.offset() == Offset{0}) return fail(Error::client(Errc::codec_failed, "no JSON"));
    return ++handled, Result<void>{};
  });
  for (int i = 0; i < 401; ++i) script.put(i * 50, 50);
  ASSERT_TRUE(wait_until([&] {
    const std::lock_guard lock(mutex);
    return told.has_value();
  }));
  EXPECT_EQ(at, Offset{0});
  EXPECT_NE(told->to_string().find("no JSON"), std::string::npos) << told->to_string();
  EXPECT_NE(told->to_string().find("paused"), std::string::npos) << told->to_string();
  const auto held = subscription->held();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].offset, Offset{0});
  EXPECT_TRUE(held[0].reason.is(Errc::codec_failed));
}

TEST_F(SubscriptionEngine, reads_on_after_skipped_events) {
  setup.settings.failure_policy = FailurePolicy::skip;
  const Running running = start([&](RawEvent& event) -> Result<void> {
    if (event.offset() == Offset{0}) return fail(Error::client(Errc::codec_failed, "no JSON"));
    return {};
  });
  for (int i = 0; i < 401; ++i) script.put(i * 50, 50);
  EXPECT_TRUE(script.wait_for_commit(0, 20'050));
  EXPECT_EQ(failures, 1);
}

TEST_F(SubscriptionEngine, ends_with_the_failure_under_policy_stop) {
  setup.settings.failure_policy = FailurePolicy::stop;
  setup.settings.max_retries = 0;
  const Running running = start([&](RawEvent& event) -> Result<void> {
    if (event.offset() == Offset{1}) return fail(Error::client(Errc::handler_failed, "no ink"));
    return {};
  });
  script.put(0, 3);
  ASSERT_TRUE(wait_until([&] {
    const std::lock_guard lock(script.mutex);
    return script.is_closed;
  }));
  EXPECT_EQ(script.committed[both[0]], 1);
  const auto ready = subscription->wait_ready(0ms);
  ASSERT_FALSE(ready.has_value());
  EXPECT_NE(ready.error().to_string().find("no ink"), std::string::npos);
  const auto ended = subscription->unsubscribe(patience);
  ASSERT_FALSE(ended.has_value());
  EXPECT_NE(ended.error().to_string().find("no ink"), std::string::npos);
}

TEST_F(SubscriptionEngine, acks_from_another_thread_are_committed) {
  std::promise<RawEvent> handed;
  setup.settings.auto_ack = false;
  const Running running = start([&](RawEvent& event) {
    handed.set_value(messaging::EventAccess::share(event));
    return Result<void>{};
  });
  script.put(0, 1);
  RawEvent event = handed.get_future().get();
  EXPECT_TRUE(event.ack().has_value());
  EXPECT_TRUE(script.wait_for_commit(0, 1));
}

TEST_F(SubscriptionEngine, commits_before_a_partition_is_given_up) {
  std::array<std::promise<RawEvent>, 2> handed;
  std::size_t calls = 0;
  setup.settings.auto_ack = false;
  setup.settings.commit_interval = 1h;
  const Running running = start([&](RawEvent& event) {
    handed.at(calls++).set_value(messaging::EventAccess::share(event));
    return Result<void>{};
  });
  // The first commit, of the start, is made at once.
  ASSERT_TRUE(wait_until([&] {
    const std::lock_guard lock(script.mutex);
    return script.committed.contains(both[0]);
  }));
  script.put(0, 2);
  RawEvent first = handed[0].get_future().get(), second = handed[1].get_future().get();
  EXPECT_TRUE(first.ack().has_value());
  {
    const std::lock_guard lock(script.mutex);
    EXPECT_EQ(script.committed[both[0]], 0) << "the next commit is due in an hour";
    script.revoke = both;
    script.changed.notify_all();
  }
  EXPECT_TRUE(script.wait_for_commit(0, 1));
  EXPECT_TRUE(subscription->unsubscribe(patience).has_value());
  const auto late = second.ack();
  ASSERT_FALSE(late.has_value());
  EXPECT_TRUE(late.error().is(Errc::not_owner));
}

TEST_F(SubscriptionEngine, a_handler_that_throws_is_retried_and_reported) {
  std::atomic<int> calls{0};
  setup.settings.max_retries = 2;
  setup.settings.retry_delay = 1ms;
  std::promise<void> third;
  const Running running = start([&](RawEvent& event) -> Result<void> {
    if (++calls == 3) third.set_value();
    EXPECT_EQ(event.attempt(), calls);
    throw std::runtime_error("broken");
  });
  script.put(0, 1);
  third.get_future().wait();
  EXPECT_TRUE(subscription->unsubscribe(patience).has_value());
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(script.committed[both[0]], 0);
}

SubscribeHandler always_fails() {
  return [](RawEvent&) -> Result<void> { return fail(Error::client(Errc::handler_failed, "no")); };
}

TEST_F(SubscriptionEngine, commits_a_failed_message_once_it_is_among_the_dead_letters) {
  redirect_failures(0ms);
  const Running running = start(always_fails());
  script.put(5, 1, 1);
  auto sent = outbox.next();
  EXPECT_EQ(sent.topic, "t.g.dlt");
  EXPECT_EQ(sent.partition, PartitionId{1}) << "the outbox knows how many there are";
  EXPECT_EQ(sent.headers["kafka_dlt-original-topic"], "t");
  EXPECT_EQ(sent.headers["kafka_dlt-original-consumer-group"], "g");
  EXPECT_EQ(sent.headers["kafka_dlt-exception-message"], "no");
  EXPECT_EQ(sent.headers["dohle-attempts"], "1");
  EXPECT_EQ(failures, 0);
  {
    const std::lock_guard lock(script.mutex);
    EXPECT_LT(script.committed[both[1]], 6);
  }
  EXPECT_EQ(counted("dohle_dead_letters_total"), 0);
  sent.done(Receipt{PartitionId{0}, Offset{9}, Timestamp{0}});
  EXPECT_TRUE(script.wait_for_commit(1, 6));
  EXPECT_TRUE(wait_until([&] { return failures == 1; }));
  EXPECT_EQ(counted("dohle_dead_letters_total"), 1);
  EXPECT_EQ(counted("dohle_sent_to_retry_total"), 0);
}

TEST_F(SubscriptionEngine, keeps_trying_to_store_a_failed_message_that_is_refused) {
  redirect_failures(0ms);
  const Running running = start(always_fails());
  script.put(0, 1);
  for (int i = 0; i < 5; ++i) outbox.next().done(fail(Error::broker(29, "produce")));
  auto sent = outbox.next();
  EXPECT_TRUE(wait_until([&] { return failures == 1; })) << "a line a minute";
  EXPECT_EQ(counted("dohle_failures_total", {{"kind", "redirect"}}), 1);
  EXPECT_EQ(counted("dohle_dead_letters_total"), 0) << "refused ones are not stored";
  {
    const std::lock_guard lock(script.mutex);
    EXPECT_EQ(script.committed[both[0]], 0);
  }
  sent.done(Receipt{PartitionId{0}, Offset{0}, Timestamp{0}});
  EXPECT_TRUE(script.wait_for_commit(0, 1));
}

TEST_F(SubscriptionEngine, waits_at_its_end_for_a_failed_message_that_is_being_stored) {
  redirect_failures(0ms);
  const Running running = start(always_fails());
  script.put(0, 1);
  auto sent = outbox.next();
  auto ended = std::async(std::launch::async, [&] { return subscription->unsubscribe(patience); });
  EXPECT_EQ(ended.wait_for(10ms), std::future_status::timeout);
  sent.done(Receipt{PartitionId{0}, Offset{0}, Timestamp{0}});
  EXPECT_TRUE(ended.get().has_value());
  EXPECT_EQ(script.committed[both[0]], 1);
  EXPECT_TRUE(outbox.is_closed);
  EXPECT_EQ(failures, 1);
}

TEST_F(SubscriptionEngine, does_not_wait_at_its_end_for_a_failed_message_that_is_refused) {
  redirect_failures(0ms);
  setup.settings.min_backoff = setup.settings.max_backoff = 1h;
  const Running running = start(always_fails());
  script.put(0, 1);
  outbox.next().done(fail(Error::broker(29, "produce")));
  EXPECT_TRUE(subscription->unsubscribe(patience).has_value());
  EXPECT_EQ(script.committed[both[0]], 0);
  EXPECT_EQ(outbox.count, 1u);
}

TEST_F(SubscriptionEngine, calls_the_failure_decision_of_the_program_for_each_failure) {
  redirect_failures(1h);
  std::atomic<int> asked{0};
  setup.options.failure_decision = [&](const Error& why, const RawEvent& event) {
    ++asked;
    EXPECT_TRUE(why.is(Errc::handler_failed));
    if (event.offset() == Offset{0}) throw std::runtime_error("no idea");
    return event.offset() == Offset{1} ? FailureAction::skip : FailureAction::dead_letter;
  };
  const Running running = start(always_fails());
  script.put(0, 3);
  auto first = outbox.next();
  EXPECT_EQ(first.topic, "t.g.retry") << "as the options say";
  EXPECT_TRUE(wait_until([&] { return failures == 1; })) << "that of the decision";
  first.done(Receipt{PartitionId{0}, Offset{0}, Timestamp{0}});
  EXPECT_TRUE(wait_until([&] { return failures == 2; })) << "the skipped one";
  auto third = outbox.next();
  EXPECT_EQ(third.topic, "t.g.dlt");
  third.done(Receipt{PartitionId{0}, Offset{0}, Timestamp{0}});
  EXPECT_TRUE(script.wait_for_commit(0, 3));
  EXPECT_EQ(asked, 3);
}

TEST_F(SubscriptionEngine, lets_a_handler_choose_the_retry_topic) {
  redirect_failures(5s);
  const Running running = start([](RawEvent& event) -> Result<void> {
    EXPECT_TRUE(event.retry_after(1h).error().is(Errc::invalid_argument));
    return event.retry_after(1s);
  });
  script.put(0, 1);
  auto sent = outbox.next();
  EXPECT_EQ(sent.topic, "t.g.retry");
  sent.done(Receipt{PartitionId{0}, Offset{0}, Timestamp{0}});
  EXPECT_TRUE(script.wait_for_commit(0, 1));
  EXPECT_EQ(counted("dohle_sent_to_retry_total"), 1);
  EXPECT_EQ(counted("dohle_dead_letters_total"), 0);
}

TEST_F(SubscriptionEngine, calls_on_revoked_between_the_handlers_and_the_commit) {
  std::promise<void> entered, leave;
  std::atomic<bool> is_running{false}, was_running{false};
  std::atomic<int> revoked{0};
  setup.options.on_revoked = [&](std::span<const TopicPartition> partitions) {
    was_running = is_running.load();
    EXPECT_EQ(partitions.size(), 2u);
    const std::lock_guard lock(script.mutex);
    EXPECT_EQ(script.committed[both[0]], 0);
    ++revoked;
  };
  setup.settings.commit_interval = 1h;
  const Running running = start([&](RawEvent&) {
    is_running = true;
    entered.set_value();
    leave.get_future().wait();
    is_running = false;
    return Result<void>{};
  });
  // The interval begins with a first commit.
  ASSERT_TRUE(subscription->wait_ready(patience).has_value());
  script.put(0, 1);
  entered.get_future().wait();
  {
    const std::lock_guard lock(script.mutex);
    script.revoke = both;
    script.changed.notify_all();
  }
  leave.set_value();
  EXPECT_TRUE(wait_until([&] { return revoked == 1; }));
  EXPECT_TRUE(script.wait_for_commit(0, 1));
  EXPECT_FALSE(was_running);
  EXPECT_TRUE(subscription->unsubscribe(patience).has_value());
  EXPECT_EQ(revoked, 1) << "nothing is left to revoke at the end";
}

TEST_F(SubscriptionEngine, calls_on_lost_without_a_commit_once_acks_are_refused) {
  std::mutex mutex;
  std::vector<RawEvent> kept;
  std::promise<bool> refused;
  setup.settings.auto_ack = false;
  setup.options.on_revoked = [](std::span<const TopicPartition>) { FAIL(); };
  setup.options.on_lost = [&](std::span<const TopicPartition> partitions) {
    EXPECT_EQ(partitions.size(), 2u);
    const std::lock_guard lock(mutex);
    refused.set_value(kept.front().ack().error().is(Errc::not_owner));
  };
  std::atomic<int> handled{0};
  const Running running = start([&](RawEvent& event) {
    const std::lock_guard lock(mutex);
    kept.push_back(EventAccess::share(event));
    ++handled;
    return Result<void>{};
  });
  script.put(0, 1);
  EXPECT_TRUE(wait_until([&] { return handled == 1; }));
  {
    const std::lock_guard lock(script.mutex);
    script.lose = both;
    script.changed.notify_all();
  }
  EXPECT_TRUE(refused.get_future().get());
  EXPECT_TRUE(subscription->unsubscribe(patience).has_value());
  EXPECT_EQ(script.committed[both[0]], 0);
  kept.clear();
}

TEST_F(SubscriptionEngine, sends_failed_messages_to_the_topics_of_their_source) {
  redirect_failures(0ms);
  setup.settings.redirects.dead_letters->name.clear();
  script.redirects =
      RedirectTopics{.retries = {}, .dead_letters = RedirectTopic{.name = "t.found.dlt"}};
  const auto running = start([](RawEvent&) -> Result<void> {
    return fail(permanent(Error::client(Errc::handler_failed, "broken")));
  });
  script.put(0, 1);
  auto sent = outbox.next();
  EXPECT_EQ(sent.topic, "t.found.dlt");
  sent.done(Receipt{});
  EXPECT_TRUE(script.wait_for_commit(0, 1));
}

TEST_F(SubscriptionEngine, reports_that_no_topic_matches_and_is_ready_without_partitions) {
  script.assigned = {};
  script.trouble = Error::client(Errc::no_such_topic, "no topic matches");
  const auto running = start([](RawEvent&) -> Result<void> { return {}; });
  EXPECT_TRUE(subscription->wait_ready(patience).has_value());
  EXPECT_EQ(failures, 1);
  EXPECT_TRUE(subscription->assignment().empty());
}

/// Puts one message after another until one is handled on the thread that read it. The handler
/// counts in `handled`, and leaves its thread in `last` before that.
struct UntilReaderHandles {
  ScriptedSource::Script& script;
  const std::atomic<std::int64_t>& handled;
  const std::atomic<std::thread::id>& last;

  /// Returns the number of messages, or 0 if it never happened.
  std::int64_t operator()() const {
    for (std::int64_t next = 0; next < 10'000; ++next) {
      script.put(next, 1);
      const auto deadline = std::chrono::steady_clock::now() + patience;
      while (handled.load() <= next) {
        if (std::chrono::steady_clock::now() > deadline) return 0;
        std::this_thread::yield();
      }
      const std::lock_guard lock(script.mutex);
      if (script.reads_on == last.load()) return next + 1;
    }
    return 0;
  }
};

TEST_F(SubscriptionEngine, handles_messages_on_the_thread_that_read_them_while_handlers_are_quick) {
  std::atomic<std::int64_t> handled{0};
  std::atomic<std::thread::id> last;
  const auto running = start([&](RawEvent&) -> Result<void> {
    last = std::this_thread::get_id();
    ++handled;
    return {};
  });
  EXPECT_GT((UntilReaderHandles{script, handled, last}()), 0);
}

TEST_F(SubscriptionEngine, reads_on_another_thread_while_the_handler_of_the_reading_one_is_long) {
  setup.group_id = "g";
  std::atomic<std::int64_t> handled{0};
  std::atomic<std::thread::id> last;
  std::atomic<bool> is_blocking{false};
  std::promise<void> go_on;
  const auto running =
      start([&, gone_on = go_on.get_future().share()](RawEvent& event) -> Result<void> {
        last = std::this_thread::get_id();
        if (is_blocking && event.partition() == PartitionId{1}) gone_on.wait();
        ++handled;
        return {};
      });
  const std::int64_t before = UntilReaderHandles{script, handled, last}();
  ASSERT_GT(before, 0);
  is_blocking = true;
  script.put(0, 1, 1);
  ASSERT_TRUE(wait_until([&] {
    const std::lock_guard lock(script.mutex);
    return script.fetches.empty();
  }));
  std::size_t polls = 0;
  {
    const std::lock_guard lock(script.mutex);
    polls = script.polls;
  }
  EXPECT_TRUE(wait_until([&] {
    const std::lock_guard lock(script.mutex);
    return script.polls > polls && script.reads_on != last.load();
  })) << "nobody reads while the handler runs";
  EXPECT_TRUE(script.wait_for_commit(0, before));
  script.put(before, 1);
  go_on.set_value();
  EXPECT_TRUE(wait_until([&] { return handled == before + 2; }));
  EXPECT_TRUE(script.wait_for_commit(0, before + 1));
  EXPECT_TRUE(script.wait_for_commit(1, 1));
}

TEST_F(SubscriptionEngine, ends_while_the_thread_that_reads_is_inside_a_handler) {
  setup.group_id = "g";
  std::atomic<std::int64_t> handled{0};
  std::atomic<std::thread::id> last;
  std::promise<void> go_on;
  std::atomic<bool> is_blocking{false}, is_inside{false};
  auto running = start([&, gone_on = go_on.get_future().share()](RawEvent&) -> Result<void> {
    last = std::this_thread::get_id();
    if (is_blocking) {
      is_inside = true;
      gone_on.wait();
    }
    ++handled;
    return {};
  });
  const std::int64_t before = UntilReaderHandles{script, handled, last}();
  ASSERT_GT(before, 0);
  is_blocking = true;
  script.put(before, 1);
  ASSERT_TRUE(wait_until([&] { return is_inside.load(); }));
  auto ended = std::async(std::launch::async, [&] { return subscription->unsubscribe(patience); });
  go_on.set_value();
  EXPECT_TRUE(ended.get().has_value());
  EXPECT_TRUE(script.wait_for_commit(0, before + 1)) << "the last message was handled";
  EXPECT_TRUE(script.is_closed);
}

TEST_F(SubscriptionEngine, reads_while_the_handlers_of_several_threads_are_long) {
  setup.workers = 3;
  setup.settings.unordered = true;
  std::atomic<int> inside{0};
  std::atomic<bool> was_read{true};
  const auto running = start([&](RawEvent&) -> Result<void> {
    ++inside;
    std::size_t polls = 0;
    {
      const std::lock_guard lock(script.mutex);
      polls = script.polls;
    }
    const bool has_read = wait_until([&] {
      const std::lock_guard lock(script.mutex);
      return inside == 2 && script.polls > polls;
    });
    if (!has_read) was_read = false;
    return {};
  });
  ASSERT_TRUE(subscription->wait_ready(patience).has_value());
  script.put(0, 2);
  EXPECT_TRUE(script.wait_for_commit(0, 2));
  EXPECT_TRUE(was_read);
}

TEST_F(SubscriptionEngine, notices_a_slow_handler_also_if_each_poll_has_few_messages) {
  setup.group_id = "g";
  std::atomic<std::int64_t> handled{0};
  std::atomic<std::thread::id> last;
  std::atomic<bool> is_slow{false};
  const auto running = start([&](RawEvent&) -> Result<void> {
    last = std::this_thread::get_id();
    // Shorter than a loan of the reading.
    const auto end = std::chrono::steady_clock::now() + (is_slow ? 300us : 0us);
    while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
    ++handled;
    return {};
  });
  const std::int64_t before = UntilReaderHandles{script, handled, last}();
  ASSERT_GT(before, 0);
  is_slow = true;
  script.put(before, 3);
  // Also if another thread reads meanwhile, the one that handles has looked at the clock before it.
  ASSERT_TRUE(script.wait_for_commit(0, before + 3));
  is_slow = false;
  script.put(before + 3, 1);
  ASSERT_TRUE(wait_until([&] { return handled == before + 4; }));
  const std::lock_guard lock(script.mutex);
  EXPECT_NE(script.reads_on, last.load()) << "the thread that reads handles it";
}

TEST_F(SubscriptionEngine, stores_a_failed_message_in_its_retry_topic_before_the_queue_is_empty) {
  redirect_failures(0ms);
  constexpr int most_fed = 1'000;
  std::atomic<std::int64_t> handled{0};
  std::atomic<std::thread::id> last;
  std::atomic<bool> is_feeding{false}, are_put{false}, was_sent{false};
  // Only the thread that handles uses the following variables.
  std::int64_t next = 0;
  int fed = 0;
  std::promise<void> fed_all;
  // Whether everything that was put waits for a handler.
  const auto is_all_read = [&] {
    const std::lock_guard lock(script.mutex);
    return script.fetches.empty() && script.is_waiting &&
           script.reads_on != std::this_thread::get_id();
  };
  const auto running = start([&](RawEvent& event) -> Result<void> {
    last = std::this_thread::get_id();
    if (!is_feeding) return ++handled, Result<void>{};
    if (event.partition() == PartitionId{1}) {
      wait_until([&] { return are_put && is_all_read(); });
      return fail(Error::client(Errc::handler_failed, "no"));
    }
    {
      const std::lock_guard lock(outbox.mutex);
      was_sent = outbox.count > 0;
    }
    if (was_sent || fed == most_fed) {
      is_feeding = false;
      fed_all.set_value();
      return {};
    }
    ++fed;
    script.put(next++, 1);
    wait_until(is_all_read);
    return {};
  });
  next = UntilReaderHandles{script, handled, last}();
  ASSERT_GT(next, 0);
  is_feeding = true;
  script.put(0, 1, 1);
  script.put(next++, 1);
  are_put = true;
  EXPECT_EQ(fed_all.get_future().wait_for(patience), std::future_status::ready);
  ASSERT_TRUE(was_sent) << "nothing was sent while there were messages to handle";
  outbox.next().done(Receipt{});
}

TEST_F(SubscriptionEngine, handles_messages_read_together_with_an_error_before_it_reads_again) {
  setup.min_backoff = setup.max_backoff = 1h;
  std::atomic<int> handled{0};
  const auto running = start([&](RawEvent&) { return ++handled, Result<void>{}; });
  ASSERT_TRUE(subscription->wait_ready(patience).has_value());
  script.put(0, 1, 0, Error::client(Errc::malformed, "damaged"));
  EXPECT_TRUE(wait_until([&] { return handled == 1; }));
}

TEST_F(SubscriptionEngine, commits_the_first_offset_of_a_topic_that_was_created_again) {
  setup.group_id = "g";
  std::atomic<int> handled{0};
  const auto running = start([&](RawEvent&) -> Result<void> {
    ++handled;
    return {};
  });
  script.put(0, 3);
  ASSERT_TRUE(script.wait_for_commit(0, 3));
  {
    const std::lock_guard lock(script.mutex);
    script.replaced = {both[0]};
    script.positions[both[0]] = 0;
    script.is_woken = true;
    script.changed.notify_all();
  }
  EXPECT_TRUE(script.wait_for_commit(0, 0)) << "a commit of the former topic may have come to it";
  script.put(0, 2);
  EXPECT_TRUE(script.wait_for_commit(0, 2));
  EXPECT_EQ(handled, 5);
}

TEST_F(SubscriptionEngine, gives_a_partition_up_without_an_offset_of_a_topic_that_was_deleted) {
  setup.group_id = "g";
  script.commit_error = Error::broker(std::int16_t{3}, "commit");
  setup.min_backoff = setup.max_backoff = 10s;
  const auto running = start([&](RawEvent&) -> Result<void> { return {}; });
  script.put(0, 3);
  ASSERT_TRUE(wait_until([&] { return failures >= 1; }));
  {
    const std::lock_guard lock(script.mutex);
    script.commit_error.reset();
    script.replaced = {both[0]};
    script.revoke = {both[0]};
    script.changed.notify_all();
  }
  EXPECT_TRUE(wait_until([&] {
    const std::lock_guard lock(script.mutex);
    return script.committed.contains(both[0]);
  }));
  const std::lock_guard lock(script.mutex);
  EXPECT_EQ(script.committed[both[0]], 0);
}

TEST_F(SubscriptionEngine, of_several_topics_requires_the_topic_with_the_partition) {
  setup.has_one_topic = false;
  const auto running = start([](RawEvent&) -> Result<void> { return {}; });
  ASSERT_TRUE(subscription->wait_ready(patience).has_value());
  const auto refused = subscription->of_only_topic(PartitionId{0}, "seek");
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().is(Errc::invalid_argument));
  EXPECT_TRUE(subscription->seek({"t", PartitionId{0}}, Offset{0}).has_value());
}

}  // namespace
}  // namespace dohle::messaging
