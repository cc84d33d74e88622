#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/connection.hpp"
#include "base/executor.hpp"
#include "net/socket.hpp"

namespace dohle::net {

/// A query to the name service, or to a user's function. It can be given up before it is answered.
class NameQuery {
 public:
  /// The addresses, or a socket that is connected already.
  struct Found {
    std::vector<SocketAddress> addresses = {};
    Descriptor socket = {};
  };
  using Answer = Result<Found>;
  /// May block. Runs on a thread of the resolver, and may outlive the loop.
  using Look = std::move_only_function<Answer()>;
  using Then = std::move_only_function<void(Answer)>;

  NameQuery(Look look, Executor& loop, Then then)
      : look_(std::move(look)), loop_(&loop), then_(std::move(then)) {}

  /// No answer follows, and the loop is not used any more. Called on the loop, or when it no longer
  /// runs.
  void give_up();

  // Runs on a thread of the resolver.
  void look_up(const std::shared_ptr<NameQuery>& self);

 private:
  [[nodiscard]] bool is_given_up();

  Look look_;  // thread of the resolver
  std::mutex mutex_;
  Executor* loop_;  // guarded by mutex_; null once given up
  Then then_;       // loop thread
};

/// Runs queries on a few threads, which end when no query is left. They are never waited for: a
/// name server that does not answer delays no shutdown.
class Resolver {
 public:
  explicit Resolver(std::size_t max_threads);
  /// `then` is called on the loop, unless the query is given up before.
  std::shared_ptr<NameQuery> ask(NameQuery::Look look, Executor& loop, NameQuery::Then then);

 private:
  struct Queue;
  static void work(const std::shared_ptr<Queue>& queue);
  std::shared_ptr<Queue> queue_;
};

}  // namespace dohle::net
