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
/// never accept some messages and that, in half of the seeds, acknowledge events later. In half of
/// the seeds failed messages go to a retry topic, from which each has to come back.
class Subscribing {
 public:
  Subscribing(Stage& stage, const std::string& name, Handlings& handlings);
  void start() {
    application_.start([this] { run(); });
  }

 private:
  /// A message's place in "jobs".
  using Place = std::pair<std::int32_t, std::int64_t>;
  struct Kept {
    RawEvent event;
    int subscription;
    bool is_retry;
    PartitionId partition;
    Offset offset;
    TimePoint until;
    /// It failed, so it holds its partition back.
    bool is_held;
  };

  void run();
  void subscribe(Broker& broker);
  [[nodiscard]] SubscribeOptions draw_options();
  [[nodiscard]] static Place first_place(const RawEvent& event);
  /// The handler refuses the message.
  Result<void> refuse(const RawEvent& event, Place place);
  void on_failure(const Failure& failure);
  Result<void> handle(RawEvent& event, int subscription);
  void keep(RawEvent event, int subscription, bool is_held);
  void look_after(const Subscriber& subscriber);

  Application application_;
  Handlings& handlings_;
  const bool acknowledges_later_;
  const FailurePolicy policy_;
  const bool has_retry_topic_;
  int subscription_ = 0;
  std::vector<Kept> kept_;
  std::set<Place> failed_;
  /// Refused for the last time before a retry topic, and not handled from there yet.
  std::set<Place> awaited_;
};

}  // namespace dohle::simulation
