#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/disk.hpp"
#include "sim/process.hpp"

namespace dohle::sim {

class World;

/// A simulated machine: a host name, a wall clock, a disk, and processes. Made by World::machine.
class Machine {
 public:
  Machine(World& world, std::string name, std::size_t index);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] World& world() { return world_; }
  /// Counts machines from 0 in the order of their first mention.
  [[nodiscard]] std::size_t index() const { return index_; }
  [[nodiscard]] SimDisk& disk() { return disk_; }

  /// Starts a process; its program runs in a turn of its own, soon. The name is new on this
  /// machine. The Process lives as long as the world and may be killed and restarted.
  Process& start(std::string name, Program program);
  /// The process of that name, or null.
  [[nodiscard]] Process* process(std::string_view name);
  [[nodiscard]] const std::vector<std::unique_ptr<Process>>& processes() const {
    return processes_;
  }

  /// Ends all processes at once and crashes the disk. Peers are not told: their connections stay
  /// half-open. No effect if the power is off already.
  void lose_power();
  /// Restarts the processes that ran when the power was lost.
  void power_on();
  [[nodiscard]] bool is_up() const { return is_up_; }

  /// Sets the wall clock forward, or back with a negative `by`. Monotonic time is not touched.
  void jump_wall_clock(std::chrono::milliseconds by);
  [[nodiscard]] Timestamp wall() const;

 private:
  World& world_;
  const std::string name_;
  const std::size_t index_;
  SimDisk disk_;
  bool is_up_ = true;
  std::chrono::milliseconds wall_offset_{0};
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<Process*> to_restart_;
};

}  // namespace dohle::sim
