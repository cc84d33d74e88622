#include "messaging/reports/failure_lines.hpp"

#include <gtest/gtest.h>

#include "messaging/reports/reports.hpp"
#include "messaging/reports/split_logger.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start{1s};

Failure broken(std::int64_t offset, std::int32_t partition = 0) {
  return {.kind = Failure::Kind::handler,
          .error = Error::client(Errc::handler_failed, "broken"),
          .topic = "t",
          .partition = PartitionId{partition},
          .offset = Offset{offset}};
}

TEST(FailureLines, write_one_line_of_a_kind_in_a_second) {
  FailureLines lines;
  EXPECT_EQ(lines.admit(broken(0), start), "");
  EXPECT_FALSE(lines.admit(broken(1), start + 999ms).has_value());
  Failure other = broken(1);
  other.kind = Failure::Kind::held;
  EXPECT_EQ(lines.admit(other, start), "");
}

TEST(FailureLines, count_left_out_failures_and_name_their_offsets_in_the_next_line) {
  FailureLines lines;
  (void)lines.admit(broken(0), start);
  for (const int offset : {9, 4, 6}) (void)lines.admit(broken(offset), start);
  (void)lines.admit(broken(3, 1), start);
  EXPECT_EQ(lines.admit(broken(12), start + 1s),
            " (and before it 4 more failures of handlers: t-0 at 3 offsets from 4 to 9, t-1 at "
            "offset 3)");
  EXPECT_EQ(lines.admit(broken(13), start + 2s), "");
}

TEST(FailureLines, count_left_out_failures_in_a_line_of_their_own_when_no_other_comes) {
  FailureLines lines;
  (void)lines.admit(broken(0), start);
  (void)lines.admit(broken(1), start);
  EXPECT_TRUE(lines.take_left_out(start + 999ms).empty());
  const auto said = lines.take_left_out(start + 1s);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0], "1 more failures of handlers: t-0 at offset 1");
  EXPECT_TRUE(lines.take_left_out(TimePoint::max()).empty());
}

TEST(FailureLines, keep_the_offsets_of_eight_partitions_and_count_the_rest) {
  FailureLines lines;
  (void)lines.admit(broken(0), start);
  for (int partition = 0; partition < 20; ++partition)
    (void)lines.admit(broken(1, partition), start);
  const auto said = lines.take_left_out(TimePoint::max());
  ASSERT_EQ(said.size(), 1u);
  EXPECT_TRUE(said[0].starts_with("20 more failures of handlers: t-0 at offset 1, ")) << said[0];
  EXPECT_TRUE(said[0].ends_with("t-7 at offset 1, and 12 elsewhere")) << said[0];
}

TEST(Reports, escape_names_and_messages_of_others_in_their_lines) {
  std::string seen;
  kafka::BrokerOptions options;
  options.logger =
      function_logger(LogLevel::warning,
                      [&seen](LogLevel, std::string_view, std::string_view line) { seen = line; });
  Reports reports(nullptr, split_logger(options));
  Failure failure = broken(1);
  failure.topic = "a\nb";
  failure.error = Error::client(Errc::handler_failed, "red \x1b[31m");
  reports.report(failure);
  EXPECT_NE(seen.find("a\\nb-0 at offset 1"), std::string::npos) << seen;
  EXPECT_EQ(seen.find('\x1b'), std::string::npos);
}

TEST(Reports, name_failures_left_out_at_their_end) {
  std::vector<std::string> seen;
  kafka::BrokerOptions options;
  options.logger = function_logger(
      LogLevel::warning,
      [&seen](LogLevel, std::string_view, std::string_view line) { seen.emplace_back(line); });
  {
    Reports reports(nullptr, split_logger(options));
    for (int offset = 0; offset < 3; ++offset) reports.report(broken(offset));
  }
  // If the machine stalls for a second there is one line more.
  ASSERT_GE(seen.size(), 2u);
  EXPECT_NE(seen.back().find("2"), std::string::npos) << seen.back();
}

/// The levels of the lines that reach the given logger.
std::vector<LogLevel> logged(std::optional<bool> enable) {
  std::vector<LogLevel> seen;
  kafka::BrokerOptions options;
  options.logger = function_logger(
      LogLevel::debug,
      [&seen](LogLevel level, std::string_view, std::string_view) { seen.push_back(level); });
  options.enable_logger = enable;
  const auto logger = split_logger(options);
  for (const auto level : {LogLevel::debug, LogLevel::info, LogLevel::warning}) {
    if (level >= logger->level()) logger->log(level, "group", "has joined");
  }
  return seen;
}

TEST(EnableLogger, IsOnIfThereIsALogger) {
  const std::vector all = {LogLevel::debug, LogLevel::info, LogLevel::warning};
  EXPECT_EQ(logged(std::nullopt), all);
  EXPECT_EQ(logged(true), all);
  EXPECT_EQ(logged(false), (std::vector{LogLevel::warning}));
}

TEST(EnableLogger, IsOffWithoutALogger) {
  EXPECT_EQ(split_logger({})->level(), LogLevel::warning);
  kafka::BrokerOptions informed;
  informed.enable_logger = true;
  EXPECT_EQ(split_logger(informed)->level(), LogLevel::info);
}

}  // namespace
}  // namespace dohle::messaging
