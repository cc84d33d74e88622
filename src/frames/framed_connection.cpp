#include "frames/framed_connection.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace dohle::frames {

namespace {

// Bytes that one connection may move in one turn of the loop, so that the other connections get a
// turn. A peer that reads as fast as this side writes would never fill its socket.
constexpr std::size_t read_bytes_per_turn = std::size_t{1} << 20;
constexpr std::size_t write_bytes_per_turn = std::size_t{1} << 20;
constexpr std::size_t flush_above_bytes = 256 * 1024;
constexpr std::size_t max_slices_read_bytes = 256 * 1024;
// Bytes that are freed at once. Returning the pages of 64 MiB to the system took 15 ms.
constexpr std::size_t max_freed_at_once = std::size_t{1} << 20;

/// The owner's handle of a connection. The connection may outlive it while it has work to finish.
class Handle final : public Connection {
 public:
  explicit Handle(std::shared_ptr<FramedConnection> connection)
      : connection_(std::move(connection)) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() override { connection_->close(); }

  bool send(Chain bytes) override { return connection_->send(std::move(bytes)); }
  std::size_t queued_bytes() const override { return connection_->queued_bytes(); }
  std::size_t queued_memory_bytes() const override { return connection_->queued_memory_bytes(); }
  void flush() override { connection_->flush(); }
  void pause_reading() override { connection_->pause_reading(); }
  void resume_reading() override { connection_->resume_reading(); }
  void close() override { connection_->close(); }
  void close_after_writes() override { connection_->close_after_writes(); }
  const std::string& peer() const override { return connection_->peer(); }
  std::optional<std::string> certificate_name() const override {
    return connection_->certificate_name();
  }

 private:
  std::shared_ptr<FramedConnection> connection_;
};

}  // namespace

FramedConnection::FramedConnection(OnLoop on, const ConnectionLimits& limits, PeerNames names)
    : loop_(on.executor),
      limits_(limits),
      names_(std::move(names)),
      in_(limits.max_frame_bytes, on.buffers) {}

FramedConnection::~FramedConnection() {
  close();
}

void FramedConnection::set_stream(std::unique_ptr<ByteStream> stream) {
  DOHLE_ASSERT(stream_ == nullptr && stream != nullptr, "a connection has one stream");
  DOHLE_ASSERT(stream->hands_over_slices() != in_.is_read_in_pieces(),
               "the reader expects bytes in another way than the stream has them");
  stream_ = std::move(stream);
}

std::unique_ptr<Connection> FramedConnection::handle() {
  return std::make_unique<Handle>(shared_from_this());
}

// Opening and ending.

void FramedConnection::on_open(bool may_read) {
  DOHLE_ASSERT(!is_open_, "a stream opens twice");
  DOHLE_ASSERT(events_ != nullptr, "a stream opens before its connection has events");
  if (is_closed_) return;
  const auto self = shared_from_this();
  is_open_ = may_write_ = true;
  may_read_ = may_read;
  moved();
  watch_idle();
  if (!is_closing_) events_->on_open();
  if (!is_closed_) schedule_flush();
  read_later();
}

void FramedConnection::on_lost(const Error& why) {
  if (is_closed_) return;
  const auto self = shared_from_this();
  end(why.within(is_open_        ? "connection to " + names_.peer
                 : is_accepted() ? "connection of " + names_.peer
                                 : "connecting to " + names_.dialed));
}

void FramedConnection::end(Error why) {
  DOHLE_ASSERT(events_ != nullptr, "a stream ends before its connection has events");
  const bool was_closing = is_closing_;
  close();
  if (!was_closing) events_->on_closed(std::move(why));
}

void FramedConnection::fail_later(Error why) {
  is_broken_ = true;
  loop_.post([self = shared_from_this(), why = std::move(why)] { self->on_lost(why); });
}

std::optional<std::string> FramedConnection::certificate_name() const {
  if (!is_open_ || is_closed_) return std::nullopt;
  return stream_->certificate_name();
}

void FramedConnection::close() {
  if (is_closed_) return;
  is_closed_ = true;
  loop_.cancel(std::exchange(idle_timer_, 0));
  if (stream_ != nullptr) stream_->close();
  // Bytes of a client belong to its producers, which may end before a later turn.
  const auto self = weak_from_this().lock();
  const bool has_much = std::max(out_.size(), in_.unfinished_bytes()) > max_freed_at_once;
  if (self == nullptr || !is_accepted() || !has_much) return out_.clear();
  loop_.post([self] { self->free_some(); });
}

void FramedConnection::free_some() {
  const TimePoint end = loop_.turn_end();
  const auto is_freed = [this] { return out_.empty() && in_.unfinished_bytes() == 0; };
  do {
    if (out_.empty()) {
      in_.free_some(max_freed_at_once);
    } else {
      out_.consume(std::min(out_.size(), max_freed_at_once));
    }
  } while (!is_freed() && (end == never || loop_.mono_now() < end));
  if (!is_freed()) loop_.post([self = shared_from_this()] { self->free_some(); });
}

void FramedConnection::close_after_writes() {
  if (is_closed_) return;
  is_closing_ = true;
  is_paused_ = true;
  if (is_open_) flush();
  if (out_.empty()) shut_down();
}

void FramedConnection::shut_down() {
  if (is_open_ && !is_closed_) stream_->end_writes();
  close();
}

void FramedConnection::watch_idle() {
  if (limits_.idle_timeout.count() == 0) return;
  DOHLE_ASSERT(idle_timer_ == 0, "a connection has one timer of idleness");
  idle_timer_ = loop_.arm(last_moved_ + limits_.idle_timeout, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->look_idle();
  });
}

// Moved bytes only note the time; the timer is armed again when it fires.
void FramedConnection::look_idle() {
  idle_timer_ = 0;
  if (loop_.tick().mono < last_moved_ + limits_.idle_timeout) return watch_idle();
  on_lost(Error::client(Errc::connection_lost,
                        "idle for " + std::to_string(limits_.idle_timeout.count()) + " ms"));
}

void FramedConnection::on_news(StreamNews news) {
  if (is_closed_) return;
  DOHLE_ASSERT(is_open_, "a stream reports news before it is open");
  const auto self = shared_from_this();
  if (news.is_dead && is_closing_) return close();
  if (news.may_write && !may_write_) {
    may_write_ = true;
    flush();
  }
  if (!news.may_read || is_closed_) return;
  may_read_ = true;
  if (news.is_reset && is_paused_) {
    return on_lost(Error::client(Errc::connection_lost, "reset by the other side"));
  }
  read();
}

// Reading.

void FramedConnection::read_later() {
  if (is_read_scheduled_ || !may_read_ || is_stopped()) return;
  is_read_scheduled_ = true;
  loop_.post([self = shared_from_this()] {
    self->is_read_scheduled_ = false;
    self->read();
  });
}

void FramedConnection::read() {
  if (hand_out() == Delivery::stopped) return;
  for (std::size_t taken = 0; may_read_ && !is_stopped() && taken < read_bytes_per_turn;) {
    if (!has_room()) break;
    taken += read_some();
  }
  in_.release_idle_buffer();
  read_later();
}

std::size_t FramedConnection::read_some() {
  ReadRoom room;
  if (in_.is_read_in_pieces()) room = in_.room();
  const Result<Moved> got = in_.is_read_in_pieces()
                                ? stream_->read(room)
                                : stream_->read_slices(in_.handed_over(), max_slices_read_bytes);
  if (!got) {
    on_lost(got.error());
    return 0;
  }
  DOHLE_ASSERT(!in_.is_read_in_pieces() || got->bytes <= room.bytes,
               "a stream read more than there was room for");
  DOHLE_ASSERT(got->state != StreamState::ended || got->bytes == 0,
               "a stream ended with bytes that may be a frame");
  may_read_ = got->state == StreamState::ready;
  if (in_.is_read_in_pieces()) in_.wrote(got->bytes);
  give_back_room();
  if (got->bytes > 0) {
    moved();
    (void)hand_out();
  } else if (got->state == StreamState::ended) {
    on_lost(Error::client(Errc::connection_lost, "closed by the other side"));
  }
  return got->bytes;
}

FramedConnection::Delivery FramedConnection::hand_out() {
  while (!is_stopped()) {
    switch (in_.state()) {
      case FrameState::need_bytes:
        return Delivery::wants_more;
      case FrameState::broken:
        on_lost(in_.error());
        break;
      case FrameState::frame:
        events_->on_frame(in_.take_frame());
        break;
      case FrameState::length:
        ask_admission();
        break;
    }
  }
  return Delivery::stopped;
}

// Slices that were handed over are in memory already, so room for the whole frame is requested at
// once.
void FramedConnection::ask_admission() {
  const std::size_t length = in_.length();
  Admission admission = events_->on_frame_length(length);
  if (admission == Admission::accept && !in_.is_read_in_pieces() && !is_closed_) {
    admission = events_->on_frame_room(length);
  }
  switch (admission) {
    case Admission::accept:
      return in_.admit();
    case Admission::hold:
      return pause_reading();
    case Admission::refuse:
      break;
  }
  on_lost(Error::client(Errc::too_large,
                        "a frame of " + std::to_string(length) + " bytes was refused"));
}

// Called when bytes can be read, so that no room is held for bytes that never arrive.
bool FramedConnection::has_room() {
  const std::size_t wanted = in_.room_wanted();
  if (wanted == 0) return true;
  switch (events_->on_frame_room(wanted)) {
    case Admission::accept:
      in_.grant_room(wanted);
      return !is_closed_;
    case Admission::hold:
      pause_reading();
      return false;
    case Admission::refuse:
      break;
  }
  on_lost(Error::client(Errc::too_large, "there is no room for a frame of " +
                                             std::to_string(in_.length()) + " bytes"));
  return false;
}

void FramedConnection::give_back_room() {
  if (const std::size_t unused = in_.take_unused_room()) events_->on_frame_room_unused(unused);
}

void FramedConnection::resume_reading() {
  if (!is_paused_ || is_closing_) return;
  is_paused_ = false;
  if (!is_open_) return;
  loop_.post([self = shared_from_this()] { self->read(); });
}

// Writing.

bool FramedConnection::send(Chain bytes) {
  if (is_closed_ || is_closing_) return true;
  out_.append(std::move(bytes));
  was_full_ = was_full_ || queued_bytes() > limits_.max_write_queue_bytes;
  if (is_open_) {
    if (out_.size() > flush_above_bytes) {
      flush();
    } else {
      schedule_flush();
    }
  }
  return !was_full_;
}

std::size_t FramedConnection::queued_bytes() const {
  return out_.size() + (is_closed_ ? 0 : stream_->unread_bytes());
}

std::size_t FramedConnection::queued_memory_bytes() const {
  // A stream that hands over Slices reads a range of a file when it takes it.
  return in_.is_read_in_pieces() ? out_.memory_size() : queued_bytes();
}

void FramedConnection::schedule_flush() {
  if (is_flush_scheduled_ || !may_write_ || out_.empty()) return;
  is_flush_scheduled_ = true;
  loop_.at_turn_end([self = shared_from_this()] {
    self->is_flush_scheduled_ = false;
    self->flush();
  });
}

void FramedConnection::flush_later() {
  if (is_flush_scheduled_) return;
  is_flush_scheduled_ = true;
  loop_.post([self = shared_from_this()] {
    self->is_flush_scheduled_ = false;
    self->flush();
  });
}

void FramedConnection::flush() {
  if (!is_open_ || is_closed_ || is_broken_) return;
  const std::size_t before = out_.size();
  while (!out_.empty() && may_write_) {
    if (before - out_.size() >= write_bytes_per_turn) {
      flush_later();
      break;
    }
    if (!write_some()) return;
  }
  after_write();
}

bool FramedConnection::write_some() {
  const std::size_t before = out_.size();
  const Result<Moved> done = stream_->write(out_);
  if (!done) {
    fail_later(done.error());
    return false;
  }
  DOHLE_ASSERT(before - out_.size() == done->bytes, "a stream took other bytes than it says");
  DOHLE_ASSERT(done->state != StreamState::ended, "a write reports the end of the incoming bytes");
  if (done->bytes > 0) moved();
  may_write_ = done->state == StreamState::ready;
  return true;
}

void FramedConnection::after_write() {
  if (is_closing_ && out_.empty()) return shut_down();
  if (!was_full_ || out_.size() > limits_.max_write_queue_bytes / 2) return;
  was_full_ = false;
  loop_.post([self = shared_from_this()] {
    if (!self->is_closed_ && !self->is_closing_) self->events_->on_drained();
  });
}

}  // namespace dohle::frames
