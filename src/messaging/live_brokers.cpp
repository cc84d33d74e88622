#include "messaging/live_brokers.hpp"

#include <mutex>
#include <utility>

#include "base/idle_watch.hpp"

namespace dohle::messaging {

namespace {

struct Brokers {
  std::mutex mutex;
  std::vector<std::weak_ptr<BrokerRuntime>> all;
};

/// Never destroyed: a static Broker of the program may connect late.
Brokers& brokers() {
  static Brokers& only = *new Brokers;
  return only;
}

}  // namespace

void LiveBrokers::add(std::weak_ptr<BrokerRuntime> broker) {
  if (IdleWatch::current() == nullptr) return;
  Brokers& live = brokers();
  const std::lock_guard lock(live.mutex);
  std::erase_if(live.all, [](const auto& each) { return each.expired(); });
  live.all.push_back(std::move(broker));
}

std::vector<std::shared_ptr<BrokerRuntime>> LiveBrokers::all() {
  Brokers& live = brokers();
  const std::lock_guard lock(live.mutex);
  std::vector<std::shared_ptr<BrokerRuntime>> found;
  for (const auto& each : live.all) {
    if (auto alive = each.lock()) found.push_back(std::move(alive));
  }
  return found;
}

}  // namespace dohle::messaging
