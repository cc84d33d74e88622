#pragma once

#include <functional>

#include "tools/commands/failure.hpp"

namespace CLI {
class App;
}

namespace dohle::tools {

/// Each function adds a subcommand, which sets `run` if it is chosen.
void add_node_command(CLI::App& app, std::function<int()>& run);
void add_topic_command(CLI::App& app, std::function<int()>& run);
void add_group_command(CLI::App& app, std::function<int()>& run);
void add_produce_command(CLI::App& app, std::function<int()>& run);
void add_consume_command(CLI::App& app, std::function<int()>& run);
void add_user_command(CLI::App& app, std::function<int()>& run);
void add_bench_command(CLI::App& app, std::function<int()>& run);

}  // namespace dohle::tools
