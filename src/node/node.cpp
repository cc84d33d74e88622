#include "dohle/node.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <system_error>

#include <fmt/format.h>

#include "auth/plain.hpp"
#include "auth/scram.hpp"
#include "base/fork_watch.hpp"
#include "base/option_checks.hpp"
#include "base/printable.hpp"
#include "base/security_protocols.hpp"
#include "base/shell_word.hpp"
#include "base/system_secure_random.hpp"
#include "base/time.hpp"
#include "base/utf8.hpp"
#include "disk/file_disk.hpp"
#include "disk/memory_disk.hpp"
#include "frames/framed_listening.hpp"
#include "net/loop.hpp"
#include "net/pipes.hpp"
#include "net/system.hpp"
#include "net/tcp.hpp"
#include "net/tls_listening.hpp"
#include "net/workers.hpp"
#include "node/node_access.hpp"
#include "node/node_engine.hpp"

namespace dohle {
inline namespace v0 {

namespace {

constexpr std::string_view in_memory = ":memory:";
constexpr std::string_view embedded_name = "embedded";
constexpr std::size_t max_listeners = 16, max_listener_name_bytes = 64;
constexpr std::size_t open_files_lowest = 16, open_files_highest = 1'000;
/// Descriptors that are neither files of a log nor connections.
constexpr std::size_t reserved_descriptors = 64;

Result<void> check_range(std::string_view name, std::size_t value, std::size_t lowest,
                         std::size_t highest) {
  if (value >= lowest && value <= highest) return {};
  return fail(Error::configuration(std::string(name) + " is " + std::to_string(value) +
                                   "; allowed are " + std::to_string(lowest) + " to " +
                                   std::to_string(highest)));
}

Result<void> check_sizes(const NodeOptions& options) {
  struct Size {
    std::string_view name;
    std::size_t value, lowest, highest;
  };
  const Size sizes[] = {
      {"max_connections", options.max_connections, 1, 100'000},
      {"max_request_bytes", options.max_request_bytes, 1'024, INT32_MAX},
      {"max_requests_bytes", options.max_requests_bytes, 1'024, SIZE_MAX},
      {"max_unread_answer_bytes", options.max_unread_answer_bytes, 1'024, SIZE_MAX},
      {"max_memory_bytes", options.max_memory_bytes, std::size_t{1} << 20, SIZE_MAX},
      {"max_fetch_wait_pairs", options.max_fetch_wait_pairs, 1, SIZE_MAX},
  };
  if (options.max_timestamp_before.count() < 0 || options.max_timestamp_after.count() < 0) {
    return fail(Error::configuration(
        "max_timestamp_before and max_timestamp_after are 0 or more milliseconds"));
  }
  for (const Size& size : sizes) {
    auto checked = check_range(size.name, size.value, size.lowest, size.highest);
    if (!checked) return checked;
  }
  return {};
}

bool is_wildcard(const std::string& host) {
  return host == "0.0.0.0" || host == "::" || host == "*";
}

bool is_listener_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= max_listener_name_bytes &&
         std::ranges::all_of(name, is_allowed) && name != embedded_name;
}

/// Whether its clients' principals come from certificates.
bool asks_for_certificates(const NodeListener& listener) {
  return listener.protocol == SecurityProtocol::ssl && listener.tls &&
         listener.tls->client_certificates != ClientCertificates::none;
}

Result<void> check_tls(const NodeListener& wanted) {
  const std::string protocol(to_string(wanted.protocol));
  if (has_tls(wanted.protocol) && !wanted.tls) {
    return fail(Error::configuration("tls is not set, and the protocol is " + protocol +
                                     ": set tls.identity to a certificate and its key"));
  }
  if (!has_tls(wanted.protocol) && wanted.tls) {
    return fail(Error::configuration("tls is set, but the protocol is " + protocol +
                                     ", which does not encrypt: set the protocol to SSL or "
                                     "SASL_SSL, or leave tls out"));
  }
  if (!wanted.tls) return {};
  if (auto known = check_enum(
          "tls.client_certificates", wanted.tls->client_certificates,
          {ClientCertificates::none, ClientCertificates::wanted, ClientCertificates::required});
      !known) {
    return known;
  }
  for (const TlsVersion version :
       {wanted.tls->parameters.min_version, wanted.tls->parameters.max_version}) {
    if (auto known = check_enum("tls.parameters: a version", version,
                                {TlsVersion::tls_1_2, TlsVersion::tls_1_3});
        !known) {
      return known;
    }
  }
  return {};
}

Result<void> check_protocol(const NodeListener& wanted) {
  using enum SecurityProtocol;
  if (auto known = check_enum("protocol: the value", wanted.protocol,
                              {plaintext, ssl, sasl_plaintext, sasl_ssl});
      !known) {
    return known;
  }
  if (auto checked = check_tls(wanted); !checked) return checked;
  if (wanted.principal_rules == NodeListener().principal_rules) return {};
  if (asks_for_certificates(wanted)) return {};
  return fail(Error::configuration(
      "principal_rules are for the names in clients' certificates, and this listener takes none: "
      "they need the protocol SSL and tls.client_certificates wanted or required"));
}

Result<node::ListenAt> listener_of(const NodeListener& wanted) {
  const std::string which = "listener " + wanted.name + ": ";
  if (!is_listener_name(wanted.name)) {
    return fail(Error::configuration("a listener is called \"" + wanted.name +
                                     "\"; allowed are 1 to 64 letters, digits, '_' and '-', and "
                                     "not \"embedded\""));
  }
  auto at = Endpoint::parse(wanted.address);
  if (!at) return fail(at.error().within(which + "address"));
  if (auto checked = check_protocol(wanted); !checked) {
    return fail(checked.error().within("listener " + wanted.name));
  }
  node::ListenAt where{wanted.name, *at, {}, wanted.protocol, {}};
  if (asks_for_certificates(wanted)) {
    auto rules = node::PrincipalRules::parse(wanted.principal_rules);
    if (!rules) return fail(rules.error().within(which + "principal_rules"));
    where.rules = *std::move(rules);
  }
  if (!wanted.advertised.empty()) {
    auto advertised = Endpoint::parse(wanted.advertised);
    if (!advertised) return fail(advertised.error().within(which + "advertised"));
    if (is_wildcard(advertised->host)) {
      return fail(Error::configuration(
          which + "advertised is " + wanted.advertised +
          ", an address to which no client can connect; allowed is HOST:PORT as clients reach it"));
    }
    where.advertise = *advertised;
  } else if (is_wildcard(at->host)) {
    return fail(Error::configuration(
        which + "address is " + wanted.address +
        ", an address to which no client can connect: set advertised to one that clients reach"));
  }
  return where;
}

Result<std::vector<node::ListenAt>> listeners_of(const NodeOptions& options) {
  if (options.listeners.size() > max_listeners) {
    return fail(Error::configuration("listeners has " + std::to_string(options.listeners.size()) +
                                     " items; allowed are 0 to " + std::to_string(max_listeners)));
  }
  std::vector<node::ListenAt> all;
  for (const NodeListener& wanted : options.listeners) {
    auto where = listener_of(wanted);
    if (!where) return fail(where.error());
    if (std::ranges::find(all, wanted.name, &node::ListenAt::name) != all.end()) {
      return fail(Error::configuration("two listeners are called " + wanted.name));
    }
    all.push_back(*std::move(where));
  }
  return all;
}

// --- TLS

/// The options of a listener with TLS, kept to read its files again.
struct TlsFiles {
  std::string listener;
  TlsServerOptions options;
};

std::vector<TlsFiles> tls_files_of(const NodeOptions& options) {
  std::vector<TlsFiles> all;
  for (const NodeListener& each : options.listeners) {
    if (each.tls) all.push_back({each.name, *each.tls});
  }
  return all;
}

/// Reads the files. Returns the contexts in the order of the files.
Result<std::vector<net::TlsContext>> contexts_of(const std::vector<TlsFiles>& all) {
  std::vector<net::TlsContext> contexts;
  for (const TlsFiles& each : all) {
    auto context = net::TlsContext::server(each.options);
    if (!context) return fail(context.error().within("listener " + each.listener));
    contexts.push_back(*std::move(context));
  }
  return contexts;
}

/// Threads for the costly steps of handshakes. They start with the first handshake.
constexpr std::size_t handshake_threads = 2;

// --- logins

constexpr std::size_t max_plain_users = 1'000, salt_bytes = 16;
constexpr std::size_t max_password_bytes = 1'024;
/// A connection may begin a further login a second after the last one.
constexpr auto shortest_reauth = std::chrono::milliseconds(2'000);
constexpr auto longest_reauth = std::chrono::days(365);

Result<void> check_user(const NodeUser& user) {
  if (auto checked = node::check_user_name(user.name); !checked) return checked;
  const std::string_view password = user.password.reveal();
  if (password.empty()) return fail(Error::configuration("the password is empty"));
  if (password.contains('\0')) return fail(Error::configuration("the password holds a NUL"));
  if (!is_utf8(password)) return fail(Error::configuration("the password is not UTF-8"));
  if (password.size() <= max_password_bytes) return {};
  return fail(Error::configuration("the password has more than " +
                                   std::to_string(max_password_bytes) + " bytes"));
}

/// Slow: PBKDF2.
node::UserEntry entry_of(const NodeUser& user, auth::Digest digest, std::uint32_t iterations) {
  std::string salt(salt_bytes, '\0');
  SystemSecureRandom().fill(std::as_writable_bytes(std::span(salt)));
  const auth::ScramKeys keys = auth::derive_keys(digest, user.password.reveal(), salt, iterations);
  return {user.name, digest, auth::make_verifier(digest, keys, std::move(salt), iterations)};
}

Result<std::vector<node::UserEntry>> plain_users_of(const NodeSaslOptions& sasl) {
  if (sasl.plain_users.size() > max_plain_users) {
    return fail(
        Error::configuration("sasl.plain_users has " + std::to_string(sasl.plain_users.size()) +
                             " items; allowed are 0 to " + std::to_string(max_plain_users)));
  }
  std::vector<node::UserEntry> users;
  if (!sasl.plain_user_file.empty()) {
    auto read = node::read_users_file(sasl.plain_user_file);
    if (!read) return fail(read.error().within("sasl.plain_user_file"));
    users = *std::move(read);
  }
  for (const NodeUser& user : sasl.plain_users) {
    if (auto checked = check_user(user); !checked) {
      return fail(checked.error().within("sasl.plain_users: user " + user.name));
    }
    users.push_back(entry_of(user, auth::Digest::sha512, auth::min_scram_iterations));
  }
  std::set<std::string_view> names;
  for (const node::UserEntry& user : users) {
    if (!names.insert(user.name).second) {
      return fail(Error::configuration("PLAIN has two users with the name " + user.name));
    }
  }
  return users;
}

Result<void> check_mechanisms(const std::vector<SaslMechanism>& mechanisms) {
  using enum SaslMechanism;
  if (mechanisms.empty()) return fail(Error::configuration("sasl.mechanisms is empty"));
  for (const SaslMechanism each : mechanisms) {
    if (auto known = check_enum("sasl.mechanisms", each, {plain, scram_sha_256, scram_sha_512});
        !known) {
      return known;
    }
    if (std::ranges::count(mechanisms, each) == 1) continue;
    return fail(
        Error::configuration("sasl.mechanisms has " + std::string(to_string(each)) + " twice"));
  }
  return {};
}

/// An option that is set for logins, as the beginning of an error. Empty if there is none.
std::string set_for_logins(const NodeSaslOptions& sasl, bool has_users) {
  if (has_users) return "sasl has users or a file of users";
  if (sasl.mechanisms != NodeSaslOptions().mechanisms) return "sasl.mechanisms is set";
  if (sasl.max_reauth.count() != 0) return "sasl.max_reauth is set";
  return {};
}

Result<node::SecuritySettings> security_of(const NodeOptions& options) {
  const NodeSaslOptions& sasl = options.sasl;
  node::SecuritySettings settings;
  settings.authenticates =
      std::ranges::any_of(options.listeners, has_sasl, &NodeListener::protocol);
  settings.asks_for_certificates = std::ranges::any_of(options.listeners, asks_for_certificates);
  if (auto checked = check_mechanisms(sasl.mechanisms); !checked) return fail(checked.error());
  const bool is_in_range = sasl.max_reauth >= shortest_reauth && sasl.max_reauth <= longest_reauth;
  if (sasl.max_reauth.count() != 0 && !is_in_range) {
    return fail(Error::configuration("sasl.max_reauth is " +
                                     std::to_string(sasl.max_reauth.count()) +
                                     " ms; allowed are 0, and 2,000 ms to 365 days: a "
                                     "connection may log in again once a second"));
  }
  settings.mechanisms = sasl.mechanisms;
  settings.max_reauth = sasl.max_reauth;
  auto plain = plain_users_of(sasl);
  if (!plain) return fail(plain.error());
  settings.plain_users = *std::move(plain);
  if (!sasl.scram_user_file.empty()) {
    auto scram = node::read_users_file(sasl.scram_user_file);
    if (!scram) return fail(scram.error().within("sasl.scram_user_file"));
    settings.first_scram_users = *std::move(scram);
  }
  const bool has_users =
      !sasl.plain_users.empty() || !sasl.plain_user_file.empty() || !sasl.scram_user_file.empty();
  const std::string unused = settings.authenticates ? "" : set_for_logins(sasl, has_users);
  if (unused.empty()) return settings;
  return fail(Error::configuration(unused +
                                   ", but no listener asks for a login: give one the protocol "
                                   "SASL_SSL or SASL_PLAINTEXT"));
}

/// The descriptors of the process, and how a node divides them.
struct Descriptors {
  std::size_t limit = 0;
  /// Files that are kept open: a quarter of the limit.
  std::size_t files = open_files_highest;
  /// For connections: the limit minus descriptors that are open now, files kept open, files that
  /// are open only briefly (at most as many again), and a reserve.
  std::size_t connections = 0;
};

/// Divides the process's current limit of descriptors. Absent if there is no limit.
std::optional<Descriptors> descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::nullopt;
  }
  Descriptors of;
  of.limit = static_cast<std::size_t>(limit.rlim_cur);
  of.files = std::clamp(of.limit / 4, open_files_lowest, open_files_highest);
  std::error_code unknown;
  std::size_t open = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", unknown), end; at != end;
       at.increment(unknown)) {
    ++open;
  }
  const std::size_t others = open + 2 * of.files + reserved_descriptors;
  of.connections = std::max<std::size_t>(of.limit > others ? of.limit - others : 0, 1);
  return of;
}

/// Further connections would take the descriptors that a roll or a commit needs.
void bound_by_descriptors(node::NodeSettings& settings, const NodeOptions& options) {
  const auto found = descriptors();
  if (!found) return;
  settings.max_open_files = found->files;
  const bool is_lower = found->connections < options.max_connections;
  if (options.listeners.empty() || !is_lower) return;
  settings.max_connections = found->connections;
  settings.connections_bound =
      "as many as the process has descriptors for, RLIMIT_NOFILE " + std::to_string(found->limit);
  const std::string line =
      "at most " + std::to_string(found->connections) + " connections are accepted, not " +
      std::to_string(options.max_connections) + " (max_connections): the process may have " +
      std::to_string(found->limit) + " descriptors (RLIMIT_NOFILE, ulimit -n), of which " +
      std::to_string(2 * found->files) + " are for files and " +
      std::to_string(reserved_descriptors) + " in reserve";
  const bool is_default = options.max_connections == NodeOptions().max_connections;
  const auto logger = options.logger ? options.logger : stderr_logger();
  logger->log(is_default ? LogLevel::info : LogLevel::warning, "node", line);
}

Result<node::NodeSettings> settings_of(const NodeOptions& options) {
  if (options.data_dir.empty()) {
    return fail(Error::configuration("data_dir is empty; a directory or :memory: is needed"));
  }
  if (auto checked = check_sizes(options); !checked) return fail(checked.error());
  if (auto known = check_enum("durability", options.durability,
                              {Durability::fsync, Durability::interval, Durability::os});
      !known) {
    return fail(known.error());
  }
  node::NodeSettings settings;
  settings.data_directory = options.data_dir == in_memory ? "/node" : options.data_dir;
  settings.durability = options.durability;
  settings.auto_create_topics = options.auto_create_topics;
  settings.max_connections = options.max_connections;
  settings.max_request_bytes = options.max_request_bytes;
  settings.max_requests_bytes = options.max_requests_bytes;
  settings.max_unread_answer_bytes = options.max_unread_answer_bytes;
  settings.max_fetch_wait_pairs = options.max_fetch_wait_pairs;
  settings.max_timestamp_before = options.max_timestamp_before;
  settings.max_timestamp_after = options.max_timestamp_after;
  settings.adopt = options.adopt;
  auto security = security_of(options);
  if (!security) return fail(security.error());
  settings.security = *std::move(security);
  for (const std::string& text : options.accept_loss) {
    auto loss = node::parse_accepted_loss(text);
    if (!loss) return fail(loss.error());
    settings.accept_losses.push_back(*std::move(loss));
  }
  bound_by_descriptors(settings, options);
  return settings;
}

}  // namespace

Result<Durability> parse_durability(std::string_view text) {
  if (text == "fsync") return Durability::fsync;
  if (text == "interval") return Durability::interval;
  if (text == "os") return Durability::os;
  return fail(Error::configuration("durability is \"" + std::string(text) +
                                   "\"; allowed are fsync, interval and os"));
}

Result<std::string> hash_user(const NodeUser& user, const UserHashOptions& options) {
  if (auto checked = check_user(user); !checked) return fail(checked.error());
  using enum SaslMechanism;
  if (auto known = check_enum("mechanism", options.mechanism, {scram_sha_256, scram_sha_512});
      !known) {
    return fail(known.error());
  }
  auto checked = check_range("iterations", options.iterations, auth::min_scram_iterations,
                             auth::max_stored_iterations);
  if (!checked) return fail(checked.error());
  return node::user_line(entry_of(user, auth::digest_of(options.mechanism), options.iterations));
}

namespace {

std::string names_of(const std::vector<SaslMechanism>& mechanisms) {
  std::string names;
  for (const SaslMechanism each : mechanisms) {
    names += (names.empty() ? "" : ", ") + std::string(to_string(each));
  }
  return names;
}

}  // namespace

// Members are destroyed from the last to the first: the engine before the parts that it uses.
struct Node::Parts {
  Parts(const NodeOptions& options, std::vector<TlsFiles> files,
        std::vector<net::TlsContext> contexts)
      : tls_files(std::move(files)),
        logger(printing_logger(options.logger ? options.logger : stderr_logger())),
        pipes(std::make_shared<net::PipeNetwork>()),
        tcp(loop, logger),
        embedded(pipes->listening(loop)) {
    if (options.data_dir == in_memory) {
      disk = std::make_unique<disk::MemoryDisk>(
          loop, disk::MemoryDiskOptions{.max_bytes = options.max_memory_bytes});
    } else {
      disk = std::make_unique<disk::FileDisk>(loop);
    }
    for (std::size_t i = 0; i < contexts.size(); ++i) {
      warn_of_key(tls_files[i].listener, contexts[i]);
      encrypted.emplace(tls_files[i].listener,
                        net::TlsListening(loop, turns, std::move(contexts[i]), logger));
    }
  }

  /// Runs `work` on the loop; `work` calls its argument once it is done.
  Result<void> on_loop(
      std::move_only_function<void(std::move_only_function<void(Result<void>)>)> work) {
    std::promise<Result<void>> promise;
    auto outcome = promise.get_future();
    loop.post(
        [&] { work([&promise](Result<void> result) { promise.set_value(std::move(result)); }); });
    return outcome.get();
  }

  /// Calls `done` once the node listens, or has failed and released its data.
  void open(const node::NodeSettings& settings, const std::vector<node::ListenAt>& wanted,
            Disk::Synced done) {
    engine = std::make_unique<node::NodeEngine>(
        node::NodeEnvironment{loop, *disk, workers, random, *logger, node::everything_allowed,
                              faults.get()},
        settings);
    if (auto started = engine->start(); !started) {
      engine.reset();
      return done(std::move(started));
    }
    auto listening = listen_everywhere(wanted, settings.security);
    if (listening) return done(std::move(listening));
    // Stops cleanly, so that the next start needs no recovery after an address that is in use.
    engine->stop(loop.tick().mono, [this, listening = std::move(listening),
                                    done = std::move(done)](Result<void>) mutable {
      loop.post([this, listening = std::move(listening), done = std::move(done)]() mutable {
        engine.reset();
        done(std::move(listening));
      });
    });
  }

  Result<void> listen_everywhere(const std::vector<node::ListenAt>& wanted,
                                 const node::SecuritySettings& settings) {
    for (const node::ListenAt& where : wanted) {
      const auto tls = encrypted.find(where.name);
      StreamListening& streams =
          tls == encrypted.end() ? static_cast<StreamListening&>(tcp) : tls->second;
      frames::FramedListening listening(streams, {loop, &loop.read_buffers()});
      if (auto done = listen(listening, where); !done) return done;
      say_who_may_come(where, settings);
    }
    frames::FramedListening listening(*embedded, {loop, nullptr});
    return listen(listening, {std::string(embedded_name), {std::string(embedded_name), 0}, {}});
  }

  void say_who_may_come(const node::ListenAt& where, const node::SecuritySettings& settings) {
    const bool is_encrypted = has_tls(where.protocol);
    const std::string begin =
        "listening on " + listeners.back().address + (is_encrypted ? " over TLS" : "");
    const bool is_local = where.at.is_loopback();
    const auto level = is_local ? LogLevel::info : LogLevel::warning;
    if (has_sasl(where.protocol)) {
      say(LogLevel::info, begin + " with " + names_of(settings.mechanisms) +
                              ": each user that has logged in may do everything");
      if (!is_local && !is_encrypted) {
        say(level, begin +
                       " without TLS: passwords of PLAIN and all records can be read on the way, "
                       "and SCRAM passwords can be guessed from a login");
      }
    } else if (needs_certificate(where.name)) {
      say(LogLevel::info, begin +
                              " with clients' certificates: each client whose certificate comes "
                              "from one of its CAs may do everything");
    } else if (is_local) {
      say(level, begin + ", which only this machine reaches");
    } else {
      say(level, begin +
                     " without authentication: every client that reaches it may read, write and "
                     "delete everything; only this machine reaches 127.0.0.1");
    }
  }

  [[nodiscard]] bool needs_certificate(const std::string& listener) const {
    const auto found = std::ranges::find(tls_files, listener, &TlsFiles::listener);
    return found != tls_files.end() &&
           found->options.client_certificates == ClientCertificates::required;
  }

  void use(std::vector<net::TlsContext> contexts) {
    for (std::size_t i = 0; i < contexts.size(); ++i) {
      warn_of_key(tls_files[i].listener, contexts[i]);
      encrypted.at(tls_files[i].listener).use(std::move(contexts[i]));
    }
    say(LogLevel::info, "the certificates were read again: new connections use them");
  }

  void warn_of_key(const std::string& listener, const net::TlsContext& context) {
    if (context.warning().empty()) return;
    say(LogLevel::warning, "listener " + listener + ": " + context.warning());
  }

  /// Warns if other users have rights on the directory, since it holds records and the verifiers of
  /// passwords. A directory that the node makes belongs to its owner alone.
  void warn_of_directory(const std::string& path) {
    constexpr auto of_others =
        std::filesystem::perms::group_all | std::filesystem::perms::others_all;
    std::error_code unknown;
    const auto status = std::filesystem::status(path, unknown);
    if (path == in_memory || !std::filesystem::is_directory(status)) return;
    if ((status.permissions() & of_others) == std::filesystem::perms::none) return;
    say(LogLevel::warning,
        fmt::format("the mode {:04o} of the data directory gives other users rights on it; run: "
                    "chmod 700 {}",
                    static_cast<unsigned>(status.permissions()), shell_word(path)));
  }

  void say(LogLevel level, const std::string& line) { logger->log(level, "node", line); }

  Result<void> listen(Listening& listening, const node::ListenAt& where) {
    auto at = engine->listen(listening, where);
    if (!at) return fail(at.error());
    const std::string advertised = where.advertise.host.empty() ? "" : where.advertise.to_string();
    listeners.push_back({.name = where.name,
                         .address = at->to_string(),
                         .advertised = advertised,
                         .protocol = where.protocol});
    return {};
  }

  const std::vector<TlsFiles> tls_files;
  std::shared_ptr<Logger> logger;
  std::shared_ptr<node::RequestFaults> faults;
  net::Loop loop;
  net::WorkerThreads handshake_workers{handshake_threads};
  net::HandshakeTurns turns{handshake_workers, loop};
  SystemSecureRandom random;
  /// Checks passwords.
  net::WorkerThreads workers{1};
  std::unique_ptr<Disk> disk;
  std::shared_ptr<net::PipeNetwork> pipes;
  net::TcpListening tcp;
  /// The TLS listening of each listener, by the listener's name.
  std::map<std::string, net::TlsListening> encrypted;
  std::unique_ptr<StreamListening> embedded;
  std::unique_ptr<node::NodeEngine> engine;
  std::vector<NodeListener> listeners;
  bool is_closed = false;
  const ForkMark made_in = {};
};

Node::Node(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Node::Node(Node&&) noexcept = default;

Node& Node::operator=(Node&& other) noexcept {
  if (this == &other) return *this;
  const Node ended(std::move(*this));
  parts_ = std::move(other.parts_);
  return *this;
}

Node::~Node() {
  if (parts_ == nullptr) return;
  // Its threads belong to the parent.
  if (parts_->made_in.is_forked()) {
    keep_for_ever(std::shared_ptr<Parts>(std::move(parts_)));
    return;
  }
  if (auto closed = close(); !closed) {
    parts_->logger->log(LogLevel::error, "node", closed.error().message());
  }
}

Result<Node> Node::start(NodeOptions options) {
  return node::NodeAccess::start(std::move(options), nullptr);
}

}  // namespace v0

Result<Node> node::NodeAccess::start(NodeOptions options, std::shared_ptr<RequestFaults> faults) {
  auto settings = settings_of(options);
  if (!settings) return fail(settings.error());
  auto listeners = listeners_of(options);
  if (!listeners) return fail(listeners.error());
  auto files = tls_files_of(options);
  auto contexts = contexts_of(files);
  if (!contexts) return fail(contexts.error());
  auto parts = std::make_unique<Node::Parts>(options, std::move(files), *std::move(contexts));
  parts->faults = std::move(faults);
  parts->warn_of_directory(options.data_dir);
  parts->loop.start("dohle-node");
  auto started =
      parts->on_loop([&](auto done) { parts->open(*settings, *listeners, std::move(done)); });
  if (!started) {
    parts->loop.stop();
    parts->loop.join();
    return fail(started.error());
  }
  return Node(std::move(parts));
}

Result<void> node::NodeAccess::with_engine(Node& node,
                                           std::move_only_function<void(NodeEngine&)> work) {
  if (auto usable = node.check_usable(); !usable) return usable;
  if (node.parts_->is_closed) return fail(Error::client(Errc::closed, "the Node is closed"));
  return node.parts_->on_loop([&](auto done) {
    work(*node.parts_->engine);
    done({});
  });
}

inline namespace v0 {

const std::string& Node::address() const {
  static const std::string none;
  return parts_ ? parts_->listeners.front().address : none;
}

const std::vector<NodeListener>& Node::listeners() const {
  static const std::vector<NodeListener> none;
  return parts_ ? parts_->listeners : none;
}

std::shared_ptr<Transport> Node::transport() const {
  return parts_ ? parts_->pipes : nullptr;
}

Result<void> Node::check_usable() const {
  if (!parts_) return fail(Error::client(Errc::closed, "the Node was moved from"));
  if (!parts_->made_in.is_forked()) return {};
  return fail(
      Error::client(Errc::forked, "a node cannot be used after fork() in the child process"));
}

Result<void> Node::reload_certificates() {
  if (auto usable = check_usable(); !usable) return usable;
  if (parts_->is_closed) return fail(Error::client(Errc::closed, "the Node is closed"));
  auto contexts = contexts_of(parts_->tls_files);
  if (!contexts) return fail(contexts.error());
  return parts_->on_loop([&](auto done) {
    parts_->use(*std::move(contexts));
    done({});
  });
}

Result<void> Node::close(std::chrono::milliseconds timeout) {
  if (auto usable = check_usable(); !usable) return usable;
  if (parts_->is_closed) return {};
  parts_->is_closed = true;
  auto stopped = parts_->on_loop([&](auto done) {
    parts_->engine->stop(parts_->loop.tick().mono + call_timeout(timeout), std::move(done));
  });
  (void)parts_->on_loop([&](auto done) {
    parts_->engine.reset();
    done({});
  });
  parts_->loop.stop();
  parts_->loop.join();
  return stopped;
}

}  // namespace v0
}  // namespace dohle
