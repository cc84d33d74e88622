#pragma once

#include <memory>

#include "base/connection.hpp"
#include "dohle/transport.hpp"

namespace dohle {
inline namespace v0 {

/// What a Client's loop dials with instead of TCP.
class Transport {
 public:
  virtual ~Transport() = default;
  /// A dialer whose connections report on `loop`. It keeps what it needs of the Transport alive.
  virtual std::unique_ptr<Dialer> dialer(Executor& loop) = 0;
};

}  // namespace v0
}  // namespace dohle
