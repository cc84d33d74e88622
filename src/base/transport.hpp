#pragma once

#include <memory>

#include "base/stream_dialer.hpp"
#include "dohle/transport.hpp"

namespace dohle {
inline namespace v0 {

/// Replaces TCP in a Client's loop. Its streams hand over Slices.
class Transport {
 public:
  virtual ~Transport() = default;
  /// A dialer whose streams report on `loop`. The dialer keeps the parts of the Transport that it
  /// needs alive.
  virtual std::unique_ptr<StreamDialer> dialer(Executor& loop) = 0;
};

}  // namespace v0
}  // namespace dohle
