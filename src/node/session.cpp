#include "node/session.hpp"

#include "node/engine.hpp"

namespace dohle::node {

Session::Session(Engine& engine, std::uint64_t id, std::unique_ptr<Connection> connection)
    : engine_(engine), id_(id), connection_(std::move(connection)) {}

void Session::on_open() {
  state_ = State::serving;
}

Admission Session::on_frame_length(std::size_t bytes) {
  if (state_ == State::closing) return Admission::hold;
  if (!engine_.reserve_request(bytes, *this)) return Admission::hold;
  reserved_bytes_ = bytes;
  return Admission::accept;
}

void Session::on_frame(Slice frame) {
  const std::size_t bytes = std::exchange(reserved_bytes_, 0);
  engine_.on_request(*this, std::move(frame));
  engine_.release_request(bytes);
}

void Session::on_drained() {
  connection_->resume_reading();
}

void Session::on_closed(Error why) {
  engine_.release_request(std::exchange(reserved_bytes_, 0));
  engine_.on_session_closed(*this, why);
}

std::uint64_t Session::reserve_answer() {
  answers_.emplace_back();
  return first_answer_ + answers_.size() - 1;
}

void Session::answer(std::uint64_t number, Chain bytes) {
  answers_[static_cast<std::size_t>(number - first_answer_)] = std::move(bytes);
  while (!answers_.empty() && answers_.front()) {
    Chain ready = *std::move(answers_.front());
    answers_.pop_front();
    ++first_answer_;
    // A client that does not read its answers is not read from either.
    if (!ready.empty() && !connection_->send(std::move(ready))) connection_->pause_reading();
  }
}

void Session::close() {
  if (state_ == State::closing) return;
  state_ = State::closing;
  connection_->close_after_writes();
  engine_.forget_later(*this);
}

}  // namespace dohle::node
