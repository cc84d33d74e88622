#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/connection.hpp"
#include "base/executor.hpp"
#include "base/principal.hpp"
#include "base/time.hpp"
#include "node/door/authentication.hpp"
#include "node/door/turn_queue.hpp"
#include "node/security/principal_rules.hpp"

namespace dohle::node {

class Doorway;
class RequestRoom;

/// One listener of the node.
struct Way {
  std::string name;
  /// The address that clients of this listener are told to connect to.
  Endpoint advertised;
  /// Whether its clients log in.
  bool authenticates = false;
  /// Whether its connections begin with a handshake of TLS.
  bool is_encrypted = false;
  /// How the name in a client's certificate becomes that of its principal. If absent, certificates
  /// give no principal.
  std::optional<PrincipalRules> rules = {};
};

/// One client's connection. Delivers whole frames and sends answers in the order of requests. It is
/// not read from while it has too many pending requests, while there is no room for its next
/// request, while one of its requests waits for a turn, or while it does not read its answers.
class Session final : public ConnectionEvents {
 public:
  enum class State : std::uint8_t {
    authenticating,  ///< ends once the connection is open if its listener does not authenticate
    serving,
    closing,
  };

  Session(Doorway& doorway, std::uint64_t id, const Way& way,
          std::unique_ptr<Connection> connection);
  ~Session() override;

  void on_open() override;
  Admission on_frame_length(std::size_t bytes) override;
  Admission on_frame_room(std::size_t bytes) override;
  void on_frame_room_unused(std::size_t bytes) override;
  void on_frame(Slice frame) override;
  void on_drained() override;
  void on_closed(Error why) override;

  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] const Way& way() const { return way_; }
  [[nodiscard]] const std::string& peer() const { return connection_->peer(); }
  /// The handshake of TLS is not done.
  [[nodiscard]] bool is_in_handshake() const { return is_in_handshake_; }
  /// ANONYMOUS until the client has logged in, or shown a certificate that names it.
  [[nodiscard]] const std::shared_ptr<const Principal>& principal() const { return principal_; }

  /// Client software as the client names it (KIP-511), as "NAME VERSION". Empty if the client has
  /// not named it.
  [[nodiscard]] const std::string& software() const { return software_; }
  void set_software(std::string software) { software_ = std::move(software); }

  /// The outcome of the password check that it asked the doorway for.
  void on_password_checked(bool is_right);
  /// The pause before the answer to a failed login is over.
  void end_refusal();

  /// Reserves a place in the order of answers. Returns its number.
  std::uint64_t reserve_answer();
  /// Sets that answer and sends all complete answers at the front. An empty chain stands for "no
  /// answer".
  void answer(std::uint64_t number, Chain bytes);
  /// Closes the connection for a fault of the client, after the answers passed to it so far are
  /// written.
  void close();
  /// Reads no further requests until the batches of the last one are validated. The request's bytes
  /// stay counted until then.
  void hold_for_checks();
  void end_hold_for_checks();
  /// The same until its request, which waits for a turn of the node's thread, is served.
  void hold_for_turn() { is_held_for_turn_ = true; }
  void end_hold_for_turn();
  /// Drops the unread answers and closes at once.
  void abort();
  /// Frees unread answers of a closing session, as long as the turn has time. Returns whether all
  /// are freed. Those that are left stay counted.
  [[nodiscard]] bool free_some(const Executor& loop);
  /// Reads no further requests; answers the pending ones.
  void drain();
  /// All requests are answered, and the answers are written.
  [[nodiscard]] bool is_idle() const {
    return answers_.empty() && !is_held_for_turn_ && connection_->queued_bytes() == 0;
  }
  /// There may be room for the held request.
  void resume();
  /// The room in which its unfinished request is counted.
  [[nodiscard]] const RequestRoom& room() const { return *room_; }
  [[nodiscard]] RequestRoom& room() { return *room_; }
  /// Bytes of an unfinished request in memory.
  [[nodiscard]] std::size_t reserved_bytes() const { return reserved_bytes_; }
  /// Counts the bytes of arriving requests from zero.
  void begin_to_count() { counted_bytes_ = 0; }
  [[nodiscard]] std::size_t counted_bytes() const { return counted_bytes_; }
  /// It has been sending an unfinished request since `then` or earlier, and is not held.
  [[nodiscard]] bool sends_since(TimePoint then) const {
    return reserved_bytes_ > 0 && !is_held_for_room_ && !is_held_for_checks_ &&
           !is_held_for_turn_ && request_began_at_ <= then;
  }

  // The dispatcher calls the following functions.
  [[nodiscard]] TurnQueue::Mark& turn_mark() { return turn_mark_; }
  /// Answer bytes in memory that the client has not read, as of the last note.
  [[nodiscard]] std::size_t noted_unread_bytes() const { return unread_bytes_; }
  std::size_t note_unread_bytes(TimePoint now);
  /// The client has read no bytes of its pending answers since `then`, as of the last note.
  [[nodiscard]] bool reads_nothing_since(TimePoint then) const {
    return state_ == State::serving && unread_bytes_ > held_answer_bytes_ && last_read_at_ <= then;
  }
  void flush_answers();

 private:
  void release_request();
  void send(Chain bytes);
  void act(Authentication::Action action, Slice frame);
  void answer_login(Chain bytes);
  void begin_refusal(Authentication::Refuse refusal);
  [[nodiscard]] bool take_certificate_name();
  [[nodiscard]] bool is_newcomer() const {
    return is_in_handshake_ || (authentication_ != nullptr && !authentication_->is_authenticated());
  }

  Doorway& doorway_;
  const std::uint64_t id_;
  const Way& way_;
  std::unique_ptr<Connection> connection_;
  std::shared_ptr<const Principal> principal_ =
      std::make_shared<const Principal>(Principal::anonymous());
  /// Null if the listener does not authenticate.
  std::unique_ptr<Authentication> authentication_;
  State state_ = State::authenticating;
  /// Changes after the login, between two requests.
  RequestRoom* room_;
  bool is_in_handshake_;
  /// The place of the answer that waits for a password check or for the end of a pause.
  std::uint64_t login_answer_ = 0;
  /// Absent while no failed login waits for its answer, and if it gets none.
  std::optional<Chain> refusal_;
  /// Why a frame was not admitted.
  std::string refused_frame_;
  std::string software_;
  std::deque<std::optional<Chain>> answers_;
  std::uint64_t first_answer_ = 0;
  std::size_t reserved_bytes_ = 0;
  std::size_t counted_bytes_ = 0;
  TimePoint request_began_at_{};
  TurnQueue::Mark turn_mark_{};
  std::size_t unread_bytes_ = 0;
  /// Bytes of answers that wait for earlier ones.
  std::size_t held_answer_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t read_bytes_ = 0;
  TimePoint last_read_at_{};
  bool is_held_for_room_ = false;
  bool is_held_for_answers_ = false;
  bool is_held_for_checks_ = false;
  bool is_held_for_turn_ = false;
  bool is_held_for_login_ = false;
  bool closes_when_answered_ = false;
  bool is_draining_ = false;
};

}  // namespace dohle::node
