#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "base/executor.hpp"
#include "dohle/error.hpp"

namespace dohle::net {

/// Ends a connection on which no byte moved for its idle timeout. Bytes that move only note the
/// time; the timer follows when it fires. Loop thread.
class IdleWatch {
 public:
  /// A timeout of zero never ends anything.
  IdleWatch(Executor& loop, std::chrono::milliseconds timeout) : loop_(loop), timeout_(timeout) {}
  IdleWatch(const IdleWatch&) = delete;
  IdleWatch& operator=(const IdleWatch&) = delete;

  /// A byte moved now.
  void moved() { last_moved_ = loop_.tick().mono; }
  /// Begins, as if a byte moved now. `stream` stays its owner; it offers failed(Error).
  template <class Stream>
  void begin(std::weak_ptr<Stream> stream) {
    moved();
    arm(std::move(stream));
  }
  void end() { loop_.cancel(std::exchange(timer_, 0)); }

 private:
  template <class Stream>
  void arm(std::weak_ptr<Stream> stream) {
    if (timeout_.count() == 0) return;
    timer_ = loop_.arm(last_moved_ + timeout_, [this, stream = std::move(stream)]() mutable {
      const auto owner = stream.lock();
      if (owner == nullptr) return;
      timer_ = 0;
      if (loop_.tick().mono < last_moved_ + timeout_) return arm(std::move(stream));
      owner->failed(Error::client(Errc::connection_lost,
                                  "idle for " + std::to_string(timeout_.count()) + " ms"));
    });
  }

  Executor& loop_;
  const std::chrono::milliseconds timeout_;
  TimePoint last_moved_{};
  TimerId timer_ = 0;
};

}  // namespace dohle::net
