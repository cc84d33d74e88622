#include "node/door/session.hpp"

#include "node/limits.hpp"
#include "node/node_engine.hpp"

namespace dohle::node {

Session::Session(NodeEngine& engine, std::uint64_t id, const Way& way,
                 std::unique_ptr<Connection> connection)
    : engine_(engine), id_(id), way_(way), connection_(std::move(connection)) {}

Session::~Session() {
  engine_.release_request(reserved_bytes_, *this);
}

void Session::on_open() {
  state_ = State::serving;
}

Admission Session::on_frame_length(std::size_t /*bytes*/) {
  if (state_ == State::closing || is_draining_ || is_held_for_checks_) return Admission::hold;
  if (answers_.size() >= limits::max_requests_per_connection) {
    is_held_for_answers_ = true;
    return Admission::hold;
  }
  return Admission::accept;
}

Admission Session::on_frame_room(std::size_t bytes) {
  if (state_ == State::closing || is_draining_) return Admission::hold;
  is_held_for_room_ = !engine_.reserve_request(bytes, *this);
  if (is_held_for_room_) return Admission::hold;
  reserved_bytes_ += bytes;
  last_bytes_at_ = engine_.now().mono;
  return Admission::accept;
}

void Session::on_frame_room_unused(std::size_t bytes) {
  reserved_bytes_ -= bytes;
  engine_.give_back_room(bytes);
}

void Session::on_frame(Slice frame) {
  if (state_ == State::serving) engine_.on_request(*this, std::move(frame));
  if (is_held_for_checks_) return;
  engine_.release_request(std::exchange(reserved_bytes_, 0), *this);
}

void Session::hold_for_checks() {
  is_held_for_checks_ = true;
}

void Session::end_hold_for_checks() {
  if (!std::exchange(is_held_for_checks_, false)) return;
  engine_.release_request(std::exchange(reserved_bytes_, 0), *this);
  resume();
}

void Session::on_drained() {
  resume();
}

void Session::on_closed(Error why) {
  state_ = State::closing;
  engine_.on_session_closed(*this, why);
}

std::uint64_t Session::reserve_answer() {
  answers_.emplace_back();
  return first_answer_ + answers_.size() - 1;
}

void Session::answer(std::uint64_t number, Chain bytes) {
  if (state_ == State::closing) return;
  answers_[static_cast<std::size_t>(number - first_answer_)] = std::move(bytes);
  while (!answers_.empty() && answers_.front()) {
    Chain ready = *std::move(answers_.front());
    answers_.pop_front();
    ++first_answer_;
    if (!ready.empty() && !connection_->send(std::move(ready))) connection_->pause_reading();
  }
  const bool has_room = answers_.size() <= limits::max_requests_per_connection / 2;
  if (has_room && std::exchange(is_held_for_answers_, false)) resume();
}

void Session::close() {
  if (state_ == State::closing) return;
  state_ = State::closing;
  answers_.clear();
  connection_->close_after_writes();
  engine_.forget_later(*this);
}

void Session::drain() {
  is_draining_ = true;
  connection_->pause_reading();
}

void Session::resume() {
  const bool is_full = connection_->queued_bytes() > limits::max_unread_answer_bytes;
  const bool is_held = is_held_for_answers_ || is_held_for_checks_;
  if (!is_draining_ && !is_held && !is_full) connection_->resume_reading();
}

}  // namespace dohle::node
