#include <gtest/gtest.h>

#include "base/connection.hpp"

namespace dohle {
namespace {

TEST(Endpoint, reads_its_own_text) {
  for (const char* text : {"127.0.0.1:9092", "localhost:0", "[::1]:65535", "a.b-c:1"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint.has_value()) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
}

TEST(Endpoint, takes_the_default_port_only_when_there_is_one) {
  EXPECT_EQ(Endpoint::parse("host", 9092)->port, 9092);
  EXPECT_EQ(Endpoint::parse("[::1]", 9092)->port, 9092);
  EXPECT_FALSE(Endpoint::parse("host").has_value());
}

TEST(Endpoint, refuses_invalid_text_and_quotes_it) {
  for (const char* text : {"", ":9092", "host:", "host:x", "host:65536", "host:-1", "::1:9092",
                           "[::1:9092", "[::1]9092", "a b:1", "http://host:1", "host:1 "}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_FALSE(endpoint.has_value()) << text;
    EXPECT_EQ(endpoint.error().category(), ErrorCategory::configuration);
    EXPECT_NE(endpoint.error().message().find(std::string("\"") + text + "\""), std::string::npos);
  }
}

TEST(Endpoint, knows_addresses_that_only_this_machine_reaches) {
  for (const char* here : {"127.0.0.1", "127.8.9.10", "::1", "localhost"}) {
    EXPECT_TRUE((Endpoint{here, 1}).is_loopback()) << here;
  }
  for (const char* beyond : {"0.0.0.0", "::", "10.127.0.1", "127.example.org", "1270.0.0.1", "::11",
                             "localhost.example.org", ""}) {
    EXPECT_FALSE((Endpoint{beyond, 1}).is_loopback()) << beyond;
  }
}

}  // namespace
}  // namespace dohle
