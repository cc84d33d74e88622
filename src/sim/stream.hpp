#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/connection.hpp"
#include "sim/arrived_bytes.hpp"
#include "sim/network.hpp"
#include "sim/process_loop.hpp"

namespace dohle::sim {

/// Which end of a stream: the one that dialed, or the one that accepted.
enum class Side : std::uint8_t { dialer = 0, acceptor = 1 };
[[nodiscard]] constexpr Side other(Side side) {
  return side == Side::dialer ? Side::acceptor : Side::dialer;
}

/// One TCP connection: two ends, and the bytes on the way between them. Ends outlive the
/// Connection objects that the processes hold; nothing here is called by a process but through
/// those. Bytes on the way belong to the network: they arrive also after their sender has died.
class Stream final : public std::enable_shared_from_this<Stream> {
 public:
  Stream(Network& network, std::uint64_t id, ProcessLoop& dialer, Endpoint to,
         const DialOptions& options, ConnectionEvents& events);

  /// Resolves and sends the first SYN.
  void connect();
  /// The listener takes it: gives the acceptor its Connection and begins to read.
  void accept(Acceptor& acceptor);

  // What a process does with its end.

  bool send(Side side, Chain bytes);
  void flush(Side side);
  void pause(Side side) { at(side).is_paused = true; }
  void resume(Side side);
  /// The process is done with its end; `after_writes`: once what is queued is on its way.
  void release(Side side, bool after_writes);
  [[nodiscard]] std::size_t queued_bytes(Side side) { return at(side).queued_bytes; }
  [[nodiscard]] const std::string& peer(Side side) { return at(side).peer; }

  // What the world does with the stream.

  /// Resets both ends; of the bytes on the way a prefix arrives.
  void reset();
  /// What `from` sends, and has sent, waits until let_go.
  void hold_back(const Machine& from);
  void let_go();
  /// The kernel of that end's machine closes it (`is_told`), or the machine is gone.
  void process_ended(Side side, bool is_told);
  [[nodiscard]] ProcessLoop* loop(Side side) { return at(side).loop; }
  [[nodiscard]] bool connects(const Machine* a, const Machine* b);
  [[nodiscard]] bool is_open() const;
  /// Nothing of it will ever matter again.
  [[nodiscard]] bool is_over() const;

 private:
  enum class State : std::uint8_t {
    absent,      ///< the acceptor's end before a SYN arrived
    connecting,  ///< the dialer's end before the answer
    backlog,     ///< open for the other side, waiting for its listener
    open,
    draining,  ///< released by the process, still writing
    closed,
    vanished,  ///< its machine lost power
  };
  struct Segment {
    TimePoint arrives;
    std::vector<Slice> pieces;
    std::size_t bytes = 0;
    bool is_end = false;
  };
  struct End {
    State state = State::absent;
    Machine* machine = nullptr;
    ProcessLoop* loop = nullptr;
    ConnectionEvents* events = nullptr;
    ConnectionLimits limits;
    std::string peer;
    bool is_released = false;  ///< no event reaches the process any more
    TimePoint last_byte{};

    // Writing.
    std::deque<Slice> queue;
    std::size_t queued_bytes = 0;
    std::size_t unflushed_bytes = 0;
    bool flush_is_due = false;
    bool reported_full = false;

    // On the way to the other end.
    std::deque<Segment> on_way;
    std::size_t outstanding_bytes = 0;  ///< sent, not read by the other process
    TimePoint last_arrival{};
    bool is_held_back = false;
    bool holding_has_bitten = false;
    std::optional<TimePoint> stalled_since;
    bool retry_is_due = false;
    Duration backoff{};

    // Reading.
    std::deque<Slice> arrived;
    std::size_t arrived_bytes = 0;
    ArrivedBytes reader;
    std::optional<std::size_t> body_bytes;  ///< of the frame whose length was accepted
    bool is_paused = false;
    bool is_held = false;
    bool read_is_due = false;
    bool other_ended = false;
    bool was_reset = false;
  };

  [[nodiscard]] End& at(Side side) { return ends_[static_cast<std::size_t>(side)]; }
  [[nodiscard]] const End& at(Side side) const { return ends_[static_cast<std::size_t>(side)]; }
  [[nodiscard]] static bool is_live(const End& end);
  [[nodiscard]] World& world() const;
  [[nodiscard]] bool is_stopped(Side from);
  [[nodiscard]] Duration travel_time(Side from, std::size_t bytes);
  void later(Duration delay, void (Stream::*what)());
  void note(std::string_view line) const;

  // Setting up.
  void connect_timed_out();
  void send_syn();
  void syn_arrives();
  void answer_arrives();
  void refusal_arrives();
  void handshake_ends();
  void retry_syn();
  void opened(Side side);
  void watch_idle(Side side);

  // Bytes.
  void fill_segments(Side side);
  [[nodiscard]] Segment next_segment(End& end, std::size_t max_bytes);
  void put_on_way(Side from, Segment segment);
  void deliver(Side from);
  void stall(Side from);
  void retry(Side from);
  void arrive(Side from, Segment segment);
  void window_opens(Side from);
  void report_drained(Side side);
  [[nodiscard]] bool queue_piece(Side side, const Chain::Piece& piece);

  // Reading.
  void schedule_read(Side side);
  void read(Side side);
  void take_arrived(Side side);
  /// True when another step may be possible.
  bool read_step(Side side);
  [[nodiscard]] bool ask_admission(Side side, std::int32_t length);

  // Ending.
  void send_end(Side side);
  void send_reset(Side side);
  void reset_arrives(Side side);
  void close_end(Side side);
  void lost(Side side, Errc code, std::string why);

  Network& network_;
  const std::uint64_t id_;
  const std::string dialer_;
  const Endpoint to_;
  const Duration connect_timeout_;
  std::weak_ptr<ListenerPort> port_;
  unsigned syns_ = 0;
  std::array<End, 2> ends_;
};

/// A listening port of a machine; owned by the network, driven by the listener's handle.
class ListenerPort final : public std::enable_shared_from_this<ListenerPort> {
 public:
  ListenerPort(Network& network, ProcessLoop& loop, Endpoint local, const ConnectionLimits& limits,
               Acceptor& acceptor)
      : network_(network),
        loop_(loop),
        local_(std::move(local)),
        limits_(limits),
        acceptor_(acceptor) {}

  [[nodiscard]] bool is_open() const { return is_open_; }
  [[nodiscard]] bool has_room() const;
  void offer(std::shared_ptr<Stream> stream);
  void pause() { is_paused_ = true; }
  void resume();
  /// Frees the port and resets what waits.
  void close();

  [[nodiscard]] ProcessLoop& loop() const { return loop_; }
  [[nodiscard]] const Endpoint& local() const { return local_; }
  [[nodiscard]] const ConnectionLimits& limits() const { return limits_; }

 private:
  void schedule();
  void accept_waiting();

  Network& network_;
  ProcessLoop& loop_;
  const Endpoint local_;
  const ConnectionLimits limits_;
  Acceptor& acceptor_;
  std::deque<std::shared_ptr<Stream>> waiting_;
  bool is_open_ = true;
  bool is_paused_ = false;
  bool is_due_ = false;
};

/// The Connection that a process holds.
class SimulatedConnection final : public Connection {
 public:
  SimulatedConnection(std::shared_ptr<Stream> stream, Side side)
      : stream_(std::move(stream)), side_(side) {}
  ~SimulatedConnection() override { stream_->release(side_, false); }

  bool send(Chain bytes) override { return stream_->send(side_, std::move(bytes)); }
  [[nodiscard]] std::size_t queued_bytes() const override { return stream_->queued_bytes(side_); }
  void flush() override { stream_->flush(side_); }
  void pause_reading() override { stream_->pause(side_); }
  void resume_reading() override { stream_->resume(side_); }
  void close() override { stream_->release(side_, false); }
  void close_after_writes() override { stream_->release(side_, true); }
  [[nodiscard]] const std::string& peer() const override { return stream_->peer(side_); }

 private:
  std::shared_ptr<Stream> stream_;
  const Side side_;
};

}  // namespace dohle::sim
