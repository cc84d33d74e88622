#include "tools/commands/table.hpp"

#include <gtest/gtest.h>

namespace dohle::tools {
namespace {

TEST(Table, AlignsColumnsByCharacters) {
  Table table({"TOPIC", "N"});
  EXPECT_TRUE(table.empty());
  table.add({"v\xc3\xb6gel", "6"});
  table.add({"a-longer-name", "12"});
  EXPECT_FALSE(table.empty());
  EXPECT_EQ(table.to_string(),
            "TOPIC          N\n"
            "v\xc3\xb6gel          6\n"
            "a-longer-name  12\n");
}

TEST(Table, LeavesNoSpacesAtTheEndOfALine) {
  Table table({"A", "B"});
  table.add({"x", ""});
  EXPECT_EQ(table.to_string(), "A  B\nx\n");
}

TEST(Table, ShowsControlCharacters) {
  Table table({"A"});
  table.add({"a\x1b[2J\n"});
  EXPECT_EQ(table.to_string(), "A\na\\x1b[2J\\x0a\n");
}

}  // namespace
}  // namespace dohle::tools
