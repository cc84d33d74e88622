#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "sim/world.hpp"
#include "simulation/effects.hpp"
#include "simulation/ledger.hpp"

namespace dohle::simulation {

/// Watches produced batches on the wire, including outcomes that no sender is told.
class ProduceWatch {
 public:
  ProduceWatch(Ledger& ledger, Effects& effects) : ledger_(ledger), effects_(effects) {}

  void hear(const sim::ReadFrame& frame);

 private:
  struct Batch {
    PartitionId partition;
    ProducerId producer;
    std::int32_t count;
  };
  using Request = std::pair<std::uint64_t, std::int32_t>;  ///< connection, correlation id

  void hear_request(const sim::ReadFrame& frame);
  void hear_answer(const sim::ReadFrame& frame);

  Ledger& ledger_;
  Effects& effects_;
  struct Asked {
    std::int16_t version;
    std::vector<Batch> batches;
  };
  std::map<Request, Asked> asked_;
  /// Partition, producer id, epoch and sequence of all batches that the node has read.
  std::set<std::tuple<std::int32_t, std::int64_t, std::int16_t, std::int32_t>> read_;
};

}  // namespace dohle::simulation
