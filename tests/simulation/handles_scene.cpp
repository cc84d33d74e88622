#include "simulation/handles_scene.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/fault_plan.hpp"
#include "sim/machine.hpp"
#include "sim/threads.hpp"
#include "sim/world.hpp"
#include "simulation/matched.hpp"
#include "simulation/matching.hpp"
#include "simulation/observer.hpp"
#include "simulation/publishing.hpp"
#include "simulation/reading.hpp"
#include "simulation/remaking.hpp"
#include "simulation/running_node.hpp"
#include "simulation/sending.hpp"
#include "simulation/subscribing.hpp"
#include "simulation/watching.hpp"

namespace dohle::simulation {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t partitions = 2;
constexpr Duration load_time = 45s;
/// Longer than the timeout of half a minute after which a fetch at a node without power fails.
constexpr Duration quiet_time = 60s;
constexpr Duration max_fault_time = 12s;

Habits draw_habits(Random& random) {
  const auto one_in = [&](std::uint64_t many) { return random.below(many) == 0; };
  Habits habits;
  ConsumerOptions& options = habits.options;
  options.group_id = "group";
  options.offset_reset = OffsetReset::earliest;
  options.session_timeout = one_in(2) ? 6s : 10s;
  options.heartbeat_interval = options.session_timeout / 4;
  options.max_poll_interval = one_in(2) ? 5s : 30s;
  options.max_poll_records = one_in(2) ? 7 : 500;
  options.request_timeout = one_in(2) ? 30s : 3s;
  options.default_api_timeout = one_in(2) ? 10s : 2s;
  constexpr Committing ways[] = {Committing::automatic, Committing::waiting, Committing::ahead};
  habits.committing = ways[random.below(std::size(ways))];
  options.auto_commit = habits.committing == Committing::automatic;
  options.auto_commit_interval = one_in(2) ? 300ms : 3s;
  habits.max_handling = one_in(2) ? 50ms : 1s;
  habits.max_poll = one_in(2) ? 100ms : 700ms;
  habits.leaves_one_in = one_in(2) ? 20 : 10'000;
  return habits;
}

/// Schedules the node's faults and those of the other machines. The latter are not killed, since
/// their threads cannot be.
void schedule_all_faults(sim::World& world) {
  using enum sim::Fault;
  sim::FaultPlan node;
  node.until = load_time;
  node.mean_gap = 7s;
  node.max_lasting = max_fault_time;
  node.kinds = {kill,      power_loss, power_loss,  pause,     clock_jump,
                disk_full, sync_error, write_error, slow_disk, refuse};
  node.server = "node";
  node.stream = "faults of the node";
  sim::schedule_faults(world, node);
  sim::FaultPlan others;
  others.until = load_time;
  others.mean_gap = 5s;
  others.max_lasting = max_fault_time;
  others.kinds = {pause, pause, clock_jump, cut, cut_one_way, held_back, reset, slow_link};
  others.machines = {"sending",     "reading-1",     "reading-2", "publishing",
                     "subscribing", "subscribing-2", "watching"};
  others.server = "node";
  others.stream = "faults of the others";
  sim::schedule_faults(world, others);
  // Of their own, so that the others meet theirs as often as before.
  sim::FaultPlan matching = others;
  matching.mean_gap = 7s;
  matching.machines = {"matching", "matching-2", "remaking"};
  matching.stream = "faults of those with a pattern";
  sim::schedule_faults(world, matching);
}

MatchingHabits draw_matching_habits(SeededRandom random) {
  return {.starts_at_end = random.below(2) == 0, .has_retry_topics = random.below(2) == 0};
}

class HandlesScene {
 public:
  HandlesScene(std::uint64_t seed, std::function<void(std::string_view)> trace)
      : world_(seed, {.trace = std::move(trace)}) {}

  void play() {
    start_node();
    world_.run_for(1s);
    const std::string max_message_bytes = random_.below(2) == 0 ? "4096" : "1048588";
    if (!observer_.create_topic("orders", partitions, max_message_bytes) ||
        !observer_.create_topic("jobs", partitions, max_message_bytes)) {
      return played_.complaints.add("the topics were not created");
    }
    sending_.start();
    first_.start();
    second_.start();
    publishing_.start();
    subscribing_.start();
    subscribing_too_.start();
    matching_.start();
    matching_too_.start();
    remaking_.start();
    watching_.start();
    schedule_all_faults(world_);
    world_.run_for(load_time);
    stage_.is_healed = true;
    correct_clocks();
    world_.run_for(quiet_time);
    end_all();
    if (!played_.is_stuck) settle();
  }

  /// Called when no thread of the applications is left.
  HandlesPlayed end() {
    // Power goes first, since programs refer to members.
    for (const auto& [name, machine] : world_.machines()) machine->lose_power();
    world_.run_for(1s);
    return result();
  }
  HandlesPlayed result() {
    played_.events = world_.events();
    played_.hash = world_.trace_hash();
    return played_;
  }
  [[nodiscard]] bool is_stuck() const { return played_.is_stuck; }

 private:
  void start_node() {
    world_.machine("node").start("node", [this](sim::Process& self) {
      auto running = std::make_shared<RunningNode>(self, logger_);
      if (running->started) return running;
      const std::string why = "the node does not start: " + running->started.error().to_string();
      world_.note("node", why);
      if (stage_.is_healed) played_.complaints.add(why);
      // As a supervisor would do.
      world_.after(1s, [&self] {
        if (self.machine().is_up()) self.restart();
      });
      return running;
    });
  }

  /// A node refuses published records of more than an hour ahead of its clock; only retry topics
  /// and topics for dead letters take them.
  void correct_clocks() {
    const sim::Machine& right = world_.machine("right time");
    for (const auto& [_, machine] : world_.machines()) {
      const std::chrono::milliseconds by(right.wall().value - machine->wall().value);
      if (by.count() != 0) machine->jump_wall_clock(by);
    }
  }

  void end_all() {
    stage_.is_closing = true;
    world_.run_until([this] { return threads_.unfinished().size() <= 1; }, 240s);
    watching_.end();
    world_.run_until([this] { return threads_.unfinished().empty(); }, 30s);
    for (const std::string& name : threads_.unfinished()) {
      played_.complaints.add("thread " + name + " does not end");
      played_.is_stuck = true;
    }
  }

  void settle() {
    std::vector<LogContents> orders_log(partitions);
    std::vector<LogContents> jobs_log(partitions);
    if (!observer_.read_log("orders", orders_, orders_log) ||
        !observer_.read_log("jobs", jobs_, jobs_log)) {
      return played_.complaints.add("the log could not be read");
    }
    orders_.settle();
    jobs_.settle();
    group_.settle(orders_log);
    for (std::size_t i = 0; i < partitions; ++i) {
      workers_.handlings.settle(PartitionId{static_cast<std::int32_t>(i)}, jobs_log[i].size());
    }
    matched_.settle();
    if (!workers_.awaited.empty()) {
      const auto& [partition, offset] = *workers_.awaited.begin();
      played_.complaints.add(std::to_string(workers_.awaited.size()) +
                             " messages did not come back from the retry topic, one of them of "
                             "partition " +
                             std::to_string(partition) + " at " + std::to_string(offset));
    }
    played_.effects.add(effect::handled_again,
                        group_.again() + workers_.handlings.again() + matched_.again());
  }

  HandlesPlayed played_;
  sim::World world_;
  TracedLog logger_{world_};
  SeededRandom random_ = world_.stream("handles");
  const Habits habits_ = draw_habits(random_);
  sim::Threads threads_{world_};
  Stage stage_{world_, threads_, played_.complaints, played_.effects, logger_};
  Observer observer_{world_, played_.complaints};
  Ledger orders_{played_.complaints, false};
  Ledger jobs_{played_.complaints, false};
  Readings group_{
      played_.complaints,
      "group",
      partitions,
      {.commits = true, .may_be_overtaken = habits_.options.request_timeout < 2 * max_fault_time}};
  Workers workers_{.handlings = {played_.complaints, partitions},
                   .has_retry_topic = random_.below(2) == 0};
  Sending sending_{stage_, orders_, partitions};
  Reading first_{stage_, "reading-1", habits_, group_};
  Reading second_{stage_, "reading-2", habits_, group_};
  Publishing publishing_{stage_, jobs_, partitions};
  Subscribing subscribing_{stage_, "subscribing", workers_};
  Subscribing subscribing_too_{stage_, "subscribing-2", workers_};
  const MatchingHabits matching_habits_ = draw_matching_habits(world_.stream("patterns"));
  Matched matched_{played_.complaints};
  Matching matching_{stage_, "matching", matching_habits_, matched_};
  Matching matching_too_{stage_, "matching-2", matching_habits_, matched_};
  Remaking remaking_{stage_, matched_, matching_habits_.starts_at_end ? std::size_t{2} : 0};
  Watching watching_{stage_, group_, workers_.handlings};
};

}  // namespace

HandlesPlayed play_handles(std::uint64_t seed, std::function<void(std::string_view)> trace) {
  auto scene = std::make_unique<HandlesScene>(seed, std::move(trace));
  scene->play();
  if (!scene->is_stuck()) return scene->end();
  // Not destroyed: the stacks of its threads refer to it.
  return scene.release()->result();
}

}  // namespace dohle::simulation
