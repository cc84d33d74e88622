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
  return auth::is_equal(auth::hash(digest, keys.client_key), verifier.stored_key);
}

}  // namespace

void PasswordChecks::check(std::uint64_t connection, Check check, Done done) {
  auto& queue = check.is_known ? known_ : unknown_;
  queue.push_back({connection, std::make_shared<Check>(std::move(check)), std::move(done)});
  start_next();
}

void PasswordChecks::start_next() {
  if (is_running_ || size() == 0) return;
  // The two kinds take turns.
  was_known_ = unknown_.empty() || (!was_known_ && !known_.empty());
  auto& queue = was_known_ ? known_ : unknown_;
  Waiting next = std::move(queue.front());
  queue.pop_front();
  is_running_ = true;
  running_ = next.connection;
  auto outcome = std::make_shared<bool>(false);
  disk_->run([check = next.check, outcome] { *outcome = is_right(*check); },
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
  const auto is_its = [&](const Waiting& waiting) { return waiting.connection == connection; };
  if (running_ == connection) running_ = 0;
  std::erase_if(known_, is_its);
  std::erase_if(unknown_, is_its);
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
