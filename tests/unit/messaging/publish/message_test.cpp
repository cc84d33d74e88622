#include "dohle/message.hpp"

#include <gtest/gtest.h>

#include "dohle/message_carrier.hpp"

namespace dohle {
namespace {

TEST(Message, is_built_in_a_chain) {
  const Message message = Message("body")
                              .with_key("")
                              .with_header("h", "1")
                              .with_header("h", std::nullopt)
                              .with_partition(PartitionId{3})
                              .with_timestamp(Timestamp{9})
                              .with_metadata("local", "yes")
                              .with_id("id");
  EXPECT_EQ(message.body(), "body");
  EXPECT_EQ(message.key(), "");
  EXPECT_EQ(message.headers(), (std::vector<Header>{{"h", "1"}, {"h", std::nullopt}}));
  EXPECT_EQ(message.partition(), PartitionId{3});
  EXPECT_EQ(message.timestamp(), Timestamp{9});
  EXPECT_EQ(message.metadata().at("local"), "yes");
  EXPECT_EQ(message.id(), "id");
}

TEST(Message, has_neither_key_nor_body_by_default) {
  EXPECT_FALSE(Message().key().has_value());
  EXPECT_FALSE(Message().body().has_value());
  EXPECT_FALSE(Message("x").with_tombstone().body().has_value());
}

TEST(Message, finds_the_first_header_of_a_name) {
  const Message message = Message().with_header("a", "1").with_header("a", "2");
  ASSERT_NE(message.find_header("a"), nullptr);
  EXPECT_EQ(message.find_header("a")->value, "1");
  EXPECT_EQ(message.find_header("b"), nullptr);
}

TEST(Message, merging_headers_keeps_its_own_and_repeated_foreign_ones) {
  Message message = Message().with_header("own", "1");
  message.merge_headers({{"own", "2"}, {"new", "3"}, {"new", "4"}});
  EXPECT_EQ(message.headers(), (std::vector<Header>{{"own", "1"}, {"new", "3"}, {"new", "4"}}));
}

TEST(MessageCarrier, reads_the_first_value_of_a_name) {
  Message message =
      Message().with_header("a", "1").with_header("a", "2").with_header("null", std::nullopt);
  const kafka::MessageCarrier carrier(message);
  EXPECT_EQ(carrier.get("a"), "1");
  EXPECT_EQ(carrier.get("null"), "");
  EXPECT_EQ(carrier.get("A"), "");
  EXPECT_EQ(carrier.keys(), (std::vector<std::string>{"a", "a", "null"}));
}

TEST(MessageCarrier, replaces_all_headers_of_a_name_by_one) {
  Message message = Message().with_header("a", "1").with_header("b", "2").with_header("a", "3");
  kafka::MessageCarrier(message).set("a", "4");
  EXPECT_EQ(message.headers(), (std::vector<Header>{{"b", "2"}, {"a", "4"}}));
}

}  // namespace
}  // namespace dohle
