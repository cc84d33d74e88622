#pragma once

#include <cstddef>
#include <mutex>
#include <string>

#include "dohle/broker.hpp"
#include "ledger.hpp"
#include "strike.hpp"
#include "summary.hpp"

namespace birdstrikes {

/// The second group: publishes noteworthy rows to another topic, each once, and acknowledges a row
/// only when it is stored there. One subscription calls `handle`, one event at a time; any thread
/// may call the other members. Lifetime: `broker` outlives it.
class Forwarder {
 public:
  Forwarder(dohle::Broker& broker, std::string topic, std::size_t rows)
      : broker_(broker), topic_(std::move(topic)), seen_(rows) {}

  dohle::Result<void> handle(const dohle::Event<Strike>& event);

  /// Number of handled rows, noteworthy or not, and of redelivered ones.
  [[nodiscard]] std::size_t handled() const;
  [[nodiscard]] std::size_t redelivered() const;
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }

 private:
  bool is_done(std::size_t row) const;
  dohle::Result<void> forward(std::size_t row, const Strike& strike);

  dohle::Broker& broker_;
  std::string topic_;
  Ledger ledger_;
  mutable std::mutex mutex_;  // guards seen_
  SeenRows seen_;
};

}  // namespace birdstrikes
