#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/world.hpp"
#include "simulation/complaints.hpp"
#include "simulation/ledger.hpp"
#include "simulation/readings.hpp"
#include "unit/node/wire_client.hpp"

namespace dohle::simulation {

/// Speaks with the node from a machine that no fault reaches, frame by frame. What it asks lets the
/// world go on.
class Observer {
 public:
  Observer(sim::World& world, Complaints& complaints);

  /// Nothing: no answer within `patience`.
  template <class Request>
  std::optional<typename Request::Response> ask(const Request& request, std::int16_t version,
                                                Duration patience) {
    node::WireClient client;
    client.dial(*process_, {"node", 9092});
    const bool is_open =
        world_.run_until([&] { return client.is_open || client.is_closed; }, patience);
    if (!is_open || client.is_closed) return std::nullopt;
    const auto answer = client.send(request, version);
    world_.run_until([&] { return answer->has_value() || client.is_closed; }, patience);
    return std::move(*answer);
  }
  /// With 32 KiB segments, so that there are several.
  bool create_topic(const std::string& topic, std::size_t partitions,
                    const std::string& max_message_bytes);
  /// Tells `readings` what the node says is committed; when it does not say, there will be another
  /// time.
  void observe(Readings& readings, const std::string& group, const std::string& topic);
  /// The whole topic, for `ledger` and `log`. False: it could not be read.
  bool read_log(const std::string& topic, Ledger& ledger, std::vector<LogContents>& log);

 private:
  bool read_partition(const std::string& topic, PartitionId partition, Ledger& ledger,
                      LogContents& log);
  bool take(Slice bytes, PartitionId partition, Offset& next, Ledger& ledger, LogContents& log);

  sim::World& world_;
  Complaints& complaints_;
  sim::Process* process_;
};

}  // namespace dohle::simulation
