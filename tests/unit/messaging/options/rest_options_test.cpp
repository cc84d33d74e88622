#include "messaging/options/rest_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <string>

#include "dohle/kafka.hpp"
#include "messaging/options/settings.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::set<const void*> addresses(const auto&... members) {
  return {static_cast<const void*>(&members)...};
}

/// The members that an option of the messaging API means, with the others in `free`.
template <class Options>
std::set<const void*> members(const Options& options, std::set<const void*> free) {
  std::apply([&](const auto&... row) { (..., free.insert(&(options.*row.member))); },
             MeantMembers<Options>::rows);
  return free;
}

// A new member makes these bindings fail to compile until it is named here, and the test fails
// until it has a row or is one of the free ones.
TEST(RestOptions, KnowEachMemberOfProducerOptions) {
  const ProducerOptions all;
  const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
               m19] = all;
  EXPECT_EQ(members(all, addresses(all.idempotence, all.buffer_bytes, all.max_block,
                                   all.delivery_timeout, all.max_in_flight, all.max_request_bytes)),
            addresses(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                      m18, m19));
}

TEST(RestOptions, KnowEachMemberOfConsumerOptions) {
  const ConsumerOptions all;
  const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
               m20] = all;
  EXPECT_EQ(members(all, addresses(all.max_partition_fetch_bytes, all.buffer_bytes, all.check_crcs,
                                   all.default_api_timeout)),
            addresses(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                      m18, m19, m20));
}

std::string refusal(const kafka::BrokerOptions& options) {
  const auto checked = check(options);
  return checked ? std::string() : std::string(checked.error().message());
}

TEST(RestOptions, AreChangedAfterTheOptionsOfTheBroker) {
  const auto given = kafka::BrokerOptions{
      .batch_bytes = 4'096,
      .producer_options = [](ProducerOptions& o) { o.max_request_bytes = 2 * o.batch_bytes; },
      .consumer_options = [](ConsumerOptions& o) { o.buffer_bytes = o.max_fetch_bytes / 2; }};
  EXPECT_EQ(refusal(given), "");
  EXPECT_EQ(producer_options(given, {})->max_request_bytes, 8'192u);
  EXPECT_EQ(read_settings("t", {}, given)->consumer.buffer_bytes, given.max_bytes / 2);
  const SubscribeOptions own{.consumer_options = [](ConsumerOptions& o) { o.check_crcs = false; }};
  EXPECT_FALSE(read_settings("t", own, given)->consumer.check_crcs);
  EXPECT_NE(read_settings("t", own, given)->consumer.buffer_bytes, given.max_bytes / 2);
}

TEST(RestOptions, AreRefusedIfTheBrokerHasItsOwnOption) {
  EXPECT_EQ(refusal({.producer_options = [](ProducerOptions& o) { o.linger = 1us; }}),
            "producer_options sets linger; set batch_timeout in its place");
  EXPECT_EQ(refusal({.producer_options =
                         [](ProducerOptions& o) { o.on_batch = [](const SettledBatch&) {}; }}),
            "producer_options sets on_batch; set completion in its place");
  EXPECT_EQ(refusal({.consumer_options = [](ConsumerOptions& o) { o.max_poll_records = 1; }}),
            "consumer_options sets max_poll_records; set queue_capacity in its place");
  const auto own = read_settings(
      "t", {.consumer_options = [](ConsumerOptions& o) { o.auto_commit = true; }}, {});
  ASSERT_FALSE(own);
  EXPECT_EQ(own.error().message(), "consumer_options sets auto_commit; set auto_ack in its place");
}

TEST(RestOptions, AreCheckedByNewBroker) {
  EXPECT_THAT(refusal({.producer_options = [](ProducerOptions& o) { o.buffer_bytes = 1; }}),
              HasSubstr("buffer_bytes is 1"));
  EXPECT_THAT(refusal({.consumer_options = [](ConsumerOptions& o) { o.buffer_bytes = 1; }}),
              HasSubstr("buffer_bytes is 1"));
  EXPECT_THAT(
      refusal({.producer_options = [](ProducerOptions&) { throw std::runtime_error("no file"); }}),
      HasSubstr("producer_options threw: no file"));
}

TEST(ScramAlgorithm, HasTheNamesOfTheDocs) {
  using kafka::ScramAlgorithm;
  EXPECT_EQ(to_string(ScramAlgorithm::sha256), "SHA256");
  EXPECT_EQ(to_string(ScramAlgorithm::sha512), "SHA512");
  EXPECT_EQ(kafka::parse_scram_algorithm("SHA256").value(), ScramAlgorithm::sha256);
  EXPECT_EQ(kafka::parse_scram_algorithm("SHA512").value(), ScramAlgorithm::sha512);
  const auto refused = kafka::parse_scram_algorithm("sha1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "SCRAM algorithm is \"sha1\"; allowed are SHA256, SHA512");
}

}  // namespace
}  // namespace dohle::messaging
