#pragma once

#include <memory>
#include <string>

#include "base/connection.hpp"
#include "net/frame_reader.hpp"
#include "net/idle_watch.hpp"
#include "net/loop.hpp"
#include "net/poller.hpp"
#include "net/socket.hpp"
#include "net/stream_connection.hpp"
#include "net/write_queue.hpp"

namespace dohle::net {

/// One TCP stream. Kept alive by its TcpConnection and by the operations under way, so that a
/// connection may be destroyed inside its own callback. Loop thread only.
class TcpStream final : public std::enable_shared_from_this<TcpStream>, public Watcher {
 public:
  TcpStream(Loop& loop, const ConnectionLimits& limits, std::string peer);
  ~TcpStream();
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  void set_events(ConnectionEvents* events) { events_ = events; }
  [[nodiscard]] ConnectionEvents& events() { return *events_; }
  [[nodiscard]] const std::string& peer() const { return peer_; }

  /// Takes over a connected socket: sets it up, tells on_open, reads. `watch` is the socket's, or 0
  /// to make one. Not inside a call to the connection.
  void opened(Descriptor socket, WatchId watch);
  /// Tells on_closed, with the peer's name in the error, and closes. Not inside a call to the
  /// connection.
  void failed(const Error& why);
  /// The same for one that was never open.
  void dial_failed(const Error& why);
  /// What makes the connection; goes when it is open or closed.
  void set_dial(std::shared_ptr<void> dial) { dial_ = std::move(dial); }

  bool send(Chain bytes);
  [[nodiscard]] std::size_t queued_bytes() const { return out_.size(); }
  [[nodiscard]] std::size_t queued_memory_bytes() const { return out_.memory_size(); }
  void flush();
  void pause_reading() { is_paused_ = true; }
  void resume_reading();
  void close();
  void close_after_writes();

  [[nodiscard]] bool is_closed() const { return is_closed_; }
  /// Nothing may be handed out now.
  [[nodiscard]] bool is_stopped() const { return is_closed_ || is_paused_; }

 private:
  enum class Written : std::uint8_t { something, nothing, failed };

  void set_up_socket();
  void end(Error why);
  void on_ready(std::uint32_t events) override;
  void read_later();
  void read();
  [[nodiscard]] bool has_room();
  void give_back_room();
  void received(std::size_t bytes, std::size_t asked);
  void schedule_flush();
  void flush_later();
  Written write_some();
  Written send_range(const FileRange& range);
  Written send_slices();
  Written wrote(ssize_t sent, std::size_t asked);
  void after_write();
  void shut_down();
  Written fail_later(Error why);

  Loop& loop_;
  ConnectionLimits limits_;
  std::string peer_;
  std::shared_ptr<void> dial_;
  Descriptor socket_;
  WatchId watch_ = 0;
  ConnectionEvents* events_ = nullptr;
  FrameReader in_;
  WriteQueue out_;
  bool is_open_ = false;
  bool is_closed_ = false;
  bool is_closing_ = false;  // after what is queued is written
  bool is_broken_ = false;   // writing failed; failed() follows
  bool is_paused_ = false;
  bool is_readable_ = false;  // there may be bytes that no further event tells of
  bool has_ended_ = false;    // the other side writes no more: a short read is not the last
  bool is_read_scheduled_ = false;
  bool is_socket_full_ = false;
  bool is_flush_scheduled_ = false;
  bool was_full_ = false;
  IdleWatch idle_;
};

using TcpConnection = StreamConnection<TcpStream>;

}  // namespace dohle::net
