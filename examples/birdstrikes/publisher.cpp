#include "publisher.hpp"

#include <chrono>

#include "dohle/codec/json.hpp"
#include "row_header.hpp"

namespace birdstrikes {

Publisher::Publisher(dohle::Broker& broker, std::string topic, const std::vector<Strike>& strikes,
                     std::size_t rows_per_second)
    : broker_(broker),
      topic_(std::move(topic)),
      strikes_(strikes),
      rows_per_second_(rows_per_second),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Publisher::run(const std::stop_token& stop) {
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t row = 1; row <= strikes_.size() && !stop.stop_requested(); ++row) {
    const std::chrono::nanoseconds due{1'000'000'000ull * row / rows_per_second_};
    std::this_thread::sleep_until(start + due);
    if (const auto delivery = publish(row); !delivery) {
      ledger_->add_failure(delivery.error());
      return;
    }
    ++published_;
  }
}

// The airport is the key: the reports of one airport share a partition and keep their order.
dohle::Result<dohle::Delivery> Publisher::publish(std::size_t row) {
  const Strike& strike = strikes_[row - 1];
  dohle::PublishOptions options{.key = strike.airport,
                                .headers = {{row_header, std::to_string(row)}}};
  options.callback = [ledger = ledger_, row, strike](const dohle::Result<dohle::Receipt>& result) {
    result ? ledger->add(row, strike, *result) : ledger->add_failure(result.error());
  };
  return broker_.publish(topic_, strike, std::move(options));
}

}  // namespace birdstrikes
