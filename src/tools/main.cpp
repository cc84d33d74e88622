#include <functional>

#include <CLI/CLI.hpp>

#include "tools/commands.hpp"

int main(int argc, char** argv) {
  CLI::App app("Dohle: Kafka for C++", "dohle");
  app.set_version_flag("--version", "dohle " DOHLE_VERSION);
  app.require_subcommand(1);
  std::function<int()> run;
  dohle::tools::add_node_command(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? dohle::tools::exit_ok : dohle::tools::exit_usage;
  }
  return run();
}
