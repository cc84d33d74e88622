#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_stream.hpp"
#include "base/executor.hpp"
#include "net/tls/handshake_turns.hpp"
#include "net/tls/hello_doubts.hpp"
#include "net/tls/tls_session.hpp"

namespace dohle::net {

/// The loop, the workers and the turns that a TlsStream uses.
struct TlsPlace {
  Executor& loop;
  /// Runs the steps of the handshake. Null: the loop does, which costs it up to milliseconds.
  Workers* workers = nullptr;
  /// For listeners, instead of `workers`: the turns for which the steps wait. Outlives the stream.
  HandshakeTurns* turns = nullptr;
  /// 1 ms or more. Time from the opening of the stream below to the end of the handshake.
  std::chrono::milliseconds handshake_timeout{10'000};
};

/// TLS above another stream. Opens once the handshake is done; a failed handshake is `on_lost`, in
/// words. Holds at most 64 KiB of received bytes, and of written ones at most 64 KiB and their
/// overhead; a write takes bytes off the queue only after the stream below has taken all of them,
/// so that nothing is lost when `end_writes` follows. An end without close_notify is an error of
/// `read`. Loop thread only.
///
/// Use: make it with the events of its owner, make the stream below with this one as its events,
/// and pass that one to `set_stream`.
class TlsStream final : public ByteStream, public StreamEvents {
 public:
  /// `events` owns the stream. `session` is used by this stream alone from now on; the loop and the
  /// workers outlive the stream.
  TlsStream(const TlsPlace& place, StreamEvents& events, std::shared_ptr<TlsSession> session);
  ~TlsStream() override;
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// Called before any event.
  void set_stream(std::unique_ptr<ByteStream> below);
  /// Called before any event, for a client's side.
  void set_doubts(std::shared_ptr<HelloDoubts> doubts, std::string address);
  /// The session, once the stream is open: the principal, version and cipher.
  [[nodiscard]] const TlsSession& session() const { return *session_; }

  Result<Moved> read(const ReadRoom& into) override;
  Result<Moved> read_slices(SliceQueue& into, std::size_t max_bytes) override;
  Result<Moved> write(WriteQueue& from) override;
  [[nodiscard]] std::size_t unread_bytes() const override;
  [[nodiscard]] std::optional<std::string> certificate_name() const override;
  void end_writes() override;
  void close() override;

  // Events of the stream below.
  void on_open(bool may_read) override;
  void on_news(StreamNews news) override;
  void on_lost(const Error& why) override;

 private:
  struct Anchor {
    TlsStream* stream;
  };
  enum class Phase : std::uint8_t { opening, handshake, open, lost, closed };
  /// The first bytes of a client's side, until the first ones of the server.
  struct Hello {
    std::shared_ptr<HelloDoubts> doubts;
    std::string address;
    HelloDoubts::Hello sent = {};
    TimerId timer = 0;  // while it is held
  };

  [[nodiscard]] Result<Moved> fill();
  [[nodiscard]] Result<bool> flush();
  [[nodiscard]] Result<std::size_t> read_piece(const ReadRoom& into);
  [[nodiscard]] Result<std::size_t> read_answered(const ReadRoom& into);
  [[nodiscard]] Moved after_bytes(std::size_t bytes, bool has_room_left);
  [[nodiscard]] Error write_failure(Error why);
  void advance();
  [[nodiscard]] bool get_bytes();
  void step_elsewhere();
  void on_step(Result<HandshakeState> result);
  [[nodiscard]] bool is_to_continue(Result<HandshakeState> result);
  void lose(const Error& why);
  void arm_timeout();
  void cancel_timers();
  void hold_hello();
  void release_hello();
  void note_answer();
  [[nodiscard]] Error unanswered(const Error& why);

  TlsPlace place_;
  StreamEvents& events_;
  std::shared_ptr<TlsSession> session_;
  std::unique_ptr<ByteStream> below_;
  std::shared_ptr<Anchor> anchor_;  // held by waiting tasks; it holds null once this is destroyed
  Phase phase_ = Phase::opening;
  bool is_stepping_ = false;  // a worker has the session
  bool needs_bytes_;          // before the next step
  bool may_read_ = false;     // the stream below may have bytes that no news reports
  std::size_t handshake_bytes_ = 0;
  std::size_t claimed_ = 0;  // bytes at the front of the write queue that are encrypted already
  std::optional<Error> failed_;
  TimerId timer_ = 0;
  const HandshakeTurns::Place turn_;
  std::unique_ptr<Hello> hello_;  // null for a server's side, and once it is answered
  Slice block_;                   // memory to read into
};

}  // namespace dohle::net
