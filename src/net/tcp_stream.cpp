#include "net/tcp_stream.hpp"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/assert.hpp"
#include "base/disk.hpp"

namespace dohle::net {

namespace {

// Bytes that one call writes at most, and unread bytes that `end_writes` drops at most.
constexpr std::size_t max_write_bytes = std::size_t{1} << 20;
constexpr std::size_t max_dropped_bytes = std::size_t{1} << 20;
// Bytes that one write reads at most of a file without a descriptor.
constexpr std::size_t max_range_read_bytes = 256 * 1024;
constexpr std::size_t pieces_per_write = IOV_MAX;

// The result of a call that was asked to send `asked` bytes. A shorter one found the socket full.
Result<Moved> sent_bytes(ssize_t sent, std::size_t asked, WriteQueue& from) {
  if (sent >= 0) {
    const auto bytes = static_cast<std::size_t>(sent);
    from.consume(bytes);
    return Moved{bytes, bytes < asked ? StreamState::blocked : StreamState::ready};
  }
  if (errno == EINTR) return Moved{};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return Moved{0, StreamState::blocked};
  return fail(Error::client(Errc::connection_lost, text_of_errno(errno)));
}

}  // namespace

void TcpStream::opened(Descriptor socket, WatchId watch,
                       std::optional<std::chrono::milliseconds> keep_alive) {
  DOHLE_ASSERT(!socket_.is_open(), "a stream has one socket");
  DOHLE_ASSERT(socket.is_open(), "a stream opens without a socket");
  const bool had_watch = watch != 0;
  dial_.reset();
  socket_ = std::move(socket);
  watch_ = watch;
  if (had_watch) {
    loop_.poller().hand_over(watch_, *this);
  } else {
    watch_ = loop_.poller().watch(socket_.number(), *this);
    if (watch_ == 0) {
      return events_.on_lost(Error::client(Errc::connection_failed, text_of_errno(errno)));
    }
  }
  set_up_socket(keep_alive);
  // The event that ended the dial may have reported bytes, too.
  events_.on_open(had_watch);
}

void TcpStream::set_up_socket(std::optional<std::chrono::milliseconds> keep_alive) {
  // Errors are ignored: a connection works without these options.
  const auto set = [this](int level, int name, int value) {
    ::setsockopt(socket_.number(), level, name, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  const bool is_off = keep_alive && keep_alive->count() < 0;
  // Ends, within hours, a connection without an idle timeout whose other side vanished.
  set(SOL_SOCKET, SO_KEEPALIVE, is_off ? 0 : 1);
  if (!keep_alive || is_off) return;
  const auto seconds =
      static_cast<int>(std::chrono::ceil<std::chrono::seconds>(*keep_alive).count());
  set(IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, seconds);
}

void TcpStream::close() {
  dial_.reset();
  if (watch_ != 0) loop_.poller().remove(std::exchange(watch_, 0));
  socket_.close();
}

// Closing a socket with unread bytes makes the system reset the connection, which may drop the last
// bytes sent to the other side.
void TcpStream::end_writes() {
  DOHLE_ASSERT(socket_.is_open(), "a stream that is not open ends its writes");
  ::shutdown(socket_.number(), SHUT_WR);
  ::recv(socket_.number(), nullptr, max_dropped_bytes, MSG_TRUNC | MSG_DONTWAIT);
}

void TcpStream::on_ready(std::uint32_t events) {
  StreamNews news;
  news.is_reset = (events & EPOLLERR) != 0;
  news.is_dead = (events & (EPOLLERR | EPOLLHUP)) != 0;
  news.may_write = (events & EPOLLOUT) != 0;
  news.may_read = news.is_dead || (events & (EPOLLIN | EPOLLRDHUP)) != 0;
  has_ended_ = has_ended_ || news.is_dead || (events & EPOLLRDHUP) != 0;
  events_.on_news(news);
}

Result<Moved> TcpStream::read(const ReadRoom& into) {
  DOHLE_ASSERT(socket_.is_open() && into.bytes > 0, "nothing can be read");
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(into.pieces.data());
  message.msg_iovlen = into.count;
  const ssize_t got = ::recvmsg(socket_.number(), &message, 0);
  if (got > 0) {
    // A short read emptied the socket; an event will report further bytes.
    const auto bytes = static_cast<std::size_t>(got);
    const bool is_last = bytes < into.bytes && !has_ended_;
    return Moved{bytes, is_last ? StreamState::blocked : StreamState::ready};
  }
  if (got == 0) return Moved{0, StreamState::ended};
  if (errno == EINTR) return Moved{};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return Moved{0, StreamState::blocked};
  return fail(Error::client(Errc::connection_lost, text_of_errno(errno)));
}

Result<Moved> TcpStream::read_slices(SliceQueue& /*into*/, std::size_t /*max_bytes*/) {
  DOHLE_ASSERT(hands_over_slices(), "a socket reads into memory");
  return Moved{0, StreamState::blocked};
}

Result<Moved> TcpStream::write(WriteQueue& from) {
  DOHLE_ASSERT(socket_.is_open() && !from.empty(), "nothing can be written");
  if (const FileRange* range = from.front_range()) {
    if (range->file->descriptor() >= 0) return send_range(*range, from);
    if (auto read = from.read_front_range(max_range_read_bytes); !read) return fail(read.error());
  }
  return send_slices(from);
}

Result<Moved> TcpStream::send_range(const FileRange& range, WriteQueue& from) {
  auto offset = static_cast<off_t>(range.offset);
  const std::size_t asked = std::min(range.size, max_write_bytes);
  const ssize_t sent = ::sendfile(socket_.number(), range.file->descriptor(), &offset, asked);
  if (sent == 0) {
    return fail(Error::storage(Errc::damaged, range.file->path() + " ends before byte " +
                                                  std::to_string(range.offset + range.size)));
  }
  // sendfile reports errors of the file as EIO.
  if (sent < 0 && errno == EIO) {
    return fail(Error::storage(Errc::io_error, range.file->path() + ": cannot be read"));
  }
  // A short count may also come from a page boundary of the file, so only the next call shows
  // whether the socket is full.
  return sent_bytes(sent, sent > 0 ? static_cast<std::size_t>(sent) : asked, from);
}

Result<Moved> TcpStream::send_slices(WriteQueue& from) {
  std::array<iovec, pieces_per_write> pieces;
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = from.gather(pieces);
  DOHLE_ASSERT(message.msg_iovlen > 0, "a queue with bytes has no piece to send");
  std::size_t asked = 0;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i) {
    asked += pieces[i].iov_len;
    if (asked >= max_write_bytes) message.msg_iovlen = i + 1;
  }
  const int more = asked < from.size() ? MSG_MORE : 0;
  return sent_bytes(::sendmsg(socket_.number(), &message, MSG_NOSIGNAL | more), asked, from);
}

}  // namespace dohle::net
