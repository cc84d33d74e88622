#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "wire/header.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/produce.hpp"

namespace dohle::fault {

class WireConnection;

/// Connections that repeatedly send the same bytes to a node, on a thread of their own, until
/// destruction. A connection that the node closes is not opened again.
class Attack {
 public:
  struct Plan {
    std::size_t connections = 1;
    /// The bytes that each connection sends, usually whole requests.
    std::string bytes;
    /// Default: 0, without end. Number of times that each connection sends them.
    std::size_t rounds = 0;
    /// Whether answers are read (and discarded).
    bool reads = true;
    /// Default: 0, none. Interval at which each connection sends single bytes after all rounds.
    std::chrono::milliseconds drip{0};
  };

  Attack(std::uint16_t port, Plan plan);
  ~Attack();
  Attack(const Attack&) = delete;
  Attack& operator=(const Attack&) = delete;

  /// Number of answer bytes read.
  [[nodiscard]] std::uint64_t read_bytes() const { return read_bytes_; }
  [[nodiscard]] std::uint64_t sent_bytes() const { return sent_bytes_; }
  [[nodiscard]] std::size_t open_connections() const { return open_; }

 private:
  struct Line {
    int socket;
    std::size_t rounds = 0;
    std::size_t at = 0;
    std::chrono::steady_clock::time_point next_drip{};
  };

  void run();
  [[nodiscard]] bool wants_to_send(const Line& line) const;
  /// False if the connection is closed.
  bool send_some(Line& line);
  bool read_some(const Line& line);

  const Plan plan_;
  std::vector<Line> lines_;
  std::atomic<std::uint64_t> read_bytes_ = 0;
  std::atomic<std::uint64_t> sent_bytes_ = 0;
  std::atomic<std::size_t> open_ = 0;
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

/// One request as bytes.
template <class Request>
[[nodiscard]] std::string bytes_of(const Request& request,
                                   std::int16_t version = Request::api.versions.max) {
  auto bytes = wire::encode_request(1, "attacker", request, version);
  return bytes ? std::string(bytes->flatten()->text()) : std::string();
}

[[nodiscard]] std::string repeated(const std::string& bytes, std::size_t count);

/// Asks for the topics "PREFIX0", "PREFIX1" and so on. The answer is many times larger than the
/// request if they have many partitions.
[[nodiscard]] wire::MetadataRequest metadata_of(const std::string& prefix, int count);

/// Waiting times of a producer during an attack.
struct Waits {
  std::vector<std::chrono::microseconds> each;
  [[nodiscard]] double longest_ms() const;
  [[nodiscard]] double percentile_ms(int percent) const;
};

/// Produces a record every 20 ms to partition 0 of `topic`, for `windows` windows of
/// DOHLE_PROBE_SECONDS (default: 2) seconds, and returns the window with the lowest p99. With
/// sanitizers there is one window. Failed requests are test failures.
[[nodiscard]] Waits probe(std::uint16_t port, const std::string& topic, int windows = 3);
/// The same by a connection that is there before the attack.
[[nodiscard]] Waits probe(WireConnection& connection, const std::string& topic, int windows = 3);
/// Waiting times of `count` consecutive produce requests for one partition. Failed requests are
/// test failures.
[[nodiscard]] Waits probe_with(std::uint16_t port, const wire::ProduceRequest& request, int count);
/// Prints p50, p99 and the longest wait.
void print(const std::string& attack, const Waits& waits);

}  // namespace dohle::fault
