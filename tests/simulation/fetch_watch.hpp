#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "sim/process.hpp"
#include "sim/world.hpp"
#include "simulation/complaints.hpp"

namespace dohle::simulation {

/// Hears on the wire how far the node lets consumers read, and holds each of its lives to what the
/// earlier ones said: nothing that could be read is taken back by a crash.
class FetchWatch {
 public:
  explicit FetchWatch(Complaints& complaints) : complaints_(complaints) {}

  void watch(const sim::Process& node) { node_ = &node; }
  void hear(const sim::ReadFrame& frame);
  /// That life of the node lets read up to there, as it tells somebody or as it begins.
  void lets_read(unsigned life, std::int32_t partition, std::int64_t high_watermark);

 private:
  /// Connection and correlation id.
  using Request = std::pair<std::uint64_t, std::int32_t>;
  struct Asked {
    std::int16_t version;
    /// Of the node, which answers all that comes on a connection in one.
    unsigned life;
  };
  using HighWatermarks = std::map<std::int32_t, std::int64_t>;

  Complaints& complaints_;
  const sim::Process* node_ = nullptr;
  std::map<Request, Asked> asked_;
  /// The highest by life and partition. Answers of an earlier life may be read after later ones.
  std::map<unsigned, HighWatermarks> told_;
};

}  // namespace dohle::simulation
