#pragma once

#include <memory>

#include "base/connection.hpp"
#include "dohle/transport.hpp"

namespace dohle {
inline namespace v0 {

/// Replaces TCP in a Client's loop.
class Transport {
 public:
  virtual ~Transport() = default;
  /// A dialer whose connections report on `loop`. The dialer keeps the parts of the Transport that
  /// it needs alive.
  virtual std::unique_ptr<Dialer> dialer(Executor& loop) = 0;
};

}  // namespace v0
}  // namespace dohle
