#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "base/broker_errors.hpp"
#include "sim/world.hpp"
#include "simulation/complaints.hpp"
#include "unit/client/made_batch.hpp"
#include "unit/client/scripted_answers.hpp"
#include "unit/client/scripted_cluster.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/find_coordinator.hpp"
#include "wire/messages/heartbeat.hpp"
#include "wire/messages/join_group.hpp"
#include "wire/messages/leave_group.hpp"
#include "wire/messages/list_offsets.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"
#include "wire/messages/sync_group.hpp"

namespace dohle::simulation {

/// The scripted servers' answers to consumers. Each partition grows by a record every 50 ms. A
/// group has one member and one coordinator, which may move together with the committed offsets.
class ScriptedReading {
 public:
  static constexpr Duration record_every = std::chrono::milliseconds(50);

  /// `script`, `world` and `complaints` outlive it.
  ScriptedReading(client::ClusterScript& script, sim::World& world, Complaints& complaints)
      : script_(script), world_(world), complaints_(complaints) {
    script.on<wire::FetchRequest>(
        [this](NodeId at, const wire::FetchRequest& asked) { return fetched(at, asked); });
    script.on<wire::ListOffsetsRequest>(
        [this](NodeId at, const wire::ListOffsetsRequest& asked) { return found(at, asked); });
    script.on<wire::FindCoordinatorRequest>(
        [this](NodeId, const wire::FindCoordinatorRequest& asked) {
          wire::FindCoordinatorResponse answer;
          for (const auto& key : asked.coordinator_keys) {
            auto& told = answer.coordinators.emplace_back();
            told.key = key;
            told.node_id = coordinator;
          }
          return answer;
        });
    answer_members();
  }
  ScriptedReading(const ScriptedReading&) = delete;
  ScriptedReading& operator=(const ScriptedReading&) = delete;

  NodeId coordinator{1};

 private:
  void answer_members() {
    script_.on<wire::JoinGroupRequest>([this](NodeId at, const wire::JoinGroupRequest& asked) {
      wire::JoinGroupResponse answer;
      answer.error_code = fault_at(at);
      if (answer.error_code != 0) return answer;
      answer.generation_id = generation_ = Generation{generation_.value + 1};
      answer.protocol_type = "consumer";
      answer.protocol_name = asked.protocols.at(0).name;
      answer.leader = answer.member_id = "m";
      answer.members.push_back({"m", std::nullopt, asked.protocols.at(0).metadata});
      return answer;
    });
    script_.on<wire::SyncGroupRequest>([this](NodeId at, const wire::SyncGroupRequest& asked) {
      wire::SyncGroupResponse answer;
      answer.error_code = fault_at(at, asked.generation_id);
      if (!asked.assignments.empty()) answer.assignment = asked.assignments.front().assignment;
      return answer;
    });
    script_.on<wire::HeartbeatRequest>([this](NodeId at, const wire::HeartbeatRequest& asked) {
      wire::HeartbeatResponse answer;
      answer.error_code = fault_at(at, asked.generation_id);
      return answer;
    });
    script_.on<wire::LeaveGroupRequest>([this](NodeId at, const wire::LeaveGroupRequest&) {
      wire::LeaveGroupResponse answer;
      answer.error_code = fault_at(at);
      return answer;
    });
    script_.on<wire::OffsetFetchRequest>([this](NodeId at, const wire::OffsetFetchRequest& asked) {
      return committed_of(at, asked);
    });
    script_.on<wire::OffsetCommitRequest>(
        [this](NodeId at, const wire::OffsetCommitRequest& asked) { return commit(at, asked); });
  }
  [[nodiscard]] std::int16_t fault_at(NodeId at) const {
    return at == coordinator ? std::int16_t{0} : broker_error::not_coordinator;
  }
  [[nodiscard]] std::int16_t fault_at(NodeId at, Generation generation) const {
    if (at != coordinator) return fault_at(at);
    return generation == generation_ ? std::int16_t{0} : broker_error::illegal_generation;
  }
  [[nodiscard]] std::int16_t leader_fault(NodeId at, PartitionId partition) const {
    const auto index = static_cast<std::size_t>(partition.value);
    return script_.leaders.at(index).node == at ? std::int16_t{0}
                                                : broker_error::not_leader_or_follower;
  }
  [[nodiscard]] std::int64_t end() const { return world_.now().time_since_epoch() / record_every; }

  wire::FetchResponse fetched(NodeId at, const wire::FetchRequest& asked) {
    constexpr std::int64_t max_records = 100;
    bool waits = true;
    auto answer = client::answer_each(asked, [&](const auto& wanted, auto& data) {
      data.error_code = leader_fault(at, wanted.partition);
      waits = waits && data.error_code == 0;
      if (data.error_code != 0) return;
      data.high_watermark = Offset{end()};
      const std::int64_t from = wanted.fetch_offset.value;
      if (from >= end()) return;
      const auto count = static_cast<int>(std::min(end() - from, max_records));
      data.records = Chain(client::plain_batch(from, count).bytes());
      waits = false;
    });
    if (waits) script_.answer_after = record_every;
    return answer;
  }
  wire::ListOffsetsResponse found(NodeId at, const wire::ListOffsetsRequest& asked) {
    return client::answer_each(asked, [&](const auto& wanted, auto& found) {
      found.error_code = leader_fault(at, wanted.partition_index);
      found.offset = Offset{wanted.timestamp.value == -1 ? end() : 0};
    });
  }
  wire::OffsetFetchResponse committed_of(NodeId at, const wire::OffsetFetchRequest& asked) {
    wire::OffsetFetchResponse answer;
    auto& group = answer.groups.emplace_back();
    group.group_id = asked.groups.at(0).group_id;
    group.error_code = fault_at(at);
    if (group.error_code != 0) return answer;
    auto& topic = group.topics.emplace_back();
    topic.name = "orders";
    for (const auto& [partition, offset] : committed_) {
      auto& each = topic.partitions.emplace_back();
      each.partition_index = PartitionId{partition};
      each.committed_offset = Offset{offset};
    }
    return answer;
  }
  wire::OffsetCommitResponse commit(NodeId at, const wire::OffsetCommitRequest& asked) {
    const std::int16_t fault = fault_at(at, asked.generation_id_or_member_epoch);
    return client::answer_each(asked, [&](const auto& wanted) {
      if (fault != 0) return fault;
      auto& committed = committed_[wanted.partition_index.value];
      if (wanted.committed_offset.value < committed) {
        complaints_.add("a commit goes back from " + std::to_string(committed) + " to " +
                        std::to_string(wanted.committed_offset.value));
      }
      committed = wanted.committed_offset.value;
      return fault;
    });
  }

  client::ClusterScript& script_;
  sim::World& world_;
  Complaints& complaints_;
  Generation generation_{0};
  /// The committed offset of each partition.
  std::map<std::int32_t, std::int64_t> committed_;
};

}  // namespace dohle::simulation
