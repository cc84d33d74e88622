#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "dohle/broker.hpp"
#include "dohle/export.hpp"

namespace dohle::messaging {

/// True inside a handler or callback of that Broker, and on its client's thread. The end of the
/// Broker waits for them, so they must not wait for it.
[[nodiscard]] DOHLE_API bool is_inside(const Broker& broker);

/// Subscribes a registered subscriber with the Broker of one start.
using Subscribing = std::function<Result<Subscriber>(Broker& broker, const std::string& topic)>;

/// A handler that the subscriptions of all starts of a Server share.
template <class Handler>
class SharedHandler {
 public:
  explicit SharedHandler(Handler handler)
      : handler_(std::make_shared<Handler>(std::move(handler))) {}

  template <class... Arguments>
    requires std::invocable<Handler&, Arguments...>
  decltype(auto) operator()(Arguments&&... arguments) const {
    return (*handler_)(std::forward<Arguments>(arguments)...);
  }

 private:
  std::shared_ptr<Handler> handler_;
};

}  // namespace dohle::messaging
