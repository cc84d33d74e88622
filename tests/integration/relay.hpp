#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace dohle {

/// Passes bytes between clients and a port of 127.0.0.1, and keeps the bytes of each connection, up
/// to 64 KiB a direction. Has a thread of its own.
class Relay {
 public:
  /// Changes bytes on their way, without changing their number.
  using Change = std::function<void(std::string& bytes, bool is_to_client)>;
  struct Seen {
    std::string to_server, to_client;
  };

  /// Whether answers of a connection that has sent these bytes are dropped from now on.
  using Mute = std::function<bool(const std::string& to_server)>;

  explicit Relay(std::uint16_t server, Change change = nullptr);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// All connections so far, in their order.
  [[nodiscard]] std::vector<Seen> seen() const;
  /// Waits until `is_so` holds for the connections seen so far.
  bool wait_until(const std::function<bool(const std::vector<Seen>& seen)>& is_so,
                  std::chrono::milliseconds timeout) const;
  /// Another server for the connections from now on.
  void aim_at(std::uint16_t server) { server_ = server; }
  void mute(Mute when);
  /// Closes all connections.
  void cut();

 private:
  struct Pair {
    int client = -1, server = -1;
    std::size_t number = 0;
  };

  void run();
  void accept();
  void close_all();
  /// False: one side has ended.
  [[nodiscard]] bool pass(const Pair& pair, bool is_to_client);

  std::atomic<std::uint16_t> server_;
  const Change change_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  int stop_ = -1;  // an eventfd
  int cut_ = -1;   // an eventfd
  std::vector<Pair> pairs_;
  mutable std::mutex mutex_;
  mutable std::condition_variable grown_;
  Mute mute_;
  std::vector<Seen> seen_;
  std::jthread thread_;
};

/// A server that sends the same answer to the first bytes of each connection, and closes none. A
/// thread of its own.
class AnsweringServer {
 public:
  explicit AnsweringServer(std::string answer);
  ~AnsweringServer();
  AnsweringServer(const AnsweringServer&) = delete;
  AnsweringServer& operator=(const AnsweringServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// The first bytes of all connections so far.
  [[nodiscard]] std::vector<std::string> received() const;

 private:
  void run();

  const std::string answer_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  int stop_ = -1;  // an eventfd
  std::vector<int> connections_;
  mutable std::mutex mutex_;
  std::vector<std::string> received_;
  std::jthread thread_;
};

/// A port of 127.0.0.1 that refuses connections and is reserved meanwhile.
class RefusingPort {
 public:
  RefusingPort();
  ~RefusingPort();
  RefusingPort(const RefusingPort&) = delete;
  RefusingPort& operator=(const RefusingPort&) = delete;
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_ = 0;
  int socket_ = -1;
};

/// Sends bytes to a port of 127.0.0.1 and returns everything up to the end of the connection. Fails
/// the test if that takes 2 s.
[[nodiscard]] std::string answer_until_closed(std::uint16_t port, const std::string& bytes);

}  // namespace dohle
