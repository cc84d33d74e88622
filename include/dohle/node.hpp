#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/logger.hpp"
#include "dohle/transport.hpp"

namespace dohle {
inline namespace v0 {

/// When a node answers a produce with acks=all, and what then survives. What is not covered by the
/// promise is whole or absent after a crash, never torn, and always the newest records.
enum class Durability : std::uint8_t {
  /// Once the records are on disk: they survive a power failure. Consumers see nothing that is not
  /// on disk, so what they have read is never taken back. While one request at a time waits for
  /// that, and the next comes within 300 us, the node's thread stays awake in between.
  fsync,
  /// Once the operating system has them; everything is made durable at least every 50 ms. A power
  /// failure takes at most that much; the end of the process takes nothing.
  interval,
  /// Once the operating system has them, which writes when it likes. They survive the end of the
  /// process, not that of the machine.
  os,
};

/// Reads "fsync", "interval" and "os". Errors: configuration, naming what is allowed.
[[nodiscard]] DOHLE_API Result<Durability> parse_durability(std::string_view text);

/// One way into a node: in NodeOptions what is wanted, in `Node::listeners` what came of it.
struct NodeListener {
  /// 1 to 64 letters, digits, '_' and '-'; each once. "embedded" is the name of the way without
  /// sockets, and cannot be given. Default: "tcp".
  std::string name = "tcp";
  /// "HOST:PORT" or "[IPv6]:PORT" to listen on. With port 0 the system picks one, which
  /// `Node::listeners` names. For "embedded" an address that only `Node::transport` understands.
  std::string address = "127.0.0.1:9092";
  /// "HOST:PORT" that clients of this listener are told to connect to. Default: empty, the
  /// listening address. Needed when that is a wildcard as 0.0.0.0. Port 0: the listening port.
  std::string advertised = {};
};

/// Where and how a node keeps its data and listens.
struct NodeOptions {
  /// A directory, made if absent; ":memory:" keeps everything in memory and loses it at the end.
  std::string data_dir = ":memory:";
  /// For ":memory:": all files together, in bytes. Above it producers are refused with
  /// KAFKA_STORAGE_ERROR, and reading goes on. At least 1 MiB.
  std::size_t max_memory_bytes = std::size_t{1} << 30;
  /// Where clients connect by TCP. At most 16. Default: 127.0.0.1:9092 alone. If empty, there are
  /// no sockets, and only `Node::transport` reaches the node. There is no authentication: everybody
  /// who reaches an address may do everything.
  std::vector<NodeListener> listeners = {{}};
  /// When a produce with acks=all is answered. Default: fsync.
  Durability durability = Durability::fsync;
  /// Topics are made on first use, with one partition.
  bool auto_create_topics = true;
  /// Connections above it are closed at once. 1 to 100,000. Fewer where the process has not as many
  /// descriptors left beside those for files and a reserve of 64; a line at the start says how
  /// many. The limit is RLIMIT_NOFILE as it is: an embedded node never raises it.
  std::size_t max_connections = 10'000;
  /// The largest request, in bytes. 1 KiB to 2 GiB - 1.
  std::size_t max_request_bytes = std::size_t{100} << 20;
  /// Bytes of unfinished requests that are held in memory, all connections together: as many as
  /// have arrived. Above it requests of more than 32 KiB wait, but for one at a time, and of
  /// requests of which less than 64 KiB came in the last 5 s the slowest lose their connection. At
  /// least 1 KiB.
  std::size_t max_requests_bytes = std::size_t{512} << 20;
  /// Bytes of answers in memory that clients have not read, all connections together. Above it
  /// requests of connections with unread answers wait, those of others are served one at a time,
  /// and a connection that has read nothing for 10 s while others wait is closed. Default: 256 MiB.
  /// At least 1 KiB.
  std::size_t max_unread_answer_bytes = std::size_t{256} << 20;
  /// Topics to list again of which the data directory has the partitions and the catalog knows
  /// nothing, with the default settings. Default: none. A topic that is listed already is left
  /// alone; one without directories is a configuration error.
  std::vector<std::string> adopt = {};
  /// Waiting fetches times the partitions of each, all together: what is kept so that a fetch is
  /// answered once its records are there. Above it a fetch looks every 100 ms. At least 1; one pair
  /// takes about 70 bytes.
  std::size_t max_fetch_wait_pairs = 1'000'000;
  /// How far the time of a record may lie before and after the node's
  /// (log.message.timestamp.before.max.ms, log.message.timestamp.after.max.ms): others are refused
  /// with INVALID_TIMESTAMP. Not for topics with LogAppendTime; a topic may have its own. At least
  /// 0; milliseconds::max(): any time.
  std::chrono::milliseconds max_timestamp_before = std::chrono::milliseconds::max();
  /// See max_timestamp_before. Default: 1 h.
  std::chrono::milliseconds max_timestamp_after = std::chrono::hours(1);
  /// Damage to give up, each as "TOPIC-PARTITION@OFFSET", as the line that told of it has it.
  /// Default: none. The damaged bytes alone are put aside in the partition's directory, and the log
  /// goes on behind a gap; a partition whose directory is missing begins anew behind its last
  /// offset. It is valid for that damage only: a topic, a partition or damage that there is not is
  /// a configuration error. A loss that was accepted before is left alone.
  std::vector<std::string> accept_loss = {};
  /// Null: warnings and errors go to standard error.
  std::shared_ptr<Logger> logger = nullptr;
};

/// An embedded single-node Kafka-compatible server with a thread of its own. It never clusters.
///
///     auto node = dohle::Node::start({.data_dir = "./data"});
///     if (!node) return fail(node.error());
///
/// Move-only. Thread safety: any thread, but not while it is being moved.
/// Moved from, it has no address and `close` answers Errc::closed; move assignment first closes
/// what it held, as the destructor does. In a child after fork() without exec, `close` fails with
/// Errc::forked, the destructor leaves everything as it is, and the directory's locks are the
/// parent's alone.
class DOHLE_API Node {
 public:
  /// Opens the data, recovers it if the last stop was not clean, and listens; accepts connections
  /// when it returns. Errors: configuration; locked (another process has the directory); damaged
  /// (says where and what to do); connection_failed (the address is taken); other storage errors.
  static Result<Node> start(NodeOptions options = {});

  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;
  /// As close() with its default; what fails is logged.
  ~Node();

  /// Where clients connect by the first listener, as "HOST:PORT" with the port that was picked for
  /// port 0; without sockets, the address for clients that use `transport`. Valid while the Node
  /// lives.
  [[nodiscard]] const std::string& address() const;
  /// In the order of NodeOptions::listeners, then "embedded". Valid while the Node lives.
  [[nodiscard]] const std::vector<NodeListener>& listeners() const;
  /// Reaches the node from inside the process, without sockets. A Client takes it as
  /// ClientOptions::transport together with the address of the listener "embedded". It may outlive
  /// the Node: connections then fail as if refused.
  [[nodiscard]] std::shared_ptr<Transport> transport() const;

  /// Stops accepting, answers what is under way, closes connections, makes all data durable and
  /// marks the stop as clean. Requests that are not answered within `timeout` are dropped; making
  /// data durable takes as long as the disk does. Idempotent. Errors: storage.
  Result<void> close(std::chrono::milliseconds timeout = std::chrono::seconds(5));

 private:
  struct Parts;
  explicit Node(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace v0
}  // namespace dohle
