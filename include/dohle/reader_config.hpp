#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dohle/dialer.hpp"
#include "dohle/ids.hpp"
#include "dohle/logger.hpp"
#include "dohle/start_offset.hpp"

namespace dohle {
inline namespace v0 {
namespace kafka {

/// Which records of transactions a reader sees.
enum class IsolationLevel : std::uint8_t {
  read_uncommitted,  ///< all records
  read_committed,    ///< the records of committed transactions
};

/// The options of reading as one struct, for a Broker or for one subscription (with_reader_config).
/// It has the fields of kafka-go's ReaderConfig. A field sets the option of BrokerOptions or
/// SubscribeOptions that its comment names; that option documents range and default. An absent
/// field changes nothing. Fields without such an option are refused with the reason.
struct ReaderConfig {
  /// The Broker's addresses; others are refused.
  std::optional<std::vector<std::string>> brokers = {};
  /// `group_id`.
  std::optional<std::string> group_id = {};
  /// Refused: subscribe takes several topics.
  std::optional<std::vector<std::string>> group_topics = {};
  /// Has to be the topic of the subscription. A Broker refuses it.
  std::optional<std::string> topic = {};
  /// SubscribeOptions::partition. A Broker refuses it.
  std::optional<PartitionId> partition = {};
  /// As `with_dialer`. A subscription refuses it, because all subscriptions of a Broker share its
  /// connections.
  std::optional<Dialer> dialer = {};
  /// `queue_capacity`.
  std::optional<std::size_t> queue_capacity = {};
  /// `min_bytes`.
  std::optional<std::size_t> min_bytes = {};
  /// `max_bytes`.
  std::optional<std::size_t> max_bytes = {};
  /// `max_wait`.
  std::optional<std::chrono::milliseconds> max_wait = {};
  /// `read_batch_timeout`.
  std::optional<std::chrono::milliseconds> read_batch_timeout = {};
  /// `read_lag_interval`.
  std::optional<std::chrono::milliseconds> read_lag_interval = {};
  /// The names of assignors, the preferred one first. Refused unless it is only "range", which
  /// every group of this release uses.
  std::optional<std::vector<std::string>> group_balancers = {};
  /// `heartbeat_interval`.
  std::optional<std::chrono::milliseconds> heartbeat_interval = {};
  /// `commit_interval`.
  std::optional<std::chrono::milliseconds> commit_interval = {};
  /// BrokerOptions::partition_watch_interval. A subscription refuses it.
  std::optional<std::chrono::milliseconds> partition_watch_interval = {};
  /// BrokerOptions::watch_partition_changes. A subscription refuses it.
  std::optional<bool> watch_partition_changes = {};
  /// `session_timeout`.
  std::optional<std::chrono::milliseconds> session_timeout = {};
  /// `rebalance_timeout`.
  std::optional<std::chrono::milliseconds> rebalance_timeout = {};
  /// Refused: the properties retry.backoff.ms and retry.backoff.max.ms set how long a member waits
  /// before it joins again.
  std::optional<std::chrono::milliseconds> join_group_backoff = {};
  /// `retention_time`.
  std::optional<std::chrono::milliseconds> retention_time = {};
  /// `start_offset`.
  std::optional<StartOffset> start_offset = {};
  /// `read_backoff_min`.
  std::optional<std::chrono::milliseconds> read_backoff_min = {};
  /// `read_backoff_max`.
  std::optional<std::chrono::milliseconds> read_backoff_max = {};
  /// BrokerOptions::logger. Default: null, not set. A subscription refuses it.
  std::shared_ptr<Logger> logger = nullptr;
  /// BrokerOptions::error_logger. Default: null, not set. A subscription refuses it.
  std::shared_ptr<Logger> error_logger = nullptr;
  /// Refused unless it is read_uncommitted, which every subscription of this release uses.
  std::optional<IsolationLevel> isolation_level = {};
  /// `max_attempts`.
  std::optional<std::int32_t> max_attempts = {};
  /// Refused unless it is false: if an offset is out of range, the subscription continues at
  /// `start_offset`.
  std::optional<bool> offset_out_of_range_error = {};

  /// Dialers count as equal if both are set or neither is.
  friend bool operator==(const ReaderConfig& one, const ReaderConfig& other) {
    return one.brokers == other.brokers && one.group_id == other.group_id &&
           one.group_topics == other.group_topics && one.topic == other.topic &&
           one.partition == other.partition && one.dialer.has_value() == other.dialer.has_value() &&
           one.queue_capacity == other.queue_capacity && one.min_bytes == other.min_bytes &&
           one.max_bytes == other.max_bytes && one.max_wait == other.max_wait &&
           one.read_batch_timeout == other.read_batch_timeout &&
           one.read_lag_interval == other.read_lag_interval &&
           one.retention_time == other.retention_time &&
           one.group_balancers == other.group_balancers &&
           one.heartbeat_interval == other.heartbeat_interval &&
           one.commit_interval == other.commit_interval &&
           one.partition_watch_interval == other.partition_watch_interval &&
           one.watch_partition_changes == other.watch_partition_changes &&
           one.session_timeout == other.session_timeout &&
           one.rebalance_timeout == other.rebalance_timeout &&
           one.join_group_backoff == other.join_group_backoff &&
           one.start_offset == other.start_offset &&
           one.read_backoff_min == other.read_backoff_min &&
           one.read_backoff_max == other.read_backoff_max && one.logger == other.logger &&
           one.error_logger == other.error_logger && one.isolation_level == other.isolation_level &&
           one.max_attempts == other.max_attempts &&
           one.offset_out_of_range_error == other.offset_out_of_range_error;
  }
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
