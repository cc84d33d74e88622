#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "dohle/node.hpp"
#include "dohle/option_texts.hpp"
#include "tools/commands/commands.hpp"
#include "tools/commands/flags.hpp"
#include "tools/commands/node_tls.hpp"

namespace dohle::tools {

namespace {

struct NodeArguments {
  NodeOptions options;
  /// Each as "[NAME=][PROTOCOL://]HOST:PORT".
  std::vector<std::string> listen;
  /// Each as "[NAME=]HOST:PORT".
  std::vector<std::string> advertise;
  NodeTlsFlags tls = {};
  std::string durability = "fsync";
  bool no_auto_create = false;
};

// Called before the node's threads start: they inherit the mask, so that only the main thread
// receives the signals. Without TLS, SIGHUP ends the process as usual.
sigset_t block_signals(bool has_tls) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  if (has_tls) ::sigaddset(&signals, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Each connection and each file needs a descriptor. Without permission the limit stays unchanged.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

int failed(const Error& error, int status) {
  std::fprintf(stderr, "dohle node: %s\n", std::string(error.message()).c_str());
  return status;
}

// Returns free heap memory to the system, for example after many clients have disconnected; the
// node is the whole process here. Only from 64 MiB on, since the call may delay the node's thread.
void give_back_free_memory() {
  constexpr std::size_t min_free_bytes = std::size_t{64} << 20;
  if (::mallinfo2().fordblks >= min_free_bytes) ::malloc_trim(0);
}

void reload_certificates(Node& node, Logger& logger) {
  if (auto done = node.reload_certificates(); !done) {
    logger.log(LogLevel::error, "node",
               "the certificates stay as they were, for all listeners: " +
                   std::string(done.error().message()));
  }
}

/// Handles signals until one asks the node to stop.
void handle_signals(const sigset_t& signals, Node& node, Logger& logger) {
  constexpr timespec interval{.tv_sec = 2, .tv_nsec = 0};
  for (;;) {
    const int number = ::sigtimedwait(&signals, nullptr, &interval);
    if (number == SIGHUP) {
      reload_certificates(node, logger);
    } else if (number > 0) {
      return;
    } else if (errno == EAGAIN) {
      give_back_free_memory();
    }
  }
}

/// "[NAME=]HOST:PORT": the name and the rest.
std::pair<std::string, std::string> named_address(const std::string& text) {
  const auto end = text.find('=');
  if (end == std::string::npos) return {NodeListener{}.name, text};
  return {text.substr(0, end), text.substr(end + 1)};
}

/// "[PROTOCOL://]HOST:PORT".
Result<NodeListener> listener_of(std::string name, const std::string& text) {
  constexpr std::string_view separator = "://";
  NodeListener listener{.name = std::move(name), .address = text};
  const auto end = text.find(separator);
  if (end == std::string::npos) return listener;
  auto protocol = parse_security_protocol(text.substr(0, end));
  if (!protocol) return fail(protocol.error().within("--listen " + text));
  listener.protocol = *protocol;
  listener.address = text.substr(end + separator.size());
  return listener;
}

Result<std::vector<SaslMechanism>> parse_mechanisms(std::string_view text) {
  std::vector<SaslMechanism> mechanisms;
  for (bool has_more = true; has_more;) {
    const auto end = text.find(',');
    auto mechanism = parse_sasl_mechanism(text.substr(0, end));
    if (!mechanism) return fail(mechanism.error());
    mechanisms.push_back(*mechanism);
    has_more = end != std::string_view::npos;
    if (has_more) text.remove_prefix(end + 1);
  }
  return mechanisms;
}

Result<std::vector<NodeListener>> listeners_of(const NodeArguments& arguments) {
  std::vector<NodeListener> listeners;
  for (const std::string& text : arguments.listen) {
    auto [name, address] = named_address(text);
    auto listener = listener_of(std::move(name), address);
    if (!listener) return fail(listener.error());
    listeners.push_back(*std::move(listener));
  }
  if (listeners.empty()) listeners.emplace_back();
  for (const std::string& text : arguments.advertise) {
    const auto [name, address] = named_address(text);
    const auto listener = std::ranges::find(listeners, name, &NodeListener::name);
    if (listener == listeners.end()) {
      return fail(Error::configuration("--advertise " + text + ": there is no listener " + name));
    }
    listener->advertised = address;
  }
  return listeners;
}

int run_node(NodeArguments arguments) {
  auto durability = parse_durability(arguments.durability);
  if (!durability) return failed(durability.error(), exit_usage);
  arguments.options.durability = *durability;
  auto listeners = listeners_of(arguments);
  if (!listeners) return failed(listeners.error(), exit_usage);
  if (auto set = set_tls(arguments.tls, *listeners); !set) return failed(set.error(), exit_usage);
  const bool has_tls = std::ranges::any_of(
      *listeners, [](const NodeListener& listener) { return listener.tls.has_value(); });
  arguments.options.listeners = *std::move(listeners);
  arguments.options.auto_create_topics = !arguments.no_auto_create;
  const std::shared_ptr<Logger> logger = stderr_logger(LogLevel::info);
  arguments.options.logger = logger;
  raise_descriptor_limit();
  const sigset_t signals = block_signals(has_tls);
  auto node = Node::start(std::move(arguments.options));
  if (!node) {
    const bool is_usage = node.error().category() == ErrorCategory::configuration;
    return failed(node.error(), is_usage ? exit_usage : exit_failed);
  }
  std::printf("ready %s\n", node->address().c_str());
  std::fflush(stdout);
  handle_signals(signals, *node, *logger);
  if (auto closed = node->close(); !closed) return failed(closed.error(), exit_failed);
  return exit_ok;
}

void add_milliseconds(CLI::App& app, const std::string& name, std::chrono::milliseconds& into,
                      const std::string& help) {
  const auto parse = [](std::string_view text) -> Result<std::chrono::milliseconds> {
    const auto count = parse_count(text, 0, std::chrono::milliseconds::max().count());
    if (!count) return fail(count.error());
    return std::chrono::milliseconds(*count);
  };
  add_parsed(app, name, into, parse, "MS", help);
}

void add_logins(CLI::App& app, NodeSaslOptions& sasl) {
  app.add_option("--plain-user-file", sasl.plain_user_file,
                 "Users of PLAIN, one a line as `dohle user hash` prints them; mode 0600")
      ->type_name("FILE");
  app.add_option("--scram-user-file", sasl.scram_user_file,
                 "SCRAM users for the first start, in the same form; mode 0600")
      ->type_name("FILE");
  add_parsed(app, "--sasl-mechanisms", sasl.mechanisms, parse_mechanisms, "LIST",
             "Mechanisms that are offered, separated by commas "
             "[PLAIN,SCRAM-SHA-256,SCRAM-SHA-512]");
  add_milliseconds(
      app, "--max-reauth", sasl.max_reauth,
      "How many ms a login lasts before the client has to repeat it, at least 2000; 0 is "
      "as long as its connection [0]");
}

}  // namespace

void add_node_command(CLI::App& app, std::function<int()>& run) {
  auto arguments = std::make_shared<NodeArguments>();
  CLI::App* command = app.add_subcommand("node", "Run a single-node Kafka-compatible server");
  command->footer(
      "Examples:\n"
      "  dohle node --data ./data\n"
      "  dohle node --data :memory: --listen 127.0.0.1:0\n"
      "  dohle node --data ./data --listen SSL://127.0.0.1:9093 --tls-certificate node.pem "
      "--tls-key node.key\n\n"
      "Prints \"ready HOST:PORT\" once it accepts connections; logs go to standard error. Without "
      "SASL_PLAINTEXT, SASL_SSL or clients' certificates there is no authentication: every client "
      "that reaches the address may do everything. SIGINT and SIGTERM stop it cleanly. SIGHUP "
      "reads the certificates again; if one cannot be used, all stay as they were.");
  command->add_option("--data", arguments->options.data_dir, "Directory, or :memory:")
      ->type_name("DIR")
      ->required();
  command
      ->add_option("--listen", arguments->listen,
                   "Address to listen on; port 0 chooses a free port; PROTOCOL is PLAINTEXT, "
                   "SSL, SASL_PLAINTEXT or SASL_SSL; may be repeated with other names "
                   "[tcp=PLAINTEXT://127.0.0.1:9092]")
      ->type_name("[NAME=][PROTOCOL://]HOST:PORT")
      ->allow_extra_args(false);
  command
      ->add_option("--advertise", arguments->advertise,
                   "Address that clients of a listener connect to; may be repeated [the listening "
                   "address]")
      ->type_name("[NAME=]HOST:PORT")
      ->allow_extra_args(false);
  add_logins(*command, arguments->options.sasl);
  add_tls_flags(*command, arguments->tls);
  command
      ->add_option("--durability", arguments->durability,
                   "fsync: acknowledged records survive a power failure; interval: all but those "
                   "of the last 50 ms do; os: they survive only the end of the process [fsync]")
      ->type_name("WHEN");
  command->add_flag("--no-auto-create", arguments->no_auto_create,
                    "Refuse unknown topics instead of creating them with one partition");
  command
      ->add_option("--adopt", arguments->options.adopt,
                   "List a topic or its added partitions again whose directories exist but whose "
                   "catalog entry is lost; may be repeated")
      ->type_name("TOPIC")
      ->allow_extra_args(false);
  command
      ->add_option(
          "--accept-loss", arguments->options.accept_loss,
          "Accept the loss of the damage at this offset, as named in the node's log line; its "
          "bytes are moved to a file, and the rest is served; may be repeated")
      ->type_name("TOPIC-P@OFFSET")
      ->allow_extra_args(false);
  add_count(
      *command, "--max-connections", arguments->options.max_connections, 1, 100'000,
      "Most connections; further ones are closed; 1 to 100000, fewer if ulimit -n is low [10000]");
  add_count(*command, "--max-unread-answer-bytes", arguments->options.max_unread_answer_bytes,
            1'024, 1'000'000'000'000,
            "Most bytes of unread answers, of all clients together [268435456]");
  add_count(*command, "--max-fetch-wait-pairs", arguments->options.max_fetch_wait_pairs, 1,
            1'000'000'000,
            "Most pairs of a waiting fetch and a partition; above it fetches check every 100 ms "
            "[1000000]");
  add_milliseconds(*command, "--max-timestamp-before", arguments->options.max_timestamp_before,
                   "How many ms a record's timestamp may lie before the node's time [no limit]");
  add_milliseconds(*command, "--max-timestamp-after", arguments->options.max_timestamp_after,
                   "How many ms a record's timestamp may lie after the node's time [3600000]");
  command->callback([arguments, &run] { run = [arguments] { return run_node(*arguments); }; });
}

}  // namespace dohle::tools
