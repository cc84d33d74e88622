#pragma once

#include <cstdint>
#include <memory>

namespace dohle {

/// The number of forks since the process's first call. An object that was made under another number
/// belongs to the parent process, whose threads the child does not have. Any thread; no system
/// call, no lock.
[[nodiscard]] std::uint32_t fork_count();

/// Remembers the process that it was made in. Thread safety: any thread.
class ForkMark {
 public:
  /// True in a child of that process. Check it before taking any lock: the lock may be held by a
  /// thread that does not exist in the child.
  [[nodiscard]] bool is_forked() const { return made_in_ != fork_count(); }

 private:
  std::uint32_t made_in_ = fork_count();
};

/// Keeps an object for ever, so that its destructor never runs. For destructors in a child, which
/// would wait for threads that do not exist there and shut down sockets that the parent still uses.
void keep_for_ever(std::shared_ptr<const void> kept);

/// Closes a descriptor in every child at the fork, so that only the parent holds a lock on it. In
/// effect from construction to destruction. Any thread.
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
