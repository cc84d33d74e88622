#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/logger.hpp"

namespace dohle {
inline namespace v0 {

/// When a node answers a produce with acks=all.
enum class Durability : std::uint8_t {
  /// Once the records are on disk: they survive a power failure. What consumers see survives too.
  fsync,
  /// Once the operating system has them: they survive the end of the process, not that of the
  /// machine.
  os,
};

/// Reads "fsync" and "os". Errors: configuration, naming what is allowed.
[[nodiscard]] DOHLE_API Result<Durability> parse_durability(std::string_view text);

/// Where and how a node keeps its data and listens.
struct NodeOptions {
  /// A directory, made if absent; ":memory:" keeps everything in memory and loses it at the end.
  std::string data_dir = ":memory:";
  /// "HOST:PORT"; port 0 lets the system pick one. There is no authentication: everybody who
  /// reaches the address may do everything, so it is the loopback interface unless said otherwise.
  std::string listen = "127.0.0.1:9092";
  /// What clients are told to connect to, as "HOST:PORT"; empty: the listening address.
  std::string advertise = {};
  Durability durability = Durability::fsync;
  /// Topics are made on first use, with one partition.
  bool auto_create_topics = true;
  /// Connections above it are closed at once. 1 to 100,000.
  std::size_t connections_max = 10'000;
  /// The largest request, in bytes. 1 KiB to 2 GiB - 1.
  std::size_t request_bytes_max = std::size_t{100} << 20;
  /// Requests whose bodies are held in memory at one time, all connections together, in bytes.
  std::size_t requests_bytes_max = std::size_t{512} << 20;
  /// Null: warnings and errors go to standard error.
  std::shared_ptr<Logger> logger = nullptr;
};

/// An embedded single-node Kafka-compatible server with a thread of its own. It never clusters.
/// Move-only. Thread safety: any thread, but not while it is being moved.
class DOHLE_API Node {
 public:
  /// Opens the data, recovers it if the last stop was not clean, and listens; accepts connections
  /// when it returns. Errors: configuration; locked (another process has the directory); damaged
  /// (says where and what to do); connection_failed (the address is taken).
  static Result<Node> start(NodeOptions options = {});

  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;
  /// As close().
  ~Node();

  /// "HOST:PORT" that it listens on, with the port that was picked for port 0.
  [[nodiscard]] const std::string& address() const;
  /// Closes listener and connections, makes all data durable and marks the stop as clean.
  /// Idempotent. Errors: storage.
  Result<void> close();

 private:
  struct Parts;
  explicit Node(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace v0
}  // namespace dohle
