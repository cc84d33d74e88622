#include "base/assert.hpp"

#include <gtest/gtest.h>

namespace dohle {
namespace {

void require_even(int number) {
  DOHLE_ASSERT(number % 2 == 0, "numbers here are even");
}

TEST(AssertionDeathTest, a_broken_assertion_ends_the_process_and_says_which) {
  EXPECT_DEATH(require_even(3), "number % 2 == 0: numbers here are even");
}

TEST(Assertion, a_kept_assertion_has_no_effect) {
  require_even(4);
}

TEST(Assertion, a_costly_assertion_is_checked_in_builds_with_asserts_alone) {
  int evaluations = 0;
  DOHLE_ASSERT_COSTLY(++evaluations > 0, "never broken");
#ifdef NDEBUG
  EXPECT_EQ(evaluations, 0);
#else
  EXPECT_EQ(evaluations, 1);
#endif
}

}  // namespace
}  // namespace dohle
