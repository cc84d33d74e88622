#include "base/printable.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dohle {
namespace {

TEST(Printable, LeavesTextOfAnyLanguageAsItIs) {
  for (const std::string text : {"", "orders-3: gone", "Dohle, kavka, \u0434\u043e\u043b\u0435",
                                 "\u9d09 \xf0\x9f\x90\xa6", "C:\\new"}) {
    EXPECT_TRUE(is_printable(text));
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, EscapesCharactersThatEndALineOrControlATerminal) {
  using namespace std::string_literals;
  EXPECT_EQ(printable("a\nb\r\tc"), "a\\nb\\r\\tc");
  EXPECT_EQ(printable("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(printable("nul\0del\x7f"s), "nul\\x00del\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\xc2\\x9b31m")
      << "a control sequence of C1";
}

TEST(Printable, EscapesBytesThatAreNoUtf8) {
  for (const std::string text : {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                 "\xf0\x8f\xbf\xbf", "\xe0\x9f\xbf", "\xf0\x9f\x90"}) {
    EXPECT_FALSE(is_printable(text));
    const std::string made = printable("<" + text + ">");
    EXPECT_EQ(made.size(), 2 + 4 * text.size()) << made;
    EXPECT_TRUE(is_printable(made));
    EXPECT_EQ(printable(made), made);
  }
}

TEST(Printable, ALoggerGetsNoLineThatContainsALineBreak) {
  std::vector<std::string> lines;
  const auto logger = printing_logger(function_logger(
      LogLevel::info,
      [&](LogLevel, std::string_view, std::string_view line) { lines.emplace_back(line); }));
  EXPECT_EQ(logger->level(), LogLevel::info);
  logger->log(LogLevel::warning, "client", "topic a\n2026 error: all is lost");
  logger->log(LogLevel::warning, "client", "fine");
  EXPECT_EQ(lines, (std::vector<std::string>{"topic a\\n2026 error: all is lost", "fine"}));
}

}  // namespace
}  // namespace dohle
