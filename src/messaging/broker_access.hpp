#pragma once

#include <memory>
#include <utility>

#include "dohle/broker.hpp"

namespace dohle::messaging {

/// Makes the public handles of messaging and reaches their state. It is their only friend, so that
/// users cannot do either.
struct BrokerAccess {
  [[nodiscard]] static Broker make(std::shared_ptr<BrokerRuntime> runtime) {
    return Broker(std::move(runtime));
  }
  [[nodiscard]] static Subscriber make(std::shared_ptr<Subscription> subscription) {
    return Subscriber(std::move(subscription));
  }
  [[nodiscard]] static const std::shared_ptr<BrokerRuntime>& runtime(const Broker& broker) {
    return broker.inside_;
  }
  [[nodiscard]] static const std::shared_ptr<Subscription>& subscription(
      const Subscriber& subscriber) {
    return subscriber.subscription_;
  }
};

}  // namespace dohle::messaging
