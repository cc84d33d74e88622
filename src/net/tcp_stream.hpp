#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "base/byte_stream.hpp"
#include "net/loop.hpp"
#include "net/poller.hpp"
#include "net/socket.hpp"

namespace dohle::net {

/// The bytes of one TCP socket. A call reads or writes with one system call. Loop thread only.
class TcpStream final : public ByteStream, public Watcher {
 public:
  /// `events` owns the stream.
  TcpStream(Loop& loop, StreamEvents& events) : loop_(loop), events_(events) {}
  ~TcpStream() override { close(); }
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  /// Owns the dial until the stream is open or closed.
  void set_dial(std::shared_ptr<void> dial) { dial_ = std::move(dial); }
  /// Takes over a connected socket and calls on_open. `watch` is that of the socket; if 0, a new
  /// one is made. `keep_alive` as in ConnectSettings.
  void opened(Descriptor socket, WatchId watch,
              std::optional<std::chrono::milliseconds> keep_alive = {});
  /// The dial failed.
  void failed(const Error& why) { events_.on_lost(why); }

  Result<Moved> read(const ReadRoom& into) override;
  Result<Moved> read_slices(SliceQueue& into, std::size_t max_bytes) override;
  Result<Moved> write(WriteQueue& from) override;
  void end_writes() override;
  void close() override;

 private:
  void on_ready(std::uint32_t events) override;
  void set_up_socket(std::optional<std::chrono::milliseconds> keep_alive);
  [[nodiscard]] Result<Moved> send_range(const FileRange& range, WriteQueue& from);
  [[nodiscard]] Result<Moved> send_slices(WriteQueue& from);

  Loop& loop_;
  StreamEvents& events_;
  std::shared_ptr<void> dial_;
  Descriptor socket_;
  WatchId watch_ = 0;
  bool has_ended_ = false;  // the other side writes no more: the end follows a short read
};

}  // namespace dohle::net
