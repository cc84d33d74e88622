#pragma once

#include <cstdint>
#include <memory>

namespace dohle {

/// How many forks lie between the process's first call and now: what was made under another number
/// belongs to the parent process, whose threads a child does not have. Any thread; no system call,
/// no lock.
[[nodiscard]] std::uint32_t fork_count();

/// Remembers in which process it was made. Thread safety: any thread.
class ForkMark {
 public:
  /// In a child of that process. Its locks may be held there by threads that do not exist, so it is
  /// asked before any of them is taken.
  [[nodiscard]] bool is_forked() const { return made_in_ != fork_count(); }

 private:
  std::uint32_t made_in_ = fork_count();
};

/// For destructors in a child: keeps it for ever, and so runs nothing of its own destructor, which
/// would wait for threads that are not there and shut down what the parent still uses.
void keep_for_ever(std::shared_ptr<const void> kept);

/// Closes a descriptor in every child, at the fork: a lock that is held through it belongs to the
/// parent alone. From construction to destruction. Any thread.
class ClosedInChild {
 public:
  explicit ClosedInChild(int descriptor);
  ~ClosedInChild();
  ClosedInChild(const ClosedInChild&) = delete;
  ClosedInChild& operator=(const ClosedInChild&) = delete;

 private:
  int descriptor_;
};

}  // namespace dohle
