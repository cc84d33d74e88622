#include <gtest/gtest.h>

#include "golden_lines.hpp"
#include "net/tls/distinguished_name.hpp"

namespace dohle {
namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

TEST(Principals, AreWrittenAsJavaWritesThem) {
  const auto lines = golden::read_lines(DOHLE_GOLDEN_PRINCIPALS);
  ASSERT_EQ(lines.size(), 2000u);
  for (const golden::Line& line : lines) {
    const auto name = net::java_name_of(as_bytes(from_hex(line.at("der").get<std::string>())));
    ASSERT_TRUE(name.has_value()) << line.dump();
    EXPECT_EQ(*name, from_hex(line.at("name").get<std::string>())) << line.dump();
  }
}

TEST(Principals, BytesThatEncodeNoNameAreRefused) {
  EXPECT_FALSE(net::java_name_of(as_bytes("no name")).has_value());
  EXPECT_FALSE(net::java_name_of({}).has_value());
  EXPECT_FALSE(net::java_name_of(as_bytes(from_hex("300000"))).has_value());
}

}  // namespace
}  // namespace dohle
