#include "client/cluster/client_metrics.hpp"

#include <string>

namespace dohle::client {

ProducedCounters ClientMetrics::produced(std::string_view topic) {
  const auto counter = [&](std::string_view name, std::string_view help,
                           std::string_view unit = {}) -> telemetry::Counter& {
    return registry.counter({name, help, unit}, {{"topic", std::string(topic)}});
  };
  return {counter("dohle_producer_records_total",
                  "Records that were put into requests, or failed before that."),
          counter("dohle_producer_acknowledged_records_total",
                  "Records that the servers acknowledged; with acks 0, records that were sent."),
          counter("dohle_producer_failed_records_total", "Records that failed for good."),
          counter("dohle_producer_batches_total", "Batches that were put into requests."),
          counter("dohle_producer_batch_bytes_total",
                  "Bytes of batches that were put into requests, compressed.", "bytes"),
          counter("dohle_producer_retried_batches_total", "Batches that were sent again.")};
}

telemetry::Counter& ClientMetrics::consumed(std::string_view topic) {
  return registry.counter({"dohle_consumer_records_total", "Records that polls returned."},
                          {{"topic", std::string(topic)}});
}

telemetry::Histogram& ClientMetrics::request_time(wire::ApiKey key) {
  const auto place = static_cast<std::size_t>(key) % known_keys;
  telemetry::Histogram*& known = request_times_.at(place);
  if (known == nullptr) {
    known = &registry.histogram(
        {"dohle_client_request_seconds", "Time from a request to its answer.", "seconds"},
        {{"api", std::string(wire::api_name(key))}});
  }
  return *known;
}

}  // namespace dohle::client
