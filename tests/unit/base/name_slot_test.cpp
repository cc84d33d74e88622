#include "base/name_slot.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace dohle {
namespace {

TEST(NameSlot, is_the_same_for_equal_names_and_inside_the_table) {
  for (const char* name : {"", "a", "orders", "a name of more than eight bytes"}) {
    const std::string copy = name;
    EXPECT_EQ(name_slot(name, 16), name_slot(copy, 16)) << name;
    EXPECT_LT(name_slot(name, 16), 16u) << name;
  }
}

TEST(NameSlot, spreads_names_that_differ_by_a_number_at_their_end) {
  std::set<std::size_t> used;
  for (int i = 0; i < 64; ++i) used.insert(name_slot("telemetry." + std::to_string(i), 16));
  EXPECT_GE(used.size(), 12u);
}

}  // namespace
}  // namespace dohle
