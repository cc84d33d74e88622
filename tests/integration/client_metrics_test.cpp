// The metrics of a client at a node in memory.

#include <gmock/gmock.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "dohle/admin.hpp"
#include "dohle/consumer.hpp"
#include "dohle/metrics.hpp"
#include "dohle/producer.hpp"
#include "integration/client_on_node.hpp"

namespace dohle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Ge;
using testing::Gt;
using testing::Optional;

class ClientMetricsOnNode : public ClientOnNode {
 protected:
  void make_topic(const std::string& name) {
    auto made = client_->admin().create_topics({{.name = name, .partitions = 1}});
    ASSERT_TRUE(made && made->front().result);
  }
  void publish(const std::string& topic, int count) {
    auto producer = client_->producer();
    ASSERT_TRUE(producer);
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(producer->send(topic, {.value = as_bytes("value")}));
    }
    ASSERT_TRUE(producer->close(seconds(10)));
  }
  std::optional<double> value(std::string_view name,
                              std::initializer_list<MetricLabel> labels = {}) {
    return client_->metrics().value(name, labels);
  }
};

TEST_F(ClientMetricsOnNode, counts_records_per_topic_as_they_are_sent_and_acknowledged) {
  make_topic("a");
  make_topic("b");
  publish("a", 30);
  publish("b", 12);
  const MetricsSnapshot taken = client_->metrics();
  for (const auto& [topic, count] : {std::pair("a", 30), std::pair("b", 12)}) {
    EXPECT_EQ(taken.value("dohle_producer_records_total", {{"topic", topic}}), count);
    EXPECT_EQ(taken.value("dohle_producer_acknowledged_records_total", {{"topic", topic}}), count);
    EXPECT_EQ(taken.value("dohle_producer_failed_records_total", {{"topic", topic}}), 0);
    EXPECT_EQ(taken.value("dohle_producer_retried_batches_total", {{"topic", topic}}), 0);
    EXPECT_THAT(taken.value("dohle_producer_batches_total", {{"topic", topic}}), Optional(Ge(1)));
    EXPECT_THAT(taken.value("dohle_producer_batch_bytes_total", {{"topic", topic}}),
                Optional(Ge(5 * count)));
  }
  EXPECT_EQ(taken.value("dohle_producer_delivery_seconds"),
            taken.value("dohle_producer_batches_total"));
  EXPECT_THAT(taken.value("dohle_client_request_seconds", {{"api", "Produce"}}), Optional(Ge(2)));
  EXPECT_THAT(taken.value("dohle_client_request_seconds", {{"api", "CreateTopics"}}), Optional(2));
  EXPECT_EQ(taken.left_out, 0u);
}

TEST_F(ClientMetricsOnNode, counts_records_that_fail) {
  make_topic("t");
  auto producer = client_->producer({.delivery_timeout = milliseconds(50)});
  ASSERT_TRUE(producer);
  ASSERT_TRUE(producer->topic("t"));
  ASSERT_TRUE(node_->close());
  const auto sent = producer->send("t", {.value = as_bytes("value")});
  ASSERT_TRUE(sent);
  EXPECT_FALSE(sent->get());
  EXPECT_EQ(value("dohle_producer_records_total"), 1);
  EXPECT_EQ(value("dohle_producer_failed_records_total"), 1);
  EXPECT_EQ(value("dohle_producer_acknowledged_records_total"), 0);
}

TEST_F(ClientMetricsOnNode, counts_fetched_records_and_their_lag) {
  make_topic("t");
  publish("t", 10);
  auto consumer = client_->consumer({.offset_reset = OffsetReset::earliest, .max_poll_records = 4});
  ASSERT_TRUE(consumer);
  ASSERT_TRUE(consumer->assign({{"t", PartitionId{0}}}));
  std::size_t read = 0;
  while (read < 4) {
    auto records = consumer->poll(seconds(10));
    ASSERT_TRUE(records) << records.error().to_string();
    read += records->count();
  }
  EXPECT_EQ(value("dohle_consumer_records_total", {{"topic", "t"}}), read);
  EXPECT_EQ(value("dohle_consumer_lag_records", {{"topic", "t"}, {"partition", "0"}}), 10 - read);
  while (read < 10) {
    auto records = consumer->poll(seconds(10));
    ASSERT_TRUE(records) << records.error().to_string();
    read += records->count();
  }
  EXPECT_EQ(value("dohle_consumer_records_total"), 10);
  EXPECT_EQ(value("dohle_consumer_lag_records"), 0);
  EXPECT_THAT(value("dohle_consumer_fetches_total"), Optional(Ge(1)));
  EXPECT_THAT(value("dohle_consumer_fetched_bytes_total"), Optional(Gt(50)));
  EXPECT_EQ(value("dohle_client_request_seconds", {{"api", "Fetch"}}),
            value("dohle_consumer_fetches_total"));
}

TEST_F(ClientMetricsOnNode, subtracts_the_memory_of_settled_records) {
  make_topic("t");
  auto producer = client_->producer({.linger = seconds(60)});
  ASSERT_TRUE(producer);
  ASSERT_TRUE(producer->send("t", {.value = as_bytes("value")}));
  EXPECT_THAT(value("dohle_producer_buffer_bytes"), Optional(Gt(0)));
  ASSERT_TRUE(producer->flush(seconds(10)));
  // The answer settles the records before the last reference to their bytes is gone.
  while (value("dohle_producer_buffer_bytes") != 0) std::this_thread::yield();
  ASSERT_TRUE(producer->close(seconds(10)));
}

TEST(ClientMetrics, of_a_client_that_was_moved_from_are_empty) {
  auto made = Client::create();
  ASSERT_TRUE(made);
  const Client taken = *std::move(made);
  EXPECT_FALSE(taken.metrics().metrics.empty());
  EXPECT_TRUE(made->metrics().metrics.empty());
}

}  // namespace
}  // namespace dohle
