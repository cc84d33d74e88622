#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/logger.hpp"
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

/// Where and how a Client connects. The defaults are those of the Java client 4.x.
struct ClientOptions {
  /// Servers to ask first, as "HOST:PORT" or "[IPv6]:PORT", with kafka:// or PLAINTEXT:// in front
  /// or without; at least one, at most 1,000. One string may hold several, separated by commas;
  /// blanks around them and empty ones are passed over. They are tried in random order; afterwards
  /// the addresses that the cluster itself names are used.
  std::vector<std::string> bootstrap_servers = {"127.0.0.1:9092"};
  /// Named to the servers with each request; at most 249 bytes.
  std::string client_id = "dohle";
  /// Time to set up one connection, name resolution included. 1 ms to 10 min.
  std::chrono::milliseconds connect_timeout{10'000};
  /// Time for one request's answer before the connection counts as dead. 1 ms to 10 min.
  std::chrono::milliseconds request_timeout{30'000};
  /// Time for a whole call of Admin that names none, retries included. 1 ms to 1 day.
  std::chrono::milliseconds default_api_timeout{60'000};
  /// Metadata older than this is asked for again. 10 ms to 1 day.
  std::chrono::milliseconds metadata_max_age{300'000};
  /// Wait before a request is tried again; doubles up to the maximum, with 20 % jitter. 0 to 1 day.
  std::chrono::milliseconds retry_backoff{100};
  /// See retry_backoff.
  std::chrono::milliseconds max_retry_backoff{1'000};
  /// Wait before connecting again to a server that refused; doubles likewise. 0 to 1 day.
  std::chrono::milliseconds reconnect_backoff{50};
  /// See reconnect_backoff.
  std::chrono::milliseconds max_reconnect_backoff{1'000};
  /// Connections unused for that long are closed; 0 keeps them. To 365 days.
  std::chrono::milliseconds idle_timeout{540'000};
  /// Without usable metadata for that long the bootstrap servers are asked again (KIP-1102); they
  /// are also asked as soon as no known server answers (KIP-899). 1 ms to 1 day.
  std::chrono::milliseconds rebootstrap_after{300'000};
  /// connect fails at once, with name_not_resolved, when the system's name service is sure that the
  /// hosts of all bootstrap servers do not exist. Otherwise it goes on trying, as all else does in
  /// any case: a host may get its name later.
  bool fail_on_unknown_hosts = false;
  /// The largest answer that is accepted, in bytes. Default: 100 MiB. 1 KiB to 2 GiB - 1. A larger
  /// one fails the request with too_large and closes the connection; a consumer's fetches ask for
  /// at most 7/8 of it.
  std::size_t max_response_bytes = std::size_t{100} << 20;
  /// Socket buffers in bytes; 0 leaves them to the system.
  int socket_send_buffer_bytes = 0;
  /// See socket_send_buffer_bytes.
  int socket_receive_buffer_bytes = 0;
  /// How long the client's thread goes on looking for work after it last had some, before it
  /// sleeps. 0 to 1 s; 0: not at all. While it looks, nobody has to wake it, which takes 5 to 30 us
  /// each time: for the lowest latency, at the price of up to a whole core, which the machine has
  /// to have to spare.
  std::chrono::microseconds busy_poll{0};
  /// Null: warnings and errors go to standard error.
  std::shared_ptr<Logger> logger = nullptr;
  /// Null: TCP. Otherwise the bootstrap servers are names that the transport understands.
  std::shared_ptr<Transport> transport = nullptr;
};

/// A connection to one Kafka cluster: one thread, its sockets, and what it knows of the cluster.
/// Producers, consumers and admins are handles on it and may share it.
///
/// Lifetime: handles keep the Client's insides alive; the last of them takes them along.
/// Thread safety: every member may be called from any thread, but not while it is being moved.
/// A Client does not survive fork() without exec: in the child, its calls and those of its handles
/// fail at once with Errc::forked, and destructors leave everything as it is.
/// A handle that was moved from answers Errc::closed. Move assignment first gives up what the
/// handle held, as the destructor does.
class DOHLE_API Client {
 public:
  /// Checks the options and starts the thread; connects in the background.
  /// Errors: configuration (names the option, its value and what is allowed); invalid addresses.
  static Result<Client> create(ClientOptions options = {});

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  /// Gives up this handle; the last of all handles ends the thread.
  ~Client();

  /// Waits until a server has answered with the cluster's metadata.
  /// Errors: timed_out with the last reason for each address; name_not_resolved, likewise, with
  /// fail_on_unknown_hosts.
  Result<void> connect(std::chrono::milliseconds timeout);

  /// Errors: configuration.
  Result<Producer> producer(ProducerOptions options);
  Result<Producer> producer();
  /// A consumer on this client. Errors: configuration; closed; forked.
  Result<Consumer> consumer(ConsumerOptions options);
  /// An administrator on this client. Sends nothing.
  Admin admin();

  /// Closes every producer and consumer made from it, then the connections, within `timeout`.
  /// Reports the first thing that did not end well; would_deadlock on its own thread. Idempotent;
  /// later calls of any handle fail with Errc::closed.
  Result<void> close(std::chrono::milliseconds timeout = std::chrono::seconds(5));

  /// What its handles share. Complete inside the library alone.
  class Shared;

 private:
  friend struct client::HandleAccess;
  explicit Client(std::shared_ptr<Shared> core);

  std::shared_ptr<Shared> core_;
};

}  // namespace v0
}  // namespace dohle
