#include "properties/property_values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dohle::properties {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string refusal(std::string_view name, std::string_view value, Role role = Role::both) {
  const auto set = PropertyValues().set_for(role, name, value);
  return set ? std::string() : std::string(set.error().message());
}

TEST(PropertyValues, set_the_options_of_their_names) {
  PropertyValues properties;
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"bootstrap.servers", "a:1,b:2"},
                                                        {"request.timeout.ms", "1500"},
                                                        {"linger.ms", "7"},
                                                        {"acks", "1"},
                                                        {"compression.type", "zstd"},
                                                        {"auto.offset.reset", "earliest"},
                                                        {"check.crcs", "false"},
                                                        {"send.buffer.bytes", "-1"},
                                                        {"max.poll.records", "9"},
                                                        {"retries", "4"}}) {
    ASSERT_EQ(refusal(name, value), "");
    ASSERT_TRUE(properties.set(name, value).has_value());
  }
  ClientOptions client{.client_id = "mine", .socket_send_buffer_bytes = 3};
  properties.apply_to(client);
  EXPECT_EQ(client.bootstrap_servers, (std::vector<std::string>{"a:1,b:2"}));
  EXPECT_EQ(client.request_timeout, 1500ms);
  EXPECT_EQ(client.socket_send_buffer_bytes, std::nullopt) << "the system chooses";
  EXPECT_EQ(client.client_id, "mine");
  ProducerOptions producer;
  properties.apply_to(producer);
  EXPECT_EQ(producer.linger, 7ms);
  EXPECT_EQ(producer.acks, Acks::leader);
  EXPECT_FALSE(producer.idempotence);
  EXPECT_EQ(producer.compression, CompressionCodec::zstd);
  EXPECT_EQ(producer.request_timeout, 1500ms);
  EXPECT_EQ(producer.retries, 4);
  ASSERT_TRUE(properties.set("retries", "2147483647"));
  properties.apply_to(producer);
  EXPECT_EQ(producer.retries, std::nullopt) << "the default of Java means no limit";
  ConsumerOptions consumer;
  properties.apply_to(consumer);
  EXPECT_EQ(consumer.offset_reset, OffsetReset::earliest);
  EXPECT_FALSE(consumer.check_crcs);
  EXPECT_EQ(consumer.max_poll_records, 9u);
}

TEST(PropertyValues,
     keep_unused_connections_with_the_values_of_kafkas_clients_and_librdkafka_for_never) {
  for (const auto& [value, kept_for] :
       std::vector<std::pair<std::string, std::optional<std::chrono::milliseconds>>>{
           {"-1", std::nullopt}, {"0", std::nullopt}, {"1500", 1500ms}}) {
    PropertyValues properties;
    ASSERT_TRUE(properties.set("connections.max.idle.ms", value).has_value());
    ClientOptions client;
    properties.apply_to(client);
    EXPECT_EQ(client.idle_timeout, kept_for) << value;
  }
}

TEST(PropertyValues, are_overridden_by_later_values) {
  PropertyValues properties;
  ASSERT_TRUE(properties.set("linger.ms", "1").has_value());
  ASSERT_TRUE(properties.set("linger.ms", "2").has_value());
  ProducerOptions producer;
  properties.apply_to(producer);
  EXPECT_EQ(producer.linger, 2ms);
}

TEST(PropertyValues, are_refused_by_name_with_similar_or_allowed_names) {
  EXPECT_EQ(refusal("linger.m", "5"), "there is no property linger.m; did you mean linger.ms?");
  EXPECT_THAT(refusal("partitioner", "murmur2"),
              HasSubstr("there is no property partitioner; allowed are acks, auto.offset"));
  EXPECT_EQ(refusal("linger.ms", "-5"), "linger.ms: \"-5\" is not a whole number from 0 to 60000");
  EXPECT_EQ(refusal("acks", "2"), "acks: \"2\" is not one of all (-1), leader (1), none (0)");
  EXPECT_EQ(refusal("check.crcs", "yes"), "check.crcs: \"yes\" is not one of true, false");
  EXPECT_EQ(refusal("auto.offset.reset", "middle"),
            "auto.offset.reset: \"middle\" is not one of earliest, latest, none");
}

TEST(PropertyValues, of_later_features_are_refused_with_the_missing_feature) {
  EXPECT_EQ(refusal("isolation.level", "read_uncommitted"),
            "isolation.level is not supported yet: transactions are missing; consumers read all "
            "records (read_uncommitted)");
  EXPECT_EQ(refusal("transactional.id", "t"),
            "transactional.id is not supported yet: transactions are missing");
  EXPECT_EQ(refusal("client.rack", "r"),
            "client.rack is not supported yet: reading from the nearest replica is missing");
  EXPECT_EQ(refusal("partition.assignment.strategy", "range"),
            "partition.assignment.strategy is not supported yet: assignors other than range are "
            "missing; groups use range");
  EXPECT_EQ(refusal("group.protocol", "consumer"),
            "group.protocol is not supported yet: consumer groups by KIP-848 are missing; groups "
            "are classic");
  EXPECT_EQ(refusal("sasl.mechanism", "OAUTHBEARER"),
            "sasl.mechanism: OAUTHBEARER is not supported yet: tokens of OAuth are missing; "
            "supported are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512");
  EXPECT_EQ(refusal("sasl.mechanisms", "GSSAPI"),
            "sasl.mechanisms: GSSAPI is not supported yet: Kerberos is missing; supported are "
            "PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512");
}

TEST(PropertyValues, of_security_are_read_together_and_not_shown) {
  PropertyValues properties;
  EXPECT_FALSE(properties.has_secret());
  ASSERT_TRUE(properties.set_for(Role::admin, "security.protocol", "SSL").has_value());
  EXPECT_FALSE(properties.has_secret());
  ASSERT_TRUE(properties.set("sasl.username", "alice").has_value());
  PropertyValues later;
  ASSERT_TRUE(later.set("sasl.password", "correct horse battery").has_value());
  ASSERT_TRUE(later.set("security.protocol", "SASL_SSL").has_value());
  ASSERT_TRUE(later.set("linger.ms", "7").has_value());
  properties.merge(later);
  EXPECT_TRUE(properties.has_secret());
  EXPECT_EQ(properties.values().size(), 1U);
  const auto security = properties.security();
  ASSERT_TRUE(security.has_value()) << security.error().message();
  EXPECT_EQ(security->protocol, SecurityProtocol::sasl_ssl);
  EXPECT_EQ(security->sasl->username, "alice");
  EXPECT_EQ(security->sasl->password.reveal(), "correct horse battery");
  ClientOptions client;
  ASSERT_TRUE(properties.apply_security_to(client).has_value());
  EXPECT_EQ(client.sasl, security->sasl);
  ASSERT_TRUE(client.tls.has_value());
  EXPECT_TRUE(client.tls->verify_certificate);
  EXPECT_TRUE(client.tls->verify_hostname);
  ClientOptions plain;
  ASSERT_TRUE(properties.set("security.protocol", "SASL_PLAINTEXT").has_value());
  ASSERT_TRUE(properties.apply_security_to(plain).has_value());
  EXPECT_EQ(plain.sasl, security->sasl);
  EXPECT_FALSE(plain.tls.has_value());
  EXPECT_EQ(refusal("security.protocol", "none"),
            "security.protocol: \"none\" is not one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL");
}

TEST(PropertyValues, are_refused_by_commands_that_do_not_use_them) {
  EXPECT_EQ(refusal("linger.ms", "5", Role::admin),
            "linger.ms is a property of producers, which this command does not use");
  EXPECT_EQ(refusal("fetch.min.bytes", "5", Role::producer),
            "fetch.min.bytes is a property of consumers, which this command does not use");
  EXPECT_EQ(refusal("linger.ms", "5", Role::producer), "");
  EXPECT_EQ(refusal("fetch.min.bytes", "5", Role::consumer), "");
  EXPECT_EQ(refusal("request.timeout.ms", "5", Role::admin), "");
}

}  // namespace
}  // namespace dohle::properties
