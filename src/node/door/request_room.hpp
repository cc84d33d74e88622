#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "base/executor.hpp"
#include "base/time.hpp"
#include "node/door/sessions.hpp"
#include "node/lines.hpp"

namespace dohle::node {

/// Memory for requests that are not served yet, of all connections together whose Session::room it
/// is. A connection whose bytes do not fit waits in the order of asking. Meanwhile the slowest
/// senders are closed, until the first waiting connection fits.
class RequestRoom {
 public:
  struct Bound {
    std::size_t max_bytes;
    /// The bound's name in the log line about a closed connection.
    std::string_view name;
  };

  /// All arguments outlive it.
  RequestRoom(const Sessions& sessions, Executor& loop, Lines& lines, Bound bound);
  ~RequestRoom();
  RequestRoom(const RequestRoom&) = delete;
  RequestRoom& operator=(const RequestRoom&) = delete;

  /// Reserves room for `bytes` more of a request. If false, the session is resumed when there may
  /// be room.
  bool reserve(std::size_t bytes, const Session& session);
  void give_back(std::size_t bytes);
  /// The request of `session` is complete or given up, and held `bytes`.
  void release(std::size_t bytes, const Session& session);
  void check_invariants() const;
  /// The session waits no longer.
  void forget(const Session& session);
  /// No session waits any longer: freed room resumes no session from now on.
  void forget_all();

 private:
  struct Held {
    std::uint64_t session;
    std::size_t bytes;
  };

  [[nodiscard]] bool has_room_for(std::size_t bytes) const {
    return bytes_ + bytes <= bound_.max_bytes;
  }
  [[nodiscard]] std::vector<Session*> its_sessions() const;
  void watch();
  void close_slow_senders();

  const Sessions& sessions_;
  Executor& loop_;
  Lines& lines_;
  const Bound bound_;
  std::size_t bytes_ = 0;
  /// The session whose request may exceed the limit, so that some request always completes.
  std::uint64_t exceeding_ = 0;
  std::deque<Held> held_;
  TimerId watch_ = 0;
  TimePoint counted_since_{};
};

}  // namespace dohle::node
