#include "node/group/group_records.hpp"
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
#include "wire/versioned.hpp"

// How a start reads __consumer_offsets: a short one is read at once, a long one in pieces while the
// node serves.

namespace dohle::node {
namespace {

using testing::HasSubstr;

constexpr std::int16_t fetch_offsets_version = 9;

std::string name(int group) {
  return "group-" + std::to_string(group);
}

class GroupLoadingTest : public NodeWorld {
 protected:
  std::int16_t commit(const std::string& group, std::int64_t offset, int partitions = 1,
                      const std::string& metadata = "", const std::string& topic = "t") {
    wire::OffsetCommitRequest request;
    request.group_id = group;
    auto& wanted = request.topics.emplace_back();
    wanted.name = topic;
    for (int i = 0; i < partitions; ++i) {
      wanted.partitions.push_back({PartitionId{i}, Offset{offset}, LeaderEpoch{0}, metadata});
    }
    return ask(request, 9).topics.at(0).partitions.at(0).error_code;
  }
  wire::OffsetFetchResponse::OffsetFetchResponseGroup fetch_offsets(
      const std::string& group, int partition = 0, const std::string& topic = "t") {
    wire::OffsetFetchRequest request;
    auto& wanted = request.groups.emplace_back();
    wanted.group_id = group;
    wanted.topics->push_back({topic, {}, {PartitionId{partition}}});
    return ask(request, fetch_offsets_version).groups.at(0);
  }
  std::int64_t committed(const std::string& group, int partition = 0,
                         const std::string& topic = "t") {
    const auto found = fetch_offsets(group, partition, topic);
    EXPECT_EQ(found.error_code, 0);
    return found.topics.empty() ? -2 : found.topics[0].partitions.at(0).committed_offset.value;
  }
  /// So many offsets that the next start reads them in pieces.
  void commit_many() {
    create("t", 100);
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(commit(name(i), i, 100, std::string(100, 'm')), 0);
    }
    ASSERT_GT(offsets_log().size_bytes(), limits::max_replayed_at_start);
  }
  /// Kills the node, and starts it with turns that have time for one piece each.
  void restart_slowly() {
    turns_are_short = true;
    node().restart();
    forget_clients();
    world.run_for(20ms);
    ASSERT_TRUE(running().started.has_value());
    ASSERT_TRUE(groups().is_loading());
  }
  void wait_until_loaded() {
    ASSERT_TRUE(world.run_until([&] { return !groups().is_loading(); }, 10s));
  }
  log::PartitionLog& offsets_log() { return *topics().find(offsets_topic)->partitions[0]->log(); }
  GroupService& groups() { return running().engine.part<GroupService>(); }
  /// Appends a record to __consumer_offsets as it is.
  void append_record(const GroupRecord& record) {
    Budget budget{1_MiB};
    wire::BatchBuilder builder(budget, 1_MiB);
    Record from;
    from.key = record.key.bytes();
    if (record.value) from.value = record.value->bytes();
    ASSERT_EQ(builder.append(from, Timestamp{wall_start_ms}), wire::BatchBuilder::Appended::ok);
    const Slice batch = *builder.seal({}).flatten();
    const PartitionRef partition = topics().find(offsets_topic)->partitions[0];
    ASSERT_TRUE(running().engine.part<Storage>().append(partition, batch,
                                                        *wire::read_batch_header(batch.bytes())));
    world.run_for(100ms);
  }
  static Slice key_of_kind(std::int16_t kind) {
    return Slice::copy_of(std::string{static_cast<char>(kind >> 8), static_cast<char>(kind), 'x'});
  }
  static wire::JoinGroupRequest join_request(const std::string& group, int session_ms = 10'000) {
    wire::JoinGroupRequest request;
    request.group_id = group;
    request.session_timeout_ms = session_ms;
    request.rebalance_timeout_ms = 30'000;
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", Slice::copy_of("m")});
    return request;
  }
};

TEST_F(GroupLoadingTest, RefusesRequestsAsApacheKafkaDoesUntilALongLogIsLoaded) {
  commit_many();
  restart_slowly();
  wire::FindCoordinatorRequest find;
  find.coordinator_keys = {name(0)};
  EXPECT_EQ(ask(find).coordinators.at(0).error_code, 0);
  constexpr std::int16_t loading = broker_error::coordinator_load_in_progress;
  EXPECT_EQ(ask(join_request(name(0)), 3).error_code, loading);
  wire::SyncGroupRequest sync;
  sync.group_id = name(0);
  EXPECT_EQ(ask(sync, 5).error_code, broker_error::rebalance_in_progress);
  wire::HeartbeatRequest heartbeat;
  heartbeat.group_id = name(0);
  heartbeat.member_id = "somebody";
  EXPECT_EQ(ask(heartbeat, 4).error_code, 0);
  wire::LeaveGroupRequest leave;
  leave.group_id = name(0);
  leave.members.push_back({"somebody", std::nullopt, "test"});
  EXPECT_EQ(ask(leave, 5).error_code, loading);
  EXPECT_EQ(commit(name(0), 7), loading);
  EXPECT_EQ(fetch_offsets(name(0)).error_code, loading);
  wire::ListGroupsRequest list;
  EXPECT_EQ(ask(list).error_code, loading);
  wire::DescribeGroupsRequest describe;
  describe.groups = {name(0)};
  EXPECT_EQ(ask(describe).groups.at(0).error_code, loading);
  wire::DeleteGroupsRequest remove;
  remove.groups_names = {name(0)};
  EXPECT_EQ(ask(remove).results.at(0).error_code, loading);
  EXPECT_EQ(produce("t", batch_of({"x"})).error_code, 0);
  ASSERT_TRUE(groups().is_loading());
  wait_until_loaded();
  turns_are_short = false;
  EXPECT_EQ(groups().coordinator().size(), 200u);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(committed(name(i), i % 100), i);
  EXPECT_EQ(commit(name(0), 7), 0);
  EXPECT_EQ(committed(name(0)), 7);
  groups().coordinator().check_invariants();
}

TEST_F(GroupLoadingTest, FindsALogPreparedBeforeAnythingIsAppended) {
  create("t");
  ASSERT_EQ(commit("g", 1), 0);
  ASSERT_TRUE(stop_cleanly());
  restart_after_kill();
  EXPECT_TRUE(offsets_log().is_prepared());
  EXPECT_EQ(commit("g", 2), 0);
  EXPECT_EQ(committed("g"), 2);
}

TEST_F(GroupLoadingTest, LetsRequestsThatAppendWaitUntilTheLogIsPrepared) {
  create("t");
  ASSERT_EQ(commit("g", 1), 0);
  ASSERT_EQ(commit("h", 1), 0);
  ASSERT_TRUE(stop_cleanly());
  world.machine("node").disk().set_slow(1'000);
  node().restart();
  forget_clients();
  ASSERT_TRUE(world.run_until([&] { return node().running_as<Running>() != nullptr; }, 60s));
  ASSERT_TRUE(running().started.has_value());
  ASSERT_FALSE(groups().is_loading());
  ASSERT_FALSE(offsets_log().is_prepared());
  const Offset end = offsets_log().end();
  std::vector<std::int16_t> outcomes;
  groups().commit("g", {{"t", PartitionId{0}, {Offset{3}, LeaderEpoch{0}, "", {}}}},
                  [&](std::int16_t error) { outcomes.push_back(error); });
  EXPECT_TRUE(outcomes.empty());
  EXPECT_EQ(offsets_log().end(), end);
  world.machine("node").disk().set_slow(1);
  ASSERT_TRUE(world.run_until([&] { return outcomes.size() == 1; }, 60s));
  EXPECT_EQ(outcomes[0], 0);
  EXPECT_EQ(committed("g"), 3);
}

TEST_F(GroupLoadingTest, KeepsTheSessionsOfMembersDuringALongLoading) {
  commit_many();
  const auto joined = ask(join_request("g", 200), 3);
  ASSERT_EQ(joined.error_code, 0);
  wire::SyncGroupRequest sync;
  sync.group_id = "g";
  sync.generation_id = joined.generation_id;
  sync.member_id = joined.member_id;
  sync.assignments.push_back({joined.member_id, Slice::copy_of("all")});
  ASSERT_EQ(ask(sync, 5).error_code, 0);
  // Its record lies before others that take longer than its session.
  for (int i = 0; i < 200; ++i) {
    wire::HeartbeatRequest alive;
    alive.group_id = "g";
    alive.generation_id = joined.generation_id;
    alive.member_id = joined.member_id;
    ASSERT_EQ(ask(alive, 4).error_code, 0);
    ASSERT_EQ(commit("later-" + std::to_string(i), i, 100, std::string(100, 'm')), 0);
  }
  restart_slowly();
  const TimePoint begin = world.now();
  wait_until_loaded();
  ASSERT_GT(world.now() - begin, 250ms);
  wire::HeartbeatRequest alive;
  alive.group_id = "g";
  alive.generation_id = joined.generation_id;
  alive.member_id = joined.member_id;
  EXPECT_EQ(ask(alive, 4).error_code, 0);
  world.run_for(5s);
  EXPECT_EQ(ask(alive, 4).error_code, broker_error::unknown_member_id);
}

TEST_F(GroupLoadingTest, ForgetsATopicThatIsDeletedMeanwhile) {
  commit_many();
  create("other");
  ASSERT_EQ(commit("g", 5, 1, "", "other"), 0);
  restart_slowly();
  wire::DeleteTopicsRequest request;
  request.topics.push_back({"t", {}});
  const auto deleting = send(request);
  wait_until_loaded();
  turns_are_short = false;
  EXPECT_EQ(wait<wire::DeleteTopicsRequest>(deleting).responses.at(0).error_code, 0);
  EXPECT_EQ(groups().coordinator().live_records(), 202u);
  create("t", 100);
  EXPECT_EQ(committed(name(7), 7), -1);
  EXPECT_EQ(committed("g", 0, "other"), 5);
  restart_after_power_loss();
  EXPECT_EQ(committed(name(7), 7), -1);
}

TEST_F(GroupLoadingTest, ForgetsOffsetsOfAMissingTopicBeforeItIsCreatedAgain) {
  create("t");
  ASSERT_EQ(commit("g", 1), 0);
  append_record(*offset_record("g", "gone", PartitionId{0}, {Offset{5}, LeaderEpoch{0}, "", {}}));
  restart_after_kill();
  create("gone");
  EXPECT_EQ(committed("g", 0, "gone"), -1);
  EXPECT_EQ(committed("g"), 1);
  restart_after_power_loss();
  EXPECT_EQ(committed("g", 0, "gone"), -1);
}

TEST_F(GroupLoadingTest, StopsAtOnceBeforeItIsComplete) {
  commit_many();
  restart_slowly();
  wire::DeleteTopicsRequest request;
  request.topics.push_back({"t", {}});
  const auto deleting = send(request);
  world.run_for(10ms);
  ASSERT_TRUE(groups().is_loading());
  const TimePoint begin = world.now();
  EXPECT_TRUE(stop_cleanly());
  EXPECT_LT(world.now() - begin, 1s);
  EXPECT_EQ(logger.count("unavailable"), 0u);
  turns_are_short = false;
  restart_after_kill();
  world.run_for(2s);
  EXPECT_EQ(groups().coordinator().size(), 200u);
}

TEST_F(GroupLoadingTest, SkipsRecordsOfUnknownKindsWithALineAndLeavesThemOutOfARewrite) {
  create("t");
  ASSERT_EQ(commit("g", 1), 0);
  append_record({key_of_kind(3), Slice::copy_of("a consumer group")});
  append_record({key_of_kind(99), std::nullopt});
  restart_after_kill();
  EXPECT_EQ(logger.count("__consumer_offsets: 2 records are skipped, of kinds that Dohle"), 1u);
  EXPECT_EQ(logger.count("(such as 99)"), 1u);
  EXPECT_EQ(committed("g"), 1);
  for (int i = 1; i <= 10'100; ++i) ASSERT_EQ(commit("g", i), 0);
  world.run_for(5s);
  restart_after_kill();
  EXPECT_EQ(logger.count("records are skipped"), 1u);
  EXPECT_EQ(committed("g"), 10'100);
}

TEST_F(GroupLoadingTest, RefusesAKnownKindWhoseValueIsOfALaterVersion) {
  create("t");
  ASSERT_EQ(commit("g", 1), 0);
  auto later = *offset_record("g", "t", PartitionId{0}, {Offset{5}, LeaderEpoch{0}, "", {}});
  std::string value(as_text(later.value->bytes()));
  value[1] = 99;
  later.value = Slice::copy_of(value);
  append_record(later);
  restart_after_kill();
  EXPECT_EQ(fetch_offsets("g").error_code, broker_error::coordinator_not_available);
  EXPECT_EQ(logger.count("groups are unavailable: __consumer_offsets: a record after offset"), 1u);
  EXPECT_EQ(logger.count("run the version that wrote it or a later one"), 1u);
  wire::FindCoordinatorRequest find;
  find.coordinator_keys = {"g"};
  EXPECT_THAT(ask(find).coordinators.at(0).error_message.value_or(""),
              HasSubstr("all groups wait"));
}

}  // namespace
}  // namespace dohle::node
