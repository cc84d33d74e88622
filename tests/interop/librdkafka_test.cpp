// Debian's librdkafka against `dohle node`: an idempotent producer in every codec while the node is
// killed, offsets by time, and a group that continues from its committed offsets.
#include <gtest/gtest.h>
#include <librdkafka/rdkafkacpp.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fault/node_process.hpp"

namespace dohle {
namespace {

using Settings = std::map<std::string, std::string>;
using Values = std::map<std::int32_t, std::vector<std::string>>;
using fault::NodeProcess;

constexpr int poll_ms = 100;
constexpr int patience_ms = 30'000;

std::unique_ptr<RdKafka::Conf> configuration(const Settings& settings) {
  std::unique_ptr<RdKafka::Conf> made(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  std::string why;
  for (const auto& [name, value] : settings) {
    EXPECT_EQ(made->set(name, value, why), RdKafka::Conf::CONF_OK) << why;
  }
  return made;
}

struct Deliveries : RdKafka::DeliveryReportCb {
  void dr_cb(RdKafka::Message& message) override {
    (message.err() == RdKafka::ERR_NO_ERROR ? delivered : failed) += 1;
    if (message.err() != RdKafka::ERR_NO_ERROR) why = message.errstr();
  }
  int delivered = 0;
  int failed = 0;
  std::string why;
};

class Librdkafka : public testing::Test {
 protected:
  Librdkafka() { start(); }

  void start(const std::string& listen = "127.0.0.1:0") {
    node_.emplace(scratch_ / "data", std::vector<std::string>{"--listen", listen});
    ASSERT_NE(node_->port(), 0) << node_->lines();
  }
  /// SIGKILL, then a new process on the same port.
  void restart() {
    const std::string same = address();
    node_.reset();
    start(same);
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(node_->port()); }

  std::unique_ptr<RdKafka::Producer> producer(Deliveries& deliveries, Settings settings = {}) {
    settings.insert({{"bootstrap.servers", address()},
                     {"enable.idempotence", "true"},
                     {"linger.ms", "1"},
                     {"batch.num.messages", "100"},
                     {"reconnect.backoff.max.ms", "200"}});
    auto made = configuration(settings);
    std::string why;
    EXPECT_EQ(made->set("dr_cb", &deliveries, why), RdKafka::Conf::CONF_OK) << why;
    std::unique_ptr<RdKafka::Producer> producer(RdKafka::Producer::create(made.get(), why));
    EXPECT_NE(producer, nullptr) << why;
    return producer;
  }
  std::unique_ptr<RdKafka::KafkaConsumer> consumer(const std::string& group) {
    auto made = configuration({{"bootstrap.servers", address()},
                               {"group.id", group},
                               {"enable.auto.commit", "false"},
                               {"auto.offset.reset", "earliest"},
                               {"check.crcs", "true"},
                               {"fetch.wait.max.ms", "20"},
                               {"reconnect.backoff.max.ms", "200"},
                               {"session.timeout.ms", "6000"},
                               {"heartbeat.interval.ms", "300"}});
    std::string why;
    std::unique_ptr<RdKafka::KafkaConsumer> consumer(
        RdKafka::KafkaConsumer::create(made.get(), why));
    EXPECT_NE(consumer, nullptr) << why;
    return consumer;
  }
  static void send(RdKafka::Producer& to, const std::string& topic, int number,
                   std::int64_t timestamp = 0) {
    std::string value = std::to_string(number);
    for (;;) {
      const auto error = to.produce(topic, 0, RdKafka::Producer::RK_MSG_COPY, value.data(),
                                    value.size(), nullptr, 0, timestamp, nullptr);
      to.poll(error == RdKafka::ERR__QUEUE_FULL ? poll_ms : 0);
      if (error == RdKafka::ERR__QUEUE_FULL) continue;
      ASSERT_EQ(error, RdKafka::ERR_NO_ERROR) << RdKafka::err2str(error);
      return;
    }
  }
  /// Reads until there are `count` values.
  static Values read(RdKafka::KafkaConsumer& from, std::size_t count) {
    Values values;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience_ms);
    for (std::size_t found = 0; found < count && std::chrono::steady_clock::now() < deadline;) {
      const std::unique_ptr<RdKafka::Message> message(from.consume(poll_ms));
      if (message->err() != RdKafka::ERR_NO_ERROR) continue;
      values[message->partition()].emplace_back(static_cast<const char*>(message->payload()),
                                                message->len());
      ++found;
    }
    return values;
  }
  static std::vector<std::string> numbers(int first, int last) {
    std::vector<std::string> all;
    for (int i = first; i < last; ++i) all.push_back(std::to_string(i));
    return all;
  }

  ScratchDirectory scratch_;
  std::optional<NodeProcess> node_;
};

TEST_F(Librdkafka, ProducesAndConsumesEveryCodec) {
  for (const std::string codec : {"none", "gzip", "snappy", "lz4", "zstd"}) {
    Deliveries deliveries;
    auto from = producer(deliveries, {{"compression.codec", codec}, {"linger.ms", "20"}});
    for (int i = 0; i < 1'000; ++i) send(*from, codec, i);
    ASSERT_EQ(from->flush(patience_ms), RdKafka::ERR_NO_ERROR);
    EXPECT_EQ(deliveries.delivered, 1'000) << deliveries.why;
    auto to = consumer("of " + codec);
    ASSERT_EQ(to->subscribe({codec}), RdKafka::ERR_NO_ERROR);
    EXPECT_EQ(read(*to, 1'000)[0], numbers(0, 1'000)) << codec;
    to->close();
  }
}

TEST_F(Librdkafka, AnIdempotentProducerLosesAndRepeatsNoRecordWhenTheNodeIsKilled) {
  constexpr int count = 20'000;
  Deliveries deliveries;
  auto from = producer(deliveries);
  for (int i = 0; i < count; ++i) {
    send(*from, "killed", i);
    if (i != count / 3 && i != 2 * count / 3) continue;
    while (deliveries.delivered + deliveries.failed < i / 2) from->poll(poll_ms);
    restart();
  }
  ASSERT_EQ(from->flush(patience_ms), RdKafka::ERR_NO_ERROR);
  EXPECT_EQ(deliveries.delivered, count);
  EXPECT_EQ(deliveries.failed, 0) << deliveries.why;
  auto to = consumer("g");
  ASSERT_EQ(to->subscribe({"killed"}), RdKafka::ERR_NO_ERROR);
  EXPECT_EQ(read(*to, count)[0], numbers(0, count));
  to->close();
}

TEST_F(Librdkafka, AGroupContinuesAtItsCommittedOffsetsAfterTheNodeWasKilled) {
  Deliveries deliveries;
  auto from = producer(deliveries);
  for (int i = 0; i < 1'000; ++i) send(*from, "t", i);
  ASSERT_EQ(from->flush(patience_ms), RdKafka::ERR_NO_ERROR);
  {
    auto to = consumer("g");
    ASSERT_EQ(to->subscribe({"t"}), RdKafka::ERR_NO_ERROR);
    EXPECT_EQ(read(*to, 600)[0], numbers(0, 600));
    ASSERT_EQ(to->commitSync(), RdKafka::ERR_NO_ERROR);
    restart();
    // The same member continues to read and commits at the restarted node.
    EXPECT_EQ(read(*to, 200)[0], numbers(600, 800));
    ASSERT_EQ(to->commitSync(), RdKafka::ERR_NO_ERROR);
    to->close();
  }
  restart();
  auto to = consumer("g");
  ASSERT_EQ(to->subscribe({"t"}), RdKafka::ERR_NO_ERROR);
  EXPECT_EQ(read(*to, 200)[0], numbers(800, 1'000));
  to->close();
}

TEST_F(Librdkafka, FindsOffsetsByTimeAndAtBothEndsOfAPartition) {
  Deliveries deliveries;
  auto from = producer(deliveries);
  for (int i = 0; i < 10; ++i) send(*from, "t", i, 1'000 * (i + 1));
  ASSERT_EQ(from->flush(patience_ms), RdKafka::ERR_NO_ERROR);
  std::int64_t low = -1, high = -1;
  ASSERT_EQ(from->query_watermark_offsets("t", 0, &low, &high, patience_ms), RdKafka::ERR_NO_ERROR);
  EXPECT_EQ(low, 0);
  EXPECT_EQ(high, 10);
  const std::map<std::int64_t, std::int64_t> wanted{
      {1, 0}, {3'000, 2}, {3'001, 3}, {10'000, 9}, {10'001, RdKafka::Topic::OFFSET_END}};
  for (const auto& [time, offset] : wanted) {
    std::vector<RdKafka::TopicPartition*> asked{RdKafka::TopicPartition::create("t", 0, time)};
    ASSERT_EQ(from->offsetsForTimes(asked, patience_ms), RdKafka::ERR_NO_ERROR);
    EXPECT_EQ(asked[0]->offset(), offset) << "of " << time;
    RdKafka::TopicPartition::destroy(asked);
  }
}

}  // namespace
}  // namespace dohle
