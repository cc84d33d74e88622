#include "tools/connection.hpp"

#include <cstdlib>

#include "tools/failure.hpp"
#include "tools/flags.hpp"

namespace dohle::tools {

void add_connection_flags(CLI::App& app, Connection& connection) {
  add_parsed(app, "-b,--brokers", connection.brokers, parse_brokers, "HOST:PORT,...",
             "Servers to ask first [$DOHLE_BROKERS, else 127.0.0.1:9092]");
  add_parsed(
      app, "--timeout", connection.timeout,
      [](std::string_view text) -> Result<std::chrono::microseconds> {
        const auto timeout = parse_duration(text);
        if (timeout &&
            (*timeout < std::chrono::milliseconds(1) || *timeout > std::chrono::minutes(10))) {
          return fail(Error::configuration("a timeout is from 1ms to 10m"));
        }
        return timeout;
      },
      "DURATION", "For connecting and for each request, 1ms to 10m [10s]");
  auto* quiet = app.add_flag("-q,--quiet", connection.is_quiet, "No progress and no warnings");
  app.add_flag("-v,--verbose", connection.is_verbose, "Say what the client does")->excludes(quiet);
}

Result<std::vector<std::string>> brokers_of(const Connection& connection, const char* environment) {
  if (connection.brokers) return *connection.brokers;
  if (environment == nullptr) return ClientOptions{}.bootstrap_servers;
  auto brokers = parse_brokers(environment);
  if (!brokers) return fail(brokers.error().within("DOHLE_BROKERS"));
  return brokers;
}

int with_client(std::string_view command, const Connection& connection,
                const std::function<int(Client&)>& work) {
  auto brokers = brokers_of(connection, std::getenv("DOHLE_BROKERS"));
  if (!brokers) return report(command, brokers.error());
  ClientOptions options{.bootstrap_servers = *std::move(brokers), .client_id = "dohle-command"};
  options.default_api_timeout = connection.timeout_ms();
  options.logger = stderr_logger(connection.is_verbose ? LogLevel::debug
                                 : connection.is_quiet ? LogLevel::error
                                                       : LogLevel::warning);
  auto client = Client::create(std::move(options));
  if (!client) return report(command, client.error());
  if (auto connected = client->connect(connection.timeout_ms()); !connected) {
    const int status = report(command, connected.error());
    return status == exit_usage ? exit_usage : exit_connection;
  }
  const int status = work(*client);
  if (auto closed = client->close(); !closed && status == exit_ok) {
    return report(command, closed.error());
  }
  return status;
}

}  // namespace dohle::tools
