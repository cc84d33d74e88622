#include "forwarder.hpp"

#include "dohle/codec/json.hpp"
#include "row_header.hpp"

namespace birdstrikes {

dohle::Result<void> Forwarder::handle(const dohle::Event<Strike>& event) {
  const std::size_t row = row_number(event.header(row_header));
  if (is_noteworthy(*event) && !is_done(row)) {
    if (auto forwarded = forward(row, *event); !forwarded) return forwarded;
  }
  const std::lock_guard lock(mutex_);
  seen_.insert(row);
  return {};
}

// The publish is synchronous, so the event is acknowledged only after the row is stored.
dohle::Result<void> Forwarder::forward(std::size_t row, const Strike& strike) {
  const auto delivery = broker_.publish(
      topic_, strike,
      {.key = strike.airport, .headers = {{row_header, std::to_string(row)}}, .async = false});
  if (!delivery) return dohle::fail(delivery.error());
  const auto receipt = delivery->get();
  if (!receipt) return dohle::fail(receipt.error());
  ledger_.add(row, strike, *receipt);
  return {};
}

bool Forwarder::is_done(std::size_t row) const {
  const std::lock_guard lock(mutex_);
  return seen_.contains(row);
}

std::size_t Forwarder::handled() const {
  const std::lock_guard lock(mutex_);
  return seen_.count();
}

std::size_t Forwarder::redelivered() const {
  const std::lock_guard lock(mutex_);
  return seen_.repeated();
}

}  // namespace birdstrikes
