#pragma once

#include <cstdint>
#include <string_view>

namespace dohle {

/// One of Kafka's error codes, as the `Errors` enumeration of Apache Kafka 4.3.1 lists them.
struct BrokerErrorInfo {
  std::int16_t code;
  std::string_view name;
  std::string_view sentence;
  bool retriable;
};

/// Null for a number that is no error code of that version.
[[nodiscard]] const BrokerErrorInfo* find_broker_error(std::int16_t code);

/// The codes that this library uses by name. The full table is in broker_errors.cpp.
namespace broker_error {
inline constexpr std::int16_t unknown_server_error = -1, none = 0, offset_out_of_range = 1,
                              corrupt_message = 2, unknown_topic_or_partition = 3,
                              leader_not_available = 5, not_leader_or_follower = 6,
                              request_timed_out = 7, broker_not_available = 8,
                              replica_not_available = 9, message_too_large = 10,
                              offset_metadata_too_large = 12, network_exception = 13,
                              coordinator_load_in_progress = 14, coordinator_not_available = 15,
                              not_coordinator = 16, invalid_topic_exception = 17,
                              record_list_too_large = 18, not_enough_replicas = 19,
                              not_enough_replicas_after_append = 20, invalid_required_acks = 21,
                              illegal_generation = 22, inconsistent_group_protocol = 23,
                              invalid_group_id = 24, unknown_member_id = 25,
                              invalid_session_timeout = 26, rebalance_in_progress = 27,
                              topic_authorization_failed = 29, group_authorization_failed = 30,
                              cluster_authorization_failed = 31, invalid_timestamp = 32,
                              unsupported_sasl_mechanism = 33, illegal_sasl_state = 34,
                              unsupported_version = 35, topic_already_exists = 36,
                              invalid_partitions = 37, invalid_replication_factor = 38,
                              invalid_replica_assignment = 39, invalid_config = 40,
                              not_controller = 41, invalid_request = 42,
                              unsupported_for_message_format = 43, policy_violation = 44,
                              out_of_order_sequence_number = 45, duplicate_sequence_number = 46,
                              invalid_producer_epoch = 47, invalid_txn_state = 48,
                              invalid_producer_id_mapping = 49, kafka_storage_error = 56,
                              sasl_authentication_failed = 58, unknown_producer_id = 59,
                              reassignment_in_progress = 60, non_empty_group = 68,
                              group_id_not_found = 69, fetch_session_id_not_found = 70,
                              invalid_fetch_session_epoch = 71, listener_not_found = 72,
                              topic_deletion_disabled = 73, fenced_leader_epoch = 74,
                              unknown_leader_epoch = 75, unsupported_compression_type = 76,
                              offset_not_available = 78, member_id_required = 79,
                              group_max_size_reached = 81, fenced_instance_id = 82,
                              invalid_record = 87, unstable_offset_commit = 88,
                              throttling_quota_exceeded = 89, producer_fenced = 90,
                              resource_not_found = 91, unknown_topic_id = 100,
                              inconsistent_topic_id = 103, fetch_session_topic_id_error = 106,
                              stale_member_epoch = 113, rebootstrap_required = 129;
inline constexpr std::int16_t duplicate_resource = 92, unacceptable_credential = 93;
}  // namespace broker_error

}  // namespace dohle
