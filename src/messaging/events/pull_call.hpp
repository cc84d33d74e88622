#pragma once

#include "dohle/detail/pull_receiver.hpp"
#include "dohle/event.hpp"

namespace dohle::messaging {

/// A message that passes through the middlewares to the receiver of a call of `next`, on the thread
/// of that call. It lives while they run.
class PullCall {
 public:
  explicit PullCall(PullReceiver& receiver);
  ~PullCall();
  PullCall(const PullCall&) = delete;
  PullCall& operator=(const PullCall&) = delete;

  /// Whether the message has come to the receiver, which took it.
  [[nodiscard]] bool has_taken() const { return has_taken_; }
  /// The innermost handler of a subscription that is pulled.
  [[nodiscard]] static SubscribeHandler handler();

 private:
  Result<void> take(RawEvent& event);

  PullReceiver& receiver_;
  /// The call of a subscription whose middleware pulls from this one.
  PullCall* const outer_;
  bool has_taken_ = false;
};

}  // namespace dohle::messaging
