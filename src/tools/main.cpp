#include <functional>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "tools/commands/commands.hpp"
#include "tools/commands/terminal.hpp"
#include "tools/commands/usage.hpp"

namespace dohle::tools {

namespace {

constexpr const char* footer =
    "Commands that connect accept -b, -X, --profile, --config, --timeout, -q and -v, also before "
    "the command.\n"
    "\n"
    "Examples:\n"
    "  dohle node --data ./data\n"
    "  dohle topic create greetings -p 6\n"
    "  echo hello | dohle produce greetings\n"
    "  dohle consume greetings -e\n"
    "\n"
    "`dohle COMMAND --help` shows its options. Data goes to standard output, all else to standard "
    "error.\n"
    "Exit status: 0 success, 1 failure, 2 wrong usage, 3 no server reached or access refused, "
    "4 timeout, 130 interrupted.";

/// Prints help to standard error if the command is missing.
int lacks_command(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* at = &app;
  for (const std::string& word : words) {
    for (const CLI::App* each : at->get_subcommands([](const CLI::App*) { return true; })) {
      if (each->get_name() == word) at = each;
    }
  }
  fmt::print(stderr, "{}", help_text(*at, help_width()));
  return exit_usage;
}

int run_command(CLI::App& app, const std::vector<std::string>& words, std::function<int()>& run) {
  const auto arguments = in_order(app, words);
  if (!arguments) {
    const auto message = arguments.error().message();
    fmt::print(stderr, "{}\n`{} --help` lists the commands.\n", message,
               message.substr(0, message.find(':')));
    return exit_usage;
  }
  try {
    // The parser takes the arguments in reverse order.
    app.parse(std::vector<std::string>(arguments->rbegin(), arguments->rend()));
  } catch (const CLI::CallForHelp& help) {
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    return write_out(help_text(*at, help_width())) ? exit_ok : exit_failed;
  } catch (const CLI::CallForVersion& version) {
    return write_out(fmt::format("{}\n", version.what())) ? exit_ok : exit_failed;
  } catch (const CLI::ParseError& error) {
    const std::string path = path_of(app);
    fmt::print(stderr, "{}: {}\n`{} --help` shows the options and examples.\n", path,
               why_refused(app, error), path);
    return exit_usage;
  }
  if (!run) return lacks_command(app, words);
  const int status = run();
  return status == exit_ok && !is_all_written() ? exit_failed : status;
}

}  // namespace

}  // namespace dohle::tools

int main(int argc, char** argv) {
  using namespace dohle::tools;
  hold_standard_descriptors();
  CLI::App app("Dohle: Kafka for C++", "dohle");
  app.set_help_flag("-h,--help", "Show this help and exit");
  app.set_version_flag("--version", "dohle " DOHLE_VERSION, "Show the version and exit");
  std::function<int()> run;
  add_node_command(app, run);
  add_topic_command(app, run);
  add_group_command(app, run);
  add_produce_command(app, run);
  add_consume_command(app, run);
  add_user_command(app, run);
  add_bench_command(app, run);
  // Set last: commands that are added later would inherit it.
  app.footer(footer);
  return run_command(app, std::vector<std::string>(argv + 1, argv + argc), run);
}
