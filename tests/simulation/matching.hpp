#pragma once

#include <memory>
#include <string>

#include "dohle/broker.hpp"
#include "simulation/application.hpp"
#include "simulation/matched.hpp"
#include "simulation/turns.hpp"

namespace dohle::simulation {

/// The habits of the members of the group "sensors"; the same for all.
struct MatchingHabits {
  /// Topics that are there at first are read from their end, so that a new one has to be read from
  /// its beginning nevertheless. Members then stay until all end: records that are new to a later
  /// member are not new to the others.
  bool starts_at_end = false;
  /// Failed messages go to the retry topic of their topic.
  bool has_retry_topics = false;
};

/// An application that subscribes by a pattern to the topics "sensor.…" in the group "sensors".
class Matching {
 public:
  Matching(Stage& stage, const std::string& name, MatchingHabits habits, Matched& matched);
  void start() {
    application_.start([this] { run(); });
  }

 private:
  void run();
  void subscribe(Broker& broker);
  [[nodiscard]] SubscribeOptions draw_options(const std::shared_ptr<Turns>& turns);
  void look_at(const Subscriber& subscriber);
  Result<void> handle(const RawEvent& event, Turns& turns);
  void check_turn(const RawEvent& event, Turns& turns);
  [[nodiscard]] bool refuses(const RawEvent& event, bool is_retry) const;

  Application application_;
  const MatchingHabits habits_;
  Matched& matched_;
};

}  // namespace dohle::simulation
