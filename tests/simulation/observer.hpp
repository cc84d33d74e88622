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

/// Sends requests to the node from a machine without faults, frame by frame. The world runs while
/// it waits for an answer.
class Observer {
 public:
  Observer(sim::World& world, Complaints& complaints);

  /// Absent if there is no answer within `patience`.
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
  /// Uses segments of 32 KiB, so that there are several.
  bool create_topic(const std::string& topic, std::size_t partitions,
                    const std::string& max_message_bytes);
  /// Tells `readings` the committed offsets in the node's answer, if the node answers.
  void observe(Readings& readings, const std::string& group, const std::string& topic);
  /// Reads the whole topic into `ledger` and `log`. False if it cannot be read.
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
