#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_stream.hpp"
#include "base/connection.hpp"
#include "frames/framed_connection.hpp"
#include "sim/network.hpp"
#include "sim/process_loop.hpp"
#include "sim/stream_layer.hpp"

namespace dohle::sim {

/// Which end of a stream: the one that dialed, or the one that accepted.
enum class Side : std::uint8_t { dialer = 0, acceptor = 1 };
[[nodiscard]] constexpr Side other(Side side) {
  return side == Side::dialer ? Side::acceptor : Side::dialer;
}

class Stream;

/// Passes the events of a connection on, and reports each frame to the world before. A process that
/// ended within its turn gets no frames.
class FrameTap final : public ConnectionEvents {
 public:
  FrameTap(Stream& stream, Side side, ConnectionEvents& events)
      : stream_(stream), side_(side), events_(events) {}

  void on_open() override { events_.on_open(); }
  Admission on_frame_length(std::size_t bytes) override;
  Admission on_frame_room(std::size_t bytes) override;
  void on_frame_room_unused(std::size_t bytes) override;
  void on_frame(Slice frame) override;
  void on_drained() override { events_.on_drained(); }
  void on_closed(Error why) override { events_.on_closed(std::move(why)); }

 private:
  Stream& stream_;
  const Side side_;
  ConnectionEvents& events_;
};

/// One TCP connection: two ends, and the bytes in transit between them. Each end is the ByteStream
/// of a FramedConnection in its process, or the one below its layer. Bytes in transit belong to the
/// network: they arrive even if their sender has ended.
class Stream final : public std::enable_shared_from_this<Stream> {
 public:
  Stream(Network& network, std::uint64_t id, ProcessLoop& dialer, Endpoint to,
         const DialOptions& options, StreamLayer* layer);

  /// Resolves the name and sends the first SYN. Returns the handle for the dialing process.
  std::unique_ptr<Connection> connect(ConnectionEvents& events);
  /// Called by the listener: gives the acceptor its Connection and begins to read.
  void accept(Acceptor& acceptor);

  // Calls of a process, for its end.

  /// Moves bytes, in pieces that the seed chooses.
  Result<Moved> read(Side side, const ReadRoom& into);
  Result<Moved> write(Side side, WriteQueue& from);
  void end_writes(Side side);
  /// The process closes its end.
  void close(Side side);
  /// Reports a whole frame to the world before the process gets it.
  void frame_is_read(Side side, const Slice& frame) const;
  [[nodiscard]] bool is_process_alive(Side side) const { return at(side).loop->is_alive(); }

  // Calls of the world.

  /// Resets both ends. A prefix of the bytes in transit arrives.
  void reset();
  /// Holds back the bytes that `from` sends or has in transit, until let_go.
  void hold_back(const Machine& from);
  void let_go();
  /// The process of an end ended. The kernel closes the end (`is_told`), or the machine lost power.
  void process_ended(Side side, bool is_told);
  [[nodiscard]] ProcessLoop* loop(Side side) { return at(side).loop; }
  [[nodiscard]] bool connects(const Machine* a, const Machine* b);
  [[nodiscard]] bool is_open() const;
  /// True if no end is open and no bytes are in transit.
  [[nodiscard]] bool is_over() const;

 private:
  enum class State : std::uint8_t {
    absent,      ///< the acceptor's end before a SYN arrived
    connecting,  ///< the dialer's end before the answer
    backlog,     ///< open for the other side, waiting for its listener
    open,
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
    ConnectionLimits limits;
    StreamLayer* layer = nullptr;
    std::string peer;
    StreamEvents* events = nullptr;  ///< null if the process has no connection at this end
    std::unique_ptr<FrameTap> tap;

    // Writing.
    bool has_ended = false;  ///< the end of its bytes was sent
    bool waits_for_room = false;

    // Bytes on the way to the other end.
    std::deque<Segment> on_way;
    std::size_t outstanding_bytes = 0;  ///< sent, not read by the other process
    TimePoint last_arrival{};
    bool is_held_back = false;
    bool holding_has_bitten = false;
    std::optional<TimePoint> stalled_since;
    bool retry_is_due = false;
    Duration backoff{};

    // Reading.
    SliceQueue arrived;
    StreamNews news;  ///< not yet reported to the process
    bool news_are_due = false;
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
  [[nodiscard]] std::shared_ptr<frames::FramedConnection> hold(Side side);
  [[nodiscard]] ConnectionEvents* tapped(Side side, ConnectionEvents& events);
  void opened(Side side);

  // Bytes.
  [[nodiscard]] static Result<Segment> next_segment(WriteQueue& from, std::size_t max_bytes);
  void put_on_way(Side from, Segment segment);
  void deliver(Side from);
  void stall(Side from);
  void retry(Side from);
  void arrive(Side from, Segment segment);
  void window_opens(Side from);
  void room_comes(Side side);
  void tell(Side side, StreamNews news);

  // Ending.
  void send_end(Side side);
  void send_reset(Side side);
  void reset_arrives(Side side);
  void close_end(Side side);
  void lost(Side side, Errc code, const std::string& why);

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
               Acceptor& acceptor, StreamLayer* layer)
      : network_(network),
        loop_(loop),
        local_(std::move(local)),
        limits_(limits),
        acceptor_(acceptor),
        layer_(layer) {}

  [[nodiscard]] bool is_open() const { return is_open_; }
  [[nodiscard]] bool has_room() const;
  void offer(std::shared_ptr<Stream> stream);
  void pause() { is_paused_ = true; }
  void resume();
  /// Closes the port and resets the waiting connections.
  void close();

  [[nodiscard]] ProcessLoop& loop() const { return loop_; }
  [[nodiscard]] const Endpoint& local() const { return local_; }
  [[nodiscard]] const ConnectionLimits& limits() const { return limits_; }
  [[nodiscard]] StreamLayer* layer() const { return layer_; }

 private:
  void schedule();
  void accept_waiting();

  Network& network_;
  ProcessLoop& loop_;
  const Endpoint local_;
  const ConnectionLimits limits_;
  Acceptor& acceptor_;
  StreamLayer* const layer_;
  std::deque<std::shared_ptr<Stream>> waiting_;
  bool is_open_ = true;
  bool is_paused_ = false;
  bool is_due_ = false;
};

/// One end, as the ByteStream of its process' connection.
class StreamEnd final : public ByteStream {
 public:
  StreamEnd(std::shared_ptr<Stream> stream, Side side) : stream_(std::move(stream)), side_(side) {}
  ~StreamEnd() override { stream_->close(side_); }
  StreamEnd(const StreamEnd&) = delete;
  StreamEnd& operator=(const StreamEnd&) = delete;

  Result<Moved> read(const ReadRoom& into) override { return stream_->read(side_, into); }
  Result<Moved> read_slices(SliceQueue& into, std::size_t max_bytes) override;
  Result<Moved> write(WriteQueue& from) override { return stream_->write(side_, from); }
  void end_writes() override { stream_->end_writes(side_); }
  void close() override { stream_->close(side_); }

 private:
  std::shared_ptr<Stream> stream_;
  const Side side_;
};

}  // namespace dohle::sim
