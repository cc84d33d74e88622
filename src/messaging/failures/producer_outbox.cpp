#include "messaging/failures/producer_outbox.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace dohle::messaging {

namespace {

/// The longest wait for metadata or memory; a worker of the subscription waits meanwhile.
constexpr std::chrono::seconds max_block{5};
constexpr std::chrono::seconds outcome_slack{10};
/// The most with idempotence. Publishes with other acks may have more.
constexpr int max_in_flight = 5;
constexpr std::size_t max_request_bytes = std::size_t{32} << 20;

}  // namespace

ProducerOptions outbox_options(ProducerOptions publishes) {
  publishes.acks = Acks::all;
  publishes.idempotence = true;
  publishes.max_in_flight = std::min(publishes.max_in_flight, max_in_flight);
  publishes.linger = std::chrono::microseconds(0);
  publishes.max_block = std::min<std::chrono::milliseconds>(publishes.max_block, max_block);
  publishes.delivery_timeout = publishes.request_timeout + outcome_slack;
  fit_fetched_messages(publishes);
  publishes.allow_auto_create_topics = false;
  publishes.partitioner = {};
  publishes.on_batch = nullptr;
  publishes.on_untaken_failure = nullptr;
  return publishes;
}

void fit_fetched_messages(ProducerOptions& options) {
  if (options.compression == CompressionCodec::none) {
    options.compression = CompressionCodec::zstd;
    options.compression_level.reset();
  }
  options.max_request_bytes = std::max(options.max_request_bytes, max_request_bytes);
  options.buffer_bytes = std::max(options.buffer_bytes, 2 * max_request_bytes);
}

void ProducerOutbox::send(const std::string& topic, const Record& record, Done done) {
  auto resolved = producer_.topic(topic);
  if (!resolved) return done(fail(resolved.error()));
  // The topic may have been made again with fewer partitions than the source.
  Record placed = record;
  placed.partition.value %= std::max(1, resolved->partition_count());
  const auto shared = std::make_shared<Done>(std::move(done));
  auto sent = producer_.send(*resolved, placed,
                             [shared](Result<Receipt> receipt) { (*shared)(std::move(receipt)); });
  if (!sent) (*shared)(fail(sent.error()));
}

void ProducerOutbox::close(std::chrono::milliseconds timeout) {
  // Each record's outcome went to its own `done`.
  (void)producer_.close(timeout);
}

}  // namespace dohle::messaging
