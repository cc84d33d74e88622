#pragma once

#include <memory>
#include <vector>

namespace dohle::messaging {

class BrokerRuntime;

/// The connected Brokers of a process whose test moves the time on (IdleWatch). Thread safety: any
/// thread.
class LiveBrokers {
 public:
  /// No effect in other processes.
  static void add(std::weak_ptr<BrokerRuntime> broker);
  [[nodiscard]] static std::vector<std::shared_ptr<BrokerRuntime>> all();
};

}  // namespace dohle::messaging
