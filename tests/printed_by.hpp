#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>

namespace dohle {

/// Runs a command of the shell and returns its output. Its exit status has to be 0.
inline std::string printed_by(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string printed;
  std::array<char, 256> line{};
  while (std::fgets(line.data(), line.size(), pipe) != nullptr) printed += line.data();
  EXPECT_EQ(::pclose(pipe), 0) << command << ": " << printed;
  return printed;
}

}  // namespace dohle
