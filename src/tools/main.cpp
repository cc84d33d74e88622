#include <functional>

#include <CLI/CLI.hpp>

#include "tools/commands.hpp"

int main(int argc, char** argv) {
  using namespace dohle::tools;
  CLI::App app("Dohle: Kafka for C++", "dohle");
  app.set_version_flag("--version", "dohle " DOHLE_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  dohle node --data ./data\n"
      "  dohle topic create greetings -p 6\n"
      "  echo hello | dohle produce greetings\n"
      "  dohle consume greetings -e\n\n"
      "`dohle COMMAND --help` says more. Data goes to standard output, the rest to standard "
      "error.\n"
      "Exit status: 0 done, 1 something failed, 2 usage, 3 no server reached or access refused,\n"
      "4 out of time, 130 interrupted.");
  std::function<int()> run;
  add_node_command(app, run);
  add_topic_command(app, run);
  add_group_command(app, run);
  add_produce_command(app, run);
  add_consume_command(app, run);
  add_bench_command(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? exit_ok : exit_usage;
  }
  return run();
}
