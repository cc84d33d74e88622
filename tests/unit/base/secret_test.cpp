#include "dohle/secret.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <utility>

namespace dohle {
namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };
static_assert(!Printable<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);

TEST(Secret, SaysWhetherItIsSet) {
  EXPECT_FALSE(Secret().is_set());
  EXPECT_EQ(Secret().reveal(), "");
  EXPECT_TRUE(Secret("").is_set());
  EXPECT_EQ(Secret("pencil").reveal(), "pencil");
  EXPECT_EQ(Secret(std::string("a\0b", 3)).reveal().size(), 3u);
}

TEST(Secret, CopiesAndMovesLikeAValue) {
  Secret one("pencil");
  Secret copy = one;
  EXPECT_EQ(copy, one);
  EXPECT_NE(copy.reveal().data(), one.reveal().data());
  copy = Secret("another");
  EXPECT_EQ(one.reveal(), "pencil");
  const Secret moved = std::move(one);
  EXPECT_EQ(moved.reveal(), "pencil");
  EXPECT_FALSE(one.is_set());  // NOLINT(bugprone-use-after-move): what a move leaves is the subject
  Secret& same = copy;
  copy = same;
  EXPECT_EQ(copy.reveal(), "another");
}

TEST(Secret, EqualsOneWithTheSameBytes) {
  EXPECT_EQ(Secret(), Secret());
  EXPECT_NE(Secret(), Secret(""));
  EXPECT_EQ(Secret("a"), Secret("a"));
  EXPECT_NE(Secret("a"), Secret("b"));
  EXPECT_NE(Secret("a"), Secret("ab"));
}

}  // namespace
}  // namespace dohle
