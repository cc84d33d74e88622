#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dohle/broker.hpp"
#include "simulation/application.hpp"
#include "simulation/handlings.hpp"

namespace dohle::simulation {

/// The state that the members of the group "workers" share.
struct Workers {
  /// A message's place in "jobs".
  using Place = std::pair<std::int32_t, std::int64_t>;

  Handlings handlings;
  /// Whether failed messages go to a retry topic.
  bool has_retry_topic = false;
  std::set<Place> failed = {};
  /// Refused for the last time before a retry topic, and not handled from there yet.
  std::set<Place> awaited = {};
};

/// An application that subscribes to "jobs" in the group "workers", with handlers that fail, that
/// never accept some messages and that, in half of the seeds, acknowledge events later. In half of
/// the seeds failed messages go to a retry topic, from which each has to be handled again. Its
/// subscriptions take messages one by one or in batches, with or without a filter, and pause,
/// resume and seek back.
class Subscribing {
 public:
  Subscribing(Stage& stage, const std::string& name, Workers& workers);
  void start() {
    application_.start([this] { run(); });
  }

 private:
  using Place = Workers::Place;
  struct Kept {
    RawEvent event;
    bool is_retry;
    PartitionId partition;
    Offset offset;
    TimePoint until;
    /// It failed, so it holds its partition back.
    bool is_held;
  };

  void run();
  void subscribe(Broker& broker);
  Result<Subscriber> start_subscription(Broker& broker);
  [[nodiscard]] SubscribeOptions draw_options();
  [[nodiscard]] static Place first_place(const RawEvent& event);
  /// The handler refuses the message.
  Result<void> refuse(const RawEvent& event, Place place);
  void on_failure(const Failure& failure);
  Result<void> handle(RawEvent& event, const std::string& subscription);
  void handle_batch(std::span<RawEvent> batch, const std::string& subscription);
  /// The result of a handler for a message.
  Result<void> judge(RawEvent& event);
  bool wants(const RawEvent& event);
  void keep(RawEvent event, bool is_held);
  void look_after(const Subscriber& subscriber);
  void settle_kept(const Subscriber& subscriber);
  /// Pauses, resumes, seeks back, or asks where the subscription is.
  void control(Subscriber& subscriber);

  Application application_;
  Workers& workers_;
  Handlings& handlings_;
  const bool acknowledges_later_;
  const FailurePolicy policy_;
  const bool has_batches_;
  const bool has_filter_;
  int subscription_ = 0;
  std::vector<Kept> kept_;
};

}  // namespace dohle::simulation
