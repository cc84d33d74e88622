#include "dohle/logger.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace dohle {
namespace {

TEST(StderrLogger, leaves_out_lines_below_its_level) {
  const auto logger = stderr_logger(LogLevel::warning);
  testing::internal::CaptureStderr();
  logger->log(LogLevel::info, "node", "not to be seen");
  logger->log(LogLevel::warning, "node", "to be seen");
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.find("not to be seen"), written.npos) << written;
  EXPECT_NE(written.find(" warning node: to be seen\n"), written.npos) << written;
}

struct Line {
  LogLevel level;
  std::string subject;
  std::string text;
  friend bool operator==(const Line&, const Line&) = default;
};

/// A logger that keeps its lines in `lines`.
std::shared_ptr<Logger> keeping_logger(LogLevel level, std::vector<Line>& lines) {
  return function_logger(level,
                         [&lines](LogLevel of, std::string_view subject, std::string_view text) {
                           lines.push_back({of, std::string(subject), std::string(text)});
                         });
}

TEST(Logger, formats_lines_of_the_program) {
  std::vector<Line> lines;
  keeping_logger(LogLevel::info, lines)->printf("%s: %d of %d\n", "orders", 3, 7);
  keeping_logger(LogLevel::warning, lines)->printf("%s", "below the level");
  keeping_logger(LogLevel::info, lines)->printf("%s", std::string(20'000, 'x').c_str());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], (Line{LogLevel::info, "app", "orders: 3 of 7"}));
  EXPECT_EQ(lines[1].text, std::string(16'384, 'x'));
}

TEST(Logger, puts_fields_behind_each_line) {
  std::vector<Line> lines;
  const auto logger = fields_logger(keeping_logger(LogLevel::info, lines),
                                    {{"service", "billing"}, {"zone", "eu-1"}});
  EXPECT_EQ(logger->level(), LogLevel::info);
  logger->log(LogLevel::warning, "group", "joins again");
  logger->log(LogLevel::debug, "group", "below the level");
  EXPECT_EQ(
      lines,
      (std::vector<Line>{{LogLevel::warning, "group", "joins again service=billing zone=eu-1"}}));
  EXPECT_EQ(fields_logger(nullptr, {}), nullptr);
}

TEST(FunctionLogger, says_once_on_standard_error_that_its_function_throws) {
  int calls = 0;
  const auto logger =
      function_logger(LogLevel::info, [&calls](LogLevel, std::string_view, std::string_view) {
        if (++calls < 3) throw std::runtime_error("the disk is full");
      });
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) logger->log(LogLevel::warning, "node", "a line");
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(calls, 3);
  EXPECT_NE(written.find("the function of a logger threw"), written.npos) << written;
  EXPECT_NE(written.find("the disk is full"), written.npos) << written;
  EXPECT_EQ(std::ranges::count(written, '\n'), 1) << written;
}

TEST(FunctionLogger, survives_an_exception_of_any_type) {
  const auto logger = function_logger(
      LogLevel::info, [](LogLevel, std::string_view, std::string_view) { throw 7; });
  testing::internal::CaptureStderr();
  logger->log(LogLevel::warning, "node", "a line");
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_NE(written.find("an object that is no std::exception"), written.npos) << written;
}

TEST(ErrorLogger, writes_errors_alone_to_standard_error) {
  kafka::ErrorLogger logger;
  testing::internal::CaptureStderr();
  logger.log(LogLevel::warning, "node", "not to be seen");
  logger.log(LogLevel::error, "node", "to be seen");
  logger.printf("%d records are lost", 12);
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.find("not to be seen"), written.npos) << written;
  EXPECT_NE(written.find(" error   node: to be seen\n"), written.npos) << written;
  EXPECT_NE(written.find(" error   app: 12 records are lost\n"), written.npos) << written;
}

}  // namespace
}  // namespace dohle
