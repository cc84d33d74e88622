#include "net/tcp_connection.hpp"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/disk.hpp"

namespace dohle::net {

namespace {

// One connection may take that much in one turn of the loop before the others have theirs.
constexpr std::size_t read_bytes_per_turn = std::size_t{1} << 20;
constexpr std::size_t flush_at_bytes = 256 * 1024;
constexpr std::size_t pieces_per_write = 256;
static_assert(pieces_per_write <= IOV_MAX);

Error lost(const std::string& peer, std::string_view why) {
  return Error::client(Errc::connection_lost, "connection to " + peer + ": " + std::string(why));
}

}  // namespace

std::string text_of_errno(int code) {
  return std::generic_category().message(code);
}

TcpStream::TcpStream(Loop& loop, ConnectionLimits limits, std::string peer)
    : loop_(loop),
      limits_(limits),
      peer_(std::move(peer)),
      socket_(loop.context()),
      in_(limits.frame_bytes_max) {}

void TcpStream::opened() {
  set_up_socket();
  is_open_ = true;
  last_moved_ = loop_.tick().mono;
  arm_idle();
  events_->on_open();
  if (is_closed_) return;
  wait_readable();
  if (!out_.empty()) schedule_flush();
}

void TcpStream::set_up_socket() {
  const auto set = [&](int level, int name, int value) {
    // Wishes, not needs: a connection without them works as well.
    ::setsockopt(socket_.native_handle(), level, name, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  if (limits_.send_buffer_bytes > 0) set(SOL_SOCKET, SO_SNDBUF, limits_.send_buffer_bytes);
  if (limits_.receive_buffer_bytes > 0) set(SOL_SOCKET, SO_RCVBUF, limits_.receive_buffer_bytes);
  boost::system::error_code ignored;
  socket_.native_non_blocking(true, ignored);
}

void TcpStream::failed(Error why) {
  if (is_closed_) return;
  close();
  events_->on_closed(std::move(why));
}

void TcpStream::fail_later(Error why) {
  loop_.post([self = shared_from_this(), why = std::move(why)]() mutable {
    self->loop_.begin_turn();
    self->failed(std::move(why));
  });
}

void TcpStream::close() {
  if (is_closed_) return;
  is_closed_ = true;
  loop_.cancel(std::exchange(idle_timer_, 0));
  out_.clear();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void TcpStream::close_after_writes() {
  if (out_.empty()) return close();
  is_closing_ = true;
  is_paused_ = true;
  flush();
}

void TcpStream::wait_readable() {
  if (is_waiting_readable_ || is_paused_ || is_closed_) return;
  is_waiting_readable_ = true;
  socket_.async_wait(boost::asio::socket_base::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& code) {
                       self->loop_.begin_turn();
                       self->is_waiting_readable_ = false;
                       if (code == boost::system::error_code()) self->on_readable();
                     });
}

void TcpStream::on_readable() {
  if (is_closed_ || is_paused_) return;
  for (std::size_t taken = 0; taken < read_bytes_per_turn;) {
    const auto room = in_.room();
    const ssize_t got = ::recv(socket_.native_handle(), room.data(), room.size(), 0);
    if (got == 0) return failed(lost(peer_, "closed by the other side"));
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      return failed(lost(peer_, text_of_errno(errno)));
    }
    const auto bytes = static_cast<std::size_t>(got);
    taken += bytes;
    last_moved_ = loop_.tick().mono;
    in_.wrote(bytes);
    if (!hand_out_frames()) return;
    // A short read emptied the socket: asking again would only cost a call.
    if (bytes < room.size()) break;
  }
  in_.release_idle_buffer();
  wait_readable();
}

bool TcpStream::hand_out_frames() {
  for (;;) {
    if (is_closed_ || is_paused_) return false;
    switch (in_.state()) {
      case FrameReader::State::need_bytes:
        return true;
      case FrameReader::State::broken:
        failed(in_.error().within("connection to " + peer_));
        return false;
      case FrameReader::State::length:
        switch (events_->on_frame_length(in_.length())) {
          case Admission::accept:
            in_.admit();
            break;
          case Admission::hold:
            is_paused_ = true;
            break;
          case Admission::refuse:
            failed(Error::client(Errc::too_large, "connection to " + peer_ + ": a frame of " +
                                                      std::to_string(in_.length()) +
                                                      " bytes was refused"));
            return false;
        }
        break;
      case FrameReader::State::frame:
        events_->on_frame(in_.take_frame());
        break;
    }
  }
}

void TcpStream::resume_reading() {
  if (!is_paused_ || is_closing_) return;
  is_paused_ = false;
  loop_.post([self = shared_from_this()] {
    if (self->is_closed_ || !self->is_open_) return;
    if (self->hand_out_frames()) self->wait_readable();
  });
}

bool TcpStream::send(Chain bytes) {
  if (is_closed_ || is_closing_) return true;
  out_.append(std::move(bytes));
  was_full_ = was_full_ || out_.size() > limits_.write_queue_bytes_max;
  if (is_open_) {
    if (out_.size() >= flush_at_bytes) {
      flush();
    } else {
      schedule_flush();
    }
  }
  return !was_full_;
}

void TcpStream::schedule_flush() {
  if (is_flush_scheduled_ || is_waiting_writable_) return;
  is_flush_scheduled_ = true;
  loop_.at_turn_end([self = shared_from_this()] {
    self->is_flush_scheduled_ = false;
    self->flush();
  });
}

void TcpStream::flush() {
  if (!is_open_ || is_closed_ || is_waiting_writable_) return;
  while (!out_.empty()) {
    const auto went_on = write_some();
    if (!went_on) return fail_later(went_on.error());
    if (!*went_on) {
      wait_writable();
      break;
    }
  }
  after_write();
}

// True when the socket took something, false when it is full.
Result<bool> TcpStream::write_some() {
  if (auto ready = out_.materialize_front(); !ready) return fail(ready.error());
  ssize_t sent = 0;
  if (const FileRange* range = out_.front_range()) {
    auto offset = static_cast<off_t>(range->offset);
    sent = ::sendfile(socket_.native_handle(), range->file->descriptor(), &offset, range->size);
    if (sent == 0) {
      return fail(Error::storage(Errc::damaged, range->file->path() + " ends before byte " +
                                                    std::to_string(range->offset + range->size)));
    }
  } else {
    std::array<iovec, pieces_per_write> pieces;
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = out_.gather(pieces);
    const int more = out_.has_more_than(message.msg_iovlen) ? MSG_MORE : 0;
    sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | more);
  }
  if (sent >= 0) {
    last_moved_ = loop_.tick().mono;
    out_.consume(static_cast<std::size_t>(sent));
    return true;
  }
  if (errno == EINTR) return true;
  if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
  return fail(lost(peer_, text_of_errno(errno)));
}

void TcpStream::wait_writable() {
  is_waiting_writable_ = true;
  socket_.async_wait(boost::asio::socket_base::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& code) {
                       self->loop_.begin_turn();
                       self->is_waiting_writable_ = false;
                       if (code == boost::system::error_code()) self->flush();
                     });
}

void TcpStream::after_write() {
  if (is_closing_ && out_.empty()) return close();
  if (!was_full_ || out_.size() > limits_.write_queue_bytes_max / 2) return;
  was_full_ = false;
  loop_.post([self = shared_from_this()] {
    if (!self->is_closed_) self->events_->on_drained();
  });
}

void TcpStream::arm_idle() {
  if (limits_.idle_timeout.count() == 0) return;
  idle_timer_ = loop_.arm(last_moved_ + limits_.idle_timeout, [self = weak_from_this()] {
    const auto stream = self.lock();
    if (stream == nullptr || stream->is_closed_) return;
    if (stream->loop_.tick().mono >= stream->last_moved_ + stream->limits_.idle_timeout) {
      return stream->failed(
          lost(stream->peer_,
               "idle for " + std::to_string(stream->limits_.idle_timeout.count()) + " ms"));
    }
    stream->arm_idle();
  });
}

}  // namespace dohle::net
