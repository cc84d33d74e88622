#include "ledger.hpp"

namespace birdstrikes {

void Ledger::add(std::size_t row, const Strike& strike, const dohle::Receipt& receipt) {
  const auto checksum = checksum_of(nlohmann::json(strike).dump());
  const std::lock_guard lock(mutex_);
  rows_.push_back({row, receipt.partition, receipt.offset, strike.airport, checksum});
}

void Ledger::add_failure(const dohle::Error& error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = error;
}

std::size_t Ledger::count() const {
  const std::lock_guard lock(mutex_);
  return rows_.size();
}

std::optional<dohle::Error> Ledger::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::vector<PublishedRow> Ledger::rows() const {
  const std::lock_guard lock(mutex_);
  return rows_;
}

}  // namespace birdstrikes
