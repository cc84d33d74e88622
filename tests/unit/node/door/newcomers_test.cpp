#include "node/door/newcomers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace dohle::node {
namespace {

TimePoint at(std::uint64_t id) {
  return TimePoint{} + std::chrono::milliseconds(id);
}

TEST(Newcomers, LoseTheOldestOneOfTheOriginWithTheMost) {
  Newcomers newcomers;
  newcomers.add(1, "one", at(1));
  newcomers.add(2, "many", at(2));
  newcomers.add(3, "many", at(3));
  newcomers.add(4, "another", at(4));
  EXPECT_EQ(newcomers.excess().id, 2u);
  EXPECT_EQ(newcomers.excess().of_origin, 2u);
  newcomers.remove(2);
  EXPECT_EQ(newcomers.excess().id, 1u) << "of equals the oldest";
  newcomers.add(5, "another", at(5));
  EXPECT_EQ(newcomers.excess().id, 4u) << "also if the newest made it the one with most";
}

TEST(Newcomers, EndInTheOrderOfTheirAge) {
  Newcomers newcomers;
  newcomers.add(7, "one", at(7));
  newcomers.add(9, "other", at(9));
  EXPECT_EQ(newcomers.oldest(), 7u);
  EXPECT_EQ(newcomers.first_until(), at(7));
  newcomers.remove(7);
  newcomers.remove(8);
  EXPECT_EQ(newcomers.oldest(), 9u);
  EXPECT_TRUE(newcomers.contains(9));
  newcomers.clear();
  EXPECT_TRUE(newcomers.empty());
}

// For any events, an origin with fewer connections than its share keeps all of them.
TEST(Newcomers, OfAnOriginBelowItsShareAreNeverClosed) {
  constexpr std::size_t most = 30, origins = 5;
  std::mt19937 random(20261129);
  Newcomers newcomers;
  std::vector<std::pair<std::uint64_t, std::string>> present;
  std::map<std::string, std::size_t> of;
  const auto forget = [&](std::uint64_t id) {
    const auto found = std::ranges::find(present, id, &decltype(present)::value_type::first);
    --of[found->second];
    present.erase(found);
    newcomers.remove(id);
  };
  for (std::uint64_t id = 1; id < 5'000; ++id) {
    // The first origin comes far more often than the others.
    const auto drawn = random() % 40;
    const std::string origin = std::to_string(drawn < origins ? drawn : 0);
    newcomers.add(id, origin, at(id));
    present.emplace_back(id, origin);
    ++of[origin];
    if (newcomers.size() > most) {
      const auto excess = newcomers.excess();
      const auto found =
          std::ranges::find(present, excess.id, &decltype(present)::value_type::first);
      ASSERT_NE(found, present.end());
      ASSERT_EQ(of[found->second], excess.of_origin);
      ASSERT_GT(excess.of_origin, most / origins);
      ASSERT_NE(excess.id, id);
      forget(excess.id);
    }
    if (random() % 10 == 0) forget(present[random() % present.size()].first);
    newcomers.check_invariants();
  }
}

}  // namespace
}  // namespace dohle::node
