#include "net/tls/tls_stream.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace dohle::net {

namespace {

constexpr std::size_t block_bytes = 64 * 1024;
// Block of a handshake, which may wait for its turn with these bytes.
constexpr std::size_t handshake_block_bytes = 8 * 1024;
constexpr std::size_t max_write_bytes = 64 * 1024;
// Received bytes of a whole handshake, certificates included.
constexpr std::size_t max_handshake_bytes = 256 * 1024;
// Received bytes without data, as new keys: more of them in a row are an attack.
constexpr std::size_t max_idle_bytes = 256 * 1024;
// Bytes that reading has answered and that the other side does not take.
constexpr std::size_t max_answers_bytes = 128 * 1024;
constexpr std::size_t max_range_read_bytes = 64 * 1024;

}  // namespace

TlsStream::TlsStream(const TlsPlace& place, StreamEvents& events,
                     std::shared_ptr<TlsSession> session)
    : place_(place),
      events_(events),
      session_(std::move(session)),
      anchor_(std::make_shared<Anchor>(this)),
      needs_bytes_(session_->is_server()),
      turn_(place_.turns != nullptr ? place_.turns->new_place() : 0) {}

TlsStream::~TlsStream() {
  anchor_->stream = nullptr;
  close();
}

void TlsStream::set_stream(std::unique_ptr<ByteStream> below) {
  DOHLE_ASSERT(below_ == nullptr && below != nullptr, "encryption is above one stream");
  below_ = std::move(below);
}

void TlsStream::set_doubts(std::shared_ptr<HelloDoubts> doubts, std::string address) {
  DOHLE_ASSERT(!session_->is_server(), "doubts about hellos are set on a server's side");
  hello_ = std::make_unique<Hello>(Hello{std::move(doubts), std::move(address)});
}

void TlsStream::close() {
  if (phase_ == Phase::closed) return;
  if (phase_ < Phase::open && place_.turns != nullptr) place_.turns->forget(turn_);
  phase_ = Phase::closed;
  cancel_timers();
  if (below_ != nullptr) below_->close();
}

void TlsStream::lose(const Error& why) {
  if (phase_ == Phase::closed || phase_ == Phase::lost) return;
  if (phase_ < Phase::open && place_.turns != nullptr) place_.turns->forget(turn_);
  phase_ = Phase::lost;
  cancel_timers();
  events_.on_lost(why);
}

void TlsStream::cancel_timers() {
  place_.loop.cancel(std::exchange(timer_, 0));
  if (hello_ != nullptr) place_.loop.cancel(std::exchange(hello_->timer, 0));
}

// Events of the stream below.

void TlsStream::on_open(bool may_read) {
  if (phase_ != Phase::opening) return;
  phase_ = Phase::handshake;
  may_read_ = may_read;
  arm_timeout();
  if (hello_ != nullptr) hold_hello();
  advance();
}

void TlsStream::on_lost(const Error& why) {
  lose(phase_ == Phase::handshake ? why.within("TLS handshake failed") : why);
}

void TlsStream::on_news(StreamNews news) {
  may_read_ = may_read_ || news.may_read;
  if (phase_ == Phase::handshake) return advance();
  if (phase_ != Phase::open) return;
  if (news.may_write && !session_->to_send().empty()) {
    const Result<bool> is_flushed = flush();
    if (!is_flushed) failed_ = write_failure(is_flushed.error());
    news.may_write = !is_flushed || *is_flushed;
  }
  if (news.may_read || news.may_write || news.is_dead) events_.on_news(news);
}

// The handshake.

void TlsStream::arm_timeout() {
  timer_ = place_.loop.arm(
      place_.loop.tick().mono + place_.handshake_timeout,
      [anchor = std::weak_ptr(anchor_), timeout = place_.handshake_timeout] {
        const auto held = anchor.lock();
        if (held == nullptr || held->stream == nullptr) return;
        held->stream->timer_ = 0;
        held->stream->lose(Error::client(
            Errc::connection_failed,
            fmt::format("TLS handshake failed: it was not done within {} ms", timeout.count())));
      });
}

// A connection that ends during the pause was not closed for its first bytes.
void TlsStream::hold_hello() {
  const Duration pause =
      std::min<Duration>(hello_->doubts->pause_of(hello_->address), place_.handshake_timeout / 4);
  if (pause == Duration::zero()) return release_hello();
  needs_bytes_ = hello_->sent.was_held = true;
  hello_->timer =
      place_.loop.arm(place_.loop.tick().mono + pause, [anchor = std::weak_ptr(anchor_)] {
        const auto held = anchor.lock();
        if (held == nullptr || held->stream == nullptr) return;
        held->stream->hello_->timer = 0;
        held->stream->release_hello();
        held->stream->advance();
      });
}

void TlsStream::release_hello() {
  needs_bytes_ = false;
  hello_->sent.sent_at = place_.loop.tick().mono;
}

void TlsStream::note_answer() {
  if (hello_ == nullptr) return;
  hello_->doubts->on_answered(hello_->address);
  place_.loop.cancel(hello_->timer);
  hello_.reset();
}

Error TlsStream::unanswered(const Error& why) {
  if (hello_ == nullptr) return why;
  return hello_->doubts->on_unanswered(hello_->address, why, hello_->sent, place_.loop.tick().mono);
}

// Sends the output of the last step, gets bytes for the next one, and runs it. It is a loop, since
// the other side may send byte by byte.
void TlsStream::advance() {
  while (phase_ == Phase::handshake && !is_stepping_) {
    if (const Result<bool> sent = flush(); !sent) return lose(write_failure(sent.error()));
    if (needs_bytes_ && !get_bytes()) return;
    needs_bytes_ = false;
    if (place_.workers != nullptr || place_.turns != nullptr) return step_elsewhere();
    if (!is_to_continue(session_->handshake())) return;
  }
}

// False: there are none yet, or the stream is lost and may be destroyed.
bool TlsStream::get_bytes() {
  if (!may_read_) {
    // While it waits for the other side it holds no memory.
    block_ = {};
    return false;
  }
  const Result<Moved> got = fill();
  if (!got) {
    // A reset before the first byte is an end as any other.
    lose(hello_ != nullptr ? unanswered(session_->ended_early())
                           : got.error().within("TLS handshake failed"));
    return false;
  }
  if (got->state == StreamState::ended) {
    lose(unanswered(session_->ended_early()));
    return false;
  }
  if (got->bytes == 0) {
    if (!may_read_) return false;
    place_.loop.post([anchor = std::weak_ptr(anchor_)] {
      const auto held = anchor.lock();
      if (held != nullptr && held->stream != nullptr) held->stream->advance();
    });
    return false;
  }
  note_answer();
  handshake_bytes_ += got->bytes;
  if (handshake_bytes_ <= max_handshake_bytes) return true;
  lose(Error::client(
      Errc::too_large,
      fmt::format("TLS handshake failed: it takes more than {} bytes", max_handshake_bytes)));
  return false;
}

void TlsStream::step_elsewhere() {
  is_stepping_ = true;
  auto done = [anchor = std::weak_ptr(anchor_)](Result<HandshakeState> result) {
    const auto held = anchor.lock();
    if (held != nullptr && held->stream != nullptr) held->stream->on_step(std::move(result));
  };
  if (place_.turns != nullptr) return place_.turns->step(turn_, session_, std::move(done));
  // The worker shares the session, so that the stream may be destroyed meanwhile.
  struct Step {
    std::shared_ptr<TlsSession> session;
    Result<HandshakeState> result = HandshakeState::needs_bytes;
  };
  auto shared = std::make_shared<Step>(session_);
  place_.workers->run(
      [shared] { shared->result = shared->session->handshake(); }, place_.loop,
      [shared, done = std::move(done)]() mutable { done(std::move(shared->result)); });
}

void TlsStream::on_step(Result<HandshakeState> result) {
  is_stepping_ = false;
  if (phase_ == Phase::handshake && is_to_continue(std::move(result))) advance();
}

// False: the stream is open or lost, and may be destroyed.
bool TlsStream::is_to_continue(Result<HandshakeState> result) {
  if (!result) {
    // An alert tells the other side why, if there is room for it.
    if (const Result<bool> sent = flush(); sent && *sent) below_->end_writes();
    lose(result.error());
    return false;
  }
  needs_bytes_ = *result == HandshakeState::needs_bytes;
  if (needs_bytes_) return true;
  if (const Result<bool> sent = flush(); !sent) {
    lose(write_failure(sent.error()));
    return false;
  }
  phase_ = Phase::open;
  place_.loop.cancel(std::exchange(timer_, 0));
  // Data may have come with the last bytes of the handshake.
  events_.on_open(true);
  return false;
}

// Reading.

// Reads once from the stream below.
Result<Moved> TlsStream::fill() {
  SliceQueue& received = session_->received();
  Result<Moved> got;
  if (below_->hands_over_slices()) {
    got = below_->read_slices(received, block_bytes);
  } else {
    const bool is_free = block_.buffer() != nullptr && !block_.buffer()->is_shared();
    const std::size_t bytes = phase_ == Phase::open ? block_bytes : handshake_block_bytes;
    if (!is_free || block_.size() < bytes) {
      block_ = Slice::made(bytes, [](std::span<std::byte>) {});
    }
    ReadRoom room;
    room.add(block_.buffer()->data(), bytes);
    got = below_->read(room);
    if (got && got->bytes > 0) received.add(block_.sub(0, got->bytes));
  }
  may_read_ = got && got->state == StreamState::ready;
  return got;
}

// Decrypts into each piece until the received bytes are used up.
Result<std::size_t> TlsStream::read_piece(const ReadRoom& into) {
  std::size_t total = 0;
  for (std::size_t i = 0; i < into.count; ++i) {
    const std::span<std::byte> to(static_cast<std::byte*>(into.pieces[i].iov_base),
                                  into.pieces[i].iov_len);
    const Result<std::size_t> bytes = session_->read(to);
    if (!bytes) {
      if (total == 0) return fail(bytes.error());
      break;
    }
    total += *bytes;
    if (*bytes < to.size()) break;
  }
  return total;
}

// Reads a piece, and sends the answer of TLS itself to it.
Result<std::size_t> TlsStream::read_answered(const ReadRoom& into) {
  const Result<std::size_t> bytes = read_piece(into);
  if (!bytes) {
    // An alert of this side, as far as the other side reads.
    (void)flush();
    return fail(bytes.error());
  }
  if (!session_->to_send().empty() && claimed_ == 0) {
    const Result<bool> flushed = flush();
    if (!flushed && *bytes == 0) return fail(flushed.error());
  }
  if (session_->to_send().memory_size() > max_write_bytes + max_answers_bytes) {
    return fail(Error::client(Errc::limit_reached,
                              fmt::format("TLS: the other side asks for more than {} bytes of "
                                          "answers and does not read them",
                                          max_answers_bytes)));
  }
  return *bytes;
}

// An idle connection holds no memory.
Moved TlsStream::after_bytes(std::size_t bytes, bool has_room_left) {
  const bool is_used_up = has_room_left && !may_read_ && !session_->is_over();
  if (is_used_up) block_ = {};
  return {bytes, is_used_up ? StreamState::blocked : StreamState::ready};
}

Result<Moved> TlsStream::read(const ReadRoom& into) {
  DOHLE_ASSERT(phase_ == Phase::open && into.bytes > 0, "nothing can be read");
  if (failed_) return fail(*failed_);
  for (std::size_t taken = 0;;) {
    const Result<std::size_t> bytes = read_answered(into);
    if (!bytes) return fail(bytes.error());
    if (*bytes > 0) return after_bytes(*bytes, *bytes < into.bytes);
    if (session_->has_ended()) return Moved{0, StreamState::ended};
    if (taken > max_idle_bytes) {
      return fail(
          Error::client(Errc::limit_reached,
                        fmt::format("TLS: the other side sends more than {} bytes without data",
                                    max_idle_bytes)));
    }
    if (!may_read_) {
      block_ = {};
      return Moved{0, StreamState::blocked};
    }
    Result<Moved> got = fill();
    if (!got) return got;
    if (got->state == StreamState::ended) return fail(session_->ended_early());
    if (got->bytes == 0 && may_read_) return Moved{0, StreamState::ready};
    taken += got->bytes;
  }
}

Result<Moved> TlsStream::read_slices(SliceQueue& /*into*/, std::size_t /*max_bytes*/) {
  DOHLE_ASSERT(hands_over_slices(), "decryption reads into memory");
  return Moved{0, StreamState::blocked};
}

// Writing.

// True: the stream below has taken everything.
Result<bool> TlsStream::flush() {
  WriteQueue& waiting = session_->to_send();
  while (!waiting.empty()) {
    const Result<Moved> done = below_->write(waiting);
    if (!done) return fail(done.error());
    if (done->state == StreamState::blocked && !waiting.empty()) return false;
  }
  return true;
}

// A side that refuses a certificate sends an alert and closes: the alert says more than the failed
// write.
Error TlsStream::write_failure(Error why) {
  for (std::size_t taken = 0; taken <= max_idle_bytes;) {
    const Result<Moved> got = fill();
    if (!got || got->bytes == 0) break;
    note_answer();
    taken += got->bytes;
    if (phase_ == Phase::handshake) {
      const Result<HandshakeState> result = session_->handshake();
      if (!result) return result.error();
      continue;
    }
    std::byte data[1024];
    Result<std::size_t> bytes = session_->read(data);
    while (bytes && *bytes > 0) bytes = session_->read(data);
    if (!bytes) return bytes.error();
  }
  if (phase_ != Phase::handshake) return why;
  if (hello_ == nullptr) return why.within("TLS handshake failed");
  hello_->sent.sent_at.reset();
  return unanswered(session_->ended_early());
}

Result<Moved> TlsStream::write(WriteQueue& from) {
  DOHLE_ASSERT(phase_ == Phase::open && !from.empty(), "nothing can be written");
  if (failed_) return fail(*failed_);
  if (claimed_ == 0) {
    if (from.front_range() != nullptr) {
      if (auto done = from.read_front_range(max_range_read_bytes); !done) return fail(done.error());
    }
    const Result<std::size_t> bytes = session_->write(from, max_write_bytes);
    if (!bytes) return fail(bytes.error());
    claimed_ = *bytes;
  }
  const Result<bool> flushed = flush();
  if (!flushed) {
    failed_ = write_failure(flushed.error());
    return fail(*failed_);
  }
  if (!*flushed) return Moved{0, StreamState::blocked};
  from.consume(claimed_);
  if (from.empty()) session_->release_idle_room();
  return Moved{std::exchange(claimed_, 0), StreamState::ready};
}

std::optional<std::string> TlsStream::certificate_name() const {
  return session_->peer_principal();
}

std::size_t TlsStream::unread_bytes() const {
  return below_->unread_bytes();
}

void TlsStream::end_writes() {
  DOHLE_ASSERT(phase_ == Phase::open, "a stream that is not open ends its writes");
  if (claimed_ == 0) session_->end_writes();
  // The other side's frames end before it: if there is no room for it, nothing is lost.
  (void)flush();
  below_->end_writes();
}

}  // namespace dohle::net
