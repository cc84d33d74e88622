#pragma once

#include <string_view>

#include "dohle/error.hpp"

namespace dohle::tools {

/// Exit statuses, the same for every command.
inline constexpr int exit_ok = 0, exit_failed = 1, exit_usage = 2, exit_connection = 3,
                     exit_timeout = 4, exit_interrupted = 130;

/// The exit status for this error: exit_usage for a flag or a configuration, exit_connection for
/// unreachable servers and refused access, exit_timeout, else exit_failed.
int exit_status(const Error& error);

/// The exit status of a command with several items: the status of the first failed item.
[[nodiscard]] constexpr int first_failure(int before, int status) {
  return before == exit_ok ? status : before;
}

/// Writes "dohle COMMAND: message" to standard error; returns the exit status.
int report(std::string_view command, const Error& error);

}  // namespace dohle::tools
