#pragma once

#include "dohle/admin.hpp"
#include "simulation/application.hpp"
#include "simulation/handlings.hpp"
#include "simulation/readings.hpp"

namespace dohle::simulation {

/// An application with an Admin that asks for topics, groups and their committed offsets.
class Watching {
 public:
  Watching(Stage& stage, Readings& group, Handlings& workers);
  void start() {
    application_.start([this] { run(); });
  }
  /// Called once all other applications have ended.
  void end() { is_ending_ = true; }

 private:
  void run();
  bool ask_for_group(Admin& admin, std::chrono::milliseconds timeout);
  bool ask_for_workers(Admin& admin, std::chrono::milliseconds timeout);

  Application application_;
  Readings& group_;
  Handlings& workers_;
  bool is_ending_ = false;
};

}  // namespace dohle::simulation
