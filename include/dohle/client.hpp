#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dohle/dial.hpp"
#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/logger.hpp"
#include "dohle/metrics.hpp"
#include "dohle/sasl.hpp"
#include "dohle/tls.hpp"
#include "dohle/transport.hpp"

namespace dohle::client {
struct HandleAccess;
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

class Producer;
class Consumer;
class Admin;
struct ProducerOptions;
struct ConsumerOptions;

/// The options of a Client. The defaults are those of the Java client 4.x.
struct ClientOptions {
  /// Servers to ask first, as "HOST:PORT", "HOST" (port 9092) or "[IPv6]:PORT", optionally after
  /// kafka:// or PLAINTEXT://. 1 to 1,000. One string may hold several, separated by commas; blanks
  /// around them and empty ones are ignored. They are tried in random order; afterwards the client
  /// uses the addresses that the cluster advertises.
  std::vector<std::string> bootstrap_servers = {"127.0.0.1:9092"};
  /// Default: "dohle". At most 249 bytes. Sent to the servers with each request.
  std::string client_id = "dohle";
  /// Default: 10 s. 1 ms to 10 min. Time to set up one connection, name resolution included.
  std::chrono::milliseconds connect_timeout{10'000};
  /// Default: none. A time after which no connection is set up; those that stand are kept. Attempts
  /// under way end at it, logins included, and later ones fail at once.
  std::optional<std::chrono::system_clock::time_point> connect_deadline = {};
  /// Default: null, the library connects by itself. A function that makes the connected sockets.
  /// Not allowed with a transport, local_address or fallback_delay.
  DialFunction dial_function = nullptr;
  /// Default: null, the system's name service. A function that finds the addresses of hosts. With a
  /// dial_function, that is called with one of these addresses after the other. Not allowed with a
  /// transport.
  ResolveFunction resolver = nullptr;
  /// Default: empty, the system's choice. A numeric address of this machine that connections come
  /// from. Servers' addresses of the other family, IPv4 or IPv6, are not tried. Not allowed with a
  /// transport.
  std::string local_address = {};
  /// Default: 300 ms. 1 ms to 10 min, or negative. If a host has IPv4 and IPv6 addresses, those of
  /// the family of the first are tried one after the other; after this long, or as soon as all of
  /// them have failed, the others are tried beside them, and the first connection is taken
  /// (RFC 6555). A negative value tries all addresses one after the other. Not allowed with a
  /// transport.
  std::optional<std::chrono::milliseconds> fallback_delay = {};
  /// Default: the system's times, which is 2 h in Linux. 1 ms to 32,767 s, in whole seconds rounded
  /// up, or negative. How long a connection is silent before TCP asks whether the other side is
  /// there, and the time between two such questions. A negative value switches them off. Not
  /// allowed with a transport.
  std::optional<std::chrono::milliseconds> keep_alive = {};
  /// Default: 30 s. 1 ms to 10 min. Time for the answer to one request before the connection counts
  /// as dead.
  std::chrono::milliseconds request_timeout{30'000};
  /// Default: 1 min. 1 ms to 1 day. Time for a whole call of Admin without a timeout of its own,
  /// retries included.
  std::chrono::milliseconds default_api_timeout{60'000};
  /// Default: 5 min. 10 ms to 1 day. Metadata older than this is requested again.
  std::chrono::milliseconds metadata_max_age{300'000};
  /// Default: 100 ms. 0 to 1 day. Wait before a request is retried; it doubles up to
  /// max_retry_backoff, with 20 % jitter.
  std::chrono::milliseconds retry_backoff{100};
  /// Default: 1 s. 0 to 1 day. See retry_backoff.
  std::chrono::milliseconds max_retry_backoff{1'000};
  /// Default: 50 ms. 0 to 1 day. Wait before a new attempt to connect to a server; it doubles up to
  /// max_reconnect_backoff, with 20 % jitter.
  std::chrono::milliseconds reconnect_backoff{50};
  /// Default: 1 s. 0 to 1 day. See reconnect_backoff.
  std::chrono::milliseconds max_reconnect_backoff{1'000};
  /// Default: 9 min. 1 ms to 365 days. Connections that are unused for this long are closed. If
  /// absent, they are kept.
  std::optional<std::chrono::milliseconds> idle_timeout = std::chrono::milliseconds(540'000);
  /// Default: 5 min. 1 ms to 1 day. After this long without usable metadata the client asks the
  /// bootstrap servers again (KIP-1102). It also asks them as soon as no known server answers
  /// (KIP-899).
  std::chrono::milliseconds rebootstrap_after{300'000};
  /// Default: false, connect retries until its timeout, since a host may get its name later. If
  /// true, connect fails at once with name_not_resolved when the system's name service answers that
  /// the hosts of all bootstrap servers do not exist. Other calls always retry.
  bool fail_on_unknown_hosts = false;
  /// Default: 100 MiB. 1 KiB to 2 GiB - 1. The largest answer that is accepted, in bytes. A larger
  /// one fails the request with too_large and closes the connection; a consumer's fetches ask for
  /// at most 7/8 of it.
  std::size_t max_response_bytes = std::size_t{100} << 20;
  /// Default: none, servers are not logged in to. With it, each connection logs in before its first
  /// request, and again before the server's session ends (KIP-368). Not allowed with a transport.
  std::optional<SaslOptions> sasl = {};
  /// Default: none, connections are not encrypted. With it, each connection begins with a TLS
  /// handshake, for which connect_timeout counts, too, and never falls back to plain TCP. The host
  /// that is connected to, which may be one that the cluster advertises, is verified. A refused
  /// certificate fails calls at once, with Errc::handshake_failed. Not allowed with a transport.
  std::optional<TlsOptions> tls = {};
  /// The socket's send buffer. 1 B to 2 GiB - 1. If absent, the system's default.
  std::optional<int> socket_send_buffer_bytes = {};
  /// The socket's receive buffer. 1 B to 2 GiB - 1. If absent, the system's default.
  std::optional<int> socket_receive_buffer_bytes = {};
  /// Default: 0, no polling. 0 to 1 s. How long the client's thread polls for work before it
  /// sleeps. Polling saves a wake-up of 5 to 30 us per event, for the lowest latency. Costs up to
  /// one CPU core.
  std::chrono::microseconds busy_poll{0};
  /// Default: null, warnings and errors go to standard error.
  std::shared_ptr<Logger> logger = nullptr;
  /// Default: null, TCP. With a transport, the bootstrap servers are addresses that the transport
  /// understands.
  std::shared_ptr<Transport> transport = nullptr;
};

/// A connection to one Kafka cluster: one thread, its sockets, and the cluster's metadata.
/// Producers, consumers and admins are handles on it and may share it.
///
/// Lifetime: handles keep the Client's state alive; the last handle destroys it. Thread safety:
/// every member may be called from any thread, but not while it is being moved. A Client does not
/// survive fork() without exec: in the child, its calls and those of its handles fail at once with
/// Errc::forked, and destructors do nothing. A handle that was moved from answers Errc::closed.
/// Move assignment first releases what the handle held, as the destructor does.
class DOHLE_API Client {
 public:
  /// Checks the options and starts the thread; connects in the background. Errors: configuration,
  /// with the option or the address, its value and the allowed values.
  static Result<Client> create(ClientOptions options = {});

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  /// Releases this handle; the last of all handles ends the thread.
  ~Client();

  /// Waits until a server has answered with the cluster's metadata. Errors: timed_out with the last
  /// reason for each address; with fail_on_unknown_hosts also name_not_resolved.
  Result<void> connect(std::chrono::milliseconds timeout);

  /// A producer on this client. Errors: configuration; closed; forked.
  Result<Producer> producer(ProducerOptions options);
  Result<Producer> producer();
  /// A consumer on this client. Errors: configuration; closed; forked.
  Result<Consumer> consumer(ConsumerOptions options);
  /// An administrator on this client. Sends nothing.
  Admin admin();

  /// What this client, its producers and consumers counted since it was created, of this moment;
  /// docs/observability.md lists the metrics. Sends no request. At most 2,000 series, see
  /// `MetricsSnapshot::left_out`. Empty in a child of fork() and for a Client that was moved from.
  [[nodiscard]] MetricsSnapshot metrics() const;

  /// Replaces the credentials that `ClientOptions::sasl` gave. Later logins use them; servers that
  /// refused the former ones are asked at once, open connections keep their session until it is
  /// renewed. Errors: configuration (an invalid login, or a client without one); closed; forked;
  /// would_deadlock on the client's own thread.
  Result<void> replace_login(SaslOptions login);

  /// Closes every producer and consumer made from it, then the connections, within `timeout`.
  /// Idempotent; later calls of any handle fail with Errc::closed. Errors: the first error of these
  /// steps; would_deadlock on the client's own thread.
  Result<void> close(std::chrono::milliseconds timeout = std::chrono::seconds(5));

  /// The state that all handles share. Defined inside the library only.
  class Shared;

 private:
  friend struct client::HandleAccess;
  explicit Client(std::shared_ptr<Shared> inside);

  std::shared_ptr<Shared> inside_;
};

}  // namespace v0
}  // namespace dohle
