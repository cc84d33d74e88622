// Logins of the client and the messaging API at Apache Kafka 4.3.1. Those that are refused are in
// security_matrix.cpp.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "dohle/kafka.hpp"
#include "dohle/producer.hpp"
#include "integration/apache_kafka_server.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view password = "pencil-of-alice";

SaslOptions alice(SaslMechanism mechanism, std::string_view with = password) {
  return {mechanism, "alice", Secret(with)};
}

constexpr std::array mechanisms = {SaslMechanism::plain, SaslMechanism::scram_sha_256,
                                   SaslMechanism::scram_sha_512};

class ApacheKafkaWithLogins : public testing::Test {
 protected:
  // Sessions are short, so that tests see them renewed.
  static void SetUpTestSuite() {
    server_.emplace("--sasl 'alice=" + std::string(password) +
                    "' -o connections.max.reauth.ms=4000");
    ASSERT_FALSE(server_->sasl_address().empty());
  }
  static void TearDownTestSuite() { server_.reset(); }

  static ClientOptions options(std::optional<SaslOptions> login) {
    ClientOptions made;
    made.bootstrap_servers = {server_->sasl_address()};
    made.sasl = std::move(login);
    return made;
  }
  static inline std::optional<ApacheKafkaServer> server_;
};

TEST_F(ApacheKafkaWithLogins, ServesAUserWhoseSessionIsRenewedUnderLoad) {
  for (const SaslMechanism mechanism : mechanisms) {
    SCOPED_TRACE(to_string(mechanism));
    auto client = Client::create(options(alice(mechanism))).value();
    ASSERT_TRUE(client.connect(20s));
    const std::string topic = "of-" + std::string(to_string(mechanism));
    ASSERT_TRUE(client.admin().create_topics({{.name = topic}}).value().at(0).result);
    auto producer = client.producer().value();
    std::size_t sent = 0;
    const auto end = std::chrono::steady_clock::now() + 6s;
    while (std::chrono::steady_clock::now() < end) {
      for (int i = 0; i < 100; ++i, ++sent) {
        ASSERT_TRUE(producer.send(topic, {.value = as_bytes("a record")}));
      }
      ASSERT_TRUE(producer.flush(10s));
    }
    auto consumer = client.consumer({.offset_reset = OffsetReset::earliest}).value();
    ASSERT_TRUE(consumer.assign({{topic, PartitionId{0}}}));
    std::size_t read = 0;
    for (int idle = 0; read < sent && idle < 10;) {
      auto records = consumer.poll(1s);
      ASSERT_TRUE(records) << records.error().to_string();
      const std::size_t before = read;
      for (const auto& record : *records) read += record.value ? 1 : 0;
      idle = read == before ? idle + 1 : 0;
    }
    EXPECT_EQ(read, sent);
  }
}

TEST_F(ApacheKafkaWithLogins, SeesTwoBrokersOfOneProcessAsTwoUsers) {
  auto good = kafka::new_broker(
                  with_address(server_->sasl_address()),
                  kafka::with_scram_mechanism(kafka::ScramAlgorithm::sha512, "alice", password))
                  .value();
  auto bad = kafka::new_broker(with_address(server_->sasl_address()),
                               kafka::with_plain_mechanism("mallory", "guess"))
                 .value();
  EXPECT_TRUE(good.connect(20s));
  const auto refused = bad.connect(10s);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_broker(58)) << refused.error().to_string();
  EXPECT_TRUE(kafka::create_topic(options(alice(SaslMechanism::plain)), "made-by-alice", 1, 1));
  EXPECT_TRUE(good.publish("made-by-alice", Message("hello"), with_publish_async(false)));
}

}  // namespace
}  // namespace dohle
