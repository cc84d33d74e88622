#pragma once

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

/// Ends the measuring program with a line on standard error, and status 1.
[[noreturn]] inline void fail(std::string_view what) {
  fmt::print(stderr, "{}: {}\n", program_invocation_short_name, what);
  std::exit(1);
}
