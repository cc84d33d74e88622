#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace dohle::tools {

/// Exit statuses, the same for every command.
inline constexpr int exit_ok = 0, exit_failed = 1, exit_usage = 2;

/// Each adds a subcommand, and sets `run` when it was chosen.
void add_node_command(CLI::App& app, std::function<int()>& run);

}  // namespace dohle::tools
