#include "node/door/session.hpp"

#include <algorithm>
#include <variant>

#include "base/assert.hpp"
#include "node/door/doorway.hpp"
#include "node/limits.hpp"
#include "node/turn.hpp"

namespace dohle::node {

namespace {

std::size_t memory_of(const Chain& bytes) {
  std::size_t size = 0;
  for (const Chain::Piece& piece : bytes.pieces()) {
    if (const auto* slice = std::get_if<Slice>(&piece)) size += slice->size();
  }
  return size;
}

}  // namespace

Session::Session(Doorway& doorway, std::uint64_t id, const Way& way,
                 std::unique_ptr<Connection> connection)
    : doorway_(doorway),
      id_(id),
      way_(way),
      connection_(std::move(connection)),
      is_in_handshake_(way.is_encrypted) {
  if (way_.authenticates) authentication_ = doorway_.new_authentication();
  room_ = &doorway_.room(is_newcomer());
}

Session::~Session() {
  room_->release(reserved_bytes_, *this);
}

void Session::on_open() {
  is_in_handshake_ = false;
  if (!take_certificate_name()) return close();
  if (authentication_ == nullptr) state_ = State::serving;
  doorway_.on_opened(*this);
}

// False: it names no user, or no rule fits it.
bool Session::take_certificate_name() {
  if (!way_.rules) return true;
  const std::optional<std::string> certificate_name = connection_->certificate_name();
  if (!certificate_name) return true;
  if (certificate_name->empty()) {
    doorway_.complain_of(*this, "its certificate has no subject, so it names no user");
    return false;
  }
  auto name = way_.rules->name_of(*certificate_name);
  if (!name) {
    doorway_.complain_of(*this, "no rule for principals fits the name in its certificate, \"" +
                                    shortened(*certificate_name) + "\" (principal_rules)");
    return false;
  }
  principal_ = std::make_shared<const Principal>(Principal{"User", *std::move(name)});
  return true;
}

Admission Session::on_frame_length(std::size_t bytes) {
  if (state_ == State::closing || is_draining_) return Admission::hold;
  if (is_held_for_checks_ || is_held_for_turn_ || is_held_for_login_) return Admission::hold;
  if (is_newcomer() && bytes > limits::max_unauthenticated_frame_bytes) {
    refused_frame_ = "closing the connection of " + peer() + ": a frame of " +
                     std::to_string(bytes) + " bytes before the login; at most " +
                     std::to_string(limits::max_unauthenticated_frame_bytes) +
                     " are allowed (max_unauthenticated_frame_bytes)";
    return Admission::refuse;
  }
  if (answers_.size() >= limits::max_requests_per_connection) {
    is_held_for_answers_ = true;
    return Admission::hold;
  }
  return Admission::accept;
}

Admission Session::on_frame_room(std::size_t bytes) {
  if (state_ == State::closing || is_draining_) return Admission::hold;
  if (reserved_bytes_ == 0) room_ = &doorway_.room(is_newcomer());
  is_held_for_room_ = !room_->reserve(bytes, *this);
  if (is_held_for_room_) return Admission::hold;
  if (reserved_bytes_ == 0) request_began_at_ = doorway_.now();
  reserved_bytes_ += bytes;
  counted_bytes_ += bytes;
  return Admission::accept;
}

void Session::on_frame_room_unused(std::size_t bytes) {
  DOHLE_ASSERT(bytes <= reserved_bytes_, "a session gives back more room than it holds");
  reserved_bytes_ -= bytes;
  counted_bytes_ -= std::min(bytes, counted_bytes_);
  room_->give_back(bytes);
}

void Session::on_frame(Slice frame) {
  if (authentication_ != nullptr && state_ != State::closing) {
    auto action = authentication_->on_frame(frame, doorway_.now());
    act(std::move(action), std::move(frame));
  } else if (state_ == State::serving) {
    doorway_.events().on_request(*this, std::move(frame));
  }
  release_request();
}

// --- the login

void Session::act(Authentication::Action action, Slice frame) {
  if (std::holds_alternative<Authentication::Serve>(action)) {
    return doorway_.events().on_request(*this, std::move(frame));
  }
  if (auto* answered = std::get_if<Authentication::Answer>(&action)) {
    login_answer_ = reserve_answer();
    return answer_login(std::move(answered->bytes));
  }
  if (auto* check = std::get_if<Authentication::Check>(&action)) {
    is_held_for_login_ = true;
    login_answer_ = reserve_answer();
    return doorway_.check_password(*this, std::move(check->what), !is_newcomer());
  }
  if (auto* refusal = std::get_if<Authentication::Refuse>(&action)) {
    login_answer_ = reserve_answer();
    return begin_refusal(std::move(*refusal));
  }
  doorway_.complain_of(*this, std::get<Authentication::Close>(action).why);
  close();
}

void Session::on_password_checked(bool is_right) {
  if (state_ == State::closing) return;
  auto action = authentication_->on_checked(is_right, doorway_.now());
  if (auto* refusal = std::get_if<Authentication::Refuse>(&action)) {
    return begin_refusal(std::move(*refusal));
  }
  is_held_for_login_ = false;
  answer_login(std::move(std::get<Authentication::Answer>(action).bytes));
  resume();
}

void Session::answer_login(Chain bytes) {
  if (state_ == State::authenticating && authentication_->is_authenticated()) {
    state_ = State::serving;
    principal_ = std::make_shared<const Principal>(authentication_->principal());
    doorway_.on_authenticated(*this);
  }
  answer(login_answer_, std::move(bytes));
}

void Session::begin_refusal(Authentication::Refuse refusal) {
  is_held_for_login_ = true;
  refusal_ = std::move(refusal.answer);
  doorway_.refuse_later(*this, refusal.why);
}

void Session::end_refusal() {
  if (state_ == State::closing) return;
  if (!refusal_) return close();
  closes_when_answered_ = true;
  answer(login_answer_, *std::exchange(refusal_, std::nullopt));
}

void Session::release_request() {
  if (is_held_for_checks_ || is_held_for_turn_) return;
  room_->release(std::exchange(reserved_bytes_, 0), *this);
}

void Session::hold_for_checks() {
  is_held_for_checks_ = true;
}

void Session::end_hold_for_checks() {
  if (!std::exchange(is_held_for_checks_, false)) return;
  release_request();
  resume();
}

void Session::end_hold_for_turn() {
  if (!std::exchange(is_held_for_turn_, false)) return;
  release_request();
  resume();
}

void Session::on_drained() {
  resume();
}

void Session::on_closed(Error why) {
  state_ = State::closing;
  doorway_.on_session_closed(
      *this, refused_frame_.empty() ? why : Error::client(Errc::too_large, refused_frame_));
}

std::uint64_t Session::reserve_answer() {
  answers_.emplace_back();
  return first_answer_ + answers_.size() - 1;
}

void Session::answer(std::uint64_t number, Chain bytes) {
  if (state_ == State::closing) return;
  DOHLE_ASSERT(number >= first_answer_ && number - first_answer_ < answers_.size(),
               "an answer goes to no request");
  const auto place = static_cast<std::size_t>(number - first_answer_);
  DOHLE_ASSERT(!answers_[place], "a request is answered twice");
  if (place > 0) held_answer_bytes_ += memory_of(bytes);
  answers_[place] = std::move(bytes);
  for (bool is_first = place == 0; !answers_.empty() && answers_.front(); is_first = false) {
    Chain ready = *std::move(answers_.front());
    answers_.pop_front();
    ++first_answer_;
    if (!is_first) {
      DOHLE_ASSERT(held_answer_bytes_ >= memory_of(ready), "an answer was held uncounted");
      held_answer_bytes_ -= memory_of(ready);
    }
    if (!ready.empty()) send(std::move(ready));
  }
  if (closes_when_answered_ && answers_.empty()) return close();
  doorway_.events().on_answers(*this);
  const bool has_room = answers_.size() <= limits::max_requests_per_connection / 2;
  if (has_room && std::exchange(is_held_for_answers_, false)) resume();
}

void Session::send(Chain bytes) {
  sent_bytes_ += bytes.size();
  if (!connection_->send(std::move(bytes))) connection_->pause_reading();
}

std::size_t Session::note_unread_bytes(TimePoint now) {
  if (state_ == State::closing) {
    return unread_bytes_ = connection_->queued_memory_bytes() + held_answer_bytes_;
  }
  DOHLE_ASSERT(sent_bytes_ >= connection_->queued_bytes(), "more is to be written than was sent");
  const std::uint64_t read = sent_bytes_ - connection_->queued_bytes();
  if (unread_bytes_ == 0 || read != read_bytes_) last_read_at_ = now;
  read_bytes_ = read;
  unread_bytes_ = connection_->queued_memory_bytes() + held_answer_bytes_;
  return unread_bytes_;
}

void Session::flush_answers() {
  if (state_ == State::closing) return;
  connection_->flush();
  doorway_.events().on_answers(*this);
}

void Session::abort() {
  if (state_ == State::closing) return;
  state_ = State::closing;
  connection_->close();
  doorway_.forget_later(*this);
}

void Session::close() {
  if (state_ == State::closing) return;
  state_ = State::closing;
  connection_->close_after_writes();
  doorway_.forget_later(*this);
}

bool Session::free_some(const Executor& loop) {
  DOHLE_ASSERT(state_ == State::closing, "the answers of an open session are freed");
  connection_->close();  // of a client that does not read its last answers
  while (!answers_.empty()) {
    if (answers_.front()) held_answer_bytes_ -= memory_of(*answers_.front());
    answers_.pop_front();
    if (is_turn_over(loop)) break;
  }
  doorway_.events().on_answers(*this);
  return answers_.empty() && connection_->queued_bytes() == 0;
}

void Session::drain() {
  if (is_newcomer()) return abort();
  is_draining_ = true;
  connection_->pause_reading();
}

void Session::resume() {
  const bool is_full = connection_->queued_bytes() > limits::max_unread_bytes_per_connection;
  const bool is_held =
      is_held_for_answers_ || is_held_for_checks_ || is_held_for_turn_ || is_held_for_login_;
  if (!is_draining_ && !is_held && !is_full) connection_->resume_reading();
}

}  // namespace dohle::node
