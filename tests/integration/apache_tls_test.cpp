// TLS of the client at Apache Kafka 4.3.1. Certificates are made by the test. Refused connections
// are in security_matrix.cpp.
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "dohle/kafka.hpp"
#include "dohle/producer.hpp"
#include "integration/apache_kafka_server.hpp"
#include "scratch_directory.hpp"
#include "unit/net/tls/made_certificates.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using net::Made;

constexpr std::string_view password = "pencil-of-alice";

std::string key_store(const Made& made) {
  return made.key_pem() + made.certificate_pem();
}

TlsIdentity identity_of(const Made& made) {
  return {.certificate_pem = made.certificate_pem(), .key_pem = Secret(made.key_pem())};
}

/// One Apache Kafka whose certificate is for localhost.
class ApacheKafkaWithTls : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    files_.emplace();
    authority_.emplace(net::make({.name = "authority", .is_authority = true}));
    const Made own = net::make({.alternatives = "DNS:localhost", .issuer = &*authority_});
    files_->write("ca.pem", authority_->certificate_pem());
    server_.emplace("--sasl 'alice=" + std::string(password) + "' --tls " +
                    files_->write("server.pem", key_store(own)) +
                    " -o listener.name.tls.ssl.client.auth=required -o ssl.truststore.type=PEM"
                    " -o ssl.truststore.location=" +
                    (*files_ / "ca.pem").string());
    ASSERT_FALSE(server_->tls_address().empty());
  }
  static void TearDownTestSuite() {
    server_.reset();
    authority_.reset();
    files_.reset();
  }

  /// Options that the SASL_SSL listener accepts, and with `identity` the other one.
  static ClientOptions options(const std::string& address) {
    ClientOptions made;
    made.bootstrap_servers = {address};
    made.tls = TlsOptions{.trust = {.ca_pem = authority_->certificate_pem()}};
    if (address == server_->sasl_address()) {
      made.sasl = SaslOptions{SaslMechanism::scram_sha_512, "alice", Secret(password)};
    }
    return made;
  }
  static Made client_certificate() { return net::make({.name = "client", .issuer = &*authority_}); }

  static void move_a_record(Client& client, const std::string& topic) {
    ASSERT_TRUE(client.admin().create_topics({{.name = topic}}).value().at(0).result);
    auto producer = client.producer().value();
    ASSERT_TRUE(producer.send(topic, {.value = as_bytes("a record")}));
    ASSERT_TRUE(producer.flush(10s));
    auto consumer = client.consumer({.offset_reset = OffsetReset::earliest}).value();
    ASSERT_TRUE(consumer.assign({{topic, PartitionId{0}}}));
    auto records = consumer.poll(10s);
    ASSERT_TRUE(records) << records.error().to_string();
    std::size_t read = 0;
    for (const auto& record : *records) read += record.value ? 1 : 0;
    EXPECT_EQ(read, 1U);
  }

  static inline std::optional<ScratchDirectory> files_;
  static inline std::optional<Made> authority_;
  static inline std::optional<ApacheKafkaServer> server_;
};

TEST_F(ApacheKafkaWithTls, ServesAClientWithACertificate) {
  ClientOptions made = options(server_->tls_address());
  made.tls->identity = identity_of(client_certificate());
  auto client = Client::create(std::move(made)).value();
  const auto connected = client.connect(20s);
  ASSERT_TRUE(connected) << connected.error().to_string();
  move_a_record(client, "by-certificate");
}

TEST_F(ApacheKafkaWithTls, ServeAUserThatLogsIn) {
  auto client = Client::create(options(server_->sasl_address())).value();
  const auto connected = client.connect(20s);
  ASSERT_TRUE(connected) << connected.error().to_string();
  move_a_record(client, "by-login");
}

TEST_F(ApacheKafkaWithTls, ServesABrokerWithAWholeDialer) {
  const ClientOptions right = options(server_->sasl_address());
  const auto dialed = [&](std::string_view with) {
    return kafka::new_broker(
               with_address(server_->sasl_address()),
               kafka::with_reader_config(
                   {.dialer =
                        kafka::Dialer{.tls = right.tls,
                                      .sasl_mechanism = SaslOptions{SaslMechanism::scram_sha_512,
                                                                    "alice", Secret(with)}}}))
        .value();
  };
  Broker broker = dialed(password);
  const auto reached = broker.connect(20s);
  ASSERT_TRUE(reached) << reached.error().to_string();
  ASSERT_TRUE(kafka::create_topic(broker, "by-dialer", 1, 1));
  EXPECT_TRUE(broker.publish("by-dialer", "text", with_publish_async(false)));
  Broker wrong = dialed("a guess");
  const auto refused = wrong.connect(10s);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_broker(58)) << refused.error().to_string();
}

TEST_F(ApacheKafkaWithTls, ServesOneBrokerOfAProcessAndIsRefusedByAnotherOneWithoutTrust) {
  const ClientOptions right = options(server_->sasl_address());
  const auto login = kafka::with_scram_mechanism(kafka::ScramAlgorithm::sha512, "alice", password);
  auto good = kafka::new_broker(with_address(server_->sasl_address()), with_tls(*right.tls),
                                with_enable_secure(true), login)
                  .value();
  auto distrustful =
      kafka::new_broker(with_address(server_->sasl_address()), with_enable_secure(true), login)
          .value();
  ASSERT_TRUE(good.connect(20s));
  const auto refused = distrustful.connect(10s);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::handshake_failed)) << refused.error().to_string();
  ASSERT_TRUE(kafka::create_topic(right, "by-messaging", 1, 1));
  EXPECT_TRUE(good.publish("by-messaging", Message("hello"), with_publish_async(false)));
}

TEST_F(ApacheKafkaWithTls, ServeABrokerWithOptionsFromPropertiesAlone) {
  auto broker = kafka::new_broker(kafka::with_properties(
                                      {{"bootstrap.servers", server_->sasl_address()},
                                       {"security.protocol", "SASL_SSL"},
                                       {"ssl.truststore.location", (*files_ / "ca.pem").string()},
                                       {"ssl.truststore.type", "PEM"},
                                       {"sasl.mechanism", "SCRAM-SHA-512"},
                                       {"sasl.jaas.config",
                                        "org.apache.kafka.common.security.scram.ScramLoginModule "
                                        "required username=\"alice\" password=\"" +
                                            std::string(password) + "\";"}}))
                    .value();
  const auto connected = broker.connect(20s);
  ASSERT_TRUE(connected) << connected.error().to_string();
  ASSERT_TRUE(kafka::create_topic(broker, "of-properties", 1, 1));
  EXPECT_TRUE(broker.publish("of-properties", Message("hello"), with_publish_async(false)));
}

// Server and client get certificates of another authority, and trust nothing of the former one.
TEST(ApacheKafka, LosesNothingWhenAllCertificatesAreReplacedUnderLoad) {
  const ScratchDirectory files;
  const auto write_all = [&](const Made& authority) {
    files.write("ca.pem", authority.certificate_pem());
    files.write("server.pem", key_store(net::make({.issuer = &authority})));
    files.write("client.pem", key_store(net::make({.name = "client", .issuer = &authority})));
  };
  write_all(net::make({.name = "former", .is_authority = true}));
  const ApacheKafkaServer server(
      "--tls " + (files / "server.pem").string() +
      " -o ssl.client.auth=required -o ssl.truststore.type=PEM -o ssl.truststore.location=" +
      (files / "ca.pem").string());
  ClientOptions options;
  options.bootstrap_servers = {server.tls_address()};
  options.tls = TlsOptions{.trust = {.ca_file = (files / "ca.pem").string()},
                           .identity = {.certificate_file = (files / "client.pem").string()}};
  options.logger = silent_logger();
  auto client = Client::create(options).value();
  const auto connected = client.connect(20s);
  ASSERT_TRUE(connected) << connected.error().to_string();
  ASSERT_TRUE(client.admin().create_topics({{.name = "t"}}).value().at(0).result);
  auto producer = client.producer().value();
  std::atomic<bool> is_replaced = false;
  std::uint64_t sent = 0;
  std::jthread load([&] {
    do {
      for (int i = 0; i < 100; ++i, ++sent) {
        const auto accepted = producer.send("t", {.value = as_bytes(std::to_string(sent))});
        ASSERT_TRUE(accepted) << accepted.error().to_string();
      }
      const auto flushed = producer.flush(100s);
      ASSERT_TRUE(flushed) << flushed.error().to_string();
    } while (!is_replaced);
  });
  write_all(net::make({.name = "next", .is_authority = true}));
  server.kill();
  server.restart();
  is_replaced = true;
  load.join();
  auto consumer = client.consumer({.offset_reset = OffsetReset::earliest}).value();
  ASSERT_TRUE(consumer.assign({{"t", PartitionId{0}}}));
  std::uint64_t read = 0;
  while (read < sent) {
    auto records = consumer.poll(20s);
    ASSERT_TRUE(records) << records.error().to_string();
    const std::uint64_t before = read;
    for (const auto& record : *records) {
      if (!record.value) continue;
      ASSERT_EQ(as_text(*record.value), std::to_string(read));
      ++read;
    }
    ASSERT_GT(read, before) << "no record within 20 s";
  }
  EXPECT_EQ(read, sent);
}

}  // namespace
}  // namespace dohle
