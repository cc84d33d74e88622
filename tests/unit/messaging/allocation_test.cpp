#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>

#include "counted_allocations.hpp"
#include "dohle/kafka.hpp"
#include "messaging/events/pull_call.hpp"
#include "messaging/publish/publish_chain.hpp"
#include "messaging/subscribe/subscription.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t poll_size = 50;
/// Longer than a string stores without an allocation.
const std::string topic = "a-topic-whose-name-needs-memory";
const std::vector<std::string> keys = {"a key that needs memory if it is copied", "b", "c", "d"};

/// Returns records up to a limit, poll_size at a time.
class EndlessSource final : public Source {
 public:
  struct Script {
    std::mutex mutex;
    std::condition_variable changed;
    std::int64_t limit = 0, next = 0;
    bool is_woken = false;
    std::atomic<std::size_t> polls = 0;
    void read_to(std::int64_t offset) {
      const std::lock_guard lock(mutex);
      limit = offset;
      changed.notify_all();
    }
  };
  explicit EndlessSource(Script& script) : script_(script) {}

  Result<void> start(RebalanceListener listener) override {
    const std::vector<TopicPartition> all{{topic, PartitionId{0}}};
    listener.on_assigned(all);
    return {};
  }
  Result<PolledRecords> poll(std::chrono::milliseconds timeout) override {
    ++script_.polls;
    std::unique_lock lock(script_.mutex);
    script_.changed.wait_for(lock, timeout,
                             [&] { return script_.is_woken || script_.next < script_.limit; });
    if (std::exchange(script_.is_woken, false)) {
      return fail(Error::client(Errc::cancelled, "woken"));
    }
    PolledRecords fetched;
    if (script_.next >= script_.limit) return fetched;
    fetched.buffer = std::make_shared<int>(0);
    fetched.records.resize(static_cast<std::size_t>(poll_size));
    for (ConsumerRecord& record : fetched.records) {
      record.topic = topic;
      record.partition = PartitionId{0};
      record.offset = Offset{script_.next};
      record.key = as_bytes(keys[static_cast<std::size_t>(script_.next) % keys.size()]);
      ++script_.next;
    }
    return fetched;
  }
  std::vector<TopicPartition> take_replaced() override { return {}; }
  void wakeup() override {
    const std::lock_guard lock(script_.mutex);
    script_.is_woken = true;
    script_.changed.notify_all();
  }
  void commit_async(std::vector<PartitionOffset>, client::CommitDone callback) override {
    callback({});
  }
  client::CommitOutcome commit_sync(std::vector<PartitionOffset>,
                                    std::chrono::milliseconds) override {
    return {};
  }
  void pause(std::span<const TopicPartition>) override {}
  void resume(std::span<const TopicPartition>) override {}
  void seek(const TopicPartition&, Offset) override {}
  Result<Offset> position(const TopicPartition&) override {
    const std::lock_guard lock(script_.mutex);
    return Offset{script_.next};
  }
  std::optional<std::int64_t> lag(const TopicPartition&) const override { return std::nullopt; }
  Result<void> leave() override { return {}; }
  Result<void> close(std::chrono::milliseconds) override { return {}; }

 private:
  Script& script_;
};

/// Allocations per poll while `pass_to` hands out 100,000 messages, after 20,000.
template <class PassTo>
double made_per_poll(EndlessSource::Script& script, Subscription& subscription, PassTo pass_to) {
  pass_to(20'000);
  const std::size_t before = allocations.load();
  const std::size_t polls = script.polls.load();
  pass_to(120'000);
  const auto made = static_cast<double>(allocations.load() - before);
  const auto polled = static_cast<double>(script.polls.load() - polls);
  EXPECT_TRUE(subscription.unsubscribe(20s).has_value());
  testing::Test::RecordProperty("allocations_per_poll", std::to_string(made / polled));
  return made / polled;
}

/// The allocations of a subscription whose handler gets the messages.
double allocations_per_poll(std::size_t workers, bool auto_ack) {
  EndlessSource::Script script;
  std::atomic<std::int64_t> handled = 0;
  Subscription::Setup setup;
  setup.topic = topic;
  setup.source = std::make_unique<EndlessSource>(script);
  setup.reports = std::make_shared<Reports>(nullptr, silent_logger());
  setup.workers = workers;
  setup.settings.auto_ack = auto_ack;
  setup.settings.commit_interval = 1h;
  setup.handler = wrapped<SubscribeMiddleware>({}, {}, raw([&](RawEvent event) -> Result<void> {
                                                 if (!auto_ack && !event.ack()) std::abort();
                                                 handled.fetch_add(1);
                                                 handled.notify_one();
                                                 return {};
                                               }));
  const auto subscription = Subscription::start(std::move(setup));
  const auto handle_to = [&](std::int64_t offset) {
    script.read_to(offset);
    for (auto now = handled.load(); now < offset; now = handled.load()) handled.wait(now);
  };
  return made_per_poll(script, *subscription, handle_to);
}

/// Takes each message, and acknowledges it if `acks`.
class Taking final : public PullReceiver {
 public:
  explicit Taking(bool acks) : acks_(acks) {}
  Result<void> take(RawEvent& event) override { return acks_ ? event.ack() : Result<void>(); }

 private:
  const bool acks_;
};

/// The same of a subscription whose messages this thread takes.
double allocations_per_poll_of_pulls(bool auto_ack) {
  EndlessSource::Script script;
  Subscription::Setup setup;
  setup.topic = topic;
  setup.source = std::make_unique<EndlessSource>(script);
  setup.reports = std::make_shared<Reports>(nullptr, silent_logger());
  setup.pulls = true;
  setup.settings.auto_ack = auto_ack;
  setup.settings.orders_partitions = true;
  setup.settings.commit_interval = 1h;
  setup.handler = wrapped<SubscribeMiddleware>({}, {}, PullCall::handler());
  const auto subscription = Subscription::start(std::move(setup));
  Taking taking(!auto_ack);
  std::int64_t taken = 0;
  const auto take_to = [&](std::int64_t offset) {
    script.read_to(offset);
    for (; taken < offset; ++taken) {
      if (!subscription->next(20s, taking).value()) std::abort();
    }
  };
  return made_per_poll(script, *subscription, take_to);
}

// A poll makes the list of its records, their buffer with its two counts, and a cancelled one its
// error. One message more would make it more than 50.

TEST(ReceivedMessage, allocates_nothing) {
  EXPECT_LE(allocations_per_poll(1, true), 6.0);
}

TEST(ReceivedMessage, allocates_nothing_with_concurrency) {
  EXPECT_LE(allocations_per_poll(4, true), 6.0);
}

TEST(ReceivedMessage, allocates_nothing_when_acknowledged_by_hand) {
  EXPECT_LE(allocations_per_poll(1, false), 6.0);
}

/// A Broker on a node of its own, with the topic.
Broker connected(kafka::BrokerOptions options = {}) {
  options.addresses = {"embedded:memory"};
  Broker broker = kafka::new_broker(std::move(options)).value();
  EXPECT_TRUE(broker.connect().has_value());
  EXPECT_TRUE(kafka::create_topic(broker, topic, 1, 1).has_value());
  return broker;
}

void publish(Broker& broker, std::int64_t messages) {
  const std::string body(100, 'x');
  for (std::int64_t i = 0; i < messages; ++i) {
    if (!broker.publish(topic, std::string_view(body))) std::abort();
  }
}

double per_message(std::size_t made, std::int64_t messages) {
  return static_cast<double>(made) / static_cast<double>(messages);
}

// A batch, which has 100 messages or more, makes its memory and its outcome. The requests, the
// answers and the node's share are made by batches, too.

TEST(PublishedMessage, allocates_nothing) {
  constexpr std::int64_t messages = 100'000;
  Broker broker = connected();
  publish(broker, 20'000);
  ASSERT_TRUE(broker.flush().has_value());
  const std::size_t before = allocations.load();
  const std::size_t before_here = allocations_here;
  publish(broker, messages);
  const double here = per_message(allocations_here - before_here, messages);
  ASSERT_TRUE(broker.flush().has_value());
  const double everywhere = per_message(allocations.load() - before, messages);
  RecordProperty("allocations_of_the_caller", std::to_string(here));
  RecordProperty("allocations", std::to_string(everywhere));
  EXPECT_LT(here, 0.1);
  EXPECT_LT(everywhere, 1.0);
}

TEST(ReceivedMessage, allocates_nothing_from_a_node) {
  constexpr std::int64_t first = 20'000, last = 120'000;
  Broker broker = connected({.group_id = "readers", .commit_interval = 1h});
  publish(broker, last);
  ASSERT_TRUE(broker.flush().has_value());
  std::int64_t handled = 0;
  std::size_t before = 0, after = 0;
  std::atomic<bool> is_done = false;
  auto subscriber = broker.subscribe(topic, [&](const RawEvent&) {
    if (++handled == first) before = allocations.load();
    if (handled != last) return;
    after = allocations.load();
    is_done = true;
    is_done.notify_all();
  });
  ASSERT_TRUE(subscriber.has_value());
  is_done.wait(false);
  ASSERT_TRUE(subscriber->unsubscribe().has_value());
  const double made = per_message(after - before, last - first);
  RecordProperty("allocations", std::to_string(made));
  EXPECT_LT(made, 0.2);
}

TEST(PulledMessage, allocates_nothing) {
  EXPECT_LE(allocations_per_poll_of_pulls(true), 6.0);
}

TEST(PulledMessage, allocates_nothing_when_acknowledged_by_hand) {
  EXPECT_LE(allocations_per_poll_of_pulls(false), 6.0);
}

}  // namespace
}  // namespace dohle::messaging
