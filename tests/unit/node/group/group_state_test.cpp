#include <set>

#include "node/limits.hpp"
#include "node_world.hpp"
#include "wire/messages/delete_groups.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/describe_groups.hpp"
#include "wire/messages/heartbeat.hpp"
#include "wire/messages/join_group.hpp"
#include "wire/messages/list_groups.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"
#include "wire/messages/sync_group.hpp"

// The memory of all groups together, and walks over all of them.

namespace dohle::node {
namespace {

std::string name(int group) {
  return "group-" + std::to_string(group);
}

class GroupStateTest : public NodeWorld {
 protected:
  static wire::JoinGroupRequest join_request(const std::string& group,
                                             const std::string& metadata = "m") {
    wire::JoinGroupRequest request;
    request.group_id = group;
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 30'000;
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", Slice::copy_of(metadata)});
    return request;
  }
  /// Joins as clients before KIP-394 do.
  wire::JoinGroupResponse join(const std::string& group, const std::string& metadata) {
    return ask(join_request(group, metadata), 3);
  }
  static wire::SyncGroupRequest sync_request(const std::string& group,
                                             const wire::JoinGroupResponse& joined,
                                             const std::string& assignment) {
    wire::SyncGroupRequest request;
    request.group_id = group;
    request.generation_id = joined.generation_id;
    request.member_id = joined.member_id;
    request.assignments.push_back({joined.member_id, Slice::copy_of(assignment)});
    return request;
  }
  std::int16_t commit(const std::string& group, std::int64_t offset, int partitions = 1,
                      const std::string& metadata = "") {
    wire::OffsetCommitRequest request;
    request.group_id = group;
    auto& wanted = request.topics.emplace_back();
    wanted.name = "t";
    for (int i = 0; i < partitions; ++i) {
      wanted.partitions.push_back({PartitionId{i}, Offset{offset}, LeaderEpoch{0}, metadata});
    }
    return ask(request, 9).topics.at(0).partitions.at(0).error_code;
  }
  std::int64_t committed(const std::string& group, int partition = 0) {
    wire::OffsetFetchRequest request;
    auto& wanted = request.groups.emplace_back();
    wanted.group_id = group;
    wanted.topics->push_back({"t", {}, {PartitionId{partition}}});
    return ask(request, 9).groups.at(0).topics.at(0).partitions.at(0).committed_offset.value;
  }
  std::int16_t remove(const std::string& group) {
    wire::DeleteGroupsRequest request;
    request.groups_names = {group};
    return ask(request).results.at(0).error_code;
  }
  static wire::DeleteTopicsRequest delete_request() {
    wire::DeleteTopicsRequest request;
    request.topics.push_back({"t", {}});
    return request;
  }
  std::int64_t committed_in_memory(const std::string& group) {
    const auto found = groups().offsets(group)->find({"t", PartitionId{0}});
    const bool is_there =
        found != groups().offsets(group)->end() && !groups().is_forgotten("t", found->second);
    return is_there ? found->second.offset.value : -1;
  }
  const GroupCoordinator& groups() { return running().engine.part<GroupService>().coordinator(); }
};

TEST_F(GroupStateTest, SubscriptionsOfAllGroupsTogetherAreBounded) {
  settings.groups.max_state_bytes = 1_MiB;
  std::vector<wire::JoinGroupResponse> joined;
  for (int i = 0; i < 30; ++i) {
    joined.push_back(join(name(i), std::string(100'000, 'm')));
    if (joined.back().error_code != 0) break;
  }
  EXPECT_EQ(joined.back().error_code, broker_error::group_max_size_reached);
  EXPECT_EQ(joined.size(), 11u);
  EXPECT_LE(groups().state_bytes(), 1_MiB);
  EXPECT_EQ(logger.count("members of group group-10 are refused: all groups together take"), 1u);
  EXPECT_EQ(logger.count("max_group_state_bytes"), 1u);
  // Existing members are not affected, and refused ones leave no group behind.
  EXPECT_EQ(ask(sync_request(name(0), joined[0], "mine"), 5).assignment.text(), "mine");
  EXPECT_EQ(groups().size(), 10u);
  auto again = join_request(name(0), std::string(100'000, 'n'));
  again.member_id = joined[0].member_id;
  EXPECT_EQ(ask(again, 3).error_code, 0);
  groups().check_invariants();
  // The members time out, and others get their memory.
  world.run_for(60s);
  EXPECT_EQ(join(name(40), std::string(100'000, 'm')).error_code, 0);
  groups().check_invariants();
}

TEST_F(GroupStateTest, AssignmentsOfAllGroupsTogetherAreBounded) {
  settings.groups.max_state_bytes = 1_MiB;
  int refused = 0;
  for (int i = 0; i < 30 && refused == 0; ++i) {
    const auto joined = join(name(i), "m");
    ASSERT_EQ(joined.error_code, 0);
    const std::int16_t error =
        ask(sync_request(name(i), joined, std::string(100'000, 'a')), 5).error_code;
    if (error == 0) continue;
    EXPECT_EQ(error, broker_error::invalid_request);
    refused = i;
    // An assignment of this size is always accepted.
    EXPECT_EQ(ask(sync_request(name(i), joined, std::string(1'000, 'a')), 5).error_code, 0);
  }
  EXPECT_EQ(refused, 10);
  EXPECT_EQ(logger.count("the assignments of group group-10 are refused: all groups"), 1u);
  groups().check_invariants();
}

TEST_F(GroupStateTest, OffsetsOfAllGroupsTogetherAreBoundedAndDeletingMakesRoom) {
  settings.groups.max_state_bytes = 1_MiB;
  create("t", 10);
  int count = 0;
  std::int16_t error = 0;
  while (count < 100 && error == 0) {
    error = commit(name(count), 1, 10, std::string(4'000, 'm'));
    if (error == 0) ++count;
  }
  EXPECT_EQ(error, broker_error::policy_violation);
  EXPECT_EQ(count, 24);
  EXPECT_EQ(logger.count("offsets of group group-24 are refused: all groups together"), 1u);
  EXPECT_EQ(groups().size(), 24u);
  // Existing commits may still be replaced.
  EXPECT_EQ(commit(name(0), 2, 10, std::string(4'000, 'n')), 0);
  EXPECT_EQ(committed(name(0), 9), 2);
  EXPECT_EQ(remove(name(1)), 0);
  EXPECT_EQ(commit(name(24), 1, 10, std::string(4'000, 'm')), 0);
  groups().check_invariants();
  restart_after_power_loss();
  groups().check_invariants();
  EXPECT_EQ(committed(name(24), 9), 1);
  for (int i = 0; i < 25; ++i) (void)remove(name(i));
  EXPECT_EQ(groups().state_bytes(), 0u);
}

TEST_F(GroupStateTest, LongNamesOfGroupsCountAgainstTheBound) {
  settings.groups.max_state_bytes = 1_MiB;
  create("t");
  int count = 0;
  while (count < 100 && commit(name(count) + std::string(30'000, 'g'), 1) == 0) ++count;
  EXPECT_EQ(count, 8);
}

TEST_F(GroupStateTest, OffsetsOfADeletedTopicDisappearAtOnceForAnyNumberOfGroups) {
  create("t");
  for (int i = 0; i < 300; ++i) ASSERT_EQ(commit(name(i), 1), 0);
  turns_are_short = true;
  const auto deleting = send(delete_request());
  ASSERT_TRUE(world.run_until([&] { return groups().is_forgetting("t"); }, 1s));
  EXPECT_EQ(committed_in_memory(name(299)), -1);
  EXPECT_GT(groups().live_records(), 400u);
  ASSERT_EQ(wait<wire::DeleteTopicsRequest>(deleting).responses[0].error_code, 0);
  EXPECT_FALSE(groups().is_forgetting());
  EXPECT_EQ(groups().live_records(), 300u);
  create("t");
  ASSERT_EQ(commit(name(299), 7), 0);
  EXPECT_EQ(committed(name(0)), -1);
  groups().check_invariants();
  turns_are_short = false;
  restart_after_power_loss();
  EXPECT_EQ(committed(name(0)), -1);
  EXPECT_EQ(committed(name(299)), 7);
}

TEST_F(GroupStateTest, ATopicThatIsCreatedAgainAtOnceHasNoOffsetsOfTheEarlierOne) {
  create("t");
  for (int i = 0; i < 300; ++i) ASSERT_EQ(commit(name(i), 1), 0);
  turns_are_short = true;
  const auto deleting = send(delete_request());
  wire::CreateTopicsRequest again;
  auto& topic = again.topics.emplace_back();
  topic.name = "t";
  topic.num_partitions = 1;
  topic.replication_factor = 1;
  const auto creating = send(again, 7, "two");
  ASSERT_EQ(wait<wire::CreateTopicsRequest>(creating).topics[0].error_code, 0);
  ASSERT_EQ(commit(name(299), 7), 0);
  turns_are_short = false;
  restart_after_kill();
  EXPECT_EQ(committed(name(0)), -1);
  EXPECT_EQ(committed(name(298)), -1);
  EXPECT_EQ(committed(name(299)), 7);
}

TEST_F(GroupStateTest, OffsetsExpireInPiecesBetweenWhichRequestsAreServed) {
  create("t");
  for (int i = 0; i < 300; ++i) ASSERT_EQ(commit(name(i), 1), 0);
  turns_are_short = true;
  world.machine("node").jump_wall_clock(std::chrono::hours(24 * 8));
  ASSERT_TRUE(world.run_until([&] { return groups().size() < 300; }, 20min));
  EXPECT_GT(groups().size(), 200u);
  ASSERT_TRUE(world.run_until([&] { return groups().size() == 0; }, 10s));
  EXPECT_EQ(groups().state_bytes(), 0u);
}

TEST_F(GroupStateTest, TheLogIsRewrittenInPiecesWhileOffsetsAreCommitted) {
  create("t", 100);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(commit(name(i), 1, 100), 0);
  turns_are_short = true;
  for (int i = 1; i <= 200; ++i) {
    ASSERT_EQ(commit(name(i % 4), i, 100), 0);
    groups().check_invariants();
  }
  world.run_for(5s);
  const auto& log = *topics().find(offsets_topic)->partitions[0]->log();
  EXPECT_GE(log.log_start(), Offset{10'000});
  turns_are_short = false;
  restart_after_power_loss();
  for (int group = 0; group < 4; ++group) {
    for (int partition = 0; partition < 100; ++partition) {
      EXPECT_EQ(committed(name(group), partition), group == 0 ? 200 : 196 + group);
    }
  }
  EXPECT_EQ(committed(name(4), 99), 1);
}

TEST_F(GroupStateTest, GroupsAreListedAndDescribedASliceAtATime) {
  create("t");
  std::set<std::string> made;
  for (int i = 0; i < 350; ++i) {
    ASSERT_EQ(commit(name(i), i), 0);
    made.insert(name(i));
  }
  turns_are_short = true;
  std::set<std::string> listed;
  const auto all = ask(wire::ListGroupsRequest{});
  for (const auto& group : all.groups) listed.insert(group.group_id);
  EXPECT_EQ(all.groups.size(), 350u);
  EXPECT_EQ(listed, made);
  wire::DescribeGroupsRequest described;
  wire::OffsetFetchRequest fetched;
  wire::DeleteGroupsRequest deleted;
  for (int i = 0; i < 350; ++i) {
    described.groups.push_back(name(i));
    auto& wanted = fetched.groups.emplace_back();
    wanted.group_id = name(i);
    wanted.topics.reset();
    deleted.groups_names.push_back(name(i));
  }
  EXPECT_EQ(ask(described).groups.size(), 350u);
  const auto offsets = ask(fetched, 9);
  ASSERT_EQ(offsets.groups.size(), 350u);
  EXPECT_EQ(offsets.groups[349].topics.at(0).partitions.at(0).committed_offset, Offset{349});
  for (const auto& result : ask(deleted).results) EXPECT_EQ(result.error_code, 0);
  EXPECT_EQ(groups().state_bytes(), 0u);
  wire::ListGroupsRequest filtered;
  filtered.states_filter.assign(1'000, "Stable");
  EXPECT_EQ(ask(filtered).error_code, broker_error::invalid_request);
}

TEST_F(GroupStateTest, AMemberWithAHalfOpenConnectionInJoinGroupDelaysOthersOnlyBriefly) {
  const auto first = join("g", "m");
  ASSERT_EQ(first.error_code, 0);
  ASSERT_EQ(ask(sync_request("g", first, "all"), 5).error_code, 0);
  auto& machine = world.machine("dead");
  auto& process = machine.start("dead", [](sim::Process&) { return std::make_shared<int>(); });
  world.run_for(1ms);
  WireClient dead;
  dead.dial(process, {"node", 9092});
  ASSERT_TRUE(world.run_until([&] { return dead.is_open; }, 5s));
  const auto lost = dead.send(join_request("g", std::string(500'000, 'd')), 3);
  world.run_for(100ms);
  ASSERT_EQ(groups().find("g")->members().size(), 2u);
  world.network().cut("dead", "node");
  const TimePoint begin = world.now();
  // The other member joins again each time it is told to, as clients do.
  auto again = join_request("g");
  again.member_id = first.member_id;
  wire::SyncGroupResponse synced;
  do {
    const auto joined = ask(again, 3);
    ASSERT_EQ(joined.error_code, 0);
    auto sync = sync_request("g", joined, "all");
    synced = wait<wire::SyncGroupRequest>(send(sync, 5), 60s);
  } while (synced.error_code == broker_error::rebalance_in_progress);
  EXPECT_EQ(synced.error_code, 0);
  wire::HeartbeatRequest alive;
  alive.group_id = "g";
  alive.member_id = first.member_id;
  while (groups().find("g")->members().size() > 1 && world.now() < begin + 60s) {
    alive.generation_id = groups().find("g")->generation();
    (void)ask(alive, 4);
    world.run_for(1s);
  }
  // Its rebalance timeout is 30 s, its session timeout 10 s.
  EXPECT_LT(world.now() - begin, 30s);
  EXPECT_EQ(groups().find("g")->members().size(), 1u);
  EXPECT_LT(groups().state_bytes(), 100'000u);
  EXPECT_FALSE(lost->has_value());
  world.run_for(limits::connection_idle_timeout + 60s);
  EXPECT_EQ(running().engine.part<Dispatcher>().unread_bytes(), 0u);
}

TEST_F(GroupStateTest, ALargeRequestThatIsNoProduceIsClosedWithALineBeforeItIsDecoded) {
  wire::DescribeGroupsRequest described;
  described.groups.assign(limits::max_small_body_bytes / 2, "g");
  (void)send(described, 5, "attacker");
  EXPECT_TRUE(world.run_until([&] { return logger.count("DescribeGroups request of") > 0; }, 2s));
  wire::OffsetCommitRequest committed;
  committed.group_id = "g";
  committed.topics.emplace_back().name = "t";
  committed.topics[0].partitions.assign(
      100, {PartitionId{0}, Offset{0}, LeaderEpoch{0}, std::string(30'000, 'm')});
  EXPECT_EQ(ask(committed, 9, "honest").topics.size(), 1u);
  committed.topics[0].partitions.resize(
      200, {PartitionId{0}, Offset{0}, LeaderEpoch{0}, std::string(30'000, 'm')});
  (void)send(committed, 9, "other attacker");
  EXPECT_TRUE(world.run_until([&] { return logger.count("OffsetCommit request of") > 0; }, 2s));
  EXPECT_GE(logger.count("(max_body_bytes)"), 1u);
  EXPECT_EQ(join("g", "m").error_code, 0);
}

}  // namespace
}  // namespace dohle::node
