#include "summary.hpp"

#include <gtest/gtest.h>

namespace birdstrikes {
namespace {

Strike strike(std::string airport, std::string aircraft, std::string damage, std::int64_t cost) {
  Strike s;
  s.airport = std::move(airport);
  s.aircraft = std::move(aircraft);
  s.damage = std::move(damage);
  s.cost_total = cost;
  return s;
}

TEST(Summary, adds_up_each_airport) {
  Summary summary(3, 2);
  summary.apply(1, strike("A", "B-727", "None", 0), 0);
  summary.apply(2, strike("A", "MD-80", "Minor", 913), 1);
  summary.apply(3, strike("B", "MD-80", "None", 5), 1);
  const auto airports = summary.airports();
  EXPECT_EQ(airports.at("A").strikes, 2u);
  EXPECT_EQ(airports.at("A").damaged, 1u);
  EXPECT_EQ(airports.at("A").cost, 913);
  EXPECT_EQ(airports.at("A").most_hit(), "B-727");
  EXPECT_EQ(airports.at("B").most_hit(), "MD-80");
  EXPECT_EQ(summary.totals().by_subscriber, (std::vector<std::size_t>{1, 2}));
}

TEST(Summary, a_repeated_row_is_counted_and_changes_nothing) {
  Summary summary(2, 2);
  summary.apply(2, strike("A", "B-727", "Minor", 7), 0);
  summary.apply(2, strike("A", "B-727", "Minor", 7), 1);
  EXPECT_EQ(summary.airports().at("A").strikes, 1u);
  EXPECT_EQ(summary.airports().at("A").cost, 7);
  EXPECT_EQ(summary.totals().rows, 1u);
  EXPECT_EQ(summary.totals().redelivered, 1u);
}

TEST(Summary, rows_without_a_number_or_beyond_the_last_are_counted_as_strangers) {
  Summary summary(2, 1);
  summary.apply(0, strike("A", "B-727", "None", 0), 0);
  summary.apply(3, strike("A", "B-727", "None", 0), 0);
  EXPECT_EQ(summary.totals().strangers, 2u);
  EXPECT_TRUE(summary.airports().empty());
}

}  // namespace
}  // namespace birdstrikes
