#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "dohle/client.hpp"
#include "dohle/kafka.hpp"
#include "forwarder.hpp"
#include "library_log.hpp"
#include "node_process.hpp"
#include "progress.hpp"
#include "publisher.hpp"
#include "report.hpp"

namespace birdstrikes {

struct DemoOptions {
  std::filesystem::path data;     // the strikes
  std::filesystem::path command;  // dohle
  std::string brokers;            // an Apache Kafka cluster; if empty, the demo starts a node
  std::size_t rate = 400;         // rows per second
  bool verbose = false;
};

/// Runs all steps of the demo in order. Exit codes are those of the dohle command.
class Demo {
 public:
  Demo(DemoOptions options, const std::atomic<bool>& interrupted);

  /// Returns the exit code; prints errors to standard error.
  int run();

 private:
  dohle::Result<void> play();
  dohle::Result<void> connect();
  dohle::Result<void> make_topics();
  dohle::Result<void> subscribe();
  dohle::Result<void> watch(const Publisher& publisher);
  dohle::Result<void> restart_node();
  dohle::Result<void> prove(const Publisher& publisher);
  dohle::Result<Verdict> verdict_of(const std::string& topic, const Ledger& ledger);
  dohle::Result<void> clean_up();
  dohle::Result<dohle::Subscriber> subscribe_summary(std::size_t number);
  void say_what_next() const;
  [[nodiscard]] dohle::Error why_not_complete(const Figures& figures) const;
  [[nodiscard]] Figures figures(const Publisher& publisher) const;
  [[nodiscard]] bool has_own_node() const { return options_.brokers.empty(); }

  DemoOptions options_;
  const std::atomic<bool>& interrupted_;
  std::shared_ptr<LibraryLog> log_;
  Progress progress_;
  std::vector<Strike> strikes_;
  NodeProcess node_;
  std::string address_, topic_, noteworthy_topic_, summary_group_, forward_group_;
  bool has_topics_ = false, proven_ = false;
  int exit_code_of_errors_ = 1;
  std::unique_ptr<Summary> summary_;
  std::unique_ptr<dohle::Broker> broker_;
  std::unique_ptr<Forwarder> forwarder_;
  std::vector<dohle::Subscriber> subscribers_;  // the last member: their handlers use the others
};

}  // namespace birdstrikes
