// Every blocking call of a client at a node that keeps its connections and does not answer: each
// call ends at its timeout.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "dohle/kafka.hpp"
#include "dohle/producer.hpp"
#include "fault/node_process.hpp"

namespace dohle::fault {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds patience = 20s;
/// The timeout of each call.
constexpr milliseconds given = 3s;
/// Less than `given`: a call that takes its timeout twice fails.
constexpr milliseconds slack = 2s;

class FrozenNode : public testing::Test {
 protected:
  FrozenNode() : node_(scratch_ / "data") {
    EXPECT_NE(node_.port(), 0) << node_.lines();
    Client client = make_client();
    const auto made = client.admin().create_topics({{.name = "orders", .partitions = 2}});
    EXPECT_TRUE(made) << made.error().to_string();
  }

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(node_.port()); }
  [[nodiscard]] Client make_client() const {
    return Client::create({.bootstrap_servers = {address()}, .logger = silent_logger()}).value();
  }
  [[nodiscard]] Broker make_broker() const {
    return kafka::new_broker({.addresses = {address()},
                              .error_handler = [](const Failure&) {},
                              .logger = silent_logger()})
        .value();
  }
  static Producer sent(Client& client) {
    Producer producer = client.producer().value();
    EXPECT_TRUE(producer.send("orders", {.value = as_bytes("v")})->get());
    return producer;
  }
  /// A member of a group that has read a record and has not committed it.
  static Consumer member(Client& client, const std::string& group,
                         RebalanceListener listener = {}) {
    const bool commits_itself = listener.on_revoked != nullptr;
    Consumer consumer = client
                            .consumer({.group_id = group,
                                       .offset_reset = OffsetReset::earliest,
                                       .auto_commit = !commits_itself})
                            .value();
    EXPECT_TRUE(consumer.subscribe({"orders"}, std::move(listener)));
    const auto deadline = Clock::now() + patience;
    bool has_read = false;
    while (!has_read && Clock::now() < deadline) {
      const auto records = consumer.poll(100ms);
      has_read = records && records->count() > 0;
    }
    EXPECT_TRUE(has_read) << group;
    (void)consumer.poll(0ms);
    return consumer;
  }
  /// `call` begins once the node is frozen, on a thread of its own.
  void add(std::string name, std::function<void()> call) {
    calls_.push_back({std::move(name), std::move(call)});
  }
  void freeze_and_call() {
    node_.freeze();
    std::vector<std::thread> threads;
    for (const auto& [name, call] : calls_) {
      threads.emplace_back([&name, &call] {
        const auto begin = Clock::now();
        call();
        const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
        EXPECT_LT(took, given + slack) << name << " took " << took.count() << " ms";
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  ScratchDirectory scratch_;
  NodeProcess node_;
  struct Call {
    std::string name;
    std::function<void()> call;
  };
  std::vector<Call> calls_;
};

void expect_late(const auto& outcome) {
  EXPECT_FALSE(outcome) << "the node answers nothing";
  if (!outcome) {
    EXPECT_TRUE(outcome.error().is(Errc::timed_out)) << outcome.error().to_string();
  }
}

TEST_F(FrozenNode, LetsEveryCallOfTheClientEndAtItsTimeout) {
  Client client = make_client(), closing = make_client(), fresh = make_client();
  Producer flushing = sent(client), closed = sent(client), last = sent(closing);
  Consumer reader = member(client, "one"), last_reader = member(closing, "two");
  Consumer* own = nullptr;
  bool has_committed = true;
  // A listener's own calls are bounded by the deadline of the close that calls it.
  Consumer committing = member(client, "three", {.on_revoked = [&](auto partitions) {
                                 std::vector<PartitionOffset> offsets;
                                 for (const TopicPartition& each : partitions) {
                                   offsets.push_back({each, {Offset{1}}});
                                 }
                                 has_committed = own->commit_sync(offsets).has_value();
                               }});
  own = &committing;
  Consumer committing_late = member(client, "four");
  Admin admin = client.admin();

  const auto under_way = [](Producer& producer) {
    EXPECT_TRUE(producer.send("orders", {.value = as_bytes("w")}));
  };
  add("Producer::flush", [&] {
    under_way(flushing);
    expect_late(flushing.flush(given));
  });
  add("Producer::close", [&] {
    under_way(closed);
    const auto report = closed.close(given);
    EXPECT_TRUE(report && report->failed == 1);
  });
  add("Consumer::close", [&] { expect_late(reader.close(given)); });
  add("Consumer::close with a listener that commits", [&] {
    expect_late(committing.close(given));
    EXPECT_FALSE(has_committed);
  });
  add("Consumer::commit_sync", [&] {
    expect_late(committing_late.commit_sync({{{"orders", PartitionId{0}}, {Offset{1}}}}, given));
  });
  add("Client::close", [&] {
    under_way(last);
    EXPECT_FALSE(closing.close(given));
  });
  add("Client::connect", [&] { expect_late(fresh.connect(given)); });
  add("Admin::list_topics", [&] { expect_late(admin.list_topics({.timeout = given})); });
  add("Admin::create_topics", [&] {
    const auto made = admin.create_topics({{.name = "new"}}, {.timeout = given});
    ASSERT_TRUE(made);
    expect_late(made->at(0).result);
  });
  freeze_and_call();
  // Closes at once, since destructors would take longer.
  (void)flushing.close(0ms);
  (void)committing_late.close(0ms);
}

TEST_F(FrozenNode, LetsEveryCallOfABrokerEndAtItsTimeout) {
  Broker publishing = make_broker(), flushing = make_broker(), ending = make_broker(),
         reading = make_broker();
  for (Broker* broker : {&publishing, &flushing, &ending, &reading}) {
    ASSERT_TRUE(broker->connect(patience));
    ASSERT_TRUE(broker->publish("orders", "v", {.async = false}));
  }
  std::atomic<int> handled = 0;
  // A long commit interval, so that there are commits to make at the end.
  const auto subscribe = [&](Broker& broker, const std::string& group) {
    return broker
        .subscribe<std::string>(
            "orders", [&](const std::string&) { ++handled; },
            {.group_id = group, .start_offset = StartOffset::first(), .commit_interval = 1h})
        .value();
  };
  Subscriber unsubscribing = subscribe(reading, "five"), left_over = subscribe(ending, "six");
  for (Subscriber* each : {&unsubscribing, &left_over}) ASSERT_TRUE(each->wait_ready(patience));
  const auto deadline = Clock::now() + patience;
  while (handled < 8 && Clock::now() < deadline) std::this_thread::yield();
  ASSERT_EQ(handled, 8);

  add("Broker::publish",
      [&] { expect_late(publishing.publish("orders", "w", {.async = false, .timeout = given})); });
  add("Broker::publish that does not wait", [&] {
    const auto sent = publishing.publish("orders", "w", {.async = false, .timeout = 0ms});
    expect_late(sent);
    EXPECT_TRUE(!sent && sent.error().stored() == Stored::possibly);
  });
  add("Broker::flush", [&] {
    EXPECT_TRUE(flushing.publish("orders", "w", {.async = true}));
    expect_late(flushing.flush(given));
  });
  add("Broker::disconnect", [&] {
    EXPECT_TRUE(ending.publish("orders", "w", {.async = true}));
    const auto ended = ending.disconnect(given);
    EXPECT_TRUE(!ended || ended->failed == 1);
  });
  add("Subscriber::unsubscribe", [&] { EXPECT_FALSE(unsubscribing.unsubscribe(given)); });
  add("kafka::create_topic",
      [&] { EXPECT_FALSE(kafka::create_topic(publishing, "new", 1, 1, given)); });
  freeze_and_call();
  for (Broker* broker : {&publishing, &flushing, &reading}) (void)broker->disconnect(0ms);
}

}  // namespace
}  // namespace dohle::fault
