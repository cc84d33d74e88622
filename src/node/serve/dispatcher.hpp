#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/executor.hpp"
#include "base/slice.hpp"
#include "node/door/sessions.hpp"
#include "node/door/turn_queue.hpp"
#include "node/lines.hpp"
#include "node/serve/node_parts.hpp"
#include "wire/api.hpp"
#include "wire/header.hpp"

namespace dohle::node {

struct Call;

/// Serves requests: decodes them, calls their handlers, and decides which connection is served
/// next.
///
/// A request is served at once while the loop's turn has time left and no request waits. Otherwise
/// its connection is not read from and waits for a later turn; the connection that used least of
/// the thread lately is served first. A handler of a long request works in slices, and its
/// connection waits between them in the same way. It may also wait for other events (the disk); no
/// further requests are read from its connection meanwhile.
///
/// Unread answers occupy memory. Above a budget for all of them together, requests of connections
/// with unread answers wait, and those of other connections are served one at a time: the next one
/// once the last one's answer is read, or 5 ms later. A connection that reads no bytes of its
/// answers for a while is closed if another one waits for that budget.
class Dispatcher {
 public:
  /// State of a request after a slice.
  enum class Progress : std::uint8_t {
    more,      ///< the next slice may run at once
    waits,     ///< the next slice runs after `wake`
    answered,  ///< there is no next slice
  };
  using Rest = std::move_only_function<Progress()>;

  /// The parts outlive it. It passes all of them on to the handlers.
  Dispatcher(const NodeParts& node, std::size_t max_unread_answer_bytes);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  /// A request arrived: serves it now or later.
  void take(Session& session, Slice frame);
  /// For handlers: calls `rest` while the turn has time, then in later turns. `rest` is dropped if
  /// the connection closes. So it owns all its data, and keeps no pointer to a topic from one call
  /// to the next.
  void go_on(std::uint64_t session, Rest rest);
  /// For handlers and slices: runs `job` on a disk thread, then continues with `rest` as `go_on`
  /// does. No further requests are read from the connection meanwhile. `job` must not use any part
  /// of the node.
  void go_on_after(std::uint64_t session, Task job, Rest rest);
  /// Runs `job` on a disk thread, then `then`, which is dropped once the node has stopped. `job`
  /// must not use any part of the node.
  void run_beside(Task job, Task then);
  /// The event that the connection's request waits for may have occurred. Has no effect if it does
  /// not wait.
  void wake(std::uint64_t session);
  /// Calls `wake`, and has no effect once the node has stopped.
  [[nodiscard]] Task waker(std::uint64_t session);

  /// A request had bytes after its last field: logs it once for each client software.
  void note_trailing_bytes(const Call& call, const wire::Api& api);

  /// The number of unread answer bytes of the session may have changed.
  void note_unread(Session& session);
  /// The session closes. Its unread answers count until they are freed.
  void forget(const Session& session);
  /// The node stops: no further requests are served.
  void drop_all();

  /// Asserts the conditions that hold between two turns.
  void check_invariants() const;
  /// The unread answer bytes of all connections together, as of their last notes.
  [[nodiscard]] std::size_t unread_bytes() const { return unread_bytes_; }

 private:
  /// The parts that it uses itself.
  using Needed = Parts<Authorizer, Disk, Executor, Lines, RequestFaults, Sessions, Storage>;

  Dispatcher(const NodeParts& all, const Needed& node, std::size_t max_unread_answer_bytes);

  /// Holds either a frame or a rest.
  struct Waiting {
    Slice frame;
    Rest rest;
  };

  /// Serves the request after a test's delay; further ones of the connection wait behind it.
  void serve_later(Session& session, Slice frame, Duration delay);
  void serve(Session& session, const Slice& frame);
  void handle(Session& session, wire::RequestFrame frame);
  void trace(const Call& call, const wire::RequestHeader& header);
  void wait(Session& session, Waiting work);
  void sleep(Session& session, Rest rest);
  void run();
  void run_one(Session& session);
  void after_request(Session& session);
  void run_later();
  [[nodiscard]] bool has_answer_budget(const Session& session);
  [[nodiscard]] bool is_over_budget();
  void look_at_unread();
  void let_blocked_go();
  void watch_blocked();
  void close_who_reads_nothing();
  void close_silent();

  const NodeParts& all_parts_;
  const Authorizer& authorizer_;
  const Sessions& sessions_;
  Storage& storage_;
  Lines& lines_;
  Executor& loop_;
  Disk& disk_;
  RequestFaults* const faults_;
  const std::size_t max_unread_bytes_;
  TurnQueue turns_;
  std::unordered_map<std::uint64_t, Waiting> waiting_;
  /// Requests that wait for an event other than a turn.
  std::unordered_map<std::uint64_t, Rest> asleep_;
  /// Waiting connections that wait for other connections to read their answers.
  std::vector<std::uint64_t> blocked_;
  /// Time since which the budget is exceeded; `never` while it is not.
  TimePoint over_since_ = never;
  /// Time at which the current or last request began or ended.
  TimePoint last_look_{};
  std::size_t unread_bytes_ = 0;
  TimePoint unread_looked_at_{};
  /// The connection that was last served beyond the budget.
  std::uint64_t exceeding_ = 0;
  TimePoint exceeding_since_{};
  /// Client software that was logged, as in Session::software.
  std::set<std::string, std::less<>> told_of_trailing_bytes_;
  bool is_posted_ = false;
  TimerId watch_ = 0;
  /// Connections that read nothing, which are closed in pieces of a turn: each frees its answers.
  struct Silent {
    std::uint64_t session;
    /// Another connection, which waits for the memory.
    std::string waiting;
  };
  std::vector<Silent> silent_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
