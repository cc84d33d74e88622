#include <gtest/gtest.h>

#include <memory>
#include <type_traits>
#include <vector>

#include "dohle/error.hpp"

namespace dohle {
namespace {

Result<std::vector<int>> numbers() {
  return std::vector<int>{1, 2, 3};
}

// References into a temporary Result would dangle once the full expression ends.
static_assert(std::is_same_v<decltype(numbers().value()), std::vector<int>>);
static_assert(std::is_same_v<decltype(*numbers()), std::vector<int>>);
static_assert(std::is_convertible_v<Result<int>, std::expected<int, Error>>);
static_assert(std::is_nothrow_move_constructible_v<Result<void>>);

TEST(Result, value_of_a_temporary_lives_through_a_range_for) {
  int sum = 0;
  for (const int& number : numbers().value()) sum += number;
  EXPECT_EQ(sum, 6);
}

TEST(Result, value_of_a_temporary_moves_out_a_value_that_cannot_be_copied) {
  const auto made = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  EXPECT_EQ(*made().value(), 7);
  const std::unique_ptr<int> kept = *made();
  EXPECT_EQ(*kept, 7);
}

TEST(Result, value_of_a_named_result_is_a_reference_to_it) {
  Result<std::vector<int>> result = numbers();
  result.value().push_back(4);
  (*result).push_back(5);
  EXPECT_EQ(result->size(), 5U);
}

TEST(Result, holds_an_error_made_by_fail) {
  const Result<int> result = fail(Error::client(Errc::closed, "the object was closed"));
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().is(Errc::closed));
  EXPECT_THROW((void)result.value(), std::bad_expected_access<Error>);
}

TEST(Result, takes_the_results_of_monadic_operations) {
  const Result<void> done;
  const Result<void> copy = done;
  EXPECT_TRUE(copy);
}

}  // namespace
}  // namespace dohle
