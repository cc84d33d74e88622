#include "client/cluster/cluster_view.hpp"

#include <gtest/gtest.h>

#include "base/broker_errors.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start{1h};
constexpr TopicId first_id{{1}};
constexpr TopicId second_id{{2}};

wire::MetadataResponse answer_with(TopicId id, NodeId leader, LeaderEpoch epoch) {
  wire::MetadataResponse::MetadataResponsePartition partition;
  partition.partition_index = PartitionId{0};
  partition.leader_id = leader;
  partition.leader_epoch = epoch;
  wire::MetadataResponse::MetadataResponseTopic topic;
  topic.name = "orders";
  topic.topic_id = id;
  topic.partitions = {partition};
  wire::MetadataResponse answer;
  answer.brokers = {{NodeId{1}, "one", 9092, {}}, {NodeId{2}, "two", 9092, {}}};
  answer.topics = {topic};
  return answer;
}

class Cluster : public testing::Test {
 protected:
  Cluster() { view_.need("orders", true); }
  NodeId leader() const { return view_.topic("orders")->partitions.at(0).node; }
  void hear(const wire::MetadataResponse& answer) {
    (void)view_.ask(start);
    ASSERT_TRUE(view_.on_answer(answer, start));
  }
  ClusterView view_{{}};
};

TEST_F(Cluster, AsksForTheTopicsThatAreNeededOnly) {
  const auto request = view_.ask(start);
  ASSERT_EQ(request.topics->size(), 1u);
  EXPECT_EQ(request.topics->front().name, "orders");
  EXPECT_EQ(view_.ask_at(), never);
}

TEST_F(Cluster, AsksAgainWhenTheAnswerIsOld) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  EXPECT_EQ(view_.ask_at(), start + 5min);
}

TEST_F(Cluster, AsksAgainAfterTheBackoffWhenDoubted) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  view_.doubt();
  EXPECT_EQ(view_.ask_at(), start + 100ms);
}

TEST_F(Cluster, RefusesOlderLeaderEpochs) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  hear(answer_with(first_id, NodeId{2}, LeaderEpoch{3}));
  EXPECT_EQ(leader(), NodeId{1});
  hear(answer_with(first_id, NodeId{2}, LeaderEpoch{5}));
  EXPECT_EQ(leader(), NodeId{2});
}

TEST_F(Cluster, AcceptsATopicThatWasCreatedAgain) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  hear(answer_with(second_id, NodeId{2}, LeaderEpoch{0}));
  EXPECT_EQ(leader(), NodeId{2});
  EXPECT_EQ(view_.topic_name(first_id), nullptr);
  EXPECT_EQ(*view_.topic_name(second_id), "orders");
}

TEST_F(Cluster, NeverAcceptsAReplacedIdAgain) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  hear(answer_with(second_id, NodeId{2}, LeaderEpoch{0}));
  // A server with old metadata.
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  EXPECT_EQ(view_.topic("orders")->id, second_id);
  EXPECT_EQ(leader(), NodeId{2});
  EXPECT_EQ(view_.ask_at(), start + 100ms) << "it is asked for again";
  EXPECT_EQ(view_.topic_name(first_id), nullptr);
  const TopicId third_id{{3}};
  hear(answer_with(third_id, NodeId{1}, LeaderEpoch{0}));
  hear(answer_with(second_id, NodeId{2}, LeaderEpoch{0}));
  EXPECT_EQ(view_.topic("orders")->id, third_id);
}

TEST_F(Cluster, NeverAcceptsAReplacedIdOfATopicThatHadLeftTheView) {
  const TopicId third_id{{3}};
  ClusterView view{{}};
  const auto hear = [&](TopicId id) {
    (void)view.ask(start);
    ASSERT_TRUE(view.on_answer(answer_with(id, NodeId{1}, LeaderEpoch{0}), start));
  };
  const auto leave_and_return = [&] {
    ASSERT_TRUE(view.release("orders"));
    view.let_go("orders");
    ASSERT_EQ(view.topic("orders"), nullptr);
    EXPECT_EQ(view.topic_name(second_id), nullptr);
    view.hold("orders");
  };
  view.hold("orders");
  hear(first_id);
  hear(second_id);
  leave_and_return();
  // A server with old metadata is the first one to answer.
  hear(first_id);
  EXPECT_EQ(view.topic("orders"), nullptr);
  EXPECT_EQ(view.ask_at(), start + 100ms) << "it is asked for again";
  hear(second_id);
  ASSERT_NE(view.topic("orders"), nullptr);
  EXPECT_EQ(view.topic("orders")->id, second_id);
  EXPECT_EQ(*view.topic_name(second_id), "orders");
  leave_and_return();
  // It was created again meanwhile.
  hear(third_id);
  for (const TopicId& old : {first_id, second_id}) {
    hear(old);
    EXPECT_EQ(view.topic("orders")->id, third_id);
    EXPECT_EQ(view.topic_name(old), nullptr);
  }
}

TEST_F(Cluster, KeepsTheIdOfATopicThatAnOlderServerDescribesWithoutOne) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  hear(answer_with(TopicId{}, NodeId{2}, LeaderEpoch{5}));
  EXPECT_EQ(view_.topic("orders")->id, first_id);
  EXPECT_EQ(leader(), NodeId{2});
}

TEST_F(Cluster, AcceptsANewerLeaderFromAnError) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  EXPECT_FALSE(view_.on_leader("orders", PartitionId{0}, {NodeId{2}, LeaderEpoch{4}}));
  EXPECT_TRUE(view_.on_leader("orders", PartitionId{0}, {NodeId{2}, LeaderEpoch{5}}));
  EXPECT_EQ(leader(), NodeId{2});
}

TEST_F(Cluster, KeepsAskingWhileATopicIsBeingCreated) {
  auto answer = answer_with(first_id, NodeId{}, LeaderEpoch{});
  answer.topics[0].error_code = broker_error::leader_not_available;
  hear(answer);
  EXPECT_EQ(view_.ask_at(), start + 100ms);
  EXPECT_EQ(view_.topic_error("orders"), broker_error::leader_not_available);
}

TEST_F(Cluster, ForgetsATopicThatOnlyAFinishedCallWanted) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  view_.want("orders", false);
  view_.want("missing", false);
  EXPECT_EQ(view_.ask(start).topics->size(), 2u);
  auto answer = answer_with(first_id, NodeId{1}, LeaderEpoch{4});
  answer.topics.emplace_back().name = "missing";
  answer.topics.back().error_code = broker_error::unknown_topic_or_partition;
  ASSERT_TRUE(view_.on_answer(answer, start));
  EXPECT_EQ(view_.topic_error("missing"), broker_error::unknown_topic_or_partition);
  view_.let_go("missing");
  view_.let_go("orders");
  EXPECT_EQ(view_.topic_error("missing"), broker_error::none);
  ASSERT_NE(view_.topic("orders"), nullptr) << "it is needed";
  const auto request = view_.ask(start + 100ms);
  ASSERT_EQ(request.topics->size(), 1u);
  EXPECT_EQ(request.topics->front().name, "orders");
}

TEST_F(Cluster, ForgetsATopicOnceItsLastReaderHasReleasedIt) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  view_.hold("read");
  view_.hold("read");
  EXPECT_EQ(view_.ask(start).topics->size(), 2u);
  view_.on_failed(start);
  EXPECT_FALSE(view_.release("read"));
  view_.let_go("read");
  EXPECT_EQ(view_.ask(start + 1s).topics->size(), 2u) << "the other reader holds it";
  view_.on_failed(start + 1s);
  EXPECT_TRUE(view_.release("read"));
  view_.let_go("read");
  EXPECT_EQ(view_.ask(start + 2s).topics->size(), 1u);
}

TEST_F(Cluster, KeepsAReleasedTopicThatIsNeeded) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  view_.hold("orders");
  EXPECT_FALSE(view_.release("orders"));
  EXPECT_NE(view_.topic("orders"), nullptr);
}

TEST_F(Cluster, CreatesNoTopicThatOnlyReadersNeedOnceTheWriterHasGivenUp) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  view_.need("read", false);
  EXPECT_FALSE(view_.ask(start).allow_auto_topic_creation);
  view_.on_failed(start);
  view_.want("read", true);
  const auto making = view_.ask(start);
  EXPECT_TRUE(making.allow_auto_topic_creation);
  view_.on_failed(start);
  view_.let_go("read");
  const auto request = view_.ask(start + 1s);
  EXPECT_FALSE(request.allow_auto_topic_creation);
  EXPECT_EQ(request.topics->size(), 2u);
}

TEST_F(Cluster, AsksAtOnceForAWaitingCallerIfTheTopicWasMissing) {
  auto answer = answer_with(first_id, NodeId{}, LeaderEpoch{});
  answer.topics[0].error_code = broker_error::unknown_topic_or_partition;
  for (int i = 0; i < 5; ++i) hear(answer);
  EXPECT_EQ(view_.ask_at(), start + 1s);
  view_.want("orders", false);
  EXPECT_LE(view_.ask_at(), start);
  hear(answer);
  EXPECT_EQ(view_.ask_at(), start + 100ms) << "and as soon again as the first time";
}

TEST_F(Cluster, RebootstrapsAfterTooLongWithoutAnAnswer) {
  EXPECT_TRUE(view_.should_rebootstrap(start));
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  EXPECT_FALSE(view_.should_rebootstrap(start + 1h));
  (void)view_.ask(start);
  view_.on_failed(start);
  EXPECT_FALSE(view_.should_rebootstrap(start + 5min - 1ns));
  EXPECT_TRUE(view_.should_rebootstrap(start + 5min));
  view_.rebootstrap(start + 5min);
  EXPECT_TRUE(view_.brokers().empty());
  EXPECT_EQ(leader(), NodeId{1});
  EXPECT_EQ(view_.ask_at(), start + 5min);
}

TEST_F(Cluster, RebootstrapsWhenAServerSaysSo) {
  hear(answer_with(first_id, NodeId{1}, LeaderEpoch{4}));
  wire::MetadataResponse refusal;
  refusal.error_code = broker_error::rebootstrap_required;
  (void)view_.ask(start);
  EXPECT_FALSE(view_.on_answer(refusal, start));
  EXPECT_TRUE(view_.should_rebootstrap(start));
}

}  // namespace
}  // namespace dohle::client
