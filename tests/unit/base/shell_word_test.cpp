#include "base/shell_word.hpp"

#include <gtest/gtest.h>

namespace dohle {
namespace {

TEST(ShellWord, IsQuotedIfTheShellWouldChangeIt) {
  EXPECT_EQ(shell_word("/a/b-c_d.p12"), "/a/b-c_d.p12");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word("-rf"), "./'-rf'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace dohle
