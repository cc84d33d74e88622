#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dohle/balancer.hpp"
#include "dohle/logger.hpp"
#include "dohle/producer.hpp"

namespace dohle {
inline namespace v0 {
namespace kafka {

/// The options of publishing as one struct, for a Broker (with_writer_config) or a Writer. It has
/// the fields of kratos-transport's WriterConfig. Each field sets the member of BrokerOptions that
/// its comment names; that member documents range and default. An absent field changes nothing.
struct WriterConfig {
  /// BrokerOptions::addresses. A Broker refuses other addresses than its own. A Writer connects to
  /// them.
  std::optional<std::vector<std::string>> brokers = {};
  /// BrokerOptions::balancer.
  std::optional<Balancer> balancer = {};
  /// BrokerOptions::publish_max_attempts.
  std::optional<std::int32_t> max_attempts = {};
  /// BrokerOptions::batch_size.
  std::optional<std::size_t> batch_size = {};
  /// BrokerOptions::batch_bytes.
  std::optional<std::size_t> batch_bytes = {};
  /// BrokerOptions::batch_timeout.
  std::optional<std::chrono::milliseconds> batch_timeout = {};
  /// BrokerOptions::read_timeout.
  std::optional<std::chrono::milliseconds> read_timeout = {};
  /// BrokerOptions::write_timeout.
  std::optional<std::chrono::milliseconds> write_timeout = {};
  /// BrokerOptions::required_acks. Numbers above 1 are refused, because Kafka has no such setting.
  std::optional<Acks> required_acks = {};
  /// BrokerOptions::async. A Writer refuses false: its producers return before the outcome is
  /// known, and Delivery::wait waits for it.
  std::optional<bool> async = {};
  /// BrokerOptions::logger. Default: null, not set.
  std::shared_ptr<Logger> logger = nullptr;
  /// BrokerOptions::error_logger. Default: null, not set.
  std::shared_ptr<Logger> error_logger = nullptr;
  /// BrokerOptions::allow_publish_auto_topic_creation.
  std::optional<bool> allow_auto_topic_creation = {};
  /// BrokerOptions::completion. Default: null, not set.
  std::function<void(const SettledBatch&)> completion = nullptr;

  /// Completions count as equal if both are set or neither is.
  friend bool operator==(const WriterConfig& one, const WriterConfig& other) {
    return one.brokers == other.brokers && one.balancer == other.balancer &&
           one.max_attempts == other.max_attempts && one.batch_size == other.batch_size &&
           one.batch_bytes == other.batch_bytes && one.batch_timeout == other.batch_timeout &&
           one.read_timeout == other.read_timeout && one.write_timeout == other.write_timeout &&
           one.required_acks == other.required_acks && one.async == other.async &&
           one.logger == other.logger && one.error_logger == other.error_logger &&
           one.allow_auto_topic_creation == other.allow_auto_topic_creation &&
           !one.completion == !other.completion;
  }
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
