// kafka::Writer: producers by a WriterConfig, without a Broker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/produce/producer_group.hpp"
#include "client/produce/record_sender.hpp"
#include "client_on_node.hpp"
#include "dohle/admin.hpp"
#include "dohle/kafka.hpp"
#include "recorded_node.hpp"
#include "scratch_directory.hpp"
#include "wire/messages/sasl_handshake.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr auto patience = 20s;
using Texts = std::vector<std::string>;

/// The client that a producer sends by.
const void* client_of(Result<Producer> producer) {
  if (!producer) {
    ADD_FAILURE() << producer.error().to_string();
    return nullptr;
  }
  return &client::sender_of(*producer)->client();
}

/// A node that TCP reaches, with topics "a" and "b".
class WriterOnNode : public ClientOnNode {
 protected:
  void SetUp() override {
    ClientOnNode::SetUp();
    ASSERT_TRUE(client_->connect(patience));
    for (const char* topic : {"a", "b"}) {
      ASSERT_TRUE(client_->admin().create_topics({{.name = topic, .partitions = 1}}));
    }
    config_.brokers = Texts{node_->address()};
    config_.batch_timeout = 1min;
  }
  std::int64_t end_of(const std::string& topic) {
    const auto ends =
        client_->admin().list_offsets({{{topic, PartitionId{0}}, OffsetSpec::latest()}});
    return ends ? ends->at(0).result->offset.value : -1;
  }

  kafka::WriterConfig config_;
};

TEST_F(WriterOnNode, ReturnsAProducerThatSendsToAnyTopic) {
  kafka::Writer writer(false);
  auto producer = writer.create_producer(config_);
  ASSERT_TRUE(producer) << producer.error().to_string();
  for (const char* topic : {"a", "b"}) {
    auto sent = producer->send(topic, {.value = as_bytes("text")});
    ASSERT_TRUE(sent) << sent.error().to_string();
    EXPECT_TRUE(sent->get());
    EXPECT_EQ(end_of(topic), 1);
  }
}

TEST_F(WriterOnNode, FlushesAllItsProducersAtItsClose) {
  kafka::Writer writer(true);
  auto first = writer.create_producer(config_);
  ASSERT_TRUE(first) << first.error().to_string();
  ASSERT_TRUE(first->send("a", {.value = as_bytes("by the first")}));
  for (const char* topic : {"a", "b"}) {
    auto own = writer.producer(topic);
    ASSERT_TRUE(own) << own.error().to_string();
    ASSERT_TRUE(own->send(topic, {.value = as_bytes("by its own")}));
  }
  EXPECT_EQ(end_of("a"), 0) << "nothing was due";
  const auto closed = writer.close(patience);
  ASSERT_TRUE(closed) << closed.error().to_string();
  EXPECT_EQ(closed->failed, 0u);
  EXPECT_EQ(end_of("a"), 2);
  EXPECT_EQ(end_of("b"), 1);
}

TEST_F(WriterOnNode, ReturnsClosedAfterItsClose) {
  kafka::Writer writer(true);
  auto before = writer.create_producer(config_);
  ASSERT_TRUE(before);
  ASSERT_TRUE(writer.close(patience));
  EXPECT_TRUE(writer.close(patience));
  EXPECT_TRUE(writer.create_producer(config_).error().is(Errc::closed));
  EXPECT_TRUE(writer.producer("a").error().is(Errc::closed));
  EXPECT_TRUE(before->send("a", {.value = as_bytes("late")}).error().is(Errc::closed));
  EXPECT_EQ(end_of("a"), 0);
}

TEST_F(WriterOnNode, HasOneClientForEqualServersLoginAndTls) {
  kafka::Writer writer(true);
  const void* first = client_of(writer.create_producer(config_));
  EXPECT_EQ(client_of(writer.create_producer(config_)), first);
  EXPECT_EQ(client_of(writer.producer("a")), first);
  const void* over_tls = client_of(writer.create_producer(config_, {}, TlsOptions{}));
  EXPECT_EQ(client_of(writer.producer("b")), over_tls);
  const SaslOptions login{.username = "u", .password = Secret("p")};
  const void* logged_in = client_of(writer.create_producer(config_, login));
  config_.brokers = Texts{"127.0.0.1:1"};
  const void* elsewhere = client_of(writer.create_producer(config_));
  EXPECT_EQ((std::set<const void*>{first, over_tls, logged_in, elsewhere}.size()), 4u);
}

TEST_F(WriterOnNode, HasOneClientForTheSameServersHoweverTheyAreWritten) {
  kafka::Writer writer(false);
  const auto client_for = [&](Texts brokers) {
    return client_of(writer.create_producer({.brokers = std::move(brokers)}));
  };
  const std::string node = node_->address();
  const void* both = client_for({node, "127.0.0.1:1"});
  EXPECT_EQ(client_for({"127.0.0.1:1, " + node}), both);
  EXPECT_EQ(client_for({"kafka://" + node, node, "PLAINTEXT://127.0.0.1:1"}), both);
  EXPECT_NE(client_for({node}), both);
  const void* at_kafkas_port = client_for({"127.0.0.2"});
  EXPECT_EQ(client_for({"127.0.0.2:9092"}), at_kafkas_port);
  EXPECT_NE(at_kafkas_port, both);
}

TEST_F(WriterOnNode, ReturnsTheTopicsOwnProducerOrTheSharedOne) {
  for (const bool own : {true, false}) {
    std::atomic<int> batches{0};
    config_.completion = [&](const SettledBatch&) { ++batches; };
    kafka::Writer writer(own);
    EXPECT_EQ(writer.enable_one_topic_one_writer(), own);
    auto made = writer.create_producer(config_);
    ASSERT_TRUE(made);
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(writer.producer("a")->send("a", {.value = as_bytes("text")}));
    }
    ASSERT_TRUE(made->send("a", {.value = as_bytes("text")}));
    ASSERT_TRUE(writer.close(patience));
    EXPECT_EQ(batches, own ? 2 : 1) << "a batch belongs to one producer";
  }
}

TEST_F(WriterOnNode, IsRefusedWithAConfigThatNoProducerCanHave) {
  kafka::Writer writer(true);
  EXPECT_TRUE(writer.producer("a").error().is(Errc::invalid_argument));
  const auto refusal = [&](const kafka::WriterConfig& config) {
    const auto made = writer.create_producer(config);
    return made ? std::string() : std::string(made.error().message());
  };
  EXPECT_EQ(refusal({.batch_size = 0}), "batch_size is 0; allowed are 1 to 1000000");
  EXPECT_EQ(refusal({.async = false}),
            "writer_config.async is false; a producer returns before the outcome: wait for its "
            "Delivery");
  EXPECT_THAT(refusal({.required_acks = static_cast<Acks>(2)}), HasSubstr("required_acks is 2"));
  EXPECT_EQ(refusal(config_), "");
  config_.logger = silent_logger();
  EXPECT_THAT(refusal(config_), HasSubstr("logger is another one than that of the producers"));
}

TEST_F(WriterOnNode, IsRefusedWithTwoReadTimeoutsForOneClient) {
  kafka::Writer writer(true);
  ASSERT_TRUE(writer.create_producer(config_));
  config_.read_timeout = kafka::BrokerOptions().read_timeout;
  EXPECT_TRUE(writer.create_producer(config_)) << "it is the default";
  config_.read_timeout = 3s;
  const auto refused = writer.create_producer(config_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "read_timeout is 3000 ms, but 10000 ms for the producers with the same brokers, login "
            "and TLS, which share one client; give all of them the same");
  EXPECT_TRUE(writer.create_producer(config_, {}, TlsOptions{})) << "by a client of its own";
}

TEST(Writer, RequestsTheMechanismOfItsLogin) {
  RecordedNode node;
  kafka::Writer writer(false);
  const SaslOptions login{
      .mechanism = SaslMechanism::plain, .username = "bird", .password = Secret("secret")};
  const auto made = writer.create_producer({.brokers = Texts{node.address()}}, login);
  ASSERT_TRUE(made) << made.error().to_string();
  ASSERT_TRUE(node.wait_for<wire::SaslHandshakeRequest>(1, patience));
  EXPECT_EQ(node.all<wire::SaslHandshakeRequest>().front().mechanism, "PLAIN");
}

TEST(Writer, BeginsItsConnectionsWithTlsOnlyWithTlsOptions) {
  const auto is_client_hello = [](const Relay::Seen& connection) {
    return connection.to_server.starts_with("\x16\x03");
  };
  for (const bool has_tls : {true, false}) {
    RecordedNode node;
    kafka::Writer writer(false);
    const auto made = writer.create_producer({.brokers = Texts{node.address()}}, {},
                                             has_tls ? std::optional(TlsOptions{}) : std::nullopt);
    ASSERT_TRUE(made) << made.error().to_string();
    const auto has_greeted = [](const auto& seen) {
      return std::ranges::any_of(seen, [](const auto& each) { return each.to_server.size() > 2; });
    };
    ASSERT_TRUE(node.relay().wait_until(has_greeted, patience));
    EXPECT_EQ(std::ranges::any_of(node.relay().seen(), is_client_hello), has_tls);
  }
}

TEST(Writer, GivesEachTopicAProducerIdOfItsOwn) {
  for (const bool own : {true, false}) {
    const ScratchDirectory directory;
    const std::string address = "embedded:" + directory.path();
    {
      auto broker = kafka::new_broker(with_address(address));
      ASSERT_TRUE(broker && broker->connect(patience));
      for (const char* topic : {"a", "b"}) ASSERT_TRUE(kafka::create_topic(*broker, topic, 1, 1));
      kafka::Writer writer(own);
      ASSERT_TRUE(writer.create_producer({.brokers = Texts{address}}));
      for (const char* topic : {"a", "b"}) {
        auto sent = writer.producer(topic)->send(topic, {.value = as_bytes("text")});
        ASSERT_TRUE(sent) << sent.error().to_string();
      }
      ASSERT_TRUE(writer.close(patience));
      ASSERT_TRUE(broker->disconnect(patience));
    }
    const auto id_in = [&](const std::string& partition) {
      const std::string log = directory.contents(partition + "/00000000000000000000.log");
      return log.size() > 61 ? log.substr(43, 8) : std::string();
    };
    EXPECT_EQ(id_in("a-0").size(), 8u);
    EXPECT_EQ(id_in("a-0") != id_in("b-0"), own);
  }
}

TEST(Writer, ReturnsClosedAfterItWasMovedFrom) {
  kafka::Writer writer(true);
  const kafka::Writer taken(std::move(writer));
  EXPECT_TRUE(writer.create_producer({}).error().is(Errc::closed));
  EXPECT_TRUE(writer.producer("a").error().is(Errc::closed));
  EXPECT_TRUE(writer.close().error().is(Errc::closed));
  EXPECT_FALSE(writer.enable_one_topic_one_writer());
  EXPECT_TRUE(taken.enable_one_topic_one_writer());
}

}  // namespace
}  // namespace dohle
