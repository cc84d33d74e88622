#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/slice.hpp"
#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

// Keys and values of __consumer_offsets as Apache Kafka writes them for classic groups. A record's
// key begins with its kind in two bytes: 1 (0 from old servers) is a committed offset, 2 a group. A
// value begins with its version. A null value is a tombstone.
//
// OffsetCommitValue: v1 expiry. v2 none again (KIP-211). v3 leader epoch (KIP-320). v4
// flexible, topic id (KIP-915, KIP-848). GroupMetadataValue: v1 rebalance timeout (KIP-62). v2
// time of the last change (KIP-211). v3 group_instance_id (KIP-345). v4 flexible (KIP-915).
struct OffsetCommitKey {
  static constexpr std::int16_t record_type = 1;
  static constexpr Api api{ApiKey::none, versions(0, 0), never_flexible};

  std::string group;
  std::string topic;
  PartitionId partition;

  static void fields(auto& self, auto& f) {
    f(self.group, "group");
    f(self.topic, "topic");
    f(self.partition, "partition");
  }
};

struct OffsetCommitValue {
  static constexpr Api api{ApiKey::none, versions(0, 4), flexible_since(4)};

  Offset offset;
  LeaderEpoch leader_epoch;
  std::string metadata;
  Timestamp commit_timestamp;
  Timestamp expire_timestamp;
  TopicId topic_id;

  static void fields(auto& self, auto& f) {
    f(self.offset, "offset");
    f(self.leader_epoch, "leaderEpoch", since(3), ignorable);
    f(self.metadata, "metadata");
    f(self.commit_timestamp, "commitTimestamp");
    f(self.expire_timestamp, "expireTimestamp", since(1), until(1), ignorable);
    f(self.topic_id, "topicId", tagged(0, 4), ignorable);
  }
};

struct GroupMetadataKey {
  static constexpr std::int16_t record_type = 2;
  static constexpr Api api{ApiKey::none, versions(0, 0), never_flexible};

  std::string group;

  static void fields(auto& self, auto& f) { f(self.group, "group"); }
};

struct GroupMetadataValue {
  static constexpr Api api{ApiKey::none, versions(0, 4), flexible_since(4)};

  struct MemberMetadata {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    std::string client_id;
    std::string client_host;
    std::int32_t rebalance_timeout = -1;
    std::int32_t session_timeout = 0;
    Slice subscription;
    Slice assignment;

    static void fields(auto& self, auto& f) {
      f(self.member_id, "memberId");
      f(self.group_instance_id, "groupInstanceId", since(3), ignorable);
      f(self.client_id, "clientId");
      f(self.client_host, "clientHost");
      f(self.rebalance_timeout, "rebalanceTimeout", since(1), ignorable);
      f(self.session_timeout, "sessionTimeout");
      f(self.subscription, "subscription");
      f(self.assignment, "assignment");
    }
  };

  std::string protocol_type;
  Generation generation;
  std::optional<std::string> protocol = std::string{};
  std::optional<std::string> leader = std::string{};
  Timestamp current_state_timestamp;
  std::vector<MemberMetadata> members;

  static void fields(auto& self, auto& f) {
    f(self.protocol_type, "protocolType");
    f(self.generation, "generation");
    f(self.protocol, "protocol");
    f(self.leader, "leader");
    f(self.current_state_timestamp, "currentStateTimestamp", since(2), ignorable);
    f(self.members, "members");
  }
};

}  // namespace dohle::wire
