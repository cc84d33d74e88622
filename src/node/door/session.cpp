#include "node/door/session.hpp"

#include <algorithm>
#include <variant>

#include "base/assert.hpp"
#include "node/door/doorway.hpp"
#include "node/limits.hpp"

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
    : doorway_(doorway), id_(id), way_(way), connection_(std::move(connection)) {}

Session::~Session() {
  doorway_.room().release(reserved_bytes_, *this);
}

void Session::on_open() {
  state_ = State::serving;
}

Admission Session::on_frame_length(std::size_t /*bytes*/) {
  if (state_ == State::closing || is_draining_) return Admission::hold;
  if (is_held_for_checks_ || is_held_for_turn_) return Admission::hold;
  if (answers_.size() >= limits::max_requests_per_connection) {
    is_held_for_answers_ = true;
    return Admission::hold;
  }
  return Admission::accept;
}

Admission Session::on_frame_room(std::size_t bytes) {
  if (state_ == State::closing || is_draining_) return Admission::hold;
  is_held_for_room_ = !doorway_.room().reserve(bytes, *this);
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
  doorway_.room().give_back(bytes);
}

void Session::on_frame(Slice frame) {
  if (state_ == State::serving) doorway_.events().on_request(*this, std::move(frame));
  release_request();
}

void Session::release_request() {
  if (is_held_for_checks_ || is_held_for_turn_) return;
  doorway_.room().release(std::exchange(reserved_bytes_, 0), *this);
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
  doorway_.on_session_closed(*this, why);
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
  doorway_.events().on_answers(*this);
  const bool has_room = answers_.size() <= limits::max_requests_per_connection / 2;
  if (has_room && std::exchange(is_held_for_answers_, false)) resume();
}

void Session::send(Chain bytes) {
  sent_bytes_ += bytes.size();
  if (!connection_->send(std::move(bytes))) connection_->pause_reading();
}

std::size_t Session::note_unread_bytes(TimePoint now) {
  if (state_ == State::closing) return unread_bytes_;
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
  answers_.clear();
  connection_->close();
  doorway_.forget_later(*this);
}

void Session::close() {
  if (state_ == State::closing) return;
  state_ = State::closing;
  answers_.clear();
  connection_->close_after_writes();
  doorway_.forget_later(*this);
}

void Session::drain() {
  is_draining_ = true;
  connection_->pause_reading();
}

void Session::resume() {
  const bool is_full = connection_->queued_bytes() > limits::max_unread_bytes_per_connection;
  const bool is_held = is_held_for_answers_ || is_held_for_checks_ || is_held_for_turn_;
  if (!is_draining_ && !is_held && !is_full) connection_->resume_reading();
}

}  // namespace dohle::node
