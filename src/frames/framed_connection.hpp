#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/byte_stream.hpp"
#include "base/connection.hpp"
#include "base/executor.hpp"
#include "base/stream_dialer.hpp"
#include "base/write_queue.hpp"
#include "frames/frame_reader.hpp"

namespace dohle::frames {

/// The two names of a connection's other side.
struct PeerNames {
  std::string peer;    ///< in Connection::peer and in errors of an open connection
  std::string dialed;  ///< in errors of a failed dial; empty if the other side has dialed
};

/// The loop that a connection works on.
struct OnLoop {
  Executor& executor;
  ReadBuffers* buffers;  ///< the loop's; null if the stream hands over Slices
};

/// Frames over a ByteStream: the length prefix and its limit, admission, the write queue, the idle
/// timeout, and the share of one connection in a turn of the loop. Sockets, pipes and the simulated
/// network all use it; only their streams differ.
///
/// Its handle and its pending work keep it alive, so a connection may be destroyed inside its own
/// callback. It owns its stream. A closed connection that was accepted frees a long write queue,
/// then a large frame that has not arrived, in pieces of a turn. It counts as queued the bytes that
/// are left of the queue. Loop thread only.
class FramedConnection final : public std::enable_shared_from_this<FramedConnection>,
                               public StreamOwner {
 public:
  /// The loop and its parts in `on` outlive the connection.
  FramedConnection(OnLoop on, const ConnectionLimits& limits, PeerNames names);
  ~FramedConnection() override;
  FramedConnection(const FramedConnection&) = delete;
  FramedConnection& operator=(const FramedConnection&) = delete;

  /// The stream reports its events to this connection.
  void set_stream(std::unique_ptr<ByteStream> stream) override;
  /// Called before the stream opens or fails.
  void set_events(ConnectionEvents* events) { events_ = events; }
  /// The owner's handle: passes calls on, and closes the connection when it is destroyed.
  [[nodiscard]] std::unique_ptr<Connection> handle();

  void on_open(bool may_read) override;
  void on_news(StreamNews news) override;
  void on_lost(const Error& why) override;

  bool send(Chain bytes);
  [[nodiscard]] std::size_t queued_bytes() const;
  [[nodiscard]] std::size_t queued_memory_bytes() const;
  void flush();
  void pause_reading() { is_paused_ = true; }
  void resume_reading();
  void close();
  void close_after_writes();
  [[nodiscard]] const std::string& peer() const { return names_.peer; }
  [[nodiscard]] std::optional<std::string> certificate_name() const;
  [[nodiscard]] bool is_closed() const override { return is_closed_; }

 private:
  enum class Delivery : std::uint8_t {
    wants_more,  ///< all frames that arrived were handed out
    stopped,     ///< paused, held or closed meanwhile
  };

  [[nodiscard]] bool is_stopped() const { return is_closed_ || is_paused_; }
  [[nodiscard]] bool is_accepted() const { return names_.dialed.empty(); }
  void end(Error why);
  void fail_later(Error why);
  void shut_down();
  void free_some();
  void moved() { last_moved_ = loop_.tick().mono; }
  void watch_idle();
  void look_idle();

  // Reading.
  void read_later();
  void read();
  [[nodiscard]] std::size_t read_some();
  [[nodiscard]] Delivery hand_out();
  void ask_admission();
  [[nodiscard]] bool has_room();
  void give_back_room();

  // Writing.
  void schedule_flush();
  void flush_later();
  [[nodiscard]] bool write_some();
  void after_write();

  Executor& loop_;
  const ConnectionLimits limits_;
  const PeerNames names_;
  std::unique_ptr<ByteStream> stream_;
  ConnectionEvents* events_ = nullptr;
  FrameReader in_;
  WriteQueue out_;
  bool is_open_ = false;
  bool is_closed_ = false;
  bool is_closing_ = false;  // closes once the queued bytes are written
  bool is_broken_ = false;   // writing failed; on_closed follows
  bool is_paused_ = false;
  bool may_read_ = false;  // bytes may be there that no further event reports
  bool may_write_ = false;
  bool is_read_scheduled_ = false;
  bool is_flush_scheduled_ = false;
  bool was_full_ = false;
  TimePoint last_moved_{};
  TimerId idle_timer_ = 0;
};

}  // namespace dohle::frames
