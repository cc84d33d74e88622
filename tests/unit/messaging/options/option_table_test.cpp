#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "dohle/kafka.hpp"
#include "messaging/options/changed_options.hpp"
#include "messaging/options/option_rows.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

template <class Options>
std::set<const void*> members_with_a_row(const Options& options) {
  std::set<const void*> members;
  for_each_option<Options>([&](const auto& row) { members.insert(&row.of(options)); });
  return members;
}

template <class Options>
std::multiset<std::string> names() {
  std::multiset<std::string> all;
  for_each_option<Options>([&](const auto& row) { all.insert(std::string(row.name)); });
  return all;
}

std::set<const void*> addresses(const auto&... members) {
  return {static_cast<const void*>(&members)...};
}

// A new member makes these bindings fail to compile until it is named here, and the test fails
// until it has a row.
TEST(OptionTable, HasARowForEachMemberOfBrokerOptions) {
  const kafka::BrokerOptions options;
  const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
               m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31, m32, m33, m34, m35, m36,
               m37, m38, m39, m40, m41, m42, m43, m44, m45, m46, m47, m48, m49, m50, m51, m52, m53,
               m54, m55, m56, m57, m58, m59, m60, m61, m62, m63, m64, m65, m66, m67, m68, m69] =
      options;
  EXPECT_EQ(members_with_a_row(options),
            addresses(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                      m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31, m32,
                      m33, m34, m35, m36, m37, m38, m39, m40, m41, m42, m43, m44, m45, m46, m47,
                      m48, m49, m50, m51, m52, m53, m54, m55, m56, m57, m58, m59, m60, m61, m62,
                      m63, m64, m65, m66, m67, m68, m69));
}

TEST(OptionTable, HasARowForEachMemberOfPublishOptions) {
  const PublishOptions options;
  const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16] = options;
  EXPECT_EQ(members_with_a_row(options),
            addresses(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16));
}

TEST(OptionTable, HasARowForEachMemberOfSubscribeOptions) {
  const SubscribeOptions options;
  const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
               m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31, m32, m33, m34, m35, m36,
               m37, m38, m39, m40, m41, m42, m43, m44, m45, m46, m47] = options;
  EXPECT_EQ(members_with_a_row(options),
            addresses(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                      m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31, m32,
                      m33, m34, m35, m36, m37, m38, m39, m40, m41, m42, m43, m44, m45, m46, m47));
}

TEST(OptionTable, HasARowForEachMemberOfRequestOptions) {
  const RequestOptions options;
  const auto& [m1, m2, m3, m4, m5] = options;
  EXPECT_EQ(members_with_a_row(options), addresses(m1, m2, m3, m4, m5));
}

TEST(OptionTable, HasEachNameOnce) {
  for (const auto& all : {names<kafka::BrokerOptions>(), names<PublishOptions>(),
                          names<SubscribeOptions>(), names<RequestOptions>()}) {
    EXPECT_EQ(all.size(), std::set(all.begin(), all.end()).size());
  }
}

TEST(OptionTable, ChecksTheRangeOfEachNumber) {
  EXPECT_TRUE(check_ranges(kafka::BrokerOptions{}));
  EXPECT_TRUE(check_ranges(PublishOptions{}));
  EXPECT_TRUE(check_ranges(SubscribeOptions{}));
  const auto refused = check_ranges(SubscribeOptions{.max_wait = 61s});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "max_wait is 61000 ms; allowed are 0 to 60000 ms");
  const auto too_long = check_ranges(kafka::BrokerOptions{.client_id = std::string(250, 'x')});
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().message(),
            "client_id (its length) is 250 bytes; allowed are 0 to 249 bytes");
}

TEST(OptionTable, FillsAbsentOptionsOfASubscriptionWithTheBrokersValues) {
  const kafka::BrokerOptions broker{
      .group_id = "g", .start_offset = StartOffset::first(), .min_bytes = 7, .max_wait = 70ms};
  const SubscribeOptions both = merged(SubscribeOptions{.max_wait = 90ms}, broker);
  EXPECT_EQ(both.group_id, "g");
  EXPECT_EQ(both.min_bytes, 7u);
  EXPECT_EQ(both.max_wait, 90ms);
  EXPECT_EQ(both.start_offset->kind(), StartOffset::Kind::first);
  EXPECT_EQ(both.session_timeout, 45s);
  EXPECT_EQ(merged(SubscribeOptions{}, kafka::BrokerOptions{}).start_offset, std::nullopt);
}

TEST(OptionTable, MergesNoOptionOfPublishing) {
  const SubscribeOptions both = merged(SubscribeOptions{}, kafka::BrokerOptions{.batch_size = 7});
  EXPECT_EQ(both.batch_size, std::nullopt);
  EXPECT_EQ(merged(SubscribeOptions{.batch_size = 9}, {.batch_size = 7}).batch_size, 9u);
}

// A name that gets into both tables has to become an option of reading, or is named here.
TEST(OptionTable, OfBrokerAndSubscriptionShareTheOptionsOfReadingAndTwoOtherNames) {
  std::set<std::string> reading;
  std::apply([&](const auto&... row) { (..., reading.insert(std::string(row.name))); },
             reading_rows<SubscribeOptions>);
  std::set<std::string> others;
  const auto of_broker = names<kafka::BrokerOptions>();
  for (const std::string& name : names<SubscribeOptions>()) {
    if (of_broker.contains(name) && !reading.contains(name)) others.insert(name);
  }
  EXPECT_THAT(others, testing::ElementsAre("batch_size", "reader_config"));
}

TEST(OptionTable, NamesChangesOfEveryKindOfMember) {
  const kafka::BrokerOptions options;
  EXPECT_EQ(changed_options(options, {[](kafka::BrokerOptions& o) { o.batch_size = 100; }}), "");
  EXPECT_EQ(changed_options(options, {[](kafka::BrokerOptions& o) {
                              o.max_bytes = 2'000;
                              o.error_handler = [](const Failure&) {};
                              o.publish_middlewares.clear();
                              o.logger = silent_logger();
                            }}),
            "max_bytes, publish_middlewares, error_handler, logger");
}

}  // namespace
}  // namespace dohle::messaging
