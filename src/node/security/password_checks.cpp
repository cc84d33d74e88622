#include "node/security/password_checks.hpp"

#include <utility>

#include "auth/digest.hpp"
#include "base/assert.hpp"

namespace dohle::node {

namespace {

bool is_right(const PasswordChecks::Check& check) {
  const auto& [digest, verifier] = check.against;
  const auth::ScramKeys keys =
      auth::derive_keys(digest, check.password.reveal(), verifier.salt, verifier.iterations);
  return auth::is_equal(auth::hash(digest, keys.client_key.reveal()), verifier.stored_key);
}

}  // namespace

// --- the queue

void PasswordChecks::Queue::push(Waiting waiting) {
  auto& line = by_origin_[waiting.check->origin];
  if (line.empty()) turns_.push_back(waiting.check->origin);
  line.push_back(std::move(waiting));
  ++size_;
}

PasswordChecks::Waiting PasswordChecks::Queue::pop() {
  std::string origin = std::move(turns_.front());
  turns_.pop_front();
  const auto line = by_origin_.find(origin);
  Waiting first = std::move(line->second.front());
  line->second.pop_front();
  --size_;
  if (line->second.empty()) {
    by_origin_.erase(line);
  } else {
    turns_.push_back(std::move(origin));
  }
  return first;
}

void PasswordChecks::Queue::forget(std::uint64_t connection) {
  for (auto line = by_origin_.begin(); line != by_origin_.end(); ++line) {
    size_ -= std::erase_if(
        line->second, [=](const Waiting& waiting) { return waiting.connection == connection; });
    if (!line->second.empty()) continue;
    std::erase(turns_, line->first);
    by_origin_.erase(line);
    return;
  }
}

void PasswordChecks::Queue::clear() {
  by_origin_.clear();
  turns_.clear();
  size_ = 0;
}

// --- the checks

void PasswordChecks::check(std::uint64_t connection, Check check, Done done) {
  auto& queue = check.is_known ? known_ : unknown_;
  queue.push({connection, std::make_shared<Check>(std::move(check)), std::move(done)});
  start_next();
}

void PasswordChecks::start_next() {
  if (is_running_ || size() == 0) return;
  // The two kinds take turns.
  was_known_ = unknown_.size() == 0 || (!was_known_ && known_.size() > 0);
  Waiting next = (was_known_ ? known_ : unknown_).pop();
  is_running_ = true;
  running_ = next.connection;
  auto outcome = std::make_shared<bool>(false);
  workers_.run([check = next.check, outcome] { *outcome = is_right(*check); }, loop_,
               [this, outcome, connection = next.connection, done = std::move(next.done),
                alive = is_alive_]() mutable {
                 if (!*alive) return;
                 const bool is_wanted = running_ == connection;
                 is_running_ = false;
                 running_ = 0;
                 start_next();
                 if (is_wanted) done(*outcome);
               });
}

void PasswordChecks::forget(std::uint64_t connection) {
  if (running_ == connection) running_ = 0;
  known_.forget(connection);
  unknown_.forget(connection);
}

void PasswordChecks::drop_all() {
  *std::exchange(is_alive_, std::make_shared<bool>(true)) = false;
  known_.clear();
  unknown_.clear();
  is_running_ = false;
  running_ = 0;
}

void PasswordChecks::check_invariants() const {
  DOHLE_ASSERT(size() == 0 || is_running_, "passwords wait for a check that does not run");
}

}  // namespace dohle::node
