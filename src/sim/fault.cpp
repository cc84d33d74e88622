#include "sim/fault.hpp"

#include <numeric>

namespace dohle::sim {

std::string_view name_of(Fault fault) {
  static constexpr std::array<std::string_view, fault_kinds> names = {
      "kill",        "power_loss", "pause",      "clock_jump", "cut",       "cut_one_way",
      "held_back",   "refuse",     "reset",      "slow_link",  "disk_full", "sync_error",
      "write_error", "slow_disk",  "lost_write", "torn_write", "lost_entry"};
  return names[static_cast<std::size_t>(fault)];
}

std::uint64_t FaultCounts::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

std::vector<Fault> FaultCounts::missing() const {
  std::vector<Fault> kinds;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) kinds.push_back(static_cast<Fault>(i));
  }
  return kinds;
}

FaultCounts& FaultCounts::operator+=(const FaultCounts& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  return *this;
}

}  // namespace dohle::sim
