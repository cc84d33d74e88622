#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/connection.hpp"
#include "base/random.hpp"
#include "sim/fault.hpp"

namespace dohle::sim {

class Machine;
class ListenerPort;
class ProcessLoop;
class Stream;
class StreamLayer;
class World;

/// One direction between two machines.
struct LinkOptions {
  Duration latency = std::chrono::microseconds(200);
  /// Maximum of a random addition to the latency.
  Duration jitter = std::chrono::microseconds(100);
  /// One in this many transfers takes up to `spike` longer (0: none).
  std::uint64_t spike_one_in = 200;
  Duration spike = std::chrono::milliseconds(20);
  /// Default: 0, unlimited.
  std::uint64_t bytes_per_second = 0;
};

struct NetworkOptions {
  LinkOptions link;
  /// Links within one machine.
  LinkOptions loopback{.latency = std::chrono::microseconds(15),
                       .jitter = std::chrono::microseconds(10),
                       .spike_one_in = 0,
                       .spike = {},
                       .bytes_per_second = 0};
  /// Default: 256 KiB. Bytes in transit or unread at the other side before a sender has to wait.
  std::size_t window_bytes = 256 * 1024;
  /// Default: 128. Connections that wait for a listener; further ones get no answer.
  std::size_t backlog = 128;
  /// Default: 30 s. If bytes cannot be delivered for this long, the connection ends at the sender.
  Duration retransmit_timeout = std::chrono::seconds(30);
};

/// The simulated network: TCP as processes see it. Bytes of one connection arrive in order and
/// once, in pieces that the seed chooses. A cut only delays them, unless it lasts longer than the
/// retransmit timeout. Host names are the machines' names; "localhost" and 127.0.0.1 are the own
/// machine; no other name resolves. A machine without power does not answer. Once it is back, it
/// answers old connections with a reset.
///
/// Known simplification: acknowledgements are not simulated, so a sender whose bytes arrive does
/// not notice that the way back is cut.
class Network {
 public:
  Network(World& world, const NetworkOptions& options, SeededRandom random);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// Sets both directions between two machines, from now on.
  void set_link(std::string_view a, std::string_view b, const LinkOptions& options);

  /// No bytes pass in either direction until `heal`.
  void cut(std::string_view a, std::string_view b);
  /// No bytes pass from `from` to `to` until `heal`: connections are half-open.
  void cut_one_way(std::string_view from, std::string_view to);
  /// Holds back, until `heal`, the bytes from `from` to `to` of all connections that are open now,
  /// also bytes that their sender wrote before it closed them. Connections made later are not
  /// affected, as if one of several paths were lost. Returns the number of connections.
  std::size_t hold_back(std::string_view from, std::string_view to);
  /// Transfers take `factor` times as long, at `bytes_per_second`, until `heal`.
  void slow(std::string_view a, std::string_view b, std::uint64_t factor,
            std::uint64_t bytes_per_second);
  /// Ends cuts, slowness and holding back between the two.
  void heal(std::string_view a, std::string_view b);
  /// New connections to the machine are refused (or accepted again).
  void refuse(std::string_view machine, bool refuses = true);
  /// Ends all cuts, slowness, holding back and refusals.
  void heal_all();
  /// Resets every connection between the two machines. A prefix of the bytes in transit arrives;
  /// the seed chooses its length, so that frames are cut short. Returns the number of connections.
  std::size_t reset(std::string_view a, std::string_view b);

  /// Connections that at least one side holds open.
  [[nodiscard]] std::size_t open_connections() const;

  // Other parts of the world call the following functions.

  /// `layer` is null for connections directly on their sockets.
  std::unique_ptr<Connection> dial(ProcessLoop& from, const Endpoint& to,
                                   const DialOptions& options, ConnectionEvents& events,
                                   StreamLayer* layer);
  Result<std::unique_ptr<Listener>> listen(ProcessLoop& at, const Endpoint& where,
                                           const ConnectionLimits& limits, Acceptor& acceptor,
                                           StreamLayer* layer);
  /// The process ended: it was killed (`others_are_told`), or its machine lost power.
  void process_ended(const ProcessLoop& loop, bool others_are_told);

 private:
  friend class ListenerPort;
  friend class Stream;

  struct Link {
    LinkOptions options;
    bool is_cut = false;
    bool is_cut_both_ways = false;
    bool is_slow = false;
    bool has_bitten = false;  ///< the current cut or slowness has been counted
    std::uint64_t slow_factor = 1;
    std::uint64_t slow_bytes_per_second = 0;
    TimePoint line_free{};
  };
  using Port = std::pair<std::size_t, std::uint16_t>;

  [[nodiscard]] Link& link(std::size_t from, std::size_t to);
  [[nodiscard]] std::size_t index_of(std::string_view machine);
  void cut_link(std::size_t from, std::size_t to, bool both_ways);
  [[nodiscard]] Machine* resolve(std::string_view host, ProcessLoop& from);
  /// The time that `bytes` take from machine to machine if they leave now.
  [[nodiscard]] Duration transfer_time(std::size_t from, std::size_t to, std::size_t bytes);
  /// True if the link is cut; counts the fault.
  [[nodiscard]] bool is_stopped(std::size_t from, std::size_t to);
  /// The listener at a port. Null if there is none, or if the machine refuses, which counts as a
  /// fault.
  [[nodiscard]] std::shared_ptr<ListenerPort> port_for(Machine& machine, std::uint16_t port);
  /// A port for a connection or a listener that did not ask for one.
  [[nodiscard]] std::uint16_t next_port();
  friend class ListenerHandle;
  void close_port(ListenerPort& port);
  void forget_closed();

  World& world_;
  const NetworkOptions options_;
  SeededRandom random_;
  std::map<std::pair<std::size_t, std::size_t>, Link> links_;
  std::set<std::size_t> refusing_;
  std::map<Port, std::shared_ptr<ListenerPort>> listeners_;
  std::vector<std::shared_ptr<Stream>> streams_;
  std::uint64_t next_stream_ = 1;
  std::size_t forget_at_ = 64;
  std::uint16_t last_port_ = 40'000;
};

}  // namespace dohle::sim
