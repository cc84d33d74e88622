#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/ids.hpp"
#include "messaging/subscribe/subscription_state.hpp"
#include "node/node_engine.hpp"

namespace dohle::test_environment {

/// Messages of a partition that are not handled.
struct Unhandled {
  TopicPartition partition;
  /// None if it is not known where reading starts.
  Offset from;
  /// The end of the partition.
  Offset to;
};

/// The messages that a group has not handled.
struct GroupLook {
  /// The reason why the group cannot handle messages now. Empty if it can.
  std::string why_not;
  std::vector<Unhandled> left;
  [[nodiscard]] bool is_done() const { return why_not.empty() && left.empty(); }
};

using Ends = std::map<TopicPartition, Offset>;

/// Compares the group's committed offsets with the ends of its partitions. Node's thread.
[[nodiscard]] GroupLook look_at_group(node::NodeEngine& engine, const std::string& group,
                                      bool with_retry_topics);
/// The ends of these partitions; those that do not exist are left out. Node's thread.
[[nodiscard]] Ends ends_of(node::NodeEngine& engine,
                           std::span<const messaging::PartitionProgress> read);
/// What a subscription has not acknowledged.
[[nodiscard]] std::vector<Unhandled> not_acknowledged(
    std::span<const messaging::PartitionProgress> read, const Ends& ends, bool with_retry_topics);

/// "orders-0: offsets 3 to 4; orders-1: …"
[[nodiscard]] std::string to_text(std::span<const Unhandled> left);

}  // namespace dohle::test_environment
