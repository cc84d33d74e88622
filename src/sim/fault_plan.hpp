#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "sim/fault.hpp"

namespace dohle::sim {

class World;

/// Faults at times and places that the seed chooses, and the end of each.
struct FaultPlan {
  /// First and last fault, from now. At `until` everything is healed, full disks have room again,
  /// and what was killed runs: a test then lets the world run on and asks for progress.
  Duration from = std::chrono::seconds(2);
  Duration until = std::chrono::seconds(45);
  /// Between the beginnings of faults, on average; never three times as long.
  Duration mean_gap = std::chrono::seconds(5);
  /// How long one lasts at most; it begins at 1 ms, and short ones are more frequent.
  Duration max_lasting = std::chrono::seconds(8);
  /// What may happen. Kinds that follow from others (lost_write, torn_write, lost_entry) are not
  /// named here: power_loss brings them.
  std::vector<Fault> kinds = {Fault::kill,        Fault::power_loss, Fault::pause,
                              Fault::clock_jump,  Fault::cut,        Fault::cut_one_way,
                              Fault::held_back,   Fault::refuse,     Fault::reset,
                              Fault::slow_link,   Fault::disk_full,  Fault::sync_error,
                              Fault::write_error, Fault::slow_disk};
  /// Machines whose processes and clocks may suffer, and disks if there is no server. Who is named
  /// twice suffers twice as often.
  std::vector<std::string> machines = {"node"};
  /// Where disks fail and connections are refused, and one end of every link that suffers; the
  /// other end is one of `machines`. Empty: links between any two machines suffer.
  std::string server = {};
  /// Its random numbers; those of one world's plans differ.
  std::string stream = "faults";
};

/// Lets the world's seed choose faults of the plan. The machines exist already.
void schedule_faults(World& world, const FaultPlan& plan);

}  // namespace dohle::sim
