#include "messaging/options/broker_properties.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dohle/kafka.hpp"
#include "messaging/options/changed_options.hpp"
#include "messaging/options/settings.hpp"
#include "unit/shown_secret.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using kafka::BrokerOptions;
using kafka::with_properties;
using testing::HasSubstr;

template <class... Options>
BrokerOptions made(Options... options) {
  return options_of<BrokerOptions>(std::move(options)...);
}
template <class... Options>
std::string refusal(Options... options) {
  const auto broker = kafka::new_broker(std::move(options)...);
  return broker ? std::string() : std::string(broker.error().message());
}
/// The options that new_broker makes of properties alone.
BrokerOptions taken(const kafka::Properties& properties) {
  BrokerOptions options{.properties = properties};
  take_properties(options);
  return options;
}

constexpr std::string_view password = "correct horse battery";

kafka::Properties login_over_tls() {
  return {{"security.protocol", "SASL_SSL"},
          {"sasl.mechanism", "SCRAM-SHA-256"},
          {"sasl.username", "alice"},
          {"sasl.password", password},
          {"ssl.ca.location", "/ca.pem"}};
}

TEST(BrokerProperties, SetTheEquivalentOptions) {
  const BrokerOptions options = taken({{"bootstrap.servers", "a:1, b:2"},
                                       {"client.id", "mine"},
                                       {"socket.connection.setup.timeout.ms", "11"},
                                       {"request.timeout.ms", "1200"},
                                       {"batch.size", "4096"},
                                       {"linger.ms", "13"},
                                       {"compression.type", "zstd"},
                                       {"group.id", "hall"},
                                       {"auto.offset.reset", "latest"},
                                       {"fetch.min.bytes", "14"},
                                       {"fetch.max.bytes", "2048"},
                                       {"fetch.max.wait.ms", "15"},
                                       {"heartbeat.interval.ms", "16"},
                                       {"session.timeout.ms", "17"},
                                       {"max.poll.interval.ms", "31000"},
                                       {"retries", "5"}});
  EXPECT_EQ(options.addresses, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(options.client_id, "mine");
  EXPECT_EQ(options.dialer_timeout, 11ms);
  EXPECT_EQ(options.read_timeout, 1200ms);
  EXPECT_EQ(options.batch_bytes, 4'096u);
  EXPECT_EQ(options.batch_timeout, 13ms);
  EXPECT_EQ(options.compression, CompressionCodec::zstd);
  EXPECT_EQ(options.group_id, "hall");
  EXPECT_EQ(options.start_offset, StartOffset::last());
  EXPECT_EQ(options.min_bytes, 14u);
  EXPECT_EQ(options.max_bytes, 2'048u);
  EXPECT_EQ(options.max_wait, 15ms);
  EXPECT_EQ(options.heartbeat_interval, 16ms);
  EXPECT_EQ(options.session_timeout, 17ms);
  EXPECT_EQ(options.max_poll_interval, 31'000ms);
  EXPECT_EQ(options.publish_max_attempts, 6);
  EXPECT_EQ(refusal(options), "");
}

TEST(BrokerProperties, ReachTheClientUnderTheBroker) {
  const BrokerOptions options = taken({{"connections.max.idle.ms", "21"},
                                       {"default.api.timeout.ms", "22"},
                                       {"reconnect.backoff.ms", "23"},
                                       {"send.buffer.bytes", "24"},
                                       {"metadata.max.age.ms", "2500"},
                                       {"buffer.memory", "3000000"},
                                       {"delivery.timeout.ms", "26000"},
                                       {"max.block.ms", "27"},
                                       {"max.in.flight.requests.per.connection", "3"},
                                       {"max.request.size", "2000000"},
                                       {"check.crcs", "false"},
                                       {"max.partition.fetch.bytes", "2900"},
                                       {"max.poll.records", "7"}});
  EXPECT_EQ(refusal(options), "");
  const ClientOptions client = client_options(options, nullptr);
  EXPECT_EQ(client.idle_timeout, 21ms);
  EXPECT_EQ(client.default_api_timeout, 22ms);
  EXPECT_EQ(client.reconnect_backoff, 23ms);
  EXPECT_EQ(client.socket_send_buffer_bytes, 24);
  EXPECT_EQ(client.metadata_max_age, 2500ms);
  const ProducerOptions producer = producer_options(options, {.acks = Acks::all}).value();
  EXPECT_EQ(producer.buffer_bytes, 3'000'000u);
  EXPECT_EQ(producer.delivery_timeout, 26s);
  EXPECT_EQ(producer.max_block, 27ms);
  EXPECT_EQ(producer.max_in_flight, 3);
  EXPECT_EQ(producer.max_request_bytes, 2'000'000u);
  EXPECT_TRUE(producer.idempotence);
  const auto reading = read_settings("t", {}, options);
  ASSERT_TRUE(reading.has_value());
  EXPECT_FALSE(reading->consumer.check_crcs);
  EXPECT_EQ(reading->consumer.max_partition_fetch_bytes, 2'900u);
  EXPECT_EQ(reading->consumer.max_poll_records, 7u);
}

TEST(BrokerProperties, ChooseTheAcksOfAPublishThatNamesNone) {
  EXPECT_EQ(default_acks({}), Acks::all);
  const BrokerOptions leader = taken({{"acks", "1"}});
  EXPECT_EQ(refusal(leader), "");
  EXPECT_EQ(default_acks(leader), Acks::leader);
  EXPECT_FALSE(producer_options(leader, {.acks = Acks::leader}).value().idempotence);
  EXPECT_TRUE(producer_options(leader, {.acks = Acks::all}).value().idempotence);
  EXPECT_EQ(producer_options(leader, {.acks = Acks::all}).value().acks, Acks::all);
  const BrokerOptions off = taken({{"enable.idempotence", "false"}});
  EXPECT_EQ(refusal(off), "");
  EXPECT_FALSE(producer_options(off, {.acks = Acks::all}).value().idempotence);
  EXPECT_THAT(refusal(taken({{"acks", "1"}, {"enable.idempotence", "true"}})),
              HasSubstr("enable.idempotence is true and acks is not all"));
}

TEST(BrokerProperties, AreAppliedInTheOrderOfTheOptions) {
  const auto linger = [](auto... options) { return made(std::move(options)...).batch_timeout; };
  EXPECT_EQ(linger(kafka::with_batch_timeout(3ms), with_properties({{"linger.ms", "5"}})), 5ms);
  EXPECT_EQ(linger(with_properties({{"linger.ms", "5"}}), kafka::with_batch_timeout(3ms)), 3ms);
  EXPECT_EQ(linger(with_properties({{"linger.ms", "5"}}), with_properties({{"linger.ms", "6"}})),
            6ms);
  // new_broker does not apply them a second time.
  const auto broker =
      kafka::new_broker(with_properties({{"linger.ms", "5"}}), kafka::with_batch_timeout(3ms));
  ASSERT_TRUE(broker.has_value());
  EXPECT_EQ(broker->options().batch_timeout, 3ms);
  // In a struct there is no order.
  const auto of_struct =
      kafka::new_broker({.properties = {{"linger.ms", "5"}}, .batch_timeout = 3ms});
  ASSERT_TRUE(of_struct.has_value());
  EXPECT_EQ(of_struct->options().batch_timeout, 5ms);
}

TEST(BrokerProperties, OfSeveralOptionsAreMerged) {
  const BrokerOptions options = made(
      with_properties({{"client.id", "one"}, {"linger.ms", "5"}}),
      with_properties(std::map<std::string, std::string>{{"linger.ms", "6"}, {"acks", "all"}}));
  EXPECT_EQ(options.client_id, "one");
  EXPECT_EQ(options.batch_timeout, 6ms);
  EXPECT_EQ(options.properties.names(),
            (std::vector<std::string>{"acks", "client.id", "linger.ms"}));
}

TEST(BrokerProperties, SetTlsAndALogin) {
  const BrokerOptions options = made(with_properties(login_over_tls()));
  EXPECT_EQ(refusal(options), "");
  const ClientOptions client = client_options(options, nullptr);
  EXPECT_EQ(client.sasl, (SaslOptions{SaslMechanism::scram_sha_256, "alice", Secret(password)}));
  EXPECT_EQ(client.tls, (TlsOptions{.trust = {.ca_file = "/ca.pem"}}));
}

TEST(BrokerProperties, OfSecurityMayBeSplitOverSeveralOptions) {
  BrokerOptions options =
      made(with_properties({{"security.protocol", "SASL_SSL"}, {"sasl.username", "alice"}}));
  EXPECT_EQ(refusal(options), "security.protocol is SASL_SSL, but sasl.password is not set");
  with_properties({{"sasl.password", password}})(options);
  EXPECT_EQ(refusal(options), "");
  EXPECT_EQ(options.sasl->password.reveal(), password);
  with_properties({{"ssl.ca.location", "/other.pem"}})(options);
  EXPECT_EQ(options.tls->trust.ca_file, "/other.pem");
  EXPECT_EQ(options.sasl->username, "alice");
  EXPECT_EQ(refusal(options), "");
}

TEST(BrokerProperties, OfSecurityAndOptionsOverrideEarlierOnes) {
  const TlsOptions own{.trust = {.ca_file = "/own.pem"}};
  const auto scram = kafka::with_scram_mechanism(kafka::ScramAlgorithm::sha512, "bob", password);
  const BrokerOptions later = made(with_properties(login_over_tls()), with_tls(own), scram);
  EXPECT_EQ(later.tls, own);
  EXPECT_EQ(later.sasl->username, "bob");
  EXPECT_EQ(refusal(later), "");
  const BrokerOptions earlier = made(with_tls(own), scram, with_properties(login_over_tls()));
  EXPECT_EQ(earlier.tls->trust.ca_file, "/ca.pem");
  EXPECT_EQ(earlier.sasl->username, "alice");
  EXPECT_EQ(refusal(earlier), "");
}

TEST(BrokerProperties, TakeTheLoginFromAnOption) {
  const kafka::Properties tls{{"security.protocol", "SASL_SSL"}, {"ssl.ca.location", "/ca.pem"}};
  EXPECT_EQ(refusal(with_properties(tls)),
            "security.protocol is SASL_SSL, but sasl.username is not set");
  EXPECT_EQ(refusal(with_properties(tls), kafka::with_plain_mechanism("alice", password)), "");
}

TEST(BrokerProperties, AreRefusedIfTheyContradictOtherOptions) {
  EXPECT_EQ(refusal(with_tls({}), with_properties({{"security.protocol", "PLAINTEXT"}})),
            "security.protocol is PLAINTEXT and tls is set; set SSL, or leave out one of them");
  EXPECT_EQ(
      refusal(with_properties({{"security.protocol", "plaintext"}}), with_enable_secure(true)),
      "security.protocol is PLAINTEXT and enable_secure is true; set SSL, or leave out one "
      "of them");
  EXPECT_EQ(refusal(with_properties({{"security.protocol", "SSL"}}), with_enable_secure(false)),
            "enable_secure is false and tls is set; leave out one of them");
  EXPECT_EQ(refusal(with_properties({{"security.protocol", "SSL"}}),
                    kafka::with_plain_mechanism("alice", password)),
            "security.protocol is SSL and sasl is set; set SASL_SSL, or leave out one of them");
  // A value that an earlier property has set does not contradict.
  EXPECT_EQ(refusal(with_properties({{"security.protocol", "SSL"}}),
                    with_properties({{"security.protocol", "PLAINTEXT"}})),
            "");
  EXPECT_THAT(refusal(with_properties(login_over_tls()), with_address("embedded:memory")),
              HasSubstr("an embedded node takes no login"));
}

TEST(BrokerProperties, AreRefusedByNameWithTheReason) {
  EXPECT_EQ(refusal(with_properties({{"linger.m", "5"}})),
            "there is no property linger.m; did you mean linger.ms?");
  EXPECT_EQ(refusal(with_properties({{"linger.ms", "soon"}})),
            "linger.ms: \"soon\" is not a whole number from 0 to 60000");
  EXPECT_EQ(refusal(with_properties({{"fetch.max.wait.ms", "60001"}})),
            "fetch.max.wait.ms: max_wait is 60001 ms; allowed are 0 to 60000 ms");
  EXPECT_THAT(refusal(with_properties({{"delivery.timeout.ms", "1"}})),
              testing::StartsWith("delivery.timeout.ms: delivery_timeout is 1 ms"));
  EXPECT_THAT(refusal(with_properties({{"max.request.size", "2000"}})),
              testing::StartsWith("max.request.size: batch_bytes is above max_request_bytes"));
  EXPECT_THAT(refusal(with_properties({{"bootstrap.servers", "::1"}})),
              HasSubstr("bootstrap.servers: address \"::1\""));
  EXPECT_THAT(refusal(with_properties({{"auto.offset.reset", "none"}})),
              HasSubstr("auto.offset.reset: \"none\" is not one of earliest, latest"));
  EXPECT_THAT(refusal(with_properties({{"group.instance.id", "i"}})),
              HasSubstr("group.instance.id: two subscriptions of a broker cannot share it"));
  EXPECT_EQ(refusal(BrokerOptions{.properties = {{"isolation.level", "read_committed"}}}),
            "isolation.level is not supported yet: transactions are missing; consumers read all "
            "records (read_uncommitted)");
  EXPECT_EQ(
      refusal(with_properties({{"sasl.mechanism", "GSSAPI"}})),
      "sasl.mechanism: GSSAPI is not supported yet: Kerberos is missing; supported are PLAIN, "
      "SCRAM-SHA-256 and SCRAM-SHA-512");
}

TEST(BrokerProperties, NeverShowASecret) {
  const std::string jaas =
      "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" "
      "password=\"" +
      std::string(password) + "\"";  // no semicolon
  for (const auto& properties : std::vector<kafka::Properties>{
           {{"sasl.password", password}},
           {{"sasl.pasword", password}},
           {{"security.protocol", "SASL_SSL"}, {"sasl.password", password}},
           {{"security.protocol", "SASL_SSL"}, {"sasl.jaas.config", jaas}},
           {{"ssl.key.pem", password}},
           {{"ssl.keystore.password", password}}}) {
    const std::string shown = refusal(with_properties(properties));
    EXPECT_NE(shown, "");
    EXPECT_EQ(shown_secret(shown, password), "") << shown;
  }
  const auto right = kafka::new_broker(with_properties(login_over_tls()));
  ASSERT_TRUE(right.has_value());
  for (const std::string& name : right->options().properties.names()) {
    EXPECT_EQ(shown_secret(name, password), "");
  }
}

TEST(BrokerProperties, AreNamedAmongTheOptionsThatHaveChanged) {
  const BrokerOptions now = made(with_properties({{"linger.ms", "5"}, {"max.block.ms", "7"}}));
  EXPECT_EQ(changed_options(now, {with_properties({{"linger.ms", "5"}})}), "");
  EXPECT_EQ(changed_options(now, {with_properties({{"max.block.ms", "8"}})}), "properties");
  EXPECT_EQ(changed_options(now, {with_properties({{"linger.ms", "6"}})}),
            "properties, batch_timeout");
}

TEST(BrokerProperties, AreAppliedByInitBeforeConnect) {
  auto broker = kafka::new_broker(with_properties({{"linger.ms", "5"}})).value();
  ASSERT_TRUE(
      broker.init(with_properties({{"client.id", "mine"}}), kafka::with_batch_timeout(2ms)));
  EXPECT_EQ(broker.options().client_id, "mine");
  EXPECT_EQ(broker.options().batch_timeout, 2ms);
  const auto refused = broker.init(with_properties({{"linger.m", "5"}}));
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("there is no property linger.m"));
}

}  // namespace
}  // namespace dohle::messaging
