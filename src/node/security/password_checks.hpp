#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/executor.hpp"
#include "dohle/secret.hpp"
#include "node/security/users.hpp"

namespace dohle::node {

/// Checks the passwords of PLAIN on a worker, since each takes milliseconds (PBKDF2). One is
/// checked at a time. Connections that are logged in and prove it again take turns with the others,
/// and within both kinds the origins of the connections take turns: many logins from one address
/// delay one from another address by one check. Each connection has at most one check, so the
/// connections bound them. Owner's thread only.
class PasswordChecks {
 public:
  using Done = std::move_only_function<void(bool is_right)>;

  /// Both outlive the checks. The workers serve nothing else that must not wait.
  PasswordChecks(Workers& workers, Executor& loop) : workers_(workers), loop_(loop) {}
  ~PasswordChecks() { *is_alive_ = false; }
  PasswordChecks(const PasswordChecks&) = delete;
  PasswordChecks& operator=(const PasswordChecks&) = delete;

  struct Check {
    Secret password;
    Users::Found against;
    /// Whether the connection is logged in already.
    bool is_known = false;
    /// As origin_of.
    std::string origin = {};
  };
  /// Calls `done` later, unless `forget` or `drop_all` comes before.
  void check(std::uint64_t connection, Check check, Done done);
  /// The connection is gone: its check is dropped.
  void forget(std::uint64_t connection);
  /// The node stops: no pending `done` is called.
  void drop_all();
  [[nodiscard]] std::size_t size() const { return known_.size() + unknown_.size(); }
  /// Asserts the conditions that hold between two turns.
  void check_invariants() const;

 private:
  struct Waiting {
    std::uint64_t connection;
    std::shared_ptr<Check> check;
    Done done;
  };
  /// Origins take turns; the checks of one keep their order.
  class Queue {
   public:
    void push(Waiting waiting);
    /// The queue is not empty.
    [[nodiscard]] Waiting pop();
    void forget(std::uint64_t connection);
    void clear();
    [[nodiscard]] std::size_t size() const { return size_; }

   private:
    std::map<std::string, std::deque<Waiting>> by_origin_;
    /// The origins in the order of their turns.
    std::deque<std::string> turns_;
    std::size_t size_ = 0;
  };

  void start_next();

  Workers& workers_;
  Executor& loop_;
  Queue known_;
  Queue unknown_;
  bool was_known_ = false;
  bool is_running_ = false;
  /// The connection whose check runs; 0 if it is gone.
  std::uint64_t running_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
