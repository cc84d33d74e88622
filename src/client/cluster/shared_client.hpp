#pragma once

#include <functional>
#include <memory>

#include "base/fork_watch.hpp"
#include "client/cluster/cluster.hpp"
#include "dohle/client.hpp"

namespace dohle {
inline namespace v0 {

/// What the handles of one Client share. Whoever holds it keeps the loop running; with the last
/// reference the loop ends, from whatever thread that is.
///
/// client.cpp puts a thread and sockets behind it; sim, one thread and its network.
class Client::Shared {
 public:
  using Done = std::move_only_function<void(Result<void>)>;
  /// A producer or consumer as seen by the client that closes. Loop thread.
  class Part {
   public:
    virtual ~Part() = default;
    /// Ends it as its own close would, until `deadline`; `done` is called exactly once.
    virtual void close_by(TimePoint deadline, Done done) = 0;
  };

  virtual ~Shared() = default;

  /// Loop thread only.
  [[nodiscard]] virtual client::Cluster& cluster() = 0;
  /// Any thread.
  [[nodiscard]] virtual const client::ClientEnvironment& environment() const = 0;
  [[nodiscard]] Executor& loop() const { return environment().loop; }
  /// Errors: closed, forked. Any thread; every public call asks first.
  [[nodiscard]] virtual Result<void> check_usable() const = 0;

  /// In a child of the process that it was made in: nothing of it may be touched. Any thread;
  /// before any lock.
  [[nodiscard]] bool is_forked() const { return made_in_.is_forked(); }

  /// The client closes it when it is closed itself; forgotten once it is gone. Any thread.
  virtual void attach(std::weak_ptr<Part> part) = 0;

 private:
  const ForkMark made_in_;
};

}  // namespace v0

namespace client {

/// What a handle answers that was moved from.
[[nodiscard]] inline Error moved_from(std::string_view what) {
  return Error::client(Errc::closed, std::string(what) + " was moved from");
}
[[nodiscard]] inline Error forked() {
  return Error::client(Errc::forked, "a client cannot be used after fork() in the child process");
}

}  // namespace client

}  // namespace dohle
