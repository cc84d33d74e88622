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
  /// Defaults: 2 s, 45 s. Times of the first and last fault, from now. At `until` all faults are
  /// healed, full disks have room again, and killed processes run. A test then lets the world run
  /// on and checks for progress.
  Duration from = std::chrono::seconds(2);
  Duration until = std::chrono::seconds(45);
  /// Default: 5 s. Mean time between the beginnings of two faults. A single gap is at most three
  /// times as long.
  Duration mean_gap = std::chrono::seconds(5);
  /// Default: 8 s. Maximum duration of a fault. The minimum is 1 ms, and short faults are more
  /// frequent.
  Duration max_lasting = std::chrono::seconds(8);
  /// Default: all kinds of faults that can be planned. Kinds that follow from others (lost_write,
  /// torn_write, lost_entry) are not named here: power_loss causes them.
  std::vector<Fault> kinds = {Fault::kill,        Fault::power_loss, Fault::pause,
                              Fault::clock_jump,  Fault::cut,        Fault::cut_one_way,
                              Fault::held_back,   Fault::refuse,     Fault::reset,
                              Fault::slow_link,   Fault::disk_full,  Fault::sync_error,
                              Fault::write_error, Fault::slow_disk};
  /// Machines with faults of processes and clocks, and of disks if there is no server. A machine
  /// that is named twice has faults twice as often.
  std::vector<std::string> machines = {"node"};
  /// Default: none. The machine whose disk fails and which refuses connections. It is one end of
  /// every faulty link; the other end is one of `machines`. If empty, links between any two
  /// machines fail.
  std::string server = {};
  /// Name of its sequence of random numbers. The plans of one world need different names.
  std::string stream = "faults";
};

/// Lets the world's seed choose faults of the plan. The machines have to exist already.
void schedule_faults(World& world, const FaultPlan& plan);

}  // namespace dohle::sim
