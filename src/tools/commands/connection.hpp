#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/client.hpp"
#include "properties/property_values.hpp"

namespace CLI {
class App;
}

namespace dohle::tools {

using properties::PropertyValues;
using properties::Role;

/// The connection flags.
struct ConnectionFlags {
  /// If absent, $DOHLE_BROKERS, else the profile's servers, else 127.0.0.1:9092.
  std::optional<std::string> brokers = std::nullopt;
  /// Timeout for connecting and for each administrative request. If absent, default.api.timeout.ms,
  /// else 10 s.
  std::optional<std::chrono::microseconds> timeout = std::nullopt;
  PropertyValues properties = {};
  std::optional<std::string> profile = std::nullopt;
  std::optional<std::string> config = std::nullopt;
  /// How long the client polls busily; only for `dohle bench`.
  std::chrono::microseconds busy_poll{0};
  bool is_quiet = false;
  bool is_verbose = false;
};

/// -b/--brokers, -X, --profile, --config, --timeout, -q, -v. `role` selects the properties that -X
/// accepts. `connection` must live until the command line is parsed.
void add_connection_flags(CLI::App& app, ConnectionFlags& connection, Role role = Role::admin);

/// The settings of the flags; below them those of the environment, then those of the profile.
struct ConnectionSettings {
  PropertyValues properties;
  ClientOptions client;
};
/// Errors: configuration, with DOHLE_BROKERS, or with the configuration file and its fault.
Result<ConnectionSettings> settings_of(const ConnectionFlags& connection);

/// Connects, calls `work` and closes. Returns the status of `work`. A failure before `work` is
/// reported with the name `command`; its exit status is exit_connection if no server answered.
int with_client(std::string_view command, const ConnectionFlags& connection,
                const std::function<int(Client&, const ConnectionSettings&)>& work);
int with_client(std::string_view command, const ConnectionFlags& connection,
                const std::function<int(Client&)>& work);

}  // namespace dohle::tools
