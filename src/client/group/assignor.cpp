#include "client/group/assignor.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "wire/messages/consumer_protocol.hpp"
#include "wire/versioned.hpp"

namespace dohle::client {

namespace {

constexpr std::int16_t subscription_version = 3;
constexpr std::int16_t assignment_version = 3;

bool comes_before(const SubscribedMember& a, const SubscribedMember& b) {
  const auto rank = [](const SubscribedMember& member) {
    return std::tuple(
        !member.group_instance_id.has_value(),
        std::string_view(member.group_instance_id ? *member.group_instance_id : member.member_id));
  };
  return rank(a) < rank(b);
}

/// Subscribers of each topic, as positions among the members.
std::map<std::string, std::vector<std::size_t>> subscribers_by_topic(
    const std::vector<SubscribedMember>& members) {
  std::map<std::string, std::vector<std::size_t>> found;
  for (std::size_t i = 0; i < members.size(); ++i) {
    // A topic that a member names twice counts once.
    for (const auto& topic : std::set(members[i].topics.begin(), members[i].topics.end())) {
      found[topic].push_back(i);
    }
  }
  return found;
}

/// Partitions as the protocol groups them: by topic, in the order given.
template <class Topics>
void put_by_topic(const std::vector<TopicPartition>& partitions, Topics& out) {
  for (const TopicPartition& each : partitions) {
    if (out.empty() || out.back().topic != each.topic) out.emplace_back().topic = each.topic;
    out.back().partitions.push_back(each.partition);
  }
}

}  // namespace

std::vector<MemberAssignment> assign_range(std::vector<SubscribedMember> members,
                                           const PartitionCounts& partitions) {
  std::ranges::sort(members, comes_before);
  std::vector<MemberAssignment> assignments;
  for (const SubscribedMember& member : members) assignments.push_back({member.member_id, {}});
  for (const auto& [topic, subscribers] : subscribers_by_topic(members)) {
    const auto counted = partitions.find(topic);
    if (counted == partitions.end()) continue;
    const auto sharers = static_cast<std::int32_t>(subscribers.size());
    const std::int32_t each = counted->second / sharers;
    std::int32_t extra = counted->second % sharers;
    std::int32_t next = 0;
    for (const std::size_t subscriber : subscribers) {
      const std::int32_t end = next + each + (extra-- > 0 ? 1 : 0);
      for (; next < end; ++next) {
        assignments[subscriber].partitions.push_back({topic, PartitionId{next}});
      }
    }
  }
  return assignments;
}

Result<Slice> encode_subscription(const std::vector<std::string>& topics,
                                  const std::vector<TopicPartition>& owned, Generation generation) {
  wire::ConsumerProtocolSubscription subscription;
  subscription.topics = topics;
  put_by_topic(owned, subscription.owned_partitions);
  subscription.generation_id = generation;
  auto bytes = wire::encode_versioned(subscription, subscription_version);
  if (!bytes) return fail(bytes.error());
  return bytes->flatten();
}

Result<std::vector<std::string>> subscribed_topics(const Slice& subscription) {
  auto decoded = wire::decode_consumer_protocol<wire::ConsumerProtocolSubscription>(subscription);
  if (!decoded) return fail(decoded.error());
  return std::move(decoded->topics);
}

Result<Slice> encode_assignment(const std::vector<TopicPartition>& partitions) {
  wire::ConsumerProtocolAssignment assignment;
  put_by_topic(partitions, assignment.assigned_partitions);
  auto bytes = wire::encode_versioned(assignment, assignment_version);
  if (!bytes) return fail(bytes.error());
  return bytes->flatten();
}

Result<std::vector<TopicPartition>> decode_assignment(const Slice& assignment) {
  std::vector<TopicPartition> partitions;
  if (assignment.empty()) return partitions;
  auto decoded = wire::decode_consumer_protocol<wire::ConsumerProtocolAssignment>(assignment);
  if (!decoded) return fail(decoded.error());
  for (const auto& topic : decoded->assigned_partitions) {
    for (const PartitionId partition : topic.partitions) {
      partitions.push_back({topic.topic, partition});
    }
  }
  return partitions;
}

}  // namespace dohle::client
