#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "base/executor.hpp"
#include "dohle/error.hpp"
#include "net/tls/tls_session.hpp"

namespace dohle::net {

/// The order in which listeners' handshakes go on. A step processes the bytes that have arrived,
/// and takes up to milliseconds of a worker. At most `max_at_once` steps are with the workers;
/// others wait, those of the oldest connection first. A handshake that waits for its client takes
/// no turn. Loop thread only.
class HandshakeTurns {
 public:
  /// Names a connection; older ones have lower numbers. 0 is none.
  using Place = std::uint64_t;
  using Done = std::move_only_function<void(Result<HandshakeState>)>;

  static constexpr std::size_t default_max_at_once = 64;

  /// The workers and the loop outlive it.
  HandshakeTurns(Workers& workers, Executor& loop, std::size_t max_at_once = default_max_at_once);
  /// Steps with the workers end without `done`.
  ~HandshakeTurns();
  HandshakeTurns(const HandshakeTurns&) = delete;
  HandshakeTurns& operator=(const HandshakeTurns&) = delete;

  [[nodiscard]] Place new_place() { return ++last_; }
  /// Takes the next step of `session`, which no other thread uses until `done` is called, on the
  /// loop. One step at a time for each place.
  void step(Place place, std::shared_ptr<TlsSession> session, Done done);
  /// Drops the step of the place if it waits. A step with a worker ends, and `done` is called.
  void forget(Place place) { waiting_.erase(place); }

  [[nodiscard]] std::size_t running() const { return running_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Step {
    std::shared_ptr<TlsSession> session;
    Done done;
  };

  void begin(Step step);
  void begin_waiting();

  Workers& workers_;
  Executor& loop_;
  const std::size_t max_at_once_;
  Place last_ = 0;
  std::size_t running_ = 0;
  std::map<Place, Step> waiting_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::net
