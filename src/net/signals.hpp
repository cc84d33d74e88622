#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

#include "dohle/error.hpp"
#include "net/loop.hpp"

namespace dohle::net {

/// Signals that a loop handles, for programs. Destroying it puts the old dispositions back; do so
/// on the loop's thread, or when the loop no longer runs, and before the loop is destroyed.
class SignalWatch {
 public:
  virtual ~SignalWatch() = default;
};

/// From now on calls `handler` on the loop with the number of each of `signals` that arrives;
/// several of one kind may become one call. Other threads and child processes are not affected.
/// A signal is watched once per process: Errc::already_exists. Loop thread, or before it runs.
[[nodiscard]] Result<std::unique_ptr<SignalWatch>> on_signal(
    Loop& loop, std::initializer_list<int> signals, std::move_only_function<void(int)> handler);

}  // namespace dohle::net
