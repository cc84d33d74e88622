#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/random.hpp"
#include "client/produce/record_sender.hpp"
#include "sim/process.hpp"
#include "sim/world.hpp"
#include "simulation/effects.hpp"
#include "simulation/ledger.hpp"
#include "unit/client/scripted_cluster.hpp"

namespace dohle::simulation {

/// The load of a producer over all lives of its process.
struct Load {
  int left = 1'000;
  /// Number of the last producer; each life gets a new one.
  int* last_producer = nullptr;
};

/// One life of a producer: sends a few records at once, and the next ones later.
class Sender {
 public:
  Sender(sim::Process& self, std::shared_ptr<client::SimulatedClient> client,
         const ProducerOptions& options, Load& load, Ledger& ledger, Effects& effects);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  /// Sends or fails all its records. is_closed() is true once that is done.
  void close();
  [[nodiscard]] bool is_closed() const { return is_closed_; }

 private:
  void find_topic();
  void send_some();
  /// Adds "RECORD>PARTITION" to the line.
  void send_one(std::string& line);
  void note(const std::string& line) { self_.machine().world().note(name_, line); }

  sim::Process& self_;
  Load& load_;
  const int number_;
  const std::string name_;
  Ledger& ledger_;
  Effects& effects_;
  SeededRandom random_;
  std::shared_ptr<client::SimulatedClient> client_;
  std::shared_ptr<client::RecordSender> sender_;
  std::shared_ptr<client::IntakeTopic> topic_;
  bool is_closed_ = false;
};

}  // namespace dohle::simulation
