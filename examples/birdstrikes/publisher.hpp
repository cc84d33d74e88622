#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dohle/broker.hpp"
#include "ledger.hpp"
#include "strike.hpp"

namespace birdstrikes {

/// Publishes every row at a steady rate, on a thread of its own. It does not handle failures of the
/// server: the broker resends unacknowledged messages, so that each is stored once and in order.
///
/// Lifetime: `broker` and `strikes` outlive it.
class Publisher {
 public:
  Publisher(dohle::Broker& broker, std::string topic, const std::vector<Strike>& strikes,
            std::size_t rows_per_second);
  /// Stops after the current row.
  ~Publisher() = default;

  [[nodiscard]] std::size_t published() const { return published_; }
  [[nodiscard]] const Ledger& ledger() const { return *ledger_; }

 private:
  void run(const std::stop_token& stop);
  dohle::Result<dohle::Delivery> publish(std::size_t row);

  dohle::Broker& broker_;
  std::string topic_;
  const std::vector<Strike>& strikes_;
  std::size_t rows_per_second_;
  std::atomic<std::size_t> published_{0};
  // Shared with the callbacks, which may run after this object's end.
  std::shared_ptr<Ledger> ledger_ = std::make_shared<Ledger>();
  std::jthread thread_;  // the last member: it uses the others
};

}  // namespace birdstrikes
