#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "telemetry/registry.hpp"
#include "wire/api.hpp"

namespace dohle::client {

/// The counters of a topic that producers of one client send to.
struct ProducedCounters {
  telemetry::Counter& records;
  telemetry::Counter& acknowledged;
  telemetry::Counter& failed;
  telemetry::Counter& batches;
  telemetry::Counter& bytes;
  telemetry::Counter& retried;
};

/// The metrics of one client: counted per batch, request and poll, never per record.
/// docs/observability.md describes each. Thread safety: any thread, unless a member says otherwise.
class ClientMetrics {
 public:
  telemetry::Registry registry;

  [[nodiscard]] ProducedCounters produced(std::string_view topic);
  [[nodiscard]] telemetry::Counter& consumed(std::string_view topic);
  /// The time from a request to its answer. Loop thread.
  [[nodiscard]] telemetry::Histogram& request_time(wire::ApiKey key);

  telemetry::Counter& unanswered_requests = registry.counter(
      {"dohle_client_unanswered_requests_total",
       "Requests without an answer: the connection was lost, or the answer came too late."});
  /// The time from the first record of a batch to the batch's outcome.
  telemetry::Histogram& delivery_time =
      registry.histogram({"dohle_producer_delivery_seconds",
                          "Time from a batch's first record to the batch's outcome.", "seconds"});
  telemetry::Counter& fetches = registry.counter(
      {"dohle_consumer_fetches_total", "Answers to fetches, with and without records."});
  telemetry::Counter& fetched_bytes = registry.counter(
      {"dohle_consumer_fetched_bytes_total", "Bytes of batches in answers to fetches.", "bytes"});

  // Asked for when a snapshot is taken.

  static constexpr telemetry::MetricInfo buffer_bytes{
      "dohle_producer_buffer_bytes", "Memory of records that have no outcome yet.", "bytes"};
  static constexpr telemetry::MetricInfo lag_records{
      "dohle_consumer_lag_records",
      "Records between the consumer's position and the end of the partition, as of the last "
      "fetch."};

 private:
  static constexpr std::size_t known_keys = 128;
  std::array<telemetry::Histogram*, known_keys> request_times_{};
};

}  // namespace dohle::client
