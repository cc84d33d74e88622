#include "tools/commands/connection.hpp"

#include <cstdlib>

#include <fmt/format.h>

#include "properties/security.hpp"
#include "tools/commands/failure.hpp"
#include "tools/commands/flags.hpp"
#include "tools/commands/profile.hpp"
#include "tools/commands/terminal.hpp"
#include "tools/commands/usage.hpp"

namespace dohle::tools {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds usual_timeout{10'000};

Result<std::chrono::microseconds> parse_timeout(std::string_view text) {
  auto timeout = parse_duration(text);
  if (timeout && (*timeout < milliseconds(1) || *timeout > std::chrono::minutes(10))) {
    return fail(
        Error::configuration(fmt::format("\"{}\" is not a duration from 1ms to 10m", text)));
  }
  return timeout;
}

const char* example_for(Role role) {
  switch (role) {
    case Role::producer:
    case Role::both:
      return "linger.ms=5";
    case Role::consumer:
      return "fetch.max.wait.ms=100";
    case Role::admin:
      break;
  }
  return "request.timeout.ms=5000";
}

void add_property_flag(CLI::App& app, PropertyValues& properties, Role role) {
  const auto add = [&properties, role](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      const auto named = parse_named(text, '=');
      // The text may be a password.
      if (!named) throw CLI::ValidationError("-X", "a value is not of the form NAME=VALUE");
      const auto set = properties.set_for(role, named->first, named->second);
      if (!set) throw CLI::ValidationError("-X", std::string(set.error().message()));
      if (properties::is_secret_name(named->first)) {
        say("dohle: warning: other users of this machine can see " + named->first +
            " on the command line; use a profile");
      }
    }
  };
  app.add_option_function<std::vector<std::string>>(
         "-X,--property", add,
         fmt::format("A property by its Kafka name, as {}; may be repeated", example_for(role)))
      ->type_name("NAME=VALUE")
      ->group(connection_group)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

/// Clears the progress line before it logs a line.
class TerminalLogger final : public Logger {
 public:
  explicit TerminalLogger(std::shared_ptr<Logger> to) : to_(std::move(to)) {}
  [[nodiscard]] LogLevel level() const noexcept override { return to_->level(); }
  void log(LogLevel level, std::string_view subject, std::string_view line) noexcept override {
    clear_progress();
    to_->log(level, subject, line);
  }

 private:
  std::shared_ptr<Logger> to_;
};

/// The Client splits and checks lists of addresses.
Result<std::string> any_text(std::string_view text) {
  return std::string(text);
}

Result<std::string> parse_name(std::string_view text) {
  if (text.empty()) return fail(Error::configuration("\"\" is not a name"));
  return std::string(text);
}

}  // namespace

void add_connection_flags(CLI::App& app, ConnectionFlags& connection, Role role) {
  add_parsed(app, "-b,--brokers", connection.brokers, any_text, "HOST:PORT,...",
             "Servers to contact first [$DOHLE_BROKERS, else the profile's, else 127.0.0.1:9092]")
      ->group(connection_group);
  add_property_flag(app, connection.properties, role);
  add_parsed(app, "--profile", connection.profile, parse_name, "NAME",
             "The profile to use [$DOHLE_PROFILE, else the one that the file names]")
      ->group(connection_group);
  add_parsed(app, "--config", connection.config, parse_name, "FILE",
             "The file with the profiles [$DOHLE_CONFIG, else ~/.config/dohle/config.toml]")
      ->group(connection_group);
  add_parsed(app, "--timeout", connection.timeout, parse_timeout, "DURATION",
             "Timeout for connecting and for each request, 1ms to 10m [10s]")
      ->group(connection_group);
  auto* quiet = app.add_flag("-q,--quiet", connection.is_quiet, "Show no progress and no warnings");
  quiet->group(connection_group);
  app.add_flag("-v,--verbose", connection.is_verbose, "Log the client's activity")
      ->group(connection_group)
      ->excludes(quiet);
}

Result<ConnectionSettings> settings_of(const ConnectionFlags& connection) {
  auto properties = load_profile(connection.config, connection.profile,
                                 {.config = std::getenv("DOHLE_CONFIG"),
                                  .profile = std::getenv("DOHLE_PROFILE"),
                                  .config_home = std::getenv("XDG_CONFIG_HOME"),
                                  .home = std::getenv("HOME")});
  if (!properties) return fail(properties.error());
  if (const char* const brokers = std::getenv("DOHLE_BROKERS"); brokers != nullptr) {
    const auto set = properties->set("bootstrap.servers", brokers);
    if (!set) return fail(set.error().within("DOHLE_BROKERS"));
  }
  properties->merge(connection.properties);
  ConnectionSettings settings{*std::move(properties), {.client_id = "dohle-command"}};
  settings.client.default_api_timeout = usual_timeout;
  // A mistyped host name should fail at once.
  settings.client.fail_on_unknown_hosts = true;
  settings.properties.apply_to(settings.client);
  if (auto applied = settings.properties.apply_security_to(settings.client); !applied) {
    return fail(applied.error());
  }
  if (connection.brokers) settings.client.bootstrap_servers = {*connection.brokers};
  settings.client.busy_poll = connection.busy_poll;
  if (connection.timeout) {
    settings.client.default_api_timeout = std::chrono::ceil<milliseconds>(*connection.timeout);
  }
  settings.client.logger =
      std::make_shared<TerminalLogger>(stderr_logger(connection.is_verbose ? LogLevel::debug
                                                     : connection.is_quiet ? LogLevel::error
                                                                           : LogLevel::warning));
  return settings;
}

int with_client(std::string_view command, const ConnectionFlags& connection,
                const std::function<int(Client&, const ConnectionSettings&)>& work) {
  auto settings = settings_of(connection);
  if (!settings) return report(command, settings.error());
  auto client = Client::create(settings->client);
  if (!client) return report(command, client.error());
  if (auto connected = client->connect(settings->client.default_api_timeout); !connected) {
    const int status = report(command, connected.error());
    return status == exit_usage ? exit_usage : exit_connection;
  }
  const int status = work(*client, *settings);
  if (auto closed = client->close(); !closed && status == exit_ok) {
    return report(command, closed.error());
  }
  return status;
}

int with_client(std::string_view command, const ConnectionFlags& connection,
                const std::function<int(Client&)>& work) {
  return with_client(command, connection,
                     [&](Client& client, const ConnectionSettings&) { return work(client); });
}

}  // namespace dohle::tools
