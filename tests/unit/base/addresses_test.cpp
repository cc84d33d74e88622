#include "base/addresses.hpp"

#include <gtest/gtest.h>

namespace dohle {
namespace {

std::string parsed(const std::vector<std::string>& texts) {
  const auto all = parse_addresses(texts);
  if (!all) return std::string(all.error().message());
  std::string joined;
  for (const Endpoint& each : *all) joined += (joined.empty() ? "" : " ") + each.to_string();
  return joined;
}

TEST(Addresses, SplitsListsAndSkipsBlanksAndEmptyEntries) {
  EXPECT_EQ(parsed({"h1:9092,h2:9093"}), "h1:9092 h2:9093");
  EXPECT_EQ(parsed({" h1:9092 , ,h2:9092,", "\th3:1\n"}), "h1:9092 h2:9092 h3:1");
  EXPECT_EQ(parsed({"[::1]:9092"}), "[::1]:9092");
}

TEST(Addresses, HaveKafkasPortByDefault) {
  EXPECT_EQ(parsed({"h1,[::1], h2:1", "kafka://h3"}), "h1:9092 [::1]:9092 h2:1 h3:9092");
}

TEST(Addresses, AcceptsTheSupportedSchemes) {
  EXPECT_EQ(parsed({"PLAINTEXT://h:1,kafka://[::1]:2,plaintext://i:3"}), "h:1 [::1]:2 i:3");
}

TEST(Addresses, NamesTheTextThatItRefuses) {
  EXPECT_NE(parsed({"h1:9092,SSL://h2:9093"}).find("\"SSL://h2:9093\" has the scheme SSL"),
            std::string::npos);
  EXPECT_NE(parsed({"http://h:80/x"}).find("scheme http"), std::string::npos);
  EXPECT_NE(parsed({"h1:9092,::1"}).find("\"::1\" is an IPv6 address without brackets"),
            std::string::npos);
  EXPECT_NE(parsed({"kafka://h:"}).find("has a port that is not a number"), std::string::npos);
  EXPECT_NE(parsed({"h:0"}).find("port 0"), std::string::npos);
  EXPECT_NE(parsed({"h:9092;i:9092"}).find("h:9092;i:9092"), std::string::npos);
  EXPECT_NE(parsed({" , "}).find("there is no address"), std::string::npos);
  EXPECT_NE(parsed({}).find("there is no address"), std::string::npos);
  EXPECT_NE(parsed({"a\nb:1"}).find("a\\nb:1"), std::string::npos);
  EXPECT_NE(parsed(std::vector<std::string>(1'001, "h:1")).find("1001 addresses"),
            std::string::npos);
}

}  // namespace
}  // namespace dohle
