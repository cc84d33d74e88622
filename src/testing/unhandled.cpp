#include "testing/unhandled.hpp"

#include <algorithm>
#include <set>

#include "base/topic_name.hpp"
#include "messaging/failures/retry_topics.hpp"
#include "wire/messages/consumer_protocol.hpp"
#include "wire/versioned.hpp"

namespace dohle::test_environment {

namespace {

using Assignment = wire::ConsumerProtocolAssignment;

/// Null if there is no such partition, or if it cannot be used.
const log::PartitionLog* log_of(node::NodeEngine& engine, const TopicPartition& partition) {
  const node::Topic* topic = engine.part<node::Storage>().topics().find(partition.topic);
  const node::PartitionRef* found = topic ? topic->partition(partition.partition) : nullptr;
  return found == nullptr ? nullptr : (*found)->log();
}

std::set<TopicPartition> assigned_in(const node::ClassicGroup& group) {
  std::set<TopicPartition> all;
  for (const auto& [id, member] : group.members()) {
    if (member.assignment.empty()) continue;
    const auto assignment = wire::decode_consumer_protocol<Assignment>(member.assignment);
    if (!assignment) continue;
    for (const Assignment::TopicPartition& topic : assignment->assigned_partitions) {
      for (const PartitionId partition : topic.partitions) all.insert({topic.topic, partition});
    }
  }
  return all;
}

std::string why_not(const node::ClassicGroup* group) {
  if (group == nullptr || group->members().empty()) return "it has no members";
  if (group->state() == node::ClassicGroup::State::stable) return {};
  return "its members are about to get their partitions";
}

}  // namespace

GroupLook look_at_group(node::NodeEngine& engine, const std::string& group,
                        bool with_retry_topics) {
  const node::GroupCoordinator& groups = engine.part<node::GroupService>().coordinator();
  const node::ClassicGroup* const found = groups.find(group);
  GroupLook look;
  look.why_not = why_not(found);
  if (!look.why_not.empty()) return look;
  const node::GroupCoordinator::Offsets* const offsets = groups.offsets(group);
  const std::set<TopicPartition> assigned = assigned_in(*found);
  if (assigned.empty()) look.why_not = "its members have no partitions";
  for (const TopicPartition& partition : assigned) {
    if (!with_retry_topics && messaging::is_retry_name(partition.topic)) continue;
    const log::PartitionLog* const log = log_of(engine, partition);
    if (log == nullptr) continue;
    Offset from = log->log_start();
    if (offsets != nullptr) {
      const auto committed = offsets->find({partition.topic, partition.partition});
      if (committed != offsets->end()) from = std::max(from, committed->second.offset);
    }
    if (from < log->high_watermark()) look.left.push_back({partition, from, log->high_watermark()});
  }
  return look;
}

Ends ends_of(node::NodeEngine& engine, std::span<const messaging::PartitionProgress> read) {
  Ends ends;
  for (const messaging::PartitionProgress& each : read) {
    const log::PartitionLog* const log = log_of(engine, each.partition);
    if (log != nullptr) ends.emplace(each.partition, log->high_watermark());
  }
  return ends;
}

std::vector<Unhandled> not_acknowledged(std::span<const messaging::PartitionProgress> read,
                                        const Ends& ends, bool with_retry_topics) {
  std::vector<Unhandled> left;
  for (const messaging::PartitionProgress& each : read) {
    if (each.is_retry && !with_retry_topics) continue;
    const auto end = ends.find(each.partition);
    if (end == ends.end() || each.done_up_to >= end->second) continue;
    left.push_back({each.partition, each.done_up_to, end->second});
  }
  return left;
}

std::string to_text(std::span<const Unhandled> left) {
  std::string text;
  for (const Unhandled& each : left) {
    text +=
        (text.empty() ? "" : "; ") + partition_name(each.partition.topic, each.partition.partition);
    if (each.from.is_none()) {
      text += ": not read yet, up to offset " + std::to_string(each.to.value - 1);
    } else if (each.from.value + 1 == each.to.value) {
      text += ": offset " + std::to_string(each.from.value);
    } else {
      text += ": offsets " + std::to_string(each.from.value) + " to " +
              std::to_string(each.to.value - 1);
    }
  }
  return text;
}

}  // namespace dohle::test_environment
