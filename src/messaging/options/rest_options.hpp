#pragma once

#include <functional>
#include <string_view>
#include <tuple>

#include "dohle/consumer.hpp"
#include "dohle/producer.hpp"

// The options of the client's producers and consumers that no option of the messaging API means.
// Functions of the program set them.

namespace dohle::messaging {

/// A member of the client's options, and the option of the messaging API that sets it.
template <class Options, class Member>
struct MeantMember {
  std::string_view name;
  Member Options::* member;
  std::string_view option;
};

template <class Options, class Member>
[[nodiscard]] constexpr MeantMember<Options, Member> meant(std::string_view name,
                                                           Member Options::* member,
                                                           std::string_view option) {
  return {name, member, option};
}

template <class Options>
struct MeantMembers;

template <>
struct MeantMembers<ProducerOptions> {
  using O = ProducerOptions;
  static constexpr auto rows = std::make_tuple(
      meant("acks", &O::acks, "with_publish_required_acks, or the property acks"),
      meant("linger", &O::linger, "batch_timeout"),
      meant("batch_bytes", &O::batch_bytes, "batch_bytes of the Broker"),
      meant("batch_records", &O::batch_records, "batch_size"),
      meant("request_timeout", &O::request_timeout, "write_timeout and read_timeout"),
      meant("ack_timeout", &O::ack_timeout, "write_timeout"),
      meant("retries", &O::retries, "publish_max_attempts"),
      meant("compression", &O::compression, "compression of the Broker"),
      meant("compression_level", &O::compression_level, "compression_level of the Broker"),
      meant("partitioner", &O::partitioner, "balancer"),
      meant("allow_auto_create_topics", &O::allow_auto_create_topics,
            "allow_publish_auto_topic_creation"),
      meant("on_batch", &O::on_batch, "completion"),
      meant("on_untaken_failure", &O::on_untaken_failure, "error_handler"));
};

template <>
struct MeantMembers<ConsumerOptions> {
  using O = ConsumerOptions;
  static constexpr auto rows = std::make_tuple(
      meant("group_id", &O::group_id, "group_id of the Broker or the subscription"),
      meant("group_instance_id", &O::group_instance_id, "group_instance_id of the subscription"),
      meant("offset_reset", &O::offset_reset, "start_offset"),
      meant("auto_commit", &O::auto_commit, "auto_ack"),
      meant("auto_commit_interval", &O::auto_commit_interval, "commit_interval"),
      meant("offset_retention", &O::offset_retention, "retention_time"),
      meant("session_timeout", &O::session_timeout, "session_timeout of the Broker"),
      meant("heartbeat_interval", &O::heartbeat_interval, "heartbeat_interval of the Broker"),
      meant("max_poll_interval", &O::max_poll_interval, "max_poll_interval of the Broker"),
      meant("min_fetch_bytes", &O::min_fetch_bytes, "min_bytes"),
      meant("max_fetch_bytes", &O::max_fetch_bytes, "max_bytes"),
      meant("max_fetch_wait", &O::max_fetch_wait, "max_wait"),
      meant("max_poll_records", &O::max_poll_records, "queue_capacity"),
      meant("follow_new_partitions", &O::follow_new_partitions, "watch_partition_changes"),
      meant("request_timeout", &O::request_timeout, "read_timeout"),
      meant("fetch_timeout", &O::fetch_timeout, "read_batch_timeout"));
};

/// `made` as `change` leaves it; an empty function changes nothing. Errors: configuration, for a
/// member that an option of the messaging API means; handler_failed if `change` throws.
[[nodiscard]] Result<ProducerOptions> with_rest(
    ProducerOptions made, const std::function<void(ProducerOptions&)>& change);
[[nodiscard]] Result<ConsumerOptions> with_rest(
    ConsumerOptions made, const std::function<void(ConsumerOptions&)>& change);

}  // namespace dohle::messaging
