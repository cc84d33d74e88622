#pragma once

#include <map>
#include <optional>
#include <vector>

#include "dohle/client.hpp"
#include "dohle/producer.hpp"
#include "simulation/application.hpp"
#include "simulation/ledger.hpp"

namespace dohle::simulation {

/// An application with two threads that send to "orders" through one Producer, with callbacks,
/// Deliveries, waits, flushes and a close.
class Sending {
 public:
  Sending(Stage& stage, Ledger& ledger, std::int32_t partitions);
  void start() {
    application_.start([this] { run(); });
  }

 private:
  static constexpr int records_per_thread = 120;
  struct Sent {
    /// Absent until send has returned, and if it failed.
    std::optional<TimePoint> accepted = std::nullopt;
    std::optional<TimePoint> settled = std::nullopt;
    /// For records without a callback.
    std::optional<Delivery> delivery = std::nullopt;
    [[nodiscard]] bool is_open() const {
      return accepted && !settled && !(delivery && delivery->is_done());
    }
  };

  void run();
  void send_all(int thread);
  void send_one(int thread);
  void wait_for_one();
  void flush();
  /// Reads the outcomes that Deliveries have by now.
  void take_outcomes();
  void told(std::size_t record, Result<Receipt> outcome);

  Application application_;
  Ledger& ledger_;
  const std::int32_t partitions_;
  ProducerOptions options_;
  std::optional<Producer> producer_;
  std::optional<ProducerTopic> topic_;
  std::map<std::size_t, Sent> sent_;
};

}  // namespace dohle::simulation
