#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

#include "dohle/error.hpp"
#include "net/loop.hpp"

namespace dohle::net {

/// Signals that a loop handles, for programs. Destroying it restores the old dispositions; do so on
/// the loop's thread, or when the loop no longer runs, and before the loop is destroyed.
class SignalWatch {
 public:
  virtual ~SignalWatch() = default;
};

/// Calls `handler` on the loop, from now on, with the number of each of `signals` that arrives.
/// Several signals of one number may become one call. Other threads and child processes are not
/// affected. A signal can be watched once per process; a second watch fails with
/// Errc::already_exists. Loop thread, or before it runs.
[[nodiscard]] Result<std::unique_ptr<SignalWatch>> on_signal(
    Loop& loop, std::initializer_list<int> signals, std::move_only_function<void(int)> handler);

}  // namespace dohle::net
