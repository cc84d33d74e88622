#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "base/executor.hpp"
#include "base/time.hpp"
#include "node/door/sessions.hpp"
#include "node/lines.hpp"

namespace dohle::node {

/// Room for requests that are not served yet, of all connections together. A connection for whose
/// bytes there is none waits, in the order of asking. Meanwhile those that send slowest are closed,
/// as many as make room for the first that waits.
class RequestRoom {
 public:
  /// All outlive it.
  RequestRoom(const Sessions& sessions, Executor& loop, Lines& lines, std::size_t max_bytes);
  ~RequestRoom();
  RequestRoom(const RequestRoom&) = delete;
  RequestRoom& operator=(const RequestRoom&) = delete;

  /// Room for so many bytes more of a request; false: the session is resumed when there may be
  /// some.
  bool reserve(std::size_t bytes, const Session& session);
  void give_back(std::size_t bytes);
  /// Its request is whole, or given up, and held this much.
  void release(std::size_t bytes, const Session& session);
  void check_invariants() const;
  /// It waits no longer.
  void forget(const Session& session);
  /// No session waits any longer: what is given back from now on resumes none.
  void forget_all();

 private:
  struct Held {
    std::uint64_t session;
    std::size_t bytes;
  };

  [[nodiscard]] bool has_room_for(std::size_t bytes) const { return bytes_ + bytes <= max_bytes_; }
  void watch();
  void close_slow_senders();

  const Sessions& sessions_;
  Executor& loop_;
  Lines& lines_;
  const std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  /// The session whose request may exceed the bound, so that some request always gets through.
  std::uint64_t exceeding_ = 0;
  std::deque<Held> held_;
  TimerId watch_ = 0;
  TimePoint counted_since_{};
};

}  // namespace dohle::node
