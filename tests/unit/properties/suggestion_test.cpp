#include "properties/suggestion.hpp"

#include <gtest/gtest.h>

namespace dohle::properties {
namespace {

const std::vector<std::string> verbs = {"create", "list", "describe", "delete"};

TEST(Suggestion, is_the_word_with_the_fewest_typing_errors) {
  EXPECT_EQ(nearest("creat", verbs), "create");
  EXPECT_EQ(nearest("lsit", verbs), "list");
  EXPECT_EQ(nearest("desrcibe", verbs), "describe");
  EXPECT_EQ(nearest("delet", verbs), "delete");
  EXPECT_EQ(nearest("--formt", {"--from", "--format"}), "--format");
}

TEST(Suggestion, is_a_name_that_begins_with_the_word) {
  EXPECT_EQ(nearest("desc", verbs), "describe");
}

TEST(Suggestion, is_absent_for_a_word_unlike_all_names) {
  EXPECT_EQ(nearest("frobnicate", verbs), "");
  EXPECT_EQ(nearest("", verbs), "");
  EXPECT_EQ(nearest("x", verbs), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), verbs), "");
}

TEST(Suggestion, names_all_when_none_is_near) {
  EXPECT_EQ(suggestion("creat", verbs), "; did you mean create?");
  EXPECT_EQ(suggestion("grow", verbs), "; allowed are create, list, describe and delete");
  EXPECT_EQ(suggestion("grow", {"shrink"}), "; allowed is shrink");
  EXPECT_EQ(suggestion("grow", {}), "");
}

}  // namespace
}  // namespace dohle::properties
