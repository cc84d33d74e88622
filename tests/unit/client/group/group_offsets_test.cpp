// Commits and fetches of a group's offsets against scripted servers over the simulated network.
#include "client/group/group_offsets.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <vector>

#include "base/broker_errors.hpp"
#include "scripted_answers.hpp"
#include "scripted_cluster.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
namespace code = broker_error;

constexpr NodeId one{1};
constexpr NodeId two{2};

/// A group whose coordinator the test chooses.
class OffsetsOnCluster : public testing::Test, public ScriptedWorld, public OffsetsGroup {
 protected:
  OffsetsOnCluster() {
    script.on<wire::OffsetCommitRequest>([this](NodeId at, const wire::OffsetCommitRequest& asked) {
      commits_.emplace_back(at, asked);
      auto answer = answer_to(asked);
      for (auto& topic : answer.topics) {
        std::erase_if(topic.partitions, [this](const auto& each) {
          return each.partition_index.value == unanswered_partition_;
        });
      }
      return answer;
    });
    script.on<wire::OffsetFetchRequest>([this](NodeId at, const wire::OffsetFetchRequest& asked) {
      fetched_at_.push_back(at);
      const std::int16_t error = next_error();
      auto answer = answer_each(asked, [&](PartitionId wanted, auto& committed) {
        committed.committed_offset = wanted.value == 7 ? Offset{} : Offset{100 + wanted.value};
        if (wanted.value == refused_partition_) committed.error_code = error;
      });
      if (refused_partition_ < 0) answer.groups[0].error_code = error;
      return answer;
    });
    start([this](const std::shared_ptr<SimulatedClient>& made, sim::Process&) {
      made->cluster().when_connected(world.now() + 1s, [](Result<void>) {});
      offsets_ = std::make_shared<GroupOffsets>(made->cluster(), ConnectionLane::general, *this);
      return offsets_;
    });
  }
  wire::OffsetCommitResponse answer_to(const wire::OffsetCommitRequest& asked) {
    if (!codes_.empty()) {
      const auto codes = codes_.front();
      codes_.pop_front();
      return answer_each(asked, [&](const auto& wanted) {
        const auto found = codes.find(wanted.partition_index.value);
        return found == codes.end() ? std::int16_t{0} : found->second;
      });
    }
    const std::int16_t error = next_error();
    return answer_each(asked, [&](const auto& wanted) {
      const bool is_refused =
          refused_partition_ < 0 || wanted.partition_index.value == refused_partition_;
      return is_refused ? error : std::int16_t{0};
    });
  }
  std::int16_t next_error() {
    if (errors_.empty()) return 0;
    const std::int16_t error = errors_.front();
    errors_.pop_front();
    return error;
  }
  GroupMembership membership() override { return {"g", coordinator_, generation_, "m", instance_}; }
  void on_offsets_error(NodeId coordinator, Generation generation, const Error& why) override {
    heard_.push_back({coordinator, generation, why});
    if (why.is_broker(code::not_coordinator)) coordinator_ = moves_to_;
  }
  void commit(std::int64_t offset, Duration time = 10s,
              std::vector<std::int32_t> partitions = {0}) {
    on_loop([=, this] {
      std::vector<PartitionOffset> all;
      for (const std::int32_t each : partitions) {
        all.push_back({{"orders", PartitionId{each}}, {Offset{offset}, LeaderEpoch{4}, "note"}});
      }
      commit(all, CallTime::from(world.now(), time));
    });
  }
  void commit(const std::vector<PartitionOffset>& offsets, SharedCallTime time) {
    offsets_->commit(offsets, std::move(time), [this](const CommitOutcome& outcome) {
      outcomes_.push_back(outcome.as_one());
      last_ = outcome;
    });
  }
  /// The server's answer is prepared. Its error is that of outcomes_[0] and of last_.refused[0].
  void commit_both_of_which_orders_1_is_refused() {
    commit(70, 10s, {0, 1});
    world.run_for(1s);
    ASSERT_EQ(outcomes_.size(), 1U);
    EXPECT_EQ(commits_.size(), 1U);
    EXPECT_TRUE(last_.others) << "orders-0 is committed";
    ASSERT_EQ(last_.refused.size(), 1U);
    EXPECT_EQ(last_.refused[0].partition, (TopicPartition{"orders", PartitionId{1}}));
    ASSERT_FALSE(outcomes_[0]);
  }
  std::optional<Result<std::vector<PartitionOffset>>> fetch(std::vector<std::int32_t> partitions,
                                                            Duration time = 10s) {
    std::optional<Result<std::vector<PartitionOffset>>> found;
    on_loop([&, this] {
      std::vector<TopicPartition> all;
      for (const std::int32_t each : partitions) all.push_back({"orders", PartitionId{each}});
      offsets_->fetch(all, CallTime::from(world.now(), time),
                      [&](auto outcome) { found = std::move(outcome); });
    });
    world.run_until([&] { return found.has_value(); }, time + 1s);
    return found;
  }

  struct Heard {
    NodeId coordinator;
    Generation generation;
    Error why;
  };
  NodeId coordinator_ = one;
  NodeId moves_to_ = two;
  Generation generation_{5};
  std::optional<std::string> instance_;
  /// Errors of the next answers; later answers have none.
  std::deque<std::int16_t> errors_;
  /// Codes of partitions in the next answers to commits, in place of `errors_`.
  std::deque<std::map<std::int32_t, std::int16_t>> codes_;
  /// Default: -1, all partitions.
  std::int32_t refused_partition_ = -1;
  /// Default: -1, none. Answers to commits leave it out.
  std::int32_t unanswered_partition_ = -1;
  std::vector<std::pair<NodeId, wire::OffsetCommitRequest>> commits_;
  std::vector<NodeId> fetched_at_;
  std::vector<Heard> heard_;
  std::vector<Result<void>> outcomes_;
  /// The last one, of each partition.
  CommitOutcome last_;
  std::shared_ptr<GroupOffsets> offsets_;
};

TEST_F(OffsetsOnCluster, CommitsAsAMember) {
  instance_ = "i";
  commit(70, 10s, {0, 1});
  world.run_for(1s);
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(outcomes_[0]);
  const auto& [at, asked] = commits_.at(0);
  EXPECT_EQ(at, one);
  EXPECT_EQ(asked.group_id, "g");
  EXPECT_EQ(asked.member_id, "m");
  EXPECT_EQ(asked.generation_id_or_member_epoch, Generation{5});
  EXPECT_EQ(asked.group_instance_id, "i");
  ASSERT_EQ(asked.topics.size(), 1U);
  ASSERT_EQ(asked.topics[0].partitions.size(), 2U);
  EXPECT_EQ(asked.topics[0].partitions[1].committed_offset, Offset{70});
  EXPECT_EQ(asked.topics[0].partitions[1].committed_leader_epoch, LeaderEpoch{4});
  EXPECT_EQ(asked.topics[0].partitions[1].committed_metadata, "note");
}

TEST_F(OffsetsOnCluster, CommitsWithoutAMemberIdOutsideOfAGeneration) {
  generation_ = Generation{};
  instance_ = "i";
  commit(70);
  world.run_for(1s);
  ASSERT_EQ(commits_.size(), 1U);
  EXPECT_EQ(commits_[0].second.member_id, "");
  EXPECT_FALSE(commits_[0].second.group_instance_id);
  EXPECT_TRUE(commits_[0].second.generation_id_or_member_epoch.is_none());
}

TEST_F(OffsetsOnCluster, FollowsTheCoordinatorThatMoved) {
  errors_ = {code::not_coordinator};
  commit(70);
  world.run_for(5s);
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(outcomes_[0]);
  ASSERT_EQ(commits_.size(), 2U);
  EXPECT_EQ(commits_[1].first, two);
  EXPECT_EQ(commits_[1].second.topics.at(0).partitions.at(0).committed_offset, Offset{70});
  ASSERT_EQ(heard_.size(), 1U);
  EXPECT_EQ(heard_[0].coordinator, one);
  EXPECT_EQ(heard_[0].generation, Generation{5});
}

TEST_F(OffsetsOnCluster, WaitsForACoordinator) {
  coordinator_ = NodeId{};
  commit(70);
  world.run_for(2s);
  EXPECT_TRUE(outcomes_.empty());
  EXPECT_TRUE(commits_.empty());
  coordinator_ = two;
  world.run_for(2s);
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(outcomes_[0]);
}

TEST_F(OffsetsOnCluster, TriesAgainWhileTheCoordinatorLoads) {
  errors_ = {code::coordinator_load_in_progress, code::coordinator_load_in_progress};
  const TimePoint begin = world.now();
  commit(70);
  world.run_until([&] { return !outcomes_.empty(); }, 10s);
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(outcomes_[0]);
  EXPECT_EQ(commits_.size(), 3U);
  // With a backoff between the attempts.
  EXPECT_GT(world.now() - begin, 100ms);
}

TEST_F(OffsetsOnCluster, GivesUpAtTheDeadlineWithTheLastReason) {
  errors_.assign(1'000, code::coordinator_load_in_progress);
  commit(70, 3s);
  world.run_for(2500ms);
  world.run_for(1s);
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(outcomes_[0].error().is_broker(code::coordinator_load_in_progress));
  coordinator_ = NodeId{};
  commit(71, 3s);
  world.run_for(4s);
  ASSERT_EQ(outcomes_.size(), 2U);
  EXPECT_TRUE(outcomes_[1].error().is(Errc::timed_out));
  EXPECT_NE(outcomes_[1].error().message().find("coordinator of group g"), std::string_view::npos);
}

TEST_F(OffsetsOnCluster, DoesNotRepeatACommitThatAnotherGenerationMayNotMake) {
  for (const auto error : {code::illegal_generation, code::unknown_member_id,
                           code::rebalance_in_progress, code::fenced_instance_id}) {
    commits_.clear();
    outcomes_.clear();
    heard_.clear();
    errors_ = {error};
    commit(70);
    world.run_for(5s);
    ASSERT_EQ(outcomes_.size(), 1U) << error;
    EXPECT_TRUE(outcomes_[0].error().is_broker(error));
    EXPECT_NE(outcomes_[0].error().message().find("orders-0"), std::string_view::npos);
    EXPECT_EQ(commits_.size(), 1U) << error;
    ASSERT_EQ(heard_.size(), 1U) << error;
    EXPECT_EQ(heard_[0].generation, Generation{5});
  }
}

TEST_F(OffsetsOnCluster, NeverCommitsUnderALaterGenerationThanThatOfTheCall) {
  errors_ = {code::coordinator_load_in_progress};
  commit(70);
  commit(71);
  world.run_until([&] { return commits_.size() == 1; }, 1s);
  // A rebalance between the attempts: another member may have continued from the offset committed
  // before.
  generation_ = Generation{6};
  commit(72);
  world.run_for(5s);
  ASSERT_EQ(outcomes_.size(), 3U);
  EXPECT_TRUE(outcomes_[0].error().is_broker(code::illegal_generation));
  EXPECT_TRUE(outcomes_[1].error().is_broker(code::illegal_generation));
  EXPECT_TRUE(outcomes_[2]);
  ASSERT_EQ(commits_.size(), 2U);
  EXPECT_EQ(commits_[1].second.topics.at(0).partitions.at(0).committed_offset, Offset{72});
  EXPECT_EQ(commits_[1].second.generation_id_or_member_epoch, Generation{6});
}

TEST_F(OffsetsOnCluster, FailsAnyNumberOfCommitsThatAnotherGenerationMayNotMake) {
  constexpr std::size_t commits = 500'000;
  coordinator_ = NodeId{};
  for (std::size_t i = 0; i < commits; ++i) commit(70);
  generation_ = Generation{6};
  coordinator_ = one;
  world.run_for(5s);
  ASSERT_EQ(outcomes_.size(), commits);
  EXPECT_TRUE(outcomes_.back().error().is_broker(code::illegal_generation));
  EXPECT_TRUE(commits_.empty());
}

TEST_F(OffsetsOnCluster, ReportsThePartitionThatWasRefused) {
  refused_partition_ = 1;
  errors_ = {code::offset_metadata_too_large};
  commit(70, 10s, {0, 1});
  world.run_for(1s);
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(outcomes_[0].error().is_broker(code::offset_metadata_too_large));
  EXPECT_NE(outcomes_[0].error().message().find("orders-1"), std::string_view::npos);
}

TEST_F(OffsetsOnCluster, ReportsForEachPartitionWhetherItIsCommitted) {
  codes_ = {{{1, code::topic_authorization_failed}}};
  ASSERT_NO_FATAL_FAILURE(commit_both_of_which_orders_1_is_refused());
  EXPECT_TRUE(last_.refused[0].why.is_broker(code::topic_authorization_failed));
  EXPECT_TRUE(outcomes_[0].error().is_broker(code::topic_authorization_failed));
  EXPECT_TRUE(outcomes_[0].error().message().starts_with(
      "commit orders-1 (the other offset is committed): "))
      << outcomes_[0].error().message();
  EXPECT_TRUE(heard_.empty()) << "the membership is not in doubt";
}

TEST_F(OffsetsOnCluster, CountsNoPartitionAsCommittedThatTheAnswerLeavesOut) {
  unanswered_partition_ = 1;
  ASSERT_NO_FATAL_FAILURE(commit_both_of_which_orders_1_is_refused());
  EXPECT_TRUE(last_.refused[0].why.is(Errc::malformed));
  EXPECT_EQ(outcomes_[0].error().message(),
            "commit orders-1 (the other offset is committed): the answer has no entry for the "
            "partition");
}

TEST_F(OffsetsOnCluster, NamesAllRefusedPartitionsInOneError) {
  codes_ = {{{1, code::offset_metadata_too_large},
             {2, code::unknown_topic_or_partition},
             {4, code::offset_metadata_too_large}}};
  commit(70, 10s, {0, 1, 2, 3, 4});
  world.run_for(1s);
  ASSERT_EQ(outcomes_.size(), 1U);
  ASSERT_FALSE(outcomes_[0]);
  EXPECT_TRUE(outcomes_[0].error().message().starts_with(
      "commit orders-1, orders-2 (UNKNOWN_TOPIC_OR_PARTITION), orders-4 "
      "(the other 2 offsets are committed): "))
      << outcomes_[0].error().message();
}

TEST_F(OffsetsOnCluster, NamesAtMostTenRefusedPartitions) {
  std::vector<std::int32_t> partitions;
  codes_.emplace_back();
  for (std::int32_t each = 0; each < 12; ++each) {
    partitions.push_back(each);
    codes_.front()[each] = code::topic_authorization_failed;
  }
  commit(70, 10s, partitions);
  world.run_for(1s);
  ASSERT_EQ(outcomes_.size(), 1U);
  ASSERT_FALSE(outcomes_[0]);
  EXPECT_NE(outcomes_[0].error().message().find(", orders-9 and 2 more: "), std::string_view::npos)
      << outcomes_[0].error().message();
  EXPECT_EQ(last_.refused.size(), 12U);
}

TEST_F(OffsetsOnCluster, SendsNeitherCommittedNorRefusedPartitionsAgain) {
  codes_ = {{{1, code::offset_metadata_too_large}, {2, code::coordinator_load_in_progress}}};
  commit(70, 10s, {0, 1, 2});
  world.run_for(5s);
  ASSERT_EQ(outcomes_.size(), 1U);
  ASSERT_EQ(commits_.size(), 2U);
  const auto& again = commits_[1].second.topics.at(0).partitions;
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].partition_index, PartitionId{2});
  EXPECT_TRUE(last_.others);
  ASSERT_EQ(last_.refused.size(), 1U);
  EXPECT_EQ(last_.refused[0].partition.partition, PartitionId{1});
}

TEST_F(OffsetsOnCluster, ReportsTheCommittedPartitionsAtTheDeadline) {
  codes_.assign(1'000, {{1, code::coordinator_load_in_progress}});
  commit(70, 3s, {0, 1});
  world.run_for(4s);
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(last_.others) << "the first answer has committed orders-0";
  ASSERT_EQ(last_.refused.size(), 1U);
  EXPECT_EQ(last_.refused[0].partition.partition, PartitionId{1});
  EXPECT_TRUE(last_.refused[0].why.is_broker(code::coordinator_load_in_progress));
}

TEST_F(OffsetsOnCluster, FailsAsAWholeWithItsMembership) {
  errors_ = {code::illegal_generation};
  commit(70, 10s, {0, 1});
  world.run_for(1s);
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(last_.refused.empty());
  ASSERT_FALSE(last_.others);
  EXPECT_TRUE(last_.others.error().is_broker(code::illegal_generation));
  EXPECT_EQ(last_.offsets, 2U);
}

TEST_F(OffsetsOnCluster, DoesNotLetADeletedTopicHoldBackLaterCommits) {
  refused_partition_ = 1;
  errors_ = {code::unknown_topic_or_partition};
  commit(70, 10s, {0, 1});
  commit(71);
  world.run_for(1s);
  ASSERT_EQ(outcomes_.size(), 2U);
  ASSERT_FALSE(outcomes_[0]);
  EXPECT_TRUE(outcomes_[0].error().is_broker(code::unknown_topic_or_partition));
  EXPECT_NE(outcomes_[0].error().message().find("orders-1"), std::string_view::npos);
  EXPECT_TRUE(outcomes_[1]);
  EXPECT_EQ(commits_.size(), 2U);
}

TEST_F(OffsetsOnCluster, CommitsInTheOrderOfTheCalls) {
  errors_ = {code::coordinator_load_in_progress};
  for (const std::int64_t offset : {1, 2, 3}) commit(offset);
  world.run_for(5s);
  EXPECT_EQ(outcomes_.size(), 3U);
  std::vector<std::int64_t> order;
  for (const auto& [at, asked] : commits_) {
    order.push_back(asked.topics.at(0).partitions.at(0).committed_offset.value);
  }
  EXPECT_EQ(order, (std::vector<std::int64_t>{1, 1, 2, 3}));
}

TEST_F(OffsetsOnCluster, TriesAgainAfterALostConnection) {
  world.machine("broker-1").process("broker-1")->kill();
  commit(70);
  world.run_for(2s);
  EXPECT_TRUE(outcomes_.empty());
  ASSERT_FALSE(heard_.empty());
  EXPECT_NE(heard_[0].why.category(), ErrorCategory::broker);
  coordinator_ = two;
  world.run_for(3s);
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(outcomes_[0]);
}

TEST_F(OffsetsOnCluster, FetchesOnlyPartitionsWithACommittedOffset) {
  const auto found = fetch({0, 3, 7});
  ASSERT_TRUE(found && *found);
  ASSERT_EQ((*found)->size(), 2U);
  EXPECT_EQ((*found)->at(1).partition, (TopicPartition{"orders", PartitionId{3}}));
  EXPECT_EQ((*found)->at(1).committed.offset, Offset{103});
}

TEST_F(OffsetsOnCluster, FetchesFromTheCoordinatorThatTookOver) {
  errors_ = {code::coordinator_load_in_progress, code::not_coordinator};
  const auto found = fetch({0});
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(fetched_at_, (std::vector{one, one, two}));
}

TEST_F(OffsetsOnCluster, ReturnsTheReasonOfAFailedFetch) {
  errors_ = {code::group_authorization_failed};
  const auto refused = fetch({0});
  ASSERT_TRUE(refused);
  EXPECT_TRUE(refused->error().is_broker(code::group_authorization_failed));
  refused_partition_ = 3;
  errors_ = {code::topic_authorization_failed};
  const auto one_of_them = fetch({0, 3});
  ASSERT_TRUE(one_of_them);
  EXPECT_TRUE(one_of_them->error().is_broker(code::topic_authorization_failed));
  EXPECT_NE(one_of_them->error().message().find("orders-3"), std::string_view::npos);
}

TEST_F(OffsetsOnCluster, CommitsAtAFrozenCoordinatorEndInTimeAndNameTheReason) {
  commit(1);
  world.run_for(1s);
  ASSERT_EQ(outcomes_.size(), 1u);
  world.machine("broker-1").process("broker-1")->pause(10min);
  commit(2, 5s);
  commit(3, 3s);
  world.run_for(4s);
  ASSERT_EQ(outcomes_.size(), 2u) << "the second waits for the first until its own deadline";
  world.run_for(1s);
  ASSERT_EQ(outcomes_.size(), 3u);
  for (const std::size_t each : {std::size_t{1}, std::size_t{2}}) {
    ASSERT_FALSE(outcomes_[each]);
    EXPECT_TRUE(outcomes_[each].error().is(Errc::timed_out));
    EXPECT_TRUE(outcomes_[each].error().is_retriable());
    EXPECT_EQ(outcomes_[each].error().message(),
              "commit offsets of group g: no answer in time: broker-1:9092 has not answered "
              "OffsetCommit");
  }
}

TEST_F(OffsetsOnCluster, FetchesAtAFrozenCoordinatorEndInTimeAndNameTheReason) {
  ASSERT_TRUE(fetch({0}));
  world.machine("broker-1").process("broker-1")->pause(10min);
  const TimePoint asked = world.now();
  const auto found = fetch({0}, 5s);
  ASSERT_TRUE(found && !*found);
  EXPECT_LE(world.now() - asked, 5s + 10ms);
  EXPECT_EQ(found->error().message(),
            "fetch offsets of group g: no answer in time: broker-1:9092 has not answered "
            "OffsetFetch");
}

TEST_F(OffsetsOnCluster, EndsCallsWithoutADeadlineWhenTheirThreadEndsThem) {
  ASSERT_TRUE(fetch({0}));
  world.machine("broker-1").process("broker-1")->pause(10min);
  const auto time = std::make_shared<CallTime>(never, 5s);
  std::optional<Result<std::vector<PartitionOffset>>> found;
  on_loop([&, this] {
    commit({{{"orders", PartitionId{0}}, {Offset{1}, LeaderEpoch{4}, "note"}}}, time);
    offsets_->fetch({{"orders", PartitionId{0}}}, time,
                    [&](auto outcome) { found = std::move(outcome); });
  });
  world.run_for(10s);
  EXPECT_TRUE(outcomes_.empty());
  EXPECT_FALSE(found);
  on_loop([&] { time->end(); });
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(outcomes_[0].error().is(Errc::timed_out));
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->error().is(Errc::timed_out));
}

TEST_F(OffsetsOnCluster, FailsAllCallsWhenItIsClosed) {
  coordinator_ = NodeId{};
  commit(70);
  commit(71);
  on_loop([this] { offsets_->close(Error::client(Errc::closed, "over")); });
  ASSERT_EQ(outcomes_.size(), 2U);
  EXPECT_TRUE(outcomes_[0].error().is(Errc::closed));
  commit(72);
  EXPECT_EQ(outcomes_.size(), 3U);
  const auto found = fetch({0});
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->error().is(Errc::closed));
}

}  // namespace
}  // namespace dohle::client
