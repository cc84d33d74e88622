#include "strike.hpp"

#include <gtest/gtest.h>

#include <set>

namespace birdstrikes {
namespace {

constexpr std::string_view line =
    "NASHVILLE INTL,B-737-300,Minor,1999-10-19,SOUTHWEST AIRLINES,Tennessee,Climb,Small,"
    "Horned lark,Day,130,783,913,140";

TEST(Strike, reads_every_column_of_a_line) {
  const auto strike = parse_strike(line);
  ASSERT_TRUE(strike) << strike.error().to_string();
  EXPECT_EQ(*strike, (Strike{.airport = "NASHVILLE INTL",
                             .aircraft = "B-737-300",
                             .damage = "Minor",
                             .date = "1999-10-19",
                             .airline = "SOUTHWEST AIRLINES",
                             .state = "Tennessee",
                             .phase = "Climb",
                             .size = "Small",
                             .species = "Horned lark",
                             .time_of_day = "Day",
                             .cost_other = 130,
                             .cost_repair = 783,
                             .cost_total = 913,
                             .speed = 140}));
}

TEST(Strike, refuses_missing_and_surplus_columns_and_words_in_place_of_numbers) {
  const std::string whole(line);
  EXPECT_FALSE(parse_strike(whole.substr(0, whole.rfind(','))));
  EXPECT_FALSE(parse_strike(whole + ",1"));
  EXPECT_FALSE(parse_strike(whole + "x"));
  EXPECT_FALSE(parse_strike(""));
  const auto costly = parse_strike("A,B,None,1990-01-08,C,D,E,F,G,H,0,much,0,");
  ASSERT_FALSE(costly);
  EXPECT_NE(costly.error().message().find("repair cost"), std::string::npos);
}

TEST(Strike, a_carriage_return_ends_a_line) {
  EXPECT_EQ(*parse_strike(std::string(line) + "\r"), *parse_strike(line));
}

TEST(Strike, survives_json_with_and_without_a_speed) {
  auto strike = *parse_strike(line);
  EXPECT_EQ(nlohmann::json(strike).get<Strike>(), strike);
  strike.speed.reset();
  EXPECT_EQ(nlohmann::json(strike).get<Strike>(), strike);
  EXPECT_FALSE(nlohmann::json(strike).contains("speed"));
}

TEST(Strike, the_file_matches_its_description) {
  const auto strikes = read_strikes(BIRDSTRIKES_DATA);
  ASSERT_TRUE(strikes) << strikes.error().to_string();
  ASSERT_EQ(strikes->size(), 10'000u);
  std::set<std::string> airports, aircraft, distinct;
  std::size_t noteworthy = 0;
  for (const Strike& strike : *strikes) {
    airports.insert(strike.airport);
    aircraft.insert(strike.aircraft);
    distinct.insert(nlohmann::json(strike).dump());
    noteworthy += is_noteworthy(strike) ? 1 : 0;
  }
  EXPECT_EQ(airports.size(), 50u);
  EXPECT_EQ(aircraft.size(), 225u);
  EXPECT_EQ(distinct.size(), 9'976u);
  EXPECT_EQ(noteworthy, 1'061u);
}

TEST(Strike, a_missing_file_is_named) {
  const auto strikes = read_strikes("nowhere/strikes.csv.gz");
  ASSERT_FALSE(strikes);
  EXPECT_NE(strikes.error().message().find("nowhere/strikes.csv.gz"), std::string::npos);
}

}  // namespace
}  // namespace birdstrikes
