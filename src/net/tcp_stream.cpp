#include "net/tcp_stream.hpp"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/disk.hpp"
#include "net/frame_delivery.hpp"

namespace dohle::net {

namespace {

// One connection may take that much in one turn of the loop before the others have theirs. Who
// reads as fast as we write would never fill its socket.
constexpr std::size_t read_bytes_per_turn = std::size_t{1} << 20;
constexpr std::size_t write_bytes_per_turn = std::size_t{1} << 20;
constexpr std::size_t flush_above_bytes = 256 * 1024;
constexpr std::size_t pieces_per_write = IOV_MAX;

}  // namespace

TcpStream::TcpStream(Loop& loop, const ConnectionLimits& limits, std::string peer)
    : loop_(loop),
      limits_(limits),
      peer_(std::move(peer)),
      in_(limits.max_frame_bytes, loop.read_buffers()),
      idle_(loop, limits.idle_timeout) {}

TcpStream::~TcpStream() {
  close();
}

void TcpStream::opened(Descriptor socket, WatchId watch) {
  const auto self = shared_from_this();
  dial_.reset();
  socket_ = std::move(socket);
  watch_ = watch;
  if (watch_ == 0) {
    watch_ = loop_.poller().watch(socket_.number(), *this);
    if (watch_ == 0) return failed(Error::client(Errc::connection_failed, text_of_errno(errno)));
  } else {
    loop_.poller().hand_over(watch_, *this);
    is_readable_ = true;  // the event that the dial used up may have told of bytes, too
  }
  set_up_socket();
  is_open_ = true;
  idle_.begin(weak_from_this());
  if (!is_closing_) events_->on_open();
  if (!is_closed_) schedule_flush();
  read_later();
}

void TcpStream::set_up_socket() {
  // Wishes, not needs: a connection without them works as well.
  const int on = 1;
  ::setsockopt(socket_.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // Ends, within hours, a connection whose other side vanished and that has no idle timeout.
  ::setsockopt(socket_.number(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

void TcpStream::failed(const Error& why) {
  if (!is_closed_) end(why.within("connection to " + peer_));
}

void TcpStream::dial_failed(const Error& why) {
  if (!is_closed_) end(why.within("connecting to " + peer_));
}

void TcpStream::end(Error why) {
  const bool was_closing = is_closing_;
  close();
  if (!was_closing) events_->on_closed(std::move(why));
}

TcpStream::Written TcpStream::fail_later(Error why) {
  is_broken_ = true;
  loop_.post([self = shared_from_this(), why = std::move(why)] { self->failed(why); });
  return Written::failed;
}

void TcpStream::close() {
  if (is_closed_) return;
  is_closed_ = true;
  dial_.reset();
  idle_.end();
  out_.clear();
  loop_.poller().remove(std::exchange(watch_, 0));
  socket_.close();
}

void TcpStream::close_after_writes() {
  if (is_closed_) return;
  is_closing_ = true;
  is_paused_ = true;
  if (is_open_) flush();
  if (out_.empty()) shut_down();
}

// Closing a socket with unread bytes makes the system reset the connection, and the other side may
// lose our last words to that.
void TcpStream::shut_down() {
  if (is_open_ && !is_closed_) {
    ::shutdown(socket_.number(), SHUT_WR);
    ::recv(socket_.number(), nullptr, read_bytes_per_turn, MSG_TRUNC | MSG_DONTWAIT);
  }
  close();
}

void TcpStream::on_ready(std::uint32_t events) {
  const auto self = shared_from_this();
  const bool is_dead = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if (is_dead && is_closing_) return close();
  if ((events & EPOLLOUT) != 0 && is_socket_full_) {
    is_socket_full_ = false;
    flush();
  }
  if ((events & (EPOLLIN | EPOLLRDHUP)) == 0 && !is_dead) return;
  is_readable_ = true;
  has_ended_ = has_ended_ || is_dead || (events & EPOLLRDHUP) != 0;
  if ((events & EPOLLERR) != 0 && is_paused_) {
    return failed(Error::client(Errc::connection_lost, "reset by the other side"));
  }
  read();
}

void TcpStream::read_later() {
  if (is_read_scheduled_ || !is_readable_ || is_stopped()) return;
  is_read_scheduled_ = true;
  loop_.post([self = shared_from_this()] {
    self->is_read_scheduled_ = false;
    self->read();
  });
}

void TcpStream::read() {
  if (hand_out_frames(in_, *this) == Delivery::stopped) return;
  for (std::size_t taken = 0; is_readable_ && !is_stopped() && taken < read_bytes_per_turn;) {
    if (!has_room()) break;
    auto room = in_.room();
    msghdr message{};
    message.msg_iov = room.pieces.data();
    message.msg_iovlen = room.count;
    const ssize_t got = ::recvmsg(socket_.number(), &message, 0);
    if (got > 0) {
      taken += static_cast<std::size_t>(got);
      received(static_cast<std::size_t>(got), room.bytes);
    } else if (got == 0) {
      failed(Error::client(Errc::connection_lost, "closed by the other side"));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      is_readable_ = false;
      give_back_room();
    } else if (errno != EINTR) {
      failed(Error::client(Errc::connection_lost, text_of_errno(errno)));
    }
  }
  in_.release_idle_buffer();
  read_later();
}

// Asked when bytes are there to be read, so that nobody holds room with what it does not send.
bool TcpStream::has_room() {
  const std::size_t wanted = in_.room_wanted();
  if (wanted == 0) return true;
  switch (events_->on_frame_room(wanted)) {
    case Admission::accept:
      in_.grant_room(wanted);
      return true;
    case Admission::hold:
      pause_reading();
      return false;
    case Admission::refuse:
      break;
  }
  failed(Error::client(Errc::too_large, "there is no room for a frame of " +
                                            std::to_string(in_.length()) + " bytes"));
  return false;
}

void TcpStream::give_back_room() {
  if (const std::size_t unused = in_.take_unused_room()) events_->on_frame_room_unused(unused);
}

void TcpStream::received(std::size_t bytes, std::size_t asked) {
  idle_.moved();
  // A short read emptied the socket, and an event will tell of more.
  if (bytes < asked && !has_ended_) is_readable_ = false;
  in_.wrote(bytes);
  give_back_room();
  hand_out_frames(in_, *this);
}

void TcpStream::resume_reading() {
  if (!is_paused_ || is_closing_) return;
  is_paused_ = false;
  if (!is_open_) return;
  loop_.post([self = shared_from_this()] { self->read(); });
}

bool TcpStream::send(Chain bytes) {
  if (is_closed_ || is_closing_) return true;
  out_.append(std::move(bytes));
  was_full_ = was_full_ || out_.size() > limits_.max_write_queue_bytes;
  if (is_open_) {
    if (out_.size() > flush_above_bytes) {
      flush();
    } else {
      schedule_flush();
    }
  }
  return !was_full_;
}

void TcpStream::schedule_flush() {
  if (is_flush_scheduled_ || is_socket_full_ || out_.empty()) return;
  is_flush_scheduled_ = true;
  loop_.at_turn_end([self = shared_from_this()] {
    self->is_flush_scheduled_ = false;
    self->flush();
  });
}

void TcpStream::flush() {
  if (!is_open_ || is_closed_ || is_broken_) return;
  const std::size_t before = out_.size();
  while (!out_.empty() && !is_socket_full_) {
    if (before - out_.size() >= write_bytes_per_turn) {
      flush_later();
      break;
    }
    if (write_some() == Written::failed) return;
  }
  after_write();
}

void TcpStream::flush_later() {
  if (is_flush_scheduled_) return;
  is_flush_scheduled_ = true;
  loop_.post([self = shared_from_this()] {
    self->is_flush_scheduled_ = false;
    self->flush();
  });
}

TcpStream::Written TcpStream::write_some() {
  if (auto ready = out_.materialize_front(); !ready) return fail_later(ready.error());
  const FileRange* range = out_.front_range();
  return range != nullptr ? send_range(*range) : send_slices();
}

TcpStream::Written TcpStream::send_range(const FileRange& range) {
  auto offset = static_cast<off_t>(range.offset);
  const std::size_t asked = std::min(range.size, write_bytes_per_turn);
  const ssize_t sent = ::sendfile(socket_.number(), range.file->descriptor(), &offset, asked);
  if (sent == 0) {
    return fail_later(Error::storage(Errc::damaged, range.file->path() + " ends before byte " +
                                                        std::to_string(range.offset + range.size)));
  }
  // The file's own failures come back as EIO; a short count may also be a file's page boundary, so
  // only the next call tells whether the socket is full.
  if (sent < 0 && errno == EIO) {
    return fail_later(Error::storage(Errc::io_error, range.file->path() + ": cannot be read"));
  }
  return wrote(sent, sent > 0 ? static_cast<std::size_t>(sent) : asked);
}

TcpStream::Written TcpStream::send_slices() {
  std::array<iovec, pieces_per_write> pieces;
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = out_.gather(pieces);
  std::size_t asked = 0;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i) {
    asked += pieces[i].iov_len;
    if (asked >= write_bytes_per_turn) message.msg_iovlen = i + 1;
  }
  const int more = asked < out_.size() ? MSG_MORE : 0;
  return wrote(::sendmsg(socket_.number(), &message, MSG_NOSIGNAL | more), asked);
}

TcpStream::Written TcpStream::wrote(ssize_t sent, std::size_t asked) {
  if (sent >= 0) {
    const auto bytes = static_cast<std::size_t>(sent);
    idle_.moved();
    out_.consume(bytes);
    is_socket_full_ = bytes < asked;
    return Written::something;
  }
  if (errno == EINTR) return Written::nothing;
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    is_socket_full_ = true;
    return Written::nothing;
  }
  return fail_later(Error::client(Errc::connection_lost, text_of_errno(errno)));
}

void TcpStream::after_write() {
  if (is_closing_ && out_.empty()) return shut_down();
  if (!was_full_ || out_.size() > limits_.max_write_queue_bytes / 2) return;
  was_full_ = false;
  loop_.post([self = shared_from_this()] {
    if (!self->is_closed_ && !self->is_closing_) self->events_->on_drained();
  });
}

}  // namespace dohle::net
