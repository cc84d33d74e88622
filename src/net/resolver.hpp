#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/connection.hpp"
#include "base/executor.hpp"
#include "net/socket.hpp"

namespace dohle::net {

/// A query to the name service. It can be given up before it is answered.
class NameQuery {
 public:
  using Answer = Result<std::vector<SocketAddress>>;
  using Found = std::move_only_function<void(Answer)>;

  NameQuery(Endpoint name, Executor& loop, Found found)
      : name_(std::move(name)), loop_(&loop), found_(std::move(found)) {}

  /// No answer follows, and the loop is not used any more. Called on the loop, or when it no longer
  /// runs.
  void give_up();

  // Runs on a thread of the resolver.
  void look_up(const std::shared_ptr<NameQuery>& self);

 private:
  [[nodiscard]] bool is_given_up();

  const Endpoint name_;
  std::mutex mutex_;
  Executor* loop_;  // guarded by mutex_; null once given up
  Found found_;     // loop thread
};

/// Queries the system's name service on up to four threads, which end when no query is left. They
/// are never waited for: a name server that does not answer delays no shutdown.
class Resolver {
 public:
  Resolver();
  /// `found` is called on the loop, unless the query is given up before.
  std::shared_ptr<NameQuery> resolve(const Endpoint& name, Executor& loop, NameQuery::Found found);

 private:
  struct Queue;
  static void work(const std::shared_ptr<Queue>& queue);
  std::shared_ptr<Queue> queue_;
};

}  // namespace dohle::net
