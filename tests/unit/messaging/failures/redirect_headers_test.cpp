#include "messaging/failures/redirect_headers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "messaging/events/event_pool.hpp"

namespace dohle::messaging {
namespace {

using testing::ElementsAre;
using testing::Pair;

using Shown = std::vector<std::pair<std::string, std::string>>;

Shown shown(std::span<const HeaderView> headers) {
  Shown all;
  for (const HeaderView& each : headers) {
    all.emplace_back(each.name, each.value ? as_text(*each.value) : "null");
  }
  return all;
}

/// Headers as a record batch stores them; all names and values are shorter than 64 bytes.
std::string encoded(const Shown& headers) {
  std::string bytes;
  for (const auto& [name, value] : headers) {
    bytes += static_cast<char>(2 * name.size());
    bytes += name;
    bytes += static_cast<char>(2 * value.size());
    bytes += value;
  }
  return bytes;
}
HeaderRange range_of(const std::string& bytes, std::size_t count) {
  return {reinterpret_cast<const std::byte*>(bytes.data()), static_cast<std::uint32_t>(count)};
}

std::string bytes(std::initializer_list<int> all) {
  std::string text;
  for (const int each : all) text += static_cast<char>(each);
  return text;
}

struct RedirectHeadersTest : testing::Test {
  EventPool::Owner pool = EventPool::create(1);
  EventPointer event = pool->make();
  const Error why = Error::client(Errc::handler_failed, "no ink");
  std::string own;

  RedirectHeadersTest() {
    event->topic = "orders";
    event->partition = PartitionId{3};
    event->offset = Offset{0x0102030405060708};
    event->timestamp = Timestamp{1'700'000'000'000};
    event->attempt = 4;
  }
  void has_headers(const Shown& headers) {
    own = encoded(headers);
    event->headers = range_of(own, headers.size());
  }
};

// spring-kafka's DeadLetterPublishingRecoverer writes the partition by ByteBuffer.putInt, offset
// and timestamp by putLong, which are big-endian, and texts in UTF-8.
TEST_F(RedirectHeadersTest, have_the_names_and_encodings_of_spring_kafka) {
  has_headers({{"trace", "t"}});
  const RedirectHeaders headers(*event, "billing", why);
  EXPECT_THAT(
      shown(headers.views()),
      ElementsAre(
          Pair("trace", "t"), Pair("kafka_dlt-original-topic", "orders"),
          Pair("kafka_dlt-original-partition", bytes({0, 0, 0, 3})),
          Pair("kafka_dlt-original-offset", bytes({1, 2, 3, 4, 5, 6, 7, 8})),
          Pair("kafka_dlt-original-timestamp", bytes({0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00})),
          Pair("kafka_dlt-original-consumer-group", "billing"),
          Pair("kafka_dlt-exception-fqcn", "handler_failed"),
          Pair("kafka_dlt-exception-message", "no ink"), Pair("dohle-attempts", "4")));
}

TEST_F(RedirectHeadersTest, of_a_retry_keep_the_first_place_and_count_all_attempts) {
  has_headers({{"trace", "t"},
               {"kafka_dlt-original-topic", "orders"},
               {"kafka_dlt-original-partition", bytes({0, 0, 0, 3})},
               {"kafka_dlt-exception-message", "earlier"},
               {"dohle-attempts", "4"}});
  event->topic = "orders.billing.retry.5s";
  event->level = 1;
  event->attempt = 1;
  event->earlier_attempts = attempts_of(event->headers);
  const RedirectHeaders headers(*event, "billing", why);
  EXPECT_THAT(
      shown(headers.views()),
      ElementsAre(Pair("trace", "t"), Pair("kafka_dlt-original-topic", "orders"),
                  Pair("kafka_dlt-original-partition", bytes({0, 0, 0, 3})),
                  Pair("kafka_dlt-exception-fqcn", "handler_failed"),
                  Pair("kafka_dlt-exception-message", "no ink"), Pair("dohle-attempts", "5")));
}

TEST_F(RedirectHeadersTest, replace_those_that_a_message_of_the_source_already_has) {
  has_headers({{"kafka_dlt-original-topic", "elsewhere"}, {"dohle-attempts", "9"}});
  const RedirectHeaders headers(*event, "billing", why);
  const Shown all = shown(headers.views());
  EXPECT_EQ(std::ranges::count(all, "kafka_dlt-original-topic", &Shown::value_type::first), 1);
  EXPECT_THAT(all, testing::Contains(Pair("kafka_dlt-original-topic", "orders")));
  EXPECT_THAT(all, testing::Contains(Pair("dohle-attempts", "4")));
}

TEST_F(RedirectHeadersTest, cut_a_long_message_at_a_whole_character) {
  const Error talks = Error::client(Errc::handler_failed, std::string(999, 'x') + "\u00e9\u00e9");
  const RedirectHeaders headers(*event, "billing", talks);
  EXPECT_THAT(shown(headers.views()),
              testing::Contains(Pair("kafka_dlt-exception-message", std::string(999, 'x'))));
}

TEST(AttemptsOf, a_message_without_a_number_are_0) {
  const auto attempts = [](const std::string& value) {
    const std::string all = encoded({{"dohle-attempts", value}});
    return attempts_of(range_of(all, 1));
  };
  EXPECT_EQ(attempts("12"), 12);
  EXPECT_EQ(attempts("1000000000"), 1'000'000'000);
  for (const char* value : {"", "x", "4x", "-3", "1000000001", "2147483647", "99999999999"}) {
    EXPECT_EQ(attempts(value), 0) << value;
  }
  EXPECT_EQ(attempts_of({}), 0);
}

TEST(NumberIn, bytes_of_another_size_is_absent) {
  const std::string four = bytes({0xff, 0xff, 0xff, 0xfe});
  EXPECT_EQ(number_in<std::int32_t>(as_bytes(four)), -2);
  EXPECT_EQ(number_in<std::int64_t>(as_bytes(four)), std::nullopt);
  EXPECT_EQ(number_in<std::int32_t>(std::nullopt), std::nullopt);
}

}  // namespace
}  // namespace dohle::messaging
