#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/broker.hpp"
#include "simulation/application.hpp"
#include "simulation/matched.hpp"

namespace dohle::simulation {

/// An application that creates topics "sensor.…", publishes to them, deletes some of them, and
/// creates them again.
class Remaking {
 public:
  /// `waits_for_members`: no topic is there before so many members are ready. 0: it does not wait.
  Remaking(Stage& stage, Matched& matched, std::size_t waits_for_members);
  void start() {
    application_.start([this] { run(); });
  }

 private:
  /// A topic that exists, with a producer that knows no earlier topic of its name.
  struct Source {
    std::string name;
    std::size_t topic;
    std::unique_ptr<Broker> broker;
  };

  void run();
  /// Creates topics of the names that never match.
  void create_unmatched(Admin& admin);
  /// Absent if all applications end.
  std::optional<Source> create(Admin& admin, const std::string& name, Matched::Promise promise);
  [[nodiscard]] bool create_topic(Admin& admin, const std::string& name);
  /// Disconnects its producer and deletes it. False if it may be deleted later: then its name must
  /// not be used again.
  bool remove(Admin& admin, Source source);
  void publish(Source& source);
  /// Publishes to all existing topics until then.
  void publish_until(TimePoint end);
  void disconnect(Source& source);
  /// Creates it again once the faults are over and no member reads the former one: no commit of the
  /// former one may arrive later.
  void create_again(Admin& admin, const std::string& name);

  Application application_;
  Matched& matched_;
  const std::size_t waits_for_members_;
  std::vector<Source> sources_;
};

}  // namespace dohle::simulation
