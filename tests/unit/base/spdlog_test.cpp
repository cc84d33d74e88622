#include "dohle/spdlog.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace dohle {
namespace {

using Lines = std::vector<std::pair<spdlog::level::level_enum, std::string>>;

class KeepingSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  Lines lines;

 private:
  void sink_it_(const spdlog::details::log_msg& line) override {
    lines.emplace_back(line.level, std::string(line.payload.data(), line.payload.size()));
  }
  void flush_() override {}
};

class FailingSink final : public spdlog::sinks::base_sink<std::mutex> {
  void sink_it_(const spdlog::details::log_msg& /*line*/) override {
    throw std::runtime_error("the disk is full");
  }
  void flush_() override {}
};

TEST(SpdlogLogger, passes_lines_on_with_their_levels) {
  const auto sink = std::make_shared<KeepingSink>();
  const auto to = std::make_shared<spdlog::logger>("kafka", sink);
  to->set_level(spdlog::level::debug);
  const auto logger = spdlog_logger(to);
  logger->log(LogLevel::debug, "fetch", "asks {} for more");
  logger->log(LogLevel::info, "group", "has joined");
  logger->log(LogLevel::warning, "link", "connects again");
  logger->log(LogLevel::error, "app", "gives up");
  logger->printf("%d orders", 3);
  EXPECT_EQ(sink->lines, (Lines{{spdlog::level::debug, "fetch: asks {} for more"},
                                {spdlog::level::info, "group: has joined"},
                                {spdlog::level::warn, "link: connects again"},
                                {spdlog::level::err, "app: gives up"},
                                {spdlog::level::info, "app: 3 orders"}}));
}

TEST(SpdlogLogger, follows_the_current_level_of_spdlog) {
  const auto sink = std::make_shared<KeepingSink>();
  const auto to = std::make_shared<spdlog::logger>("kafka", sink);
  const auto logger = spdlog_logger(to);
  const std::pair<spdlog::level::level_enum, LogLevel> levels[] = {
      {spdlog::level::trace, LogLevel::debug}, {spdlog::level::debug, LogLevel::debug},
      {spdlog::level::info, LogLevel::info},   {spdlog::level::warn, LogLevel::warning},
      {spdlog::level::err, LogLevel::error},   {spdlog::level::critical, LogLevel::error},
      {spdlog::level::off, LogLevel::error},
  };
  for (const auto& [theirs, ours] : levels) {
    to->set_level(theirs);
    EXPECT_EQ(logger->level(), ours) << theirs;
  }
  logger->log(LogLevel::error, "app", "spdlog is off");
  to->set_level(spdlog::level::warn);
  logger->log(LogLevel::info, "app", "below the level");
  logger->log(LogLevel::warning, "app", "at the level");
  EXPECT_EQ(sink->lines, (Lines{{spdlog::level::warn, "app: at the level"}}));
}

TEST(SpdlogLogger, has_fields_behind_each_line) {
  const auto sink = std::make_shared<KeepingSink>();
  const auto to = std::make_shared<spdlog::logger>("kafka", sink);
  const auto logger = fields_logger(spdlog_logger(to), {{"service", "billing"}});
  logger->log(LogLevel::info, "group", "has joined");
  EXPECT_EQ(sink->lines, (Lines{{spdlog::level::info, "group: has joined service=billing"}}));
  EXPECT_EQ(spdlog_logger(nullptr), nullptr);
}

TEST(SpdlogLogger, survives_a_sink_and_an_error_handler_that_throw) {
  const auto to = std::make_shared<spdlog::logger>("kafka", std::make_shared<FailingSink>());
  std::string said;
  to->set_error_handler([&](const std::string& what) {
    said = what;
    throw std::runtime_error("the handler fails, too");
  });
  spdlog_logger(to)->log(LogLevel::error, "app", "lost");
  EXPECT_NE(said.find("the disk is full"), said.npos) << said;
}

}  // namespace
}  // namespace dohle
