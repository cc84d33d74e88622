#include "dohle/logger.hpp"

#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace dohle
