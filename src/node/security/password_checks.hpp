#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "base/disk.hpp"
#include "dohle/secret.hpp"
#include "node/security/users.hpp"

namespace dohle::node {

/// Checks the passwords of PLAIN on a disk thread, since each takes milliseconds (PBKDF2). One is
/// checked at a time. Connections that are logged in and prove it again take turns with the others,
/// so a flood of new connections does not keep them waiting. Each connection has at most one check,
/// so the connections bound them. Owner's thread only.
class PasswordChecks {
 public:
  using Done = std::move_only_function<void(bool is_right)>;

  /// `disk` outlives the checks.
  explicit PasswordChecks(Disk& disk) : disk_(&disk) {}
  ~PasswordChecks() { *is_alive_ = false; }
  PasswordChecks(const PasswordChecks&) = delete;
  PasswordChecks& operator=(const PasswordChecks&) = delete;

  struct Check {
    Secret password;
    Users::Found against;
    /// Whether the connection is logged in already.
    bool is_known = false;
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

  void start_next();

  Disk* disk_;
  std::deque<Waiting> known_;
  std::deque<Waiting> unknown_;
  bool was_known_ = false;
  bool is_running_ = false;
  /// The connection whose check runs; 0 if it is gone.
  std::uint64_t running_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
