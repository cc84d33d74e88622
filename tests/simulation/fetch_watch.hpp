#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "sim/process.hpp"
#include "sim/world.hpp"
#include "simulation/complaints.hpp"

namespace dohle::simulation {

/// Watches on the wire how far the node lets consumers read, and checks each of its lives against
/// the earlier ones: a crash takes back no readable record.
class FetchWatch {
 public:
  explicit FetchWatch(Complaints& complaints) : complaints_(complaints) {}

  void watch(const sim::Process& node) { node_ = &node; }
  void hear(const sim::ReadFrame& frame);
  /// This life of the node lets consumers read up to there, by an answer or at its begin.
  void lets_read(unsigned life, std::int32_t partition, std::int64_t high_watermark);

 private:
  /// Connection and correlation id.
  using Request = std::pair<std::uint64_t, std::int32_t>;
  struct Asked {
    std::int16_t version;
    /// Life of the node, in which it answers all requests of a connection.
    unsigned life;
  };
  using HighWatermarks = std::map<std::int32_t, std::int64_t>;

  Complaints& complaints_;
  const sim::Process* node_ = nullptr;
  std::map<Request, Asked> asked_;
  /// The highest values by life and partition. Answers of an earlier life may be read after those
  /// of later ones.
  std::map<unsigned, HighWatermarks> told_;
};

}  // namespace dohle::simulation
