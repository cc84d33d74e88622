#include "dohle/record.hpp"

#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace dohle {
namespace {

// "a" -> "xy", "bc" -> null, "" -> "" in the encoding of record batch v2.
constexpr std::array<unsigned char, 11> encoded{2, 'a', 4, 'x', 'y', 4, 'b', 'c', 1, 0, 0};

HeaderRange headers(std::uint32_t count) {
  return {reinterpret_cast<const std::byte*>(encoded.data()), count};
}

TEST(HeaderRange, yields_names_and_values_in_order) {
  std::vector<std::string_view> names;
  std::vector<std::optional<std::string_view>> values;
  for (const HeaderView& header : headers(3)) {
    names.push_back(header.name);
    values.push_back(header.value ? std::optional(as_text(*header.value)) : std::nullopt);
  }
  EXPECT_EQ(names, (std::vector<std::string_view>{"a", "bc", ""}));
  EXPECT_EQ(values[0], "xy");
  EXPECT_EQ(values[1], std::nullopt);
  EXPECT_EQ(values[2], "");
}

TEST(HeaderRange, finds_the_first_of_a_name) {
  EXPECT_EQ(as_text(*headers(3).first("a")), "xy");
  EXPECT_FALSE(headers(3).first("bc").has_value());
  EXPECT_FALSE(headers(3).first("none").has_value());
  EXPECT_FALSE(headers(0).first("a").has_value());
}

}  // namespace
}  // namespace dohle
