#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dohle/broker.hpp"
#include "simulation/application.hpp"
#include "simulation/handlings.hpp"

namespace dohle::simulation {

/// An application that subscribes to "jobs" in the group "workers", with handlers that fail, that
/// never accept some messages and that, in half of the seeds, acknowledge events later.
class Subscribing {
 public:
  Subscribing(Stage& stage, const std::string& name, Handlings& handlings);
  void start() {
    application_.start([this] { run(); });
  }

 private:
  struct Kept {
    RawEvent event;
    int subscription;
    PartitionId partition;
    Offset offset;
    TimePoint until;
    /// It failed, so it holds its partition back.
    bool is_held;
  };

  void run();
  void subscribe(Broker& broker);
  void on_failure(const Failure& failure);
  Result<void> handle(RawEvent& event, int subscription);
  void keep(RawEvent event, int subscription, bool is_held);
  void look_after(const Subscriber& subscriber);

  Application application_;
  Handlings& handlings_;
  const bool acknowledges_later_;
  const FailurePolicy policy_;
  int subscription_ = 0;
  std::vector<Kept> kept_;
  std::set<std::pair<std::int32_t, std::int64_t>> failed_;
};

}  // namespace dohle::simulation
