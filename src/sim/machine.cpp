#include "sim/machine.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "sim/world.hpp"

namespace dohle::sim {

Machine::Machine(World& world, std::string name, std::size_t index)
    : world_(world),
      name_(std::move(name)),
      index_(index),
      disk_(*this, world.options().disk, world.stream(name_ + "/disk")) {}

Machine::~Machine() = default;

Process& Machine::start(std::string name, Program program) {
  DOHLE_ASSERT(process(name) == nullptr, "two processes of a machine have one name");
  processes_.push_back(std::make_unique<Process>(*this, std::move(name), std::move(program)));
  processes_.back()->restart();
  return *processes_.back();
}

Process* Machine::process(std::string_view name) {
  const auto at = std::ranges::find_if(
      processes_, [name](const auto& process) { return process->name() == name; });
  return at == processes_.end() ? nullptr : at->get();
}

void Machine::lose_power() {
  if (!is_up_) return;
  is_up_ = false;
  world_.bitten(Fault::power_loss, name_, "loses power");
  for (const auto& process : processes_) {
    if (!process->is_running()) continue;
    to_restart_.push_back(process.get());
    process->end(Process::End::power_lost);
  }
  disk_.crash();
}

void Machine::power_on() {
  if (is_up_) return;
  is_up_ = true;
  for (Process* process : std::exchange(to_restart_, {})) process->restart();
}

void Machine::jump_wall_clock(std::chrono::milliseconds by) {
  wall_offset_ += by;
  world_.bitten(Fault::clock_jump, name_,
                by.count() < 0 ? "clock goes back" : "clock goes forward");
}

Timestamp Machine::wall() const {
  const auto running =
      std::chrono::floor<std::chrono::milliseconds>(world_.now().time_since_epoch());
  return Timestamp{world_.options().wall_start.value + (running + wall_offset_).count()};
}

}  // namespace dohle::sim
