#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/client.hpp"

namespace CLI {
class App;
}

namespace dohle::tools {

/// Where to connect to, as flags and environment say.
struct Connection {
  /// Nothing: $DOHLE_BROKERS, else 127.0.0.1:9092.
  std::optional<std::vector<std::string>> brokers = std::nullopt;
  /// For connecting, and for each request to look at or change the cluster.
  std::chrono::microseconds timeout = std::chrono::seconds(10);
  bool is_quiet = false;
  bool is_verbose = false;

  [[nodiscard]] std::chrono::milliseconds timeout_ms() const {
    return std::chrono::ceil<std::chrono::milliseconds>(timeout);
  }
};

/// -b/--brokers, --timeout, -q, -v. `connection` has to live until the command line is parsed.
void add_connection_flags(CLI::App& app, Connection& connection);

/// The addresses to ask: the flag's, else those of the environment (`environment` is the value of
/// DOHLE_BROKERS or null), else the default. Errors: configuration, naming DOHLE_BROKERS.
Result<std::vector<std::string>> brokers_of(const Connection& connection, const char* environment);

/// Connects, has `work` done and closes. What fails before the work is reported and becomes the
/// exit status, exit_connection when no server answered; `command` stands in that message.
int with_client(std::string_view command, const Connection& connection,
                const std::function<int(Client&)>& work);

}  // namespace dohle::tools
