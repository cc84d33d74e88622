// Measures logins: each is a new client that connects, logs in and has the cluster's metadata.
// Prints the keys of `dohle bench`; a record is a login. Takes what `rdkafka_peer login` takes.
//   client_logins --brokers HOST:PORT --records COUNT [-X property=value]…
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "dohle/client.hpp"
#include "failing.hpp"
#include "measured.hpp"
#include "properties/property_values.hpp"

namespace {

constexpr std::chrono::seconds login_time{30};

struct Arguments {
  dohle::ClientOptions options;
  std::uint64_t records = 1;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  dohle::properties::PropertyValues properties;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) fail(name + " needs a value");
    const std::string_view value = argv[i + 1];
    const auto equals = value.find('=');
    if (name == "-X" && equals != std::string_view::npos) {
      const auto set = properties.set(value.substr(0, equals), value.substr(equals + 1));
      if (!set) fail(set.error().message());
    } else if (name == "--brokers") {
      arguments.options.bootstrap_servers = {std::string(value)};
    } else if (name == "--records") {
      arguments.records = std::strtoull(argv[i + 1], nullptr, 10);
    } else {
      fail(name + " is not an option");
    }
  }
  properties.apply_to(arguments.options);
  if (const auto applied = properties.apply_security_to(arguments.options); !applied) {
    fail(applied.error().message());
  }
  return arguments;
}

void log_in(const dohle::ClientOptions& options) {
  auto client = dohle::Client::create(options);
  if (!client) fail(client.error().message());
  if (const auto connected = client->connect(login_time); !connected) {
    fail(connected.error().message());
  }
  if (const auto closed = client->close(); !closed) fail(closed.error().message());
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  Measured measured;
  const Stopwatch watch;
  for (std::uint64_t i = 0; i < arguments.records; ++i) {
    const auto began = steady_ns();
    log_in(arguments.options);
    measured.latencies.push_back(static_cast<double>(steady_ns() - began) / 1e6);
    ++measured.records;
  }
  watch.into(measured);
  fmt::print("{}\n", measured.to_json());
}
