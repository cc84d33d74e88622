#pragma once

#include <string_view>

#include "dohle/logger.hpp"
#include "node/node_engine.hpp"
#include "sim/process.hpp"
#include "sim/world.hpp"

namespace dohle::simulation {

/// Writes log lines of node and clients into the trace.
class TracedLog final : public Logger {
 public:
  explicit TracedLog(const sim::World& world) : world_(world) {}
  [[nodiscard]] LogLevel level() const noexcept override {
    return world_.is_traced() ? LogLevel::debug : LogLevel::error;
  }
  void log(LogLevel, std::string_view who, std::string_view line) noexcept override {
    if (world_.is_traced()) world_.trace(who, line);
  }

 private:
  const sim::World& world_;
};

/// The node under test. It does not create topics automatically.
struct RunningNode {
  RunningNode(sim::Process& self, Logger& logger)
      : engine({self.executor(), self.disk(), self.workers(), self.secure_random(), logger},
               {.data_directory = "/data", .auto_create_topics = false}) {
    started = engine.start();
    if (!started) return;
    auto at = engine.listen(self.listening(), {"tcp", {"0.0.0.0", 9092}, {"node", 9092}});
    if (!at) started = fail(at.error());
    self.after_each_turn([this] { engine.check_invariants(); });
  }
  Result<void> started;
  node::NodeEngine engine;
};

}  // namespace dohle::simulation
