#include "node/limits.hpp"
#include "node_world.hpp"
#include "wire/messages/delete_groups.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/describe_groups.hpp"
#include "wire/messages/find_coordinator.hpp"
#include "wire/messages/heartbeat.hpp"
#include "wire/messages/join_group.hpp"
#include "wire/messages/leave_group.hpp"
#include "wire/messages/list_groups.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"
#include "wire/messages/sync_group.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A member's state at its client.
struct Member {
  std::string connection;
  std::string id;
  Generation generation;
  std::optional<std::string> instance = std::nullopt;
};

class GroupTest : public NodeWorld {
 protected:
  using Joining = Awaited<wire::JoinGroupRequest>;
  using Joined = wire::JoinGroupResponse;

  static wire::JoinGroupRequest join_request(const Member& member) {
    wire::JoinGroupRequest request;
    request.group_id = "g";
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 30'000;
    request.member_id = member.id;
    request.group_instance_id = member.instance;
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", Slice::copy_of("topics of " + member.connection)});
    return request;
  }
  Joining start_join(const Member& member) {
    return send(join_request(member), 9, member.connection);
  }
  Joined finish_join(Member& member, const Joining& joining) {
    const Joined joined = wait<wire::JoinGroupRequest>(joining, 60s);
    member.id = joined.member_id;
    member.generation = joined.generation_id;
    return joined;
  }
  /// A new member gets its id and joins with it.
  Joined join_new(Member& member) {
    const auto told = finish_join(member, start_join(member));
    EXPECT_EQ(told.error_code, broker_error::member_id_required);
    return finish_join(member, start_join(member));
  }
  using Assignments = std::map<std::string, std::string>;
  Awaited<wire::SyncGroupRequest> start_sync(const Member& member,
                                             const Assignments& assignments = {}) {
    wire::SyncGroupRequest request;
    request.group_id = "g";
    request.generation_id = member.generation;
    request.member_id = member.id;
    request.group_instance_id = member.instance;
    for (const auto& [id, what] : assignments) {
      request.assignments.push_back({id, Slice::copy_of(what)});
    }
    return send(request, 5, member.connection);
  }
  wire::SyncGroupResponse sync(const Member& member, const Assignments& assignments = {}) {
    return wait<wire::SyncGroupRequest>(start_sync(member, assignments), 60s);
  }
  std::int16_t heartbeat(const Member& member) {
    wire::HeartbeatRequest request;
    request.group_id = "g";
    request.generation_id = member.generation;
    request.member_id = member.id;
    request.group_instance_id = member.instance;
    return ask(request, 4, member.connection).error_code;
  }
  std::int16_t commit(const Member& member, std::int64_t offset, const std::string& topic = "t",
                      const std::string& metadata = "") {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    request.generation_id_or_member_epoch = member.generation;
    request.member_id = member.id;
    auto& wanted = request.topics.emplace_back();
    wanted.name = topic;
    wanted.partitions.push_back({PartitionId{0}, Offset{offset}, LeaderEpoch{0}, metadata});
    return ask(request, 9, member.connection).topics.at(0).partitions.at(0).error_code;
  }
  std::int16_t commit_for(std::chrono::milliseconds retention, const Member& member,
                          const std::string& group = "g") {
    wire::OffsetCommitRequest request;
    request.group_id = group;
    request.generation_id_or_member_epoch = member.generation;
    request.member_id = member.id;
    request.retention_time_ms = retention.count();
    auto& wanted = request.topics.emplace_back();
    wanted.name = "t";
    wanted.partitions.push_back({PartitionId{0}, Offset{1}, {}, ""});
    return ask(request, 4, member.connection).topics.at(0).partitions.at(0).error_code;
  }
  std::int64_t committed(const std::string& group = "g", const std::string& topic = "t") {
    wire::OffsetFetchRequest request;
    auto& wanted = request.groups.emplace_back();
    wanted.group_id = group;
    wanted.topics->push_back({topic, {}, {PartitionId{0}}});
    return ask(request, 9).groups.at(0).topics.at(0).partitions.at(0).committed_offset.value;
  }
  wire::DescribeGroupsResponse::DescribedGroup describe(const std::string& group = "g") {
    wire::DescribeGroupsRequest request;
    request.groups.push_back(group);
    return ask(request).groups.at(0);
  }
  std::int16_t leave(const Member& member) {
    wire::LeaveGroupRequest request;
    request.group_id = "g";
    request.members.push_back({member.id, member.instance, "test"});
    const auto answer = ask(request, 5, member.connection);
    return answer.error_code != 0 ? answer.error_code : answer.members.at(0).error_code;
  }

  /// Two members in a stable group; `one_` leads.
  void make_pair() {
    create("t", 2);
    join_new(one_);
    const auto told = finish_join(two_, start_join(two_));
    ASSERT_EQ(told.error_code, broker_error::member_id_required);
    const auto second = start_join(two_);
    world.run_for(10ms);
    ASSERT_EQ(heartbeat(one_), broker_error::rebalance_in_progress);
    const auto first = start_join(one_);
    ASSERT_EQ(finish_join(one_, first).error_code, 0);
    ASSERT_EQ(finish_join(two_, second).error_code, 0);
    const auto waiting = start_sync(two_);
    ASSERT_EQ(sync(one_, {{one_.id, "0"}, {two_.id, "1"}}).error_code, 0);
    const auto answer = wait<wire::SyncGroupRequest>(waiting);
    ASSERT_EQ(answer.error_code, 0);
    ASSERT_EQ(answer.assignment.text(), "1");
  }

  Member one_{"one", {}, {}};
  Member two_{"two", {}, {}};
};

TEST_F(GroupTest, IsCoordinatedByThisNode) {
  wire::FindCoordinatorRequest request;
  request.coordinator_keys = {"g"};
  const auto answer = ask(request);
  EXPECT_EQ(answer.coordinators.at(0).host, "node");
  EXPECT_EQ(answer.coordinators[0].port, 9092);
  request.key_type = 2;  // key type of share groups
  EXPECT_EQ(ask(request).coordinators.at(0).error_code, broker_error::invalid_request);
}

TEST_F(GroupTest, ASingleMemberLeadsTheGroup) {
  const auto joined = join_new(one_);
  EXPECT_EQ(joined.error_code, 0);
  EXPECT_EQ(joined.generation_id, Generation{1});
  EXPECT_EQ(joined.leader, one_.id);
  EXPECT_EQ(joined.protocol_name, "range");
  ASSERT_EQ(joined.members.size(), 1u);
  EXPECT_EQ(joined.members[0].metadata.text(), "topics of one");
  EXPECT_EQ(describe().group_state, "CompletingRebalance");
  EXPECT_EQ(sync(one_, {{one_.id, "all"}}).assignment.text(), "all");
  EXPECT_EQ(heartbeat(one_), 0);
  const auto described = describe();
  EXPECT_EQ(described.group_state, "Stable");
  EXPECT_EQ(described.protocol_data, "range");
  EXPECT_EQ(described.members.at(0).client_id, "tester");
  EXPECT_EQ(described.members[0].member_assignment.text(), "all");
}

TEST_F(GroupTest, OldClientsJoinWithoutKnowingTheirIdFirst) {
  const auto joined = ask(join_request(one_), 3);
  EXPECT_EQ(joined.error_code, 0);
  EXPECT_EQ(joined.generation_id, Generation{1});
}

TEST_F(GroupTest, ASecondMemberStartsANewGeneration) {
  make_pair();
  EXPECT_EQ(one_.generation, Generation{2});
  EXPECT_EQ(two_.generation, Generation{2});
  EXPECT_EQ(heartbeat(one_), 0);
  EXPECT_EQ(heartbeat(two_), 0);
  Member past = one_;
  past.generation = Generation{1};
  EXPECT_EQ(heartbeat(past), broker_error::illegal_generation);
  EXPECT_EQ(commit(past, 5), broker_error::illegal_generation);
  EXPECT_EQ(sync(past).error_code, broker_error::illegal_generation);
  EXPECT_EQ(commit(one_, 5), 0);
  EXPECT_EQ(committed(), 5);
}

TEST_F(GroupTest, AssignmentsAreAnsweredOnceTheyAreOnDisk) {
  make_pair();
  const auto first = start_join(one_);
  world.run_for(1ms);
  const auto second = start_join(two_);
  ASSERT_EQ(finish_join(one_, first).generation_id, Generation{3});
  ASSERT_EQ(finish_join(two_, second).generation_id, Generation{3});
  world.machine("node").disk().set_slow(10'000);
  const auto leading = start_sync(one_, {{one_.id, "0"}, {two_.id, "1"}});
  world.run_for(5ms);
  // A member that asks during the sync of the assignment waits for it too.
  const auto following = start_sync(two_);
  world.run_for(5ms);
  EXPECT_FALSE(leading->has_value());
  EXPECT_FALSE(following->has_value());
  world.machine("node").disk().set_slow(1);
  EXPECT_EQ(wait<wire::SyncGroupRequest>(leading, 60s).assignment.text(), "0");
  EXPECT_EQ(wait<wire::SyncGroupRequest>(following, 60s).assignment.text(), "1");
  restart_after_power_loss();
  EXPECT_EQ(sync(two_).assignment.text(), "1");
}

TEST_F(GroupTest, AMemberWithoutHeartbeatsIsRemoved) {
  make_pair();
  for (int i = 0; i < 4; ++i) {
    world.run_for(3s);
    (void)heartbeat(one_);
  }
  EXPECT_EQ(heartbeat(one_), broker_error::rebalance_in_progress);
  EXPECT_EQ(heartbeat(two_), broker_error::unknown_member_id);
  const auto joined = finish_join(one_, start_join(one_));
  EXPECT_EQ(joined.generation_id, Generation{3});
  EXPECT_EQ(joined.members.size(), 1u);
}

TEST_F(GroupTest, AMemberThatDoesNotRejoinInTimeIsRemoved) {
  make_pair();
  Member three{"three", {}, {}};
  EXPECT_EQ(finish_join(three, start_join(three)).error_code, broker_error::member_id_required);
  const auto third = start_join(three);
  const auto first = start_join(one_);
  // Member two sends heartbeats but does not join. The rebalance timeout is 30 s.
  for (int i = 0; i < 9; ++i) {
    world.run_for(3s);
    EXPECT_EQ(heartbeat(two_), broker_error::rebalance_in_progress);
  }
  EXPECT_FALSE(first->has_value());
  world.run_for(4s);
  EXPECT_EQ(finish_join(one_, first).generation_id, Generation{3});
  EXPECT_EQ(finish_join(three, third).generation_id, Generation{3});
  EXPECT_EQ(heartbeat(two_), broker_error::unknown_member_id);
}

TEST_F(GroupTest, AMemberThatDoesNotAskForItsAssignmentIsRemoved) {
  make_pair();
  const auto first = start_join(one_);
  world.run_for(1ms);
  const auto second = start_join(two_);
  ASSERT_EQ(finish_join(one_, first).generation_id, Generation{3});
  ASSERT_EQ(finish_join(two_, second).generation_id, Generation{3});
  ASSERT_EQ(sync(one_, {{one_.id, "0"}, {two_.id, "1"}}).error_code, 0);
  for (int i = 0; i < 11; ++i) {
    world.run_for(3s);
    (void)heartbeat(one_);
    (void)heartbeat(two_);
  }
  EXPECT_EQ(heartbeat(two_), broker_error::unknown_member_id);
}

TEST_F(GroupTest, LeavingRebalancesAtOnce) {
  make_pair();
  EXPECT_EQ(leave(two_), 0);
  EXPECT_EQ(leave(two_), broker_error::unknown_member_id);
  EXPECT_EQ(heartbeat(one_), broker_error::rebalance_in_progress);
  EXPECT_EQ(finish_join(one_, start_join(one_)).generation_id, Generation{3});
  EXPECT_EQ(leave(one_), 0);
  EXPECT_EQ(describe().group_state, "Empty");
}

TEST_F(GroupTest, RefusesMembersWithoutACommonProtocol) {
  make_pair();
  Member other{"three", {}, {}};
  auto request = join_request(other);
  request.protocols[0].name = "roundrobin";
  EXPECT_EQ(ask(request).error_code, broker_error::inconsistent_group_protocol);
  request = join_request(other);
  request.session_timeout_ms = 1;
  EXPECT_EQ(ask(request).error_code, broker_error::invalid_session_timeout);
  request = join_request(other);
  request.group_id.clear();
  EXPECT_EQ(ask(request).error_code, broker_error::invalid_group_id);
  other.id = "nobody";
  EXPECT_EQ(ask(join_request(other)).error_code, broker_error::unknown_member_id);
}

TEST_F(GroupTest, ProtocolsOfAMemberAreBounded) {
  auto request = join_request({"one", {}, {}});
  while (request.protocols.size() < limits::max_member_protocols) {
    request.protocols.push_back({"of one", {}});
  }
  EXPECT_EQ(ask(request).error_code, broker_error::member_id_required);
  request.protocols.push_back({"one more", {}});
  EXPECT_EQ(ask(request).error_code, broker_error::invalid_request);
}

TEST_F(GroupTest, AnInstanceIdThatIsTooLongIsRefusedAndTheGroupStaysUsable) {
  Member large{"large", {}, {}, std::string(32'767, 'x')};
  EXPECT_EQ(finish_join(large, start_join(large)).error_code, broker_error::invalid_request);
  large.id.clear();
  large.instance = std::string(250, 'x');
  EXPECT_EQ(finish_join(large, start_join(large)).error_code, broker_error::invalid_request);
  EXPECT_EQ(describe().group_state, "Dead");
  large.id.clear();
  large.instance = std::string(249, 'x');
  const auto joined = finish_join(large, start_join(large));
  EXPECT_EQ(joined.error_code, 0);
  EXPECT_THAT(joined.member_id, testing::StartsWith(*large.instance + "-"));
  Member plain{"plain", {}, {}};
  EXPECT_EQ(finish_join(plain, start_join(plain)).error_code, broker_error::member_id_required);
}

TEST_F(GroupTest, AMemberIdBeginsWithAPrefixOfTheClientId) {
  (void)client();
  auto& connection = client("long");
  connection.client_id = std::string(248, 'c') + "\xc3\xa4" + std::string(30'000, 'd');
  Member member{"long", {}, {}};
  const auto joined = join_new(member);
  EXPECT_EQ(joined.error_code, 0);
  EXPECT_THAT(joined.member_id, testing::StartsWith(std::string(248, 'c') + "-"));
  EXPECT_EQ(sync(member, {{member.id, "0"}}).error_code, 0);
}

TEST_F(GroupTest, SubscriptionsOfAllMembersTogetherAreBounded) {
  std::vector<Member> members;
  std::int16_t error = 0;
  for (int i = 0; i < 10 && error == 0; ++i) {
    Member& member = members.emplace_back();
    member.connection = "member " + std::to_string(i);
    auto request = join_request(member);
    request.protocols[0].metadata = Slice::copy_of(std::string(1'000'000, 'm'));
    const auto joining = send(request, 3, member.connection);
    world.run_for(50ms);
    if (joining->has_value()) error = (*joining)->error_code;
  }
  EXPECT_EQ(error, broker_error::group_max_size_reached);
  EXPECT_EQ(members.size(), limits::max_group_metadata_bytes / 1'000'000 + 1);
  // A small member is still accepted, and the group continues.
  EXPECT_EQ(describe().members.size(), limits::max_group_metadata_bytes / 1'000'000);
}

TEST_F(GroupTest, AssignmentsOfALeaderAreBoundedAndItMaySendLess) {
  ASSERT_EQ(join_new(one_).error_code, 0);
  const std::string large(limits::max_group_assignment_bytes, 'a');
  EXPECT_EQ(sync(one_, {{one_.id, large}}).error_code, broker_error::invalid_request);
  EXPECT_EQ(logger.count("the assignments of group g are refused"), 1u);
  EXPECT_EQ(logger.count("max_group_assignment_bytes"), 1u);
  EXPECT_EQ(describe().group_state, "CompletingRebalance");
  EXPECT_EQ(sync(one_, {{one_.id, "less"}}).assignment.text(), "less");
}

TEST_F(GroupTest, AStaticMemberThatJoinsAgainKeepsItsAssignment) {
  Member first{"one", {}, {}, "instance"};
  ASSERT_EQ(finish_join(first, start_join(first)).error_code, 0);
  ASSERT_EQ(sync(first, {{first.id, "mine"}}).error_code, 0);
  Member again{"two", {}, {}, "instance"};
  const auto joined = finish_join(again, start_join(again));
  EXPECT_EQ(joined.error_code, 0);
  EXPECT_EQ(joined.generation_id, first.generation);
  EXPECT_TRUE(joined.skip_assignment);
  EXPECT_NE(again.id, first.id);
  EXPECT_EQ(sync(again).assignment.text(), "mine");
  EXPECT_EQ(heartbeat(again), 0);
  EXPECT_EQ(heartbeat(first), broker_error::fenced_instance_id);
}

TEST_F(GroupTest, MembersContinueAfterACrashOfTheNode) {
  make_pair();
  restart_after_power_loss();
  EXPECT_EQ(heartbeat(one_), 0);
  EXPECT_EQ(heartbeat(two_), 0);
  EXPECT_EQ(sync(two_).assignment.text(), "1");
  EXPECT_EQ(describe().members.size(), 2u);
}

TEST_F(GroupTest, AStoppingNodeAnswersWaitingMembers) {
  make_pair();
  const auto waiting = start_join(one_);
  world.run_for(10ms);
  ASSERT_FALSE(waiting->has_value());
  const TimePoint before = world.now();
  EXPECT_TRUE(stop_cleanly());
  EXPECT_LT(world.now() - before, 1s);
  EXPECT_EQ(wait<wire::JoinGroupRequest>(waiting).error_code,
            broker_error::coordinator_not_available);
}

// --- offsets

class OffsetsTest : public GroupTest {
 protected:
  /// Commits without membership in a group.
  Member nobody_{"one", {}, {}};
};

TEST_F(OffsetsTest, SurviveAnyCrash) {
  create("t");
  for (int i = 1; i <= 10; ++i) ASSERT_EQ(commit(nobody_, i), 0);
  restart_after_power_loss();
  EXPECT_EQ(committed(), 10);
  restart_after_kill();
  EXPECT_EQ(committed(), 10);
}

TEST_F(OffsetsTest, AreReadableAfterTheAnswerAndNotBefore) {
  create("t");
  ASSERT_EQ(commit(nobody_, 1), 0);
  world.machine("node").disk().set_slow(10'000);
  wire::OffsetCommitRequest request;
  request.group_id = "g";
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  topic.partitions.push_back({PartitionId{0}, Offset{2}, {}, ""});
  const auto answer = send(request, 9);
  world.run_for(5ms);
  EXPECT_FALSE(answer->has_value());
  wire::OffsetFetchRequest fetch;
  fetch.groups.push_back({"g", std::nullopt, -1, {}});
  fetch.groups[0].topics.emplace().push_back({"t", {}, {PartitionId{0}}});
  EXPECT_EQ(ask(fetch, 9, "two").groups[0].topics[0].partitions[0].committed_offset, Offset{1});
  world.machine("node").disk().set_slow(1);
  EXPECT_EQ(wait<wire::OffsetCommitRequest>(answer, 60s).topics[0].partitions[0].error_code, 0);
  EXPECT_EQ(committed(), 2);
}

TEST_F(OffsetsTest, AreRefusedForUnknownTopicsAndPartitions) {
  create("t");
  EXPECT_EQ(commit(nobody_, 1, "u"), broker_error::unknown_topic_or_partition);
  EXPECT_EQ(commit(nobody_, 1, "t", std::string(5'000, 'm')),
            broker_error::offset_metadata_too_large);
  EXPECT_EQ(committed("unknown"), -1);
  EXPECT_EQ(committed("g", "u"), -1);
}

TEST_F(OffsetsTest, ThatAreRefusedCreateNoGroup) {
  create("t");
  EXPECT_EQ(commit(nobody_, 1, "u"), broker_error::unknown_topic_or_partition);
  EXPECT_THAT(ask(wire::ListGroupsRequest{}).groups, IsEmpty());
}

TEST_F(OffsetsTest, ThatAreBeingWrittenAreDeletedWithTheirTopic) {
  create("t");
  ASSERT_EQ(commit(nobody_, 1), 0);
  wire::OffsetCommitRequest request;
  request.group_id = "g";
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  topic.partitions.push_back({PartitionId{0}, Offset{2}, {}, ""});
  world.machine("node").disk().set_slow(1'000);
  const auto answer = send(request, 9);
  wire::DeleteTopicsRequest removal;
  removal.topics.push_back({"t", {}});
  const auto removed = send(removal);
  (void)wait<wire::DeleteTopicsRequest>(removed, 60s);
  (void)wait<wire::OffsetCommitRequest>(answer, 60s);
  world.machine("node").disk().set_slow(1);
  create("t");
  EXPECT_EQ(committed(), -1);
  restart_after_kill();
  EXPECT_EQ(committed(), -1);
}

TEST_F(OffsetsTest, OfAGroupWithMembersAreCommittedOnlyByThem) {
  make_pair();
  EXPECT_EQ(commit(nobody_, 1), broker_error::unknown_member_id);
}

TEST_F(OffsetsTest, AllOfAGroupAreListed) {
  create("a");
  create("b");
  ASSERT_EQ(commit(nobody_, 3, "b"), 0);
  ASSERT_EQ(commit(nobody_, 4, "a"), 0);
  wire::OffsetFetchRequest request;
  request.groups.push_back({"g", std::nullopt, -1, std::nullopt});
  request.groups.push_back(request.groups[0]);
  const auto answer = ask(request, 9);
  ASSERT_EQ(answer.groups.size(), 1u);
  ASSERT_EQ(answer.groups[0].topics.size(), 2u);
  EXPECT_EQ(answer.groups[0].topics[0].name, "a");
  EXPECT_EQ(answer.groups[0].topics[1].partitions[0].committed_offset, Offset{3});
}

TEST_F(OffsetsTest, AreDeletedWithTheirTopicAndWithTheirGroup) {
  create("t");
  create("u");
  ASSERT_EQ(commit(nobody_, 1, "t"), 0);
  ASSERT_EQ(commit(nobody_, 2, "u"), 0);
  wire::DeleteTopicsRequest request;
  request.topics.push_back({"t", {}});
  ASSERT_EQ(ask(request).responses[0].error_code, 0);
  create("t");
  EXPECT_EQ(committed("g", "t"), -1);
  EXPECT_EQ(committed("g", "u"), 2);
  wire::DeleteGroupsRequest groups;
  groups.groups_names = {"g", "unknown"};
  const auto deleted = ask(groups);
  EXPECT_EQ(deleted.results[0].error_code, 0);
  EXPECT_EQ(deleted.results[1].error_code, broker_error::group_id_not_found);
  EXPECT_EQ(committed("g", "u"), -1);
  restart_after_power_loss();
  EXPECT_EQ(committed("g", "u"), -1);
  EXPECT_THAT(ask(wire::ListGroupsRequest{}).groups, IsEmpty());
}

TEST_F(OffsetsTest, OfAGroupWithMembersCannotBeDeleted) {
  make_pair();
  wire::DeleteGroupsRequest groups;
  groups.groups_names = {"g"};
  EXPECT_EQ(ask(groups).results[0].error_code, broker_error::non_empty_group);
  const auto listed = ask(wire::ListGroupsRequest{});
  ASSERT_EQ(listed.groups.size(), 1u);
  EXPECT_EQ(listed.groups[0].group_state, "Stable");
  EXPECT_EQ(listed.groups[0].group_type, "classic");
  EXPECT_EQ(describe("unknown").error_code, broker_error::group_id_not_found);
  wire::DescribeGroupsRequest repeated;
  repeated.groups = {"g", "unknown", "g"};
  EXPECT_EQ(ask(repeated).groups.size(), 2u);
}

TEST_F(OffsetsTest, TheirTopicIsRewrittenWhenDeadRecordsOutweighLiveOnes) {
  create("t");
  for (int i = 1; i <= 10'100; ++i) ASSERT_EQ(commit(nobody_, i), 0);
  world.run_for(5s);
  const Topic* offsets = topics().find(offsets_topic);
  ASSERT_NE(offsets, nullptr);
  EXPECT_GE(offsets->partitions[0]->log()->log_start(), Offset{10'000});
  restart_after_power_loss();
  EXPECT_EQ(committed(), 10'100);
}

TEST_F(OffsetsTest, SurviveAWallClockThatIsWrongForAWhile) {
  create("t");
  ASSERT_EQ(commit(nobody_, 1), 0);
  world.run_for(70s);
  world.machine("node").jump_wall_clock(std::chrono::hours(24 * 3'650));
  world.run_for(9min);
  world.machine("node").jump_wall_clock(-std::chrono::hours(24 * 3'650));
  world.run_for(20min);
  EXPECT_EQ(committed(), 1);
  EXPECT_EQ(logger.count("the wall clock advanced 87600 h more"), 1u);
}

TEST_F(OffsetsTest, ExpireAtTheTimeThatTheirCommitNames) {
  create("t");
  ASSERT_EQ(commit_for(10min, nobody_), 0);
  ASSERT_EQ(commit_for(-1ms, nobody_, "without-a-time"), 0);
  ASSERT_EQ(commit_for(std::chrono::milliseconds::max(), nobody_, "for-ever"), 0);
  world.run_for(9min);
  EXPECT_EQ(committed(), 1);
  world.run_for(3min);
  EXPECT_EQ(committed(), -1);
  EXPECT_EQ(committed("without-a-time"), 1);
  EXPECT_EQ(committed("for-ever"), 1);
  // A later commit without a time has none.
  ASSERT_EQ(commit_for(10min, nobody_), 0);
  ASSERT_EQ(commit(nobody_, 2), 0);
  world.run_for(12min);
  EXPECT_EQ(committed(), 2);
}

TEST_F(OffsetsTest, ExpireAtTheTimeOfTheirCommitAfterARestart) {
  create("t");
  ASSERT_EQ(commit_for(10min, nobody_), 0);
  restart_after_power_loss();
  world.run_for(8min);
  EXPECT_EQ(committed(), 1);
  world.run_for(4min);
  EXPECT_EQ(committed(), -1);
}

TEST_F(OffsetsTest, OfAGroupWithMembersStayBeyondTheTimeOfTheirCommit) {
  create("t");
  join_new(one_);
  ASSERT_EQ(sync(one_, {{one_.id, "0"}}).error_code, 0);
  ASSERT_EQ(commit_for(1min, one_), 0);
  for (int i = 0; i < 60; ++i) {
    world.run_for(3s);
    ASSERT_EQ(heartbeat(one_), 0);
  }
  EXPECT_EQ(committed(), 1);
  ASSERT_EQ(leave(one_), 0);
  world.run_for(2min);
  EXPECT_EQ(committed(), -1);
}

TEST_F(OffsetsTest, ExpireSevenDaysAfterTheirGroupHasGone) {
  create("t");
  ASSERT_EQ(commit(nobody_, 1), 0);
  world.machine("node").jump_wall_clock(std::chrono::hours(24 * 6));
  world.run_for(limits::clock_lead_wait + 70s);
  EXPECT_EQ(committed(), 1);
  world.machine("node").jump_wall_clock(std::chrono::hours(24 * 2));
  world.run_for(limits::clock_lead_wait + 70s);
  EXPECT_EQ(committed(), -1);
}

}  // namespace
}  // namespace dohle::node
