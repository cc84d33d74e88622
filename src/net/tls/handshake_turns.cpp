#include "net/tls/handshake_turns.hpp"

#include <utility>

#include "base/assert.hpp"

namespace dohle::net {

HandshakeTurns::HandshakeTurns(Workers& workers, Executor& loop, std::size_t max_at_once)
    : workers_(workers), loop_(loop), max_at_once_(max_at_once) {
  DOHLE_ASSERT(max_at_once > 0, "the bound of handshake steps at a time is 0");
}

HandshakeTurns::~HandshakeTurns() {
  *is_alive_ = false;
}

void HandshakeTurns::step(Place place, std::shared_ptr<TlsSession> session, Done done) {
  const bool is_new = waiting_.try_emplace(place, Step{std::move(session), std::move(done)}).second;
  DOHLE_ASSERT(is_new, "a handshake takes two steps at once");
  begin_waiting();
}

void HandshakeTurns::begin_waiting() {
  while (running_ < max_at_once_ && !waiting_.empty()) {
    begin(std::move(waiting_.extract(waiting_.begin()).mapped()));
  }
}

void HandshakeTurns::begin(Step step) {
  struct Running {
    Step step;
    Result<HandshakeState> result = HandshakeState::needs_bytes;
  };
  ++running_;
  auto shared = std::make_shared<Running>(std::move(step));
  workers_.run([shared] { shared->result = shared->step.session->handshake(); }, loop_,
               [this, alive = is_alive_, shared] {
                 if (!*alive) return;
                 DOHLE_ASSERT(running_ > 0, "a step ends that did not begin");
                 --running_;
                 begin_waiting();
                 shared->step.done(std::move(shared->result));
               });
}

}  // namespace dohle::net
