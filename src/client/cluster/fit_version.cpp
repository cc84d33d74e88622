#include "client/cluster/fit_version.hpp"

#include <algorithm>
#include <vector>

namespace dohle::client {

Result<void> fit_version(wire::FindCoordinatorRequest& message, std::int16_t version) {
  if (version < 4) {
    message.coordinator_keys.clear();
  } else {
    message.key.clear();
  }
  return {};
}

Result<void> fit_version(wire::LeaveGroupRequest& message, std::int16_t version) {
  if (version < 3) {
    message.members.clear();
  } else {
    message.member_id.clear();
  }
  return {};
}

Result<void> fit_version(wire::OffsetFetchRequest& message, std::int16_t version) {
  if (version < 7) message.require_stable = false;
  if (version < 8) {
    message.groups.clear();
  } else {
    message.group_id.clear();
    message.topics.emplace();
  }
  return {};
}

Result<void> fit_version(wire::DeleteTopicsRequest& message, std::int16_t version) {
  if (version < 6) message.topics.clear();
  return {};
}

Result<void> fit_version(wire::ListOffsetsRequest& message, std::int16_t version) {
  constexpr Timestamp highest_time{-3};
  if (version >= 7) return {};
  for (const auto& topic : message.topics) {
    for (const auto& partition : topic.partitions) {
      if (partition.timestamp != highest_time) continue;
      return fail(Error::client(Errc::unsupported_version,
                                "the server is too old to find the record with the highest time"));
    }
  }
  return {};
}

std::int16_t highest_version(const wire::FetchRequest& message) {
  constexpr std::int16_t last_by_name = 12;
  const auto has_no_id = [](const auto& topic) { return topic.topic_id.is_none(); };
  const bool goes_by_name = std::ranges::any_of(message.topics, has_no_id) ||
                            std::ranges::any_of(message.forgotten_topics_data, has_no_id);
  return goes_by_name ? last_by_name : wire::FetchRequest::api.versions.max;
}

std::int16_t highest_version(const wire::OffsetCommitRequest& message) {
  constexpr std::int16_t last_with_retention = 4;
  const bool has_retention = message.retention_time_ms >= 0;
  return has_retention ? last_with_retention : wire::OffsetCommitRequest::api.versions.max;
}

}  // namespace dohle::client
