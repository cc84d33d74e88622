// The client against Apache Kafka 4.3.1, which scripts/apache-kafka starts and stops.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "dohle/producer.hpp"
#include "integration/apache_kafka_server.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

class ApacheKafka : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_.emplace();
    ASSERT_FALSE(server_->address().empty());
  }
  static void TearDownTestSuite() { server_.reset(); }

  ApacheKafka() : client_(*Client::create({.bootstrap_servers = {server_->address()}})) {}

  void make_topic(const std::string& name, std::int32_t partitions) {
    auto made = client_.admin().create_topics({{.name = name, .partitions = partitions}});
    ASSERT_TRUE(made) << made.error().to_string();
    ASSERT_TRUE(made->at(0).result) << made->at(0).result.error().to_string();
  }

  static inline std::optional<ApacheKafkaServer> server_;
  Client client_;
};

/// The values read from each partition, in order.
using Values = std::map<std::int32_t, std::vector<std::string>>;

std::size_t count_of(const Values& values) {
  std::size_t count = 0;
  for (const auto& [partition, each] : values) count += each.size();
  return count;
}

/// Reads until there are `count` records, or for 30 s without one.
Values read(Consumer& consumer, std::size_t count) {
  Values values;
  for (int idle = 0; count_of(values) < count && idle < 30;) {
    auto records = consumer.poll(1s);
    EXPECT_TRUE(records) << records.error().to_string();
    if (!records) break;
    idle = records->empty() ? idle + 1 : 0;
    for (const ConsumerRecord& record : *records) {
      values[record.partition.value].emplace_back(as_text(*record.value));
    }
    EXPECT_EQ(records->error(), nullptr);
  }
  return values;
}

TEST_F(ApacheKafka, StoresAndReturnsRecordsOfEveryCodec) {
  constexpr int count = 2'000;
  for (const auto codec : {CompressionCodec::none, CompressionCodec::gzip, CompressionCodec::snappy,
                           CompressionCodec::lz4, CompressionCodec::zstd}) {
    const std::string name = "codec-" + std::to_string(static_cast<int>(codec));
    make_topic(name, 1);
    auto producer = client_.producer({.compression = codec});
    ASSERT_TRUE(producer);
    for (int i = 0; i < count; ++i) {
      const std::string value = "record " + std::to_string(i);
      ASSERT_TRUE(producer->send(name, {.value = as_bytes(value)}));
    }
    const auto flushed = producer->flush(30s);
    ASSERT_TRUE(flushed) << flushed.error().to_string();
    ASSERT_EQ(flushed->failed, 0u) << flushed->first_error->to_string();
    auto consumer = client_.consumer({.offset_reset = OffsetReset::earliest});
    ASSERT_TRUE(consumer);
    ASSERT_TRUE(consumer->assign({{name, PartitionId{0}}}));
    const Values values = read(*consumer, count);
    ASSERT_EQ(count_of(values), static_cast<std::size_t>(count)) << name;
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(values.at(0)[static_cast<std::size_t>(i)], "record " + std::to_string(i));
    }
  }
}

TEST_F(ApacheKafka, AssignsPartitionsOfALeavingMemberToTheRemainingOne) {
  make_topic("shared", 4);
  const ConsumerOptions options{.group_id = "readers",
                                .offset_reset = OffsetReset::earliest,
                                .session_timeout = 6'000ms,
                                .heartbeat_interval = 500ms};
  auto staying = client_.consumer(options);
  ASSERT_TRUE(staying);
  ASSERT_TRUE(staying->subscribe({"shared"}));
  Client other = *Client::create({.bootstrap_servers = {server_->address()}});
  auto leaving = other.consumer(options);
  ASSERT_TRUE(leaving);
  ASSERT_TRUE(leaving->subscribe({"shared"}));
  const auto poll_both_until = [&](auto reached) {
    for (int i = 0; i < 300 && !reached(); ++i) {
      ASSERT_TRUE(staying->poll(50ms));
      ASSERT_TRUE(leaving->poll(50ms));
    }
    ASSERT_TRUE(reached());
  };
  poll_both_until(
      [&] { return staying->assignment().size() == 2 && leaving->assignment().size() == 2; });
  ASSERT_TRUE(leaving->close(5s));
  for (int i = 0; i < 300 && staying->assignment().size() != 4; ++i) {
    ASSERT_TRUE(staying->poll(100ms));
  }
  EXPECT_EQ(staying->assignment().size(), 4u);
}

TEST_F(ApacheKafka, LosesNothingWhenTheBrokerIsKilledUnderTheProducer) {
  constexpr int partitions = 3, count = 30'000;
  make_topic("killed", partitions);
  auto producer = client_.producer({.linger = 1ms, .batch_bytes = 2'048});
  ASSERT_TRUE(producer);
  std::atomic<int> acknowledged{0};
  std::atomic<int> failed{0};
  const auto topic = producer->topic("killed");
  ASSERT_TRUE(topic);
  std::thread killer;
  for (int i = 0; i < count; ++i) {
    const std::string value = std::to_string(i);
    ASSERT_TRUE(
        producer->send(*topic, {.value = as_bytes(value), .partition = PartitionId{i % partitions}},
                       [&](Result<Receipt> receipt) { ++(receipt ? acknowledged : failed); }));
    if (i == count / 3) {
      killer = std::thread([] {
        server_->kill();
        server_->restart();
      });
    }
  }
  killer.join();
  const auto flushed = producer->flush(60s);
  ASSERT_TRUE(flushed) << flushed.error().to_string();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(acknowledged, count);
  auto consumer = client_.consumer({.offset_reset = OffsetReset::earliest});
  ASSERT_TRUE(consumer);
  std::vector<TopicPartition> all;
  for (int i = 0; i < partitions; ++i) all.push_back({"killed", PartitionId{i}});
  ASSERT_TRUE(consumer->assign(all));
  const Values values = read(*consumer, count);
  for (int partition = 0; partition < partitions; ++partition) {
    const auto& stored = values.at(partition);
    ASSERT_EQ(stored.size(), static_cast<std::size_t>(count / partitions));
    for (std::size_t i = 0; i < stored.size(); ++i) {
      ASSERT_EQ(stored[i], std::to_string(static_cast<int>(i) * partitions + partition));
    }
  }
}

}  // namespace
}  // namespace dohle
