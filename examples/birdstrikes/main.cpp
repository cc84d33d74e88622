// Publishes 10,000 wildlife strikes, sums them up and forwards the noteworthy ones. The node is
// killed meanwhile. At the end the demo proves that no row was lost, stored twice or out of order.
#include <atomic>
#include <csignal>
#include <filesystem>

#include <CLI/CLI.hpp>

#include "demo.hpp"

namespace {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "it is set by a signal handler");

constexpr int exit_usage = 2;

}  // namespace

int main(int argc, char** argv) {
  birdstrikes::DemoOptions options{
      .data = BIRDSTRIKES_DATA,
      .command = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "dohle",
      .brokers = {}};
  CLI::App app(
      "Wildlife strikes at airports, through publishers, groups and a node that is killed.",
      "birdstrikes");
  app.add_option("-b,--brokers", options.brokers,
                 "HOST:PORT of an Apache Kafka cluster; otherwise a node is started");
  app.add_option("--rate", options.rate, "rows published per second")
      ->check(CLI::Range(100, 100'000))
      ->capture_default_str();
  app.add_option("--data", options.data, "the strikes, CSV compressed by gzip");
  app.add_option("--dohle", options.command, "the dohle command; otherwise the one beside this");
  app.add_flag("-v,--verbose", options.verbose, "show the library's warnings as they come");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_usage;
  }
  std::signal(SIGINT, [](int) { interrupted = true; });
  std::signal(SIGTERM, [](int) { interrupted = true; });
  return birdstrikes::Demo(std::move(options), interrupted).run();
}
