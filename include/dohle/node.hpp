#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/logger.hpp"
#include "dohle/sasl.hpp"
#include "dohle/secret.hpp"
#include "dohle/security_protocol.hpp"
#include "dohle/tls.hpp"
#include "dohle/transport.hpp"

namespace dohle::node {
struct NodeAccess;
}  // namespace dohle::node

namespace dohle {
inline namespace v0 {

/// When a node answers a produce request with acks=all, and which records then survive a crash.
/// Only the newest batches can be lost. After a crash each batch is whole or absent, never torn.
enum class Durability : std::uint8_t {
  /// After the records are on disk: they survive a power failure. Consumers see only records that
  /// are on disk, so a record that was read never disappears. While a single producer sends
  /// requests less than 300 us apart, the node's thread polls between them instead of sleeping.
  fsync,
  /// After the operating system has the records. They are made durable at least every 50 ms. A
  /// power failure loses at most the records of the last 50 ms. A crash of the process loses none.
  interval,
  /// After the operating system has the records. It chooses when to write them. They survive a
  /// crash of the process, but not a power failure.
  os,
};

/// Parses "fsync", "interval" and "os". Errors: configuration, with the allowed values.
[[nodiscard]] DOHLE_API Result<Durability> parse_durability(std::string_view text);

/// A listener of a node. NodeOptions holds the requested addresses, and `Node::listeners` returns
/// the actual ones.
struct NodeListener {
  /// Default: "tcp". 1 to 64 letters, digits, '_' and '-'; unique in the node. "embedded" is
  /// reserved for the listener without sockets.
  std::string name = "tcp";
  /// "HOST:PORT" or "[IPv6]:PORT" to listen on. With port 0 the system chooses a port, which
  /// `Node::listeners` returns. For "embedded" it is an address that only `Node::transport`
  /// understands.
  std::string address = "127.0.0.1:9092";
  /// Default: empty, the listening address. "HOST:PORT" that the node advertises to clients of this
  /// listener. Required if the listening address is a wildcard, for example 0.0.0.0. Port 0 means
  /// the listening port.
  std::string advertised = {};
  /// Default: plaintext. With sasl_plaintext and sasl_ssl, clients have to log in
  /// (NodeOptions::sasl). With ssl and sasl_ssl, connections are encrypted, which needs `tls`.
  SecurityProtocol protocol = SecurityProtocol::plaintext;
  /// Default: absent. The certificate and the TLS rules. Required with ssl and sasl_ssl, and a
  /// configuration error with other protocols. `Node::listeners` does not return it. A connection
  /// has 10 s for its handshake.
  std::optional<TlsServerOptions> tls = {};
  /// Default: "DEFAULT", the whole name as Java writes it (RFC 2253). At most 64 KiB and 100 rules.
  /// Rules that turn the name in a client's certificate into the name of its principal, as Apache
  /// Kafka's ssl.principal.mapping.rules: "RULE:PATTERN/REPLACEMENT/[LU]" and "DEFAULT", separated
  /// by commas. The first rule that matches is used. If none matches, the connection is closed.
  /// Patterns have RE2's syntax. Allowed only for ssl with certificates wanted or required. With
  /// sasl_ssl the principal is the user that logs in. A client of ssl without a certificate is
  /// ANONYMOUS.
  std::string principal_rules = "DEFAULT";
};

/// A user of a node, with the password.
struct NodeUser {
  /// 1 to 1,024 characters of printable ASCII.
  std::string name;
  /// 1 to 1,024 bytes of UTF-8 without NUL. Used unchanged, without SASLprep.
  Secret password;
};

/// The logins of a node's listeners with sasl_plaintext and sasl_ssl. A client that has logged in
/// may do everything. Without such a listener, options that differ from their defaults are
/// configuration errors.
struct NodeSaslOptions {
  /// Default: all. At least one. The mechanisms that the node offers, in the order of its answer to
  /// SaslHandshake.
  std::vector<SaslMechanism> mechanisms = {SaslMechanism::plain, SaslMechanism::scram_sha_256,
                                           SaslMechanism::scram_sha_512};
  /// Default: none. Up to 1,000. The users of PLAIN. The node keeps only verifiers of the
  /// passwords.
  std::vector<NodeUser> plain_users = {};
  /// Default: none. A file with further users of PLAIN, one per line in the form of `hash_user`.
  /// The node reads it at the start. Only its owner may have rights on the file.
  std::string plain_user_file = {};
  /// Default: none. A file of the same form with SCRAM users. The first start with logins in a data
  /// directory reads it. Later starts ignore it; requests then change the users
  /// (AlterUserScramCredentials, `dohle user`). Only its owner may have rights on the file.
  std::string scram_user_file = {};
  /// Default: 0, a login lasts as long as its connection. 0, or 2 s to 365 days. How long a login
  /// lasts (KIP-368, connections.max.reauth.ms). Clients log in again on the same connection before
  /// that time ends. The first other request after that time closes the connection. Times below 2 s
  /// are refused because a connection may log in again only once per second, as in Apache Kafka.
  std::chrono::milliseconds max_reauth{0};
};

/// How `hash_user` makes the verifier of a password.
struct UserHashOptions {
  /// Default: scram_sha_512. scram_sha_256 or scram_sha_512. For a SCRAM user, the mechanism with
  /// which it may log in. Ignored for PLAIN.
  SaslMechanism mechanism = SaslMechanism::scram_sha_512;
  /// Default: 4,096. 4,096 to 16,384. The iterations of PBKDF2.
  std::uint32_t iterations = 4'096;
};

/// Makes the line of a user for the files of NodeSaslOptions: NAME:SCRAM-SHA-512$4096:SALT$KEY:KEY,
/// with a new random salt. The line verifies the password without containing it, but a weak
/// password can be guessed from it. Takes milliseconds. Errors: configuration. Thread safety: any
/// thread.
[[nodiscard]] DOHLE_API Result<std::string> hash_user(const NodeUser& user,
                                                      const UserHashOptions& options = {});

/// The options of a node.
struct NodeOptions {
  /// Default: ":memory:", all data is kept in memory and is lost at the end. Otherwise the
  /// directory for the data, which is created with mode 0700 if it does not exist. If other users
  /// have rights on an existing one, each start logs a warning.
  std::string data_dir = ":memory:";
  /// Default: 1 GiB. At least 1 MiB. With ":memory:", the most bytes of all files together. Above
  /// it producers are refused with KAFKA_STORAGE_ERROR; reading still works.
  std::size_t max_memory_bytes = std::size_t{1} << 30;
  /// Default: one at 127.0.0.1:9092. 0 to 16. The TCP listeners. If empty, there are no sockets,
  /// and only `Node::transport` reaches the node. A client of a listener without a login may do
  /// everything, with one exception: it may not list or change users if another listener has logins
  /// or asks for certificates.
  std::vector<NodeListener> listeners = {{}};
  /// The logins of the listeners that ask for one.
  NodeSaslOptions sasl = {};
  /// Default: fsync. When a produce request with acks=all is answered.
  Durability durability = Durability::fsync;
  /// Default: true, a topic is created on first use, with one partition.
  bool auto_create_topics = true;
  /// Default: 10,000. 1 to 100,000. The most connections. Further connections are closed at once.
  /// The limit is lower if RLIMIT_NOFILE leaves fewer descriptors after those for files and a
  /// reserve of 64. The node then logs the number at its start. An embedded node never raises
  /// RLIMIT_NOFILE.
  std::size_t max_connections = 10'000;
  /// Default: 100 MiB. 1 KiB to 2 GiB - 1. The largest request, in bytes.
  std::size_t max_request_bytes = std::size_t{100} << 20;
  /// Default: 512 MiB. At least 1 KiB. The most bytes of unfinished requests in memory, for all
  /// connections together. Only bytes that have arrived count. Above the limit, requests of more
  /// than 32 KiB are read one at a time; the others wait. Of the requests that received less than
  /// 64 KiB in the last 5 s, the slowest lose their connection.
  std::size_t max_requests_bytes = std::size_t{512} << 20;
  /// Default: 256 MiB. At least 1 KiB. The most bytes of answers in memory that clients have not
  /// read, for all connections together. Above the limit, requests of connections with unread
  /// answers wait, and requests of other connections are served one at a time. A connection that
  /// has read nothing for 10 s while others wait is closed.
  std::size_t max_unread_answer_bytes = std::size_t{256} << 20;
  /// Default: none. Topics whose partitions are in the data directory, but which the catalog does
  /// not list. The start adds them to the catalog with the default settings. If the catalog lists
  /// the topic with fewer partitions, the start adds the further partitions, if one of them has
  /// records. A topic without directories is a configuration error.
  std::vector<std::string> adopt = {};
  /// Default: 1,000,000. At least 1. The most pairs of a waiting fetch and one of its partitions.
  /// Each pair takes about 70 bytes. A fetch within the limit is answered as soon as its records
  /// arrive. A fetch above the limit checks for records every 100 ms.
  std::size_t max_fetch_wait_pairs = 1'000'000;
  /// Default: milliseconds::max(), no limit. At least 0. How far a record's timestamp may lie
  /// before the node's time (log.message.timestamp.before.max.ms). Earlier records are refused with
  /// INVALID_TIMESTAMP. It does not apply to topics with LogAppendTime; a topic may have its own
  /// limit.
  std::chrono::milliseconds max_timestamp_before = std::chrono::milliseconds::max();
  /// Default: 1 h. At least 0; milliseconds::max() means no limit. How far a record's timestamp may
  /// lie after the node's time (log.message.timestamp.after.max.ms). See max_timestamp_before.
  std::chrono::milliseconds max_timestamp_after = std::chrono::hours(1);
  /// Default: none. Damage whose loss the user accepts, each as "TOPIC-PARTITION@OFFSET", the text
  /// in the error that reported it. The node moves only the damaged bytes to a file in the
  /// partition's directory, and the log continues after a gap. A partition whose directory is
  /// missing starts empty after its last offset. An entry that names no existing topic, partition
  /// or damage is a configuration error. An entry for a loss that was accepted before is ignored.
  std::vector<std::string> accept_loss = {};
  /// Default: null, warnings and errors go to standard error.
  std::shared_ptr<Logger> logger = nullptr;
};

/// An embedded single-node Kafka-compatible server with a thread of its own. It never clusters.
///
///     auto node = dohle::Node::start({.data_dir = "./data"});
///     if (!node) return fail(node.error());
///
/// Move-only. Thread safety: any thread, but not while it is being moved. A Node that was moved
/// from has no address, and its `close` returns Errc::closed. Move assignment first closes the Node
/// that it held, as the destructor does. In a child after fork() without exec, `close` fails with
/// Errc::forked, the destructor does nothing, and only the parent holds the directory's locks.
class DOHLE_API Node {
 public:
  /// Opens the data, recovers it if the last stop was not clean, and listens. The node accepts
  /// connections when start returns. Errors: configuration; locked (another process holds the
  /// directory); damaged (with the place and the remedy); connection_failed (the address is in
  /// use); other storage errors.
  static Result<Node> start(NodeOptions options = {});

  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;
  /// As close() with its default timeout; its error is logged.
  ~Node();

  /// The first listener's address, as "HOST:PORT" with the actual port. Without sockets, the
  /// address for clients that use `transport`. Valid while the Node lives.
  [[nodiscard]] const std::string& address() const;
  /// The listeners in the order of NodeOptions::listeners, then "embedded". Valid while the Node
  /// lives.
  [[nodiscard]] const std::vector<NodeListener>& listeners() const;
  /// A transport that reaches the node from inside the process, without sockets. A Client takes it
  /// as ClientOptions::transport together with the address of the listener "embedded". It may
  /// outlive the Node: connections then fail as refused ones.
  [[nodiscard]] std::shared_ptr<Transport> transport() const;

  /// Reads the certificates, keys, CAs and revocation lists of all listeners with TLS again. New
  /// connections use the new files. Open connections keep the old ones. If any file cannot be used,
  /// every listener keeps the old files. Reads the files on the calling thread. Errors:
  /// configuration, with the listener, the file and the reason; closed. Not at the same time as
  /// `close`.
  Result<void> reload_certificates();

  /// Stops accepting, answers the requests under way, closes the connections, makes all data
  /// durable and marks the stop as clean. Requests that are not answered within `timeout` are
  /// dropped. `timeout` does not limit the time in which the data is made durable. Idempotent.
  /// Errors: storage.
  Result<void> close(std::chrono::milliseconds timeout = std::chrono::seconds(5));

 private:
  friend struct node::NodeAccess;
  struct Parts;
  explicit Node(std::unique_ptr<Parts> parts);
  [[nodiscard]] Result<void> check_usable() const;
  std::unique_ptr<Parts> parts_;
};

}  // namespace v0
}  // namespace dohle
