#pragma once

// Only tcp_*.cpp include this: it brings Asio with it.

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>

#include "base/connection.hpp"
#include "net/frame_reader.hpp"
#include "net/loop.hpp"
#include "net/write_queue.hpp"

namespace dohle::net {

/// The text of an errno value, without the number.
[[nodiscard]] std::string text_of_errno(int code);

/// One TCP stream. Kept alive by its TcpConnection and by the operations under way, so that a
/// connection may be destroyed inside its own callback.
class TcpStream : public std::enable_shared_from_this<TcpStream> {
 public:
  TcpStream(Loop& loop, ConnectionLimits limits, std::string peer);

  [[nodiscard]] boost::asio::ip::tcp::socket& socket() { return socket_; }
  void set_events(ConnectionEvents* events) { events_ = events; }
  [[nodiscard]] const std::string& peer() const { return peer_; }

  /// The socket is connected: sets it up, tells on_open, reads. Not inside a call to the
  /// connection.
  void opened();
  /// Tells on_closed once and closes. Not inside a call to the connection.
  void failed(Error why);

  bool send(Chain bytes);
  [[nodiscard]] std::size_t queued_bytes() const { return out_.size(); }
  void flush();
  void pause_reading() { is_paused_ = true; }
  void resume_reading();
  void close();
  void close_after_writes();

  [[nodiscard]] bool is_closed() const { return is_closed_; }

 private:
  void set_up_socket();
  void wait_readable();
  void on_readable();
  /// Hands out what has arrived. False: stop reading (paused, held or closed).
  bool hand_out_frames();
  void schedule_flush();
  Result<bool> write_some();
  void wait_writable();
  void after_write();
  void fail_later(Error why);
  void arm_idle();

  Loop& loop_;
  ConnectionLimits limits_;
  std::string peer_;
  boost::asio::ip::tcp::socket socket_;
  ConnectionEvents* events_ = nullptr;
  FrameReader in_;
  WriteQueue out_;
  bool is_open_ = false;
  bool is_closed_ = false;
  bool is_closing_ = false;  // after what is queued is written
  bool is_paused_ = false;
  bool is_waiting_readable_ = false;
  bool is_waiting_writable_ = false;
  bool is_flush_scheduled_ = false;
  bool was_full_ = false;
  TimePoint last_moved_{};
  TimerId idle_timer_ = 0;
};

class TcpConnection final : public Connection {
 public:
  explicit TcpConnection(std::shared_ptr<TcpStream> stream) : stream_(std::move(stream)) {}
  ~TcpConnection() override { stream_->close(); }

  bool send(Chain bytes) override { return stream_->send(std::move(bytes)); }
  std::size_t queued_bytes() const override { return stream_->queued_bytes(); }
  void flush() override { stream_->flush(); }
  void pause_reading() override { stream_->pause_reading(); }
  void resume_reading() override { stream_->resume_reading(); }
  void close() override { stream_->close(); }
  void close_after_writes() override { stream_->close_after_writes(); }
  const std::string& peer() const override { return stream_->peer(); }

 private:
  std::shared_ptr<TcpStream> stream_;
};

}  // namespace dohle::net
