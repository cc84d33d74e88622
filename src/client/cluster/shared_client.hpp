#pragma once

#include <functional>
#include <memory>

#include "base/fork_watch.hpp"
#include "client/cluster/call_time.hpp"
#include "client/cluster/cluster.hpp"
#include "dohle/client.hpp"

namespace dohle {
inline namespace v0 {

/// The state shared by the handles of one Client. Each reference keeps the loop running. The loop
/// ends with the last reference, on any thread.
///
/// client.cpp implements it with a thread and sockets; the simulator uses its loop and network.
class Client::Shared {
 public:
  using Done = std::move_only_function<void(Result<void>)>;
  /// A producer or consumer that the client closes. Loop thread.
  class Part {
   public:
    virtual ~Part() = default;
    /// Closes it as its own close does, within `time`. `done` is called exactly once.
    virtual void close_by(client::SharedCallTime time, Done done) = 0;
  };

  virtual ~Shared() = default;

  /// Loop thread only.
  [[nodiscard]] virtual client::Cluster& cluster() = 0;
  /// Any thread.
  [[nodiscard]] virtual const client::ClientEnvironment& environment() const = 0;
  [[nodiscard]] Executor& loop() const { return environment().loop; }
  /// The longest time of calls without a timeout of their own. Any thread.
  [[nodiscard]] virtual Duration default_api_timeout() const = 0;
  /// Errors: closed, forked. Every public call checks it first. Any thread.
  [[nodiscard]] virtual Result<void> check_usable() const = 0;

  /// Whether this is a child of the process that created it; no other member may be used then.
  /// Called before any lock. Any thread.
  [[nodiscard]] bool is_forked() const { return made_in_.is_forked(); }

  /// The client's close closes the part, unless it is destroyed before. Any thread.
  virtual void attach(std::weak_ptr<Part> part) = 0;
  /// Closes the parts, then the connections. `done` is called exactly once. Loop thread.
  virtual void close(client::SharedCallTime time, Done done) = 0;

 private:
  const ForkMark made_in_;
};

}  // namespace v0

namespace client {

/// The error of a handle that was moved from.
[[nodiscard]] inline Error moved_from(std::string_view what) {
  return Error::client(Errc::closed, std::string(what) + " was moved from");
}
[[nodiscard]] inline Error forked() {
  return Error::client(Errc::forked, "a client cannot be used after fork() in the child process");
}

}  // namespace client

}  // namespace dohle
