#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/client.hpp"
#include "tools/commands/properties.hpp"

namespace CLI {
class App;
}

namespace dohle::tools {

/// Where to connect to, and how, as flags say.
struct Connection {
  /// Nothing: $DOHLE_BROKERS, else the profile's, else 127.0.0.1:9092.
  std::optional<std::string> brokers = std::nullopt;
  /// For connecting, and for each request to look at or change the cluster. Nothing: 10 s, unless
  /// default.api.timeout.ms says otherwise.
  std::optional<std::chrono::microseconds> timeout = std::nullopt;
  Properties properties = {};
  std::optional<std::string> profile = std::nullopt;
  std::optional<std::string> config = std::nullopt;
  /// Of `dohle bench`.
  std::chrono::microseconds busy_poll{0};
  bool is_quiet = false;
  bool is_verbose = false;
};

/// -b/--brokers, -X, --profile, --config, --timeout, -q, -v. `role`: whose properties make sense.
/// `connection` has to live until the command line is parsed.
void add_connection_flags(CLI::App& app, Connection& connection, Role role = Role::admin);

/// How to connect: the profile's settings, over them the environment's, over them the flags'.
struct ConnectionSettings {
  Properties properties;
  ClientOptions client;
};
/// Errors: configuration, naming DOHLE_BROKERS, or the configuration file and what is wrong there.
Result<ConnectionSettings> settings_of(const Connection& connection);

/// Connects, has `work` done and closes. What fails before the work is reported and becomes the
/// exit status, exit_connection when no server answered; `command` stands in that message.
int with_client(std::string_view command, const Connection& connection,
                const std::function<int(Client&, const ConnectionSettings&)>& work);
int with_client(std::string_view command, const Connection& connection,
                const std::function<int(Client&)>& work);

}  // namespace dohle::tools
