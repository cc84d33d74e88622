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

/// Publishes every row at a steady rate, on a thread of its own. Knows nothing of servers that die:
/// the broker sends what was not acknowledged again, once and in order.
///
/// Lifetime: `broker` and `strikes` outlive it.
class Publisher {
 public:
  Publisher(dohle::Broker& broker, std::string topic, const std::vector<Strike>& strikes,
            std::size_t rows_per_second);
  /// Stops after the row at hand.
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
  // Shared with the callbacks, which may run when this object is gone.
  std::shared_ptr<Ledger> ledger_ = std::make_shared<Ledger>();
  std::jthread thread_;  // the last member: it uses the others
};

}  // namespace birdstrikes
