#include "sim/fault_plan.hpp"

#include <cmath>
#include <memory>
#include <utility>

#include "base/assert.hpp"
#include "sim/machine.hpp"
#include "sim/world.hpp"

namespace dohle::sim {

namespace {

constexpr std::uint64_t slow_link_factor = 20;
constexpr std::uint64_t slow_link_bytes_per_second = 200'000;
constexpr std::uint64_t slow_disk_factor = 100;
constexpr unsigned max_failing_calls = 3;
constexpr std::uint64_t max_changes_before_loss = 8;
constexpr double longest_gap = 3;
constexpr std::uint64_t clock_jump_max_ms = 3'600'000;

/// Draws and begins one fault after the other. The end of each is scheduled at its beginning.
class Faulter final : public std::enable_shared_from_this<Faulter> {
 public:
  Faulter(World& world, FaultPlan plan)
      : world_(world),
        plan_(std::move(plan)),
        until_(world.now() + plan_.until),
        random_(world.stream(plan_.stream)) {
    for (const auto& [name, machine] : world.machines()) names_.push_back(name);
  }

  void start() {
    world_.after(plan_.from, [self = shared_from_this()] { self->next(); });
    world_.schedule(until_, [self = shared_from_this()] { self->heal(); });
  }

 private:
  void next() {
    if (world_.now() >= until_ || plan_.kinds.empty()) return;
    const Fault fault = plan_.kinds[random_.below(plan_.kinds.size())];
    world_.drawn_faults().add(fault);
    if (world_.is_traced()) world_.trace("faults", std::string(name_of(fault)));
    begin(fault);
    const double gap = std::min(longest_gap, -std::log(1.0 - random_.unit()));
    world_.after(
        Duration(static_cast<Duration::rep>(gap * static_cast<double>(plan_.mean_gap.count()))),
        [self = shared_from_this()] { self->next(); });
  }

  /// A duration from 1 ms to `max_lasting`. Every order of magnitude is equally likely.
  Duration lasting() {
    const double shortest = 1e6;
    const double longest = std::max(shortest, static_cast<double>(plan_.max_lasting.count()));
    const double span = shortest * std::pow(longest / shortest, random_.unit());
    return std::min(Duration(static_cast<Duration::rep>(span)), until_ - world_.now());
  }

  Duration within(Duration span) {
    return Duration(
        static_cast<Duration::rep>(random_.below(static_cast<std::uint64_t>(span.count()) + 1)));
  }

  std::pair<std::string, std::string> link() {
    if (plan_.server.empty()) {
      return {names_[random_.below(names_.size())], names_[random_.below(names_.size())]};
    }
    std::string other = plan_.server;
    while (other == plan_.server) other = plan_.machines[random_.below(plan_.machines.size())];
    if (random_.below(2) == 0) return {plan_.server, other};
    return {other, plan_.server};
  }

  Machine& victim() { return world_.machine(plan_.machines[random_.below(plan_.machines.size())]); }

  Process* victim_process(Machine& machine) {
    const auto& processes = machine.processes();
    if (processes.empty()) return nullptr;
    Process* const process = processes[random_.below(processes.size())].get();
    return process->is_running() ? process : nullptr;
  }

  void begin(Fault fault) {
    switch (fault) {
      case Fault::cut:
      case Fault::cut_one_way:
      case Fault::held_back:
      case Fault::reset:
      case Fault::slow_link:
        return begin_on_link(fault);
      case Fault::kill:
      case Fault::power_loss:
      case Fault::pause:
        return begin_on_process(fault);
      default:
        return begin_on_machine(fault);
    }
  }

  void begin_on_link(Fault fault) {
    auto [a, b] = link();
    Network& network = world_.network();
    if (fault == Fault::reset) {
      network.reset(a, b);
      return;
    }
    if (fault == Fault::cut) network.cut(a, b);
    if (fault == Fault::cut_one_way) network.cut_one_way(a, b);
    if (fault == Fault::held_back) network.hold_back(a, b);
    if (fault == Fault::slow_link) network.slow(a, b, slow_link_factor, slow_link_bytes_per_second);
    world_.after(lasting(), [&network, a, b] { network.heal(a, b); });
  }

  /// A machine that writes loses power most often right after a change, or soon after it, during a
  /// sync.
  void begin_power_loss() {
    Machine& machine = victim();
    const auto lose = [self = shared_from_this(), &machine] { self->lose_power(machine); };
    const std::uint64_t kind = random_.below(6);
    if (kind == 0 || machine.disk().bytes_used() == 0) return lose();
    const auto lose_soon = [self = shared_from_this(), &machine, lose] {
      self->world_.after(self->within(machine.disk().options().max_sync), lose);
    };
    const auto count = 1 + static_cast<unsigned>(random_.below(max_changes_before_loss));
    const auto counted = kind == 5 ? SimDisk::Change::of_names : SimDisk::Change::any;
    machine.disk().after_change(count, counted, kind < 4 ? Task(lose_soon) : Task(lose));
  }

  void lose_power(Machine& machine) {
    if (!machine.is_up() || world_.now() >= until_) return;
    machine.lose_power();
    world_.after(lasting(), [&machine] { machine.power_on(); });
  }

  void begin_on_process(Fault fault) {
    if (fault == Fault::power_loss) return begin_power_loss();
    Machine& machine = victim();
    Process* const process = victim_process(machine);
    if (process == nullptr) return;
    if (fault == Fault::pause) return process->pause(lasting());
    process->kill();
    world_.after(lasting(), [process] { start_again(*process); });
  }

  void begin_on_machine(Fault fault) {
    if (fault == Fault::clock_jump) {
      return victim().jump_wall_clock(std::chrono::milliseconds(
          static_cast<std::int64_t>(random_.below(2 * clock_jump_max_ms)) -
          static_cast<std::int64_t>(clock_jump_max_ms)));
    }
    Machine& machine = plan_.server.empty() ? victim() : world_.machine(plan_.server);
    if (fault == Fault::refuse) return refuse(machine);
    SimDisk& disk = machine.disk();
    switch (fault) {
      case Fault::disk_full:
        disk.set_full(true);
        world_.after(lasting(), [&disk] { disk.set_full(false); });
        return;
      case Fault::sync_error:
        disk.fail_syncs("", 1 + static_cast<unsigned>(random_.below(max_failing_calls)));
        return restart_later(machine);
      case Fault::write_error:
        disk.fail_writes("", 1 + static_cast<unsigned>(random_.below(max_failing_calls)));
        return restart_later(machine);
      case Fault::slow_disk:
        disk.set_slow(slow_disk_factor);
        world_.after(lasting(), [&disk] { disk.set_slow(1); });
        return;
      default:
        DOHLE_ASSERT(false, "a fault is planned of a kind that follows from others");
    }
  }

  /// Open connections end, too; otherwise the refusal would have no effect.
  void refuse(Machine& machine) {
    Network& network = world_.network();
    network.refuse(machine.name());
    for (const std::string& name : names_) network.reset(machine.name(), name);
    world_.after(lasting(), [&network, &machine] { network.refuse(machine.name(), false); });
  }

  /// Parts that a failed disk call took out of service come back only with a restart. The restart
  /// may come long after the calls that wait for them were given up.
  void restart_later(Machine& machine) {
    const Duration later = random_.below(2) == 0 ? lasting() : within(plan_.max_lasting);
    world_.after(std::min(later, until_ - world_.now()), [&machine] {
      machine.disk().fail_syncs("", 0);
      machine.disk().fail_writes("", 0);
      if (!machine.is_up()) return;
      for (const auto& process : machine.processes()) process->restart();
    });
  }

  static void start_again(Process& process) {
    if (!process.is_running() && process.machine().is_up()) process.restart();
  }

  void heal() {
    world_.network().heal_all();
    for (const auto& [name, machine] : world_.machines()) {
      machine->disk().set_full(false);
      machine->disk().set_slow(1);
      machine->disk().after_change(0, SimDisk::Change::any, {});
      machine->disk().fail_syncs("", 0);
      machine->disk().fail_writes("", 0);
    }
    for (const std::string& name : plan_.machines) {
      Machine& machine = world_.machine(name);
      machine.power_on();
      for (const auto& process : machine.processes()) start_again(*process);
    }
  }

  World& world_;
  const FaultPlan plan_;
  const TimePoint until_;
  SeededRandom random_;
  std::vector<std::string> names_;
};

}  // namespace

void schedule_faults(World& world, const FaultPlan& plan) {
  std::make_shared<Faulter>(world, plan)->start();
}

}  // namespace dohle::sim
