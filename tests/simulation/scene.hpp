#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/fault_plan.hpp"
#include "sim/machine.hpp"
#include "sim/world.hpp"
#include "simulation/complaints.hpp"
#include "simulation/effects.hpp"
#include "simulation/fetch_watch.hpp"
#include "simulation/ledger.hpp"
#include "simulation/member.hpp"
#include "simulation/produce_watch.hpp"
#include "simulation/readings.hpp"
#include "simulation/running_node.hpp"
#include "simulation/sender.hpp"
#include "simulation/wording.hpp"

namespace dohle::simulation {

/// One seed's world, from the creation of the topic to the last check: a node, two producers, a
/// group of three members, a reader outside of groups, and an observer without faults.
class Scene {
 public:
  struct Trace {
    /// Gets a line per event. If empty, no lines are made.
    std::function<void(std::string_view)> line = {};
    /// Also a line per request and answer.
    bool has_frames = false;
  };
  Scene(std::uint64_t seed, Trace trace);
  ~Scene();

  void play();

  [[nodiscard]] const Complaints& complaints() const { return complaints_; }
  [[nodiscard]] sim::World& world() { return world_; }
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  [[nodiscard]] const Effects& effects() const { return effects_; }

 private:
  struct Producers;
  class Log;

  void hear_frames(bool traces);
  [[nodiscard]] std::uint64_t draw(std::uint64_t below) { return random_.below(below); }
  [[nodiscard]] client::Cluster::Options client_options() const;
  void start_node();
  void note_what_is_there(RunningNode& node);
  void start_producers();
  void start_reader(const std::string& machine, const Habits& habits, Readings& readings);
  [[nodiscard]] Habits draw_habits();
  [[nodiscard]] sim::FaultPlan draw_faults();
  void close_all();

  Complaints complaints_;
  Ledger ledger_{complaints_};
  Effects effects_;
  ProduceWatch produced_{ledger_, effects_};
  FetchWatch fetched_{complaints_};
  Wording wording_;
  std::unique_ptr<Logger> logger_;
  std::array<Load, 2> loads_;
  int last_producer_ = 0;
  bool is_healed_ = false;
  sim::World world_;
  SeededRandom random_;
  Habits group_habits_;
  Habits alone_habits_;
  Readings group_;
  Readings alone_;
  std::vector<LogContents> log_;
  sim::Process* node_ = nullptr;
  std::vector<sim::Process*> readers_;
};

}  // namespace dohle::simulation
