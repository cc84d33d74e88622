#include "simulation/scene.hpp"

#include <algorithm>
#include <utility>

#include "simulation/observer.hpp"

namespace dohle::simulation {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t partitions = 3;
/// Time with faults and sent records, then time in which faults are over and everything catches up.
constexpr Duration load_time = 60s;
constexpr Duration quiet_time = 60s;
/// Longer than session timeouts.
constexpr Duration max_fault_time = 15s;

Habits habits_of_reader_alone(bool commits) {
  Habits habits;
  habits.takes_all = true;
  habits.options.offset_reset = OffsetReset::earliest;
  habits.options.group_id = commits ? "alone" : "";
  habits.options.auto_commit = false;
  habits.options.default_api_timeout = 10s;
  habits.options.request_timeout = 30s;
  habits.committing = commits ? Committing::waiting : Committing::never;
  return habits;
}

/// Leaves the observer's lines out: it opens a connection twice a second, and no fault affects it.
std::function<void(std::string_view)> without_observer(std::function<void(std::string_view)> line) {
  if (!line) return line;
  return [line = std::move(line)](std::string_view text) {
    if (text.find("] observer > ") == text.npos) line(text);
  };
}

/// In half of the seeds a sync takes as long as several turns of a platter, or as on a disk shared
/// with others. A power loss then often finds unsynced data.
sim::DiskOptions disk_of(std::uint64_t seed) {
  sim::DiskOptions options;
  if (seed % 2 == 0) return options;
  const bool is_shared = seed % 4 == 1;
  options.min_sync = is_shared ? 50ms : 15ms;
  options.max_sync = is_shared ? 200ms : 50ms;
  return options;
}

/// A request that was given up and repeated may arrive after its repetition. With the longer
/// timeout no request is given up during a fault.
Readings::Setting setting_of(const Habits& habits) {
  return {.commits = habits.committing != Committing::never,
          .may_be_overtaken = habits.options.request_timeout < 2 * max_fault_time};
}

}  // namespace

struct Scene::Producers {
  std::vector<std::unique_ptr<Sender>> senders;
};

Scene::Scene(std::uint64_t seed, Trace trace)
    : world_(seed, {.trace = without_observer(std::move(trace.line)), .disk = disk_of(seed)}),
      random_(world_.stream("scene")),
      group_habits_(draw_habits()),
      alone_habits_(habits_of_reader_alone(draw(2) == 0)),
      group_(complaints_, "group", partitions, setting_of(group_habits_)),
      alone_(complaints_, "reader", partitions, setting_of(alone_habits_)),
      log_(partitions) {
  logger_ = std::make_unique<TracedLog>(world_);
  for (Load& load : loads_) load.last_producer = &last_producer_;
  hear_frames(trace.has_frames);
}

Scene::~Scene() {
  // Power goes first, since programs refer to members of the scene.
  for (const auto& [name, machine] : world_.machines()) machine->lose_power();
  world_.run_for(1s);
}

void Scene::hear_frames(bool traces) {
  world_.on_frame([this, traces](const sim::ReadFrame& frame) {
    if (frame.dialer == "observer") return;
    produced_.hear(frame);
    fetched_.hear(frame);
    if (!traces || !world_.is_traced()) return;
    const char* const arrow = frame.is_read_by_dialer ? " < " : " > ";
    world_.trace(std::string(frame.dialer) + arrow + std::string(frame.dialed) + " (" +
                     std::to_string(frame.connection) + ")",
                 wording_.of(frame));
  });
}

void Scene::play() {
  start_node();
  Observer observer(world_, complaints_);
  world_.run_for(1s);
  // Batches that gather during a fault are too large for the smaller limit and have to be split.
  if (!observer.create_topic("orders", partitions, draw(2) == 0 ? "4096" : "1048588")) {
    return complaints_.add("the topic was not created");
  }
  start_producers();
  for (const std::string name : {"member-1", "member-2", "member-3"}) {
    start_reader(name, group_habits_, group_);
  }
  start_reader("reader", alone_habits_, alone_);
  const sim::FaultPlan plan = draw_faults();
  sim::schedule_faults(world_, plan);
  const TimePoint end = world_.now() + load_time + quiet_time;
  world_.after(load_time, [this] { is_healed_ = true; });
  while (world_.now() < end) {
    world_.run_for(500ms);
    observer.observe(group_, "group", "orders");
    observer.observe(alone_, "alone", "orders");
  }
  close_all();
  observer.observe(group_, "group", "orders");
  observer.observe(alone_, "alone", "orders");
  if (!observer.read_log("orders", ledger_, log_))
    return complaints_.add("the log could not be read");
  ledger_.settle();
  group_.settle(log_);
  alone_.settle(log_);
  effects_.add(effect::stored_after_all, ledger_.stored_after_all());
  effects_.add(effect::epoch_begun, ledger_.epochs_begun());
  effects_.add(effect::handled_again, group_.again());
  effects_.add(effect::commit_overtaken, group_.overtaken());
}

// The participants.

client::Cluster::Options Scene::client_options() const {
  client::Cluster::Options options;
  options.bootstrap = {{"node", 9092}};
  options.link.protocol.client_id = "simulation";
  return options;
}

void Scene::start_node() {
  node_ = &world_.machine("node").start("node", [this](sim::Process& self) {
    auto running = std::make_shared<RunningNode>(self, *logger_);
    if (running->started) {
      note_what_is_there(*running);
      return running;
    }
    world_.note("node", "does not start: " + running->started.error().to_string());
    if (is_healed_)
      complaints_.add("the node does not start: " + running->started.error().to_string());
    // As a supervisor would do.
    world_.after(1s, [&self] {
      if (self.machine().is_up()) self.restart();
    });
    return running;
  });
  fetched_.watch(*node_);
}

void Scene::note_what_is_there(RunningNode& node) {
  const node::Topic* topic = node.engine.part<node::Storage>().topics().find("orders");
  if (topic == nullptr) return;
  for (const node::PartitionRef& partition : topic->partitions) {
    if (partition->fault() != nullptr) continue;
    fetched_.lets_read(node_->life(), partition->index().value,
                       partition->log()->high_watermark().value);
  }
}

void Scene::start_producers() {
  ProducerOptions options;
  // Faults outlast the short timeouts in some seeds, and records fail.
  options.delivery_timeout = draw(2) == 0 ? 120s : 6s;
  options.request_timeout = draw(2) == 0 ? 30s : 2s;
  options.delivery_timeout = std::max(options.delivery_timeout, options.request_timeout + 1s);
  world_.machine("client").start("client", [this, options](sim::Process& self) {
    auto producers = std::make_shared<Producers>();
    for (Load& load : loads_) {
      auto client = std::make_shared<client::SimulatedClient>(self, client_options());
      producers->senders.push_back(
          std::make_unique<Sender>(self, std::move(client), options, load, ledger_, effects_));
    }
    return producers;
  });
}

Habits Scene::draw_habits() {
  Habits habits;
  ConsumerOptions& options = habits.options;
  options.group_id = "group";
  options.offset_reset = OffsetReset::earliest;
  options.session_timeout = draw(2) == 0 ? 6s : 10s;
  options.heartbeat_interval = options.session_timeout / 4;
  // The short one passes while a member is paused or waits for a commit.
  options.max_poll_interval = draw(2) == 0 ? 5s : 30s;
  options.max_poll_records = draw(2) == 0 ? 7 : 500;
  options.request_timeout = draw(2) == 0 ? 30s : 3s;
  options.default_api_timeout = 10s;
  constexpr Committing ways[] = {Committing::automatic, Committing::waiting, Committing::ahead};
  habits.committing = ways[draw(std::size(ways))];
  options.auto_commit = habits.committing == Committing::automatic;
  options.auto_commit_interval = draw(2) == 0 ? 300ms : 3s;
  habits.max_handling = draw(2) == 0 ? 50ms : 1s;
  habits.leaves_one_in = draw(2) == 0 ? 100 : 10'000;
  return habits;
}

void Scene::start_reader(const std::string& machine, const Habits& habits, Readings& readings) {
  readers_.push_back(&world_.machine(machine).start(machine, [&, machine](sim::Process& self) {
    return std::make_shared<Member>(self, machine + "#" + std::to_string(self.life()), habits,
                                    client_options(), readings, effects_, is_healed_);
  }));
}

sim::FaultPlan Scene::draw_faults() {
  sim::FaultPlan plan;
  plan.until = load_time;
  plan.mean_gap = 4s;
  plan.max_lasting = max_fault_time;
  plan.server = "node";
  plan.machines = {"node",     "node",     "node",     "node",  "client",
                   "member-1", "member-2", "member-3", "reader"};
  // A power loss has the most different consequences, some of them rare, so every seed has it.
  plan.kinds.push_back(sim::Fault::power_loss);
  constexpr std::size_t min_kinds = 3;
  while (plan.kinds.size() > min_kinds && draw(8) != 0) {
    plan.kinds.erase(plan.kinds.begin() + static_cast<std::ptrdiff_t>(draw(plan.kinds.size())));
  }
  return plan;
}

// The end.

void Scene::close_all() {
  for (sim::Process* reader : readers_) {
    if (auto* member = reader->running_as<Member>()) member->close();
  }
  auto* producers = world_.machine("client").process("client")->running_as<Producers>();
  if (producers != nullptr) {
    for (auto& sender : producers->senders) sender->close();
  }
  world_.run_for(15s);
  for (sim::Process* reader : readers_) {
    const auto* member = reader->running_as<Member>();
    if (member == nullptr || !member->is_closed()) {
      complaints_.add(reader->name() + " did not close");
    }
  }
  if (producers == nullptr) return complaints_.add("the producers do not run");
  for (const auto& sender : producers->senders) {
    if (!sender->is_closed()) complaints_.add("a producer did not close");
  }
  for (const Load& load : loads_) {
    if (load.left != 0) complaints_.add(std::to_string(load.left) + " records were not sent");
  }
}

}  // namespace dohle::simulation
