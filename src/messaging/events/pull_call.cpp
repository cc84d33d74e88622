#include "messaging/events/pull_call.hpp"

#include <utility>

#include "dohle/error.hpp"

namespace dohle::messaging {

namespace {

constinit thread_local PullCall* innermost = nullptr;

}  // namespace

PullCall::PullCall(PullReceiver& receiver)
    : receiver_(receiver), outer_(std::exchange(innermost, this)) {}

PullCall::~PullCall() {
  innermost = outer_;
}

Result<void> PullCall::take(RawEvent& event) {
  auto taken = receiver_.take(event);
  has_taken_ = taken.has_value();
  return taken;
}

SubscribeHandler PullCall::handler() {
  return [](RawEvent& event) -> Result<void> {
    if (innermost != nullptr) return innermost->take(event);
    return fail(Error::client(Errc::handler_failed,
                              "a middleware of a pull subscription called its next on another "
                              "thread"));
  };
}

}  // namespace dohle::messaging
