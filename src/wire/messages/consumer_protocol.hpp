#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/slice.hpp"
#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

// Consumers of a classic group exchange these messages in JoinGroup's metadata and SyncGroup's
// assignment, after a version of two bytes (versioned.hpp). Later versions only append fields.
//
// v1 owned partitions (KIP-429). v2 the generation that owned them (KIP-792). v3 rack
// (KIP-881). The assignment is the same in all versions.
struct ConsumerProtocolSubscription {
  static constexpr Api api{ApiKey::none, versions(0, 3), never_flexible};

  struct TopicPartition {
    std::string topic;
    std::vector<PartitionId> partitions;

    static void fields(auto& self, auto& f) {
      f(self.topic, "topic");
      f(self.partitions, "partitions");
    }
  };

  std::vector<std::string> topics;
  std::optional<Slice> user_data;
  std::vector<TopicPartition> owned_partitions;
  Generation generation_id;
  std::optional<std::string> rack_id;

  static void fields(auto& self, auto& f) {
    f(self.topics, "topics");
    f(self.user_data, "userData");
    f(self.owned_partitions, "ownedPartitions", since(1), ignorable);
    f(self.generation_id, "generationId", since(2), ignorable);
    f(self.rack_id, "rackId", since(3), ignorable);
  }
};

struct ConsumerProtocolAssignment {
  static constexpr Api api{ApiKey::none, versions(0, 3), never_flexible};

  struct TopicPartition {
    std::string topic;
    std::vector<PartitionId> partitions;

    static void fields(auto& self, auto& f) {
      f(self.topic, "topic");
      f(self.partitions, "partitions");
    }
  };

  std::vector<TopicPartition> assigned_partitions;
  std::optional<Slice> user_data;

  static void fields(auto& self, auto& f) {
    f(self.assigned_partitions, "assignedPartitions");
    f(self.user_data, "userData");
  }
};

}  // namespace dohle::wire
