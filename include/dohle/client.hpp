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
  /// kafka:// or PLAINTEXT://. 1 to 1,000. One string may hold several addresses, separated by
  /// commas. Blanks around addresses and empty places are ignored. The addresses are tried in
  /// random order. Afterwards the client uses the addresses that the cluster advertises.
  std::vector<std::string> bootstrap_servers = {"127.0.0.1:9092"};
  /// Default: "dohle". At most 249 bytes. Sent to the servers with each request.
  std::string client_id = "dohle";
  /// Default: 10 s. 1 ms to 10 min. Time to set up one connection, name resolution included.
  std::chrono::milliseconds connect_timeout{10'000};
  /// Default: none. The time after which no connection is set up. Existing connections are kept.
  /// Attempts under way end at that time, logins included, and later attempts fail at once.
  std::optional<std::chrono::system_clock::time_point> connect_deadline = {};
  /// Default: null, the library makes the sockets. A function that makes the connected sockets. Not
  /// allowed with a transport, local_address or fallback_delay.
  DialFunction dial_function = nullptr;
  /// Default: null, the system's name service. A function that finds the addresses of hosts. With a
  /// dial_function, that function is called with each of these addresses in turn. Not allowed with
  /// a transport.
  ResolveFunction resolver = nullptr;
  /// Default: empty, the system's choice. The numeric address of this machine from which
  /// connections are made. Server addresses of the other family, IPv4 or IPv6, are not tried. Not
  /// allowed with a transport.
  std::string local_address = {};
  /// Default: 300 ms. 1 ms to 10 min, or negative. If a host has IPv4 and IPv6 addresses, the
  /// addresses of the first one's family are tried one after the other. After this delay, or as
  /// soon as all of them have failed, the addresses of the other family are tried at the same time.
  /// The first connection is used (RFC 6555). With a negative value all addresses are tried one
  /// after the other. Not allowed with a transport.
  std::optional<std::chrono::milliseconds> fallback_delay = {};
  /// Default: the system's times; 2 h in Linux. 1 ms to 32,767 s, in whole seconds rounded up, or
  /// negative. How long a connection is silent before TCP sends a keep-alive probe, and the time
  /// between two probes. A negative value switches the probes off. Not allowed with a transport.
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
  /// Default: 5 min. 1 ms to 1 day. If the client has had no usable metadata for this time, it asks
  /// the bootstrap servers again (KIP-1102). It also asks them as soon as no known server answers
  /// (KIP-899).
  std::chrono::milliseconds rebootstrap_after{300'000};
  /// Default: false, connect retries until its timeout, because a host may get its name later. If
  /// true, connect fails at once with name_not_resolved when the system's name service answers that
  /// the hosts of all bootstrap servers do not exist. Other calls always retry.
  bool fail_on_unknown_hosts = false;
  /// Default: 100 MiB. 1 KiB to 2 GiB - 1. The largest answer that is accepted, in bytes. For a
  /// larger one the request fails with too_large and the connection is closed. A consumer's fetches
  /// ask for at most 7/8 of it.
  std::size_t max_response_bytes = std::size_t{100} << 20;
  /// Default: none, the client does not log in. If set, each connection logs in before its first
  /// request, and again before the server's session ends (KIP-368). Not allowed with a transport.
  std::optional<SaslOptions> sasl = {};
  /// Default: none, connections are not encrypted. If set, each connection begins with a TLS
  /// handshake, which is part of connect_timeout. The client never falls back to plain TCP. It
  /// verifies the host that it connects to, which may be one that the cluster advertises. A refused
  /// certificate fails calls at once, with Errc::handshake_failed. Not allowed with a transport.
  std::optional<TlsOptions> tls = {};
  /// The socket's send buffer. 1 B to 2 GiB - 1. If absent, the system's default.
  std::optional<int> socket_send_buffer_bytes = {};
  /// The socket's receive buffer. 1 B to 2 GiB - 1. If absent, the system's default.
  std::optional<int> socket_receive_buffer_bytes = {};
  /// Default: 0, no polling. 0 to 1 s. How long the client's thread polls for work before it
  /// sleeps. Polling gives the lowest latency: it saves a wake-up of 5 to 30 us per event. Costs up
  /// to one CPU core.
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
/// Errc::forked, and destructors do nothing. A handle that was moved from returns Errc::closed.
/// Move assignment first releases the former state of the handle, as the destructor does.
class DOHLE_API Client {
 public:
  /// Checks the options and starts the thread. The thread connects in the background. Errors:
  /// configuration, with the option or the address, its value and the allowed values.
  static Result<Client> create(ClientOptions options = {});

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  /// Releases this handle. The last handle ends the thread.
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

  /// The current counts of this client, its producers and its consumers since it was created;
  /// docs/observability.md lists the metrics. Sends no request. At most 2,000 series, see
  /// `MetricsSnapshot::left_out`. Empty in a child of fork() and for a Client that was moved from.
  [[nodiscard]] MetricsSnapshot metrics() const;

  /// Replaces the credentials of `ClientOptions::sasl`. Later logins use the new ones. Servers that
  /// refused the former credentials are tried at once. Open connections keep their session until it
  /// is renewed. Errors: configuration (an invalid login, or a client that was created without a
  /// login); closed; forked; would_deadlock on the client's own thread.
  Result<void> replace_login(SaslOptions login);

  /// Closes every producer and consumer of this client, then the connections, within `timeout`.
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
