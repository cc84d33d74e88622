#include <functional>

#include "node_world.hpp"
#include "wire/messages/create_partitions.hpp"
#include "wire/messages/delete_topics.hpp"

// The texts of refusals are those of Apache Kafka 4.3.1 (ReplicationControlManager).

namespace dohle::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AddedPartitionsTest : public NodeWorld {
 protected:
  using Request = wire::CreatePartitionsRequest;
  using Outcome = wire::CreatePartitionsResponse::CreatePartitionsTopicResult;
  using Assigned = std::optional<std::vector<std::vector<NodeId>>>;

  static Request growth(const std::string& topic, std::int32_t count,
                        const Assigned& assigned = std::nullopt) {
    Request request;
    add(request, topic, count, assigned);
    return request;
  }
  static void add(Request& request, const std::string& topic, std::int32_t count,
                  const Assigned& assigned = std::nullopt) {
    auto& wanted = request.topics.emplace_back();
    wanted.name = topic;
    wanted.count = count;
    wanted.assignments.reset();
    if (!assigned) return;
    wanted.assignments.emplace();
    for (const auto& brokers : *assigned) wanted.assignments->push_back({brokers});
  }
  Outcome grow(const std::string& topic, std::int32_t count,
               const Assigned& assigned = std::nullopt) {
    return ask(growth(topic, count, assigned)).results.at(0);
  }
  wire::MetadataResponse::MetadataResponseTopic described(const std::string& topic) {
    wire::MetadataRequest request;
    request.allow_auto_topic_creation = false;
    request.topics->push_back({{}, topic});
    return ask(request).topics.at(0);
  }
  std::size_t partitions_of(const std::string& topic) { return described(topic).partitions.size(); }
  std::int16_t produce_to(const std::string& topic, std::int32_t partition) {
    return produce(topic, batch_of({"x"}), -1, partition).error_code;
  }
  bool has_files(const std::string& partition) {
    const auto log = "/data/" + partition + "/dohle-log";
    return world.machine("node").disk().contents(log).has_value();
  }
  /// Lets sent requests arrive before later ones.
  void arrive() { world.run_for(500us); }
};

TEST_F(AddedPartitionsTest, AreServedBesideTheOldOnesAndSurviveAPowerLoss) {
  const TopicId id = create("t", 2, {{"segment.bytes", "2048"}});
  ASSERT_EQ(produce("t", batch_of({"old"}), -1, 1).error_code, 0);
  for (const std::int16_t version : std::initializer_list<std::int16_t>{0, 1, 2, 3}) {
    const auto count = static_cast<std::int32_t>(3 + version);
    const auto grown = ask(growth("t", count), version).results.at(0);
    EXPECT_EQ(grown.name, "t");
    EXPECT_EQ(grown.error_code, 0) << grown.error_message.value_or("");
    EXPECT_FALSE(grown.error_message);
    EXPECT_EQ(partitions_of("t"), static_cast<std::size_t>(count));
    EXPECT_EQ(produce_to("t", count - 1), 0);
  }
  restart_after_power_loss();
  EXPECT_EQ(described("t").topic_id, id);
  EXPECT_EQ(partitions_of("t"), 6U);
  EXPECT_THAT(values("t", {.partition = 1, .max_wait_ms = 0}), ElementsAre("old"));
  EXPECT_THAT(values("t", {.partition = 5, .max_wait_ms = 0}), ElementsAre("x"));
  EXPECT_EQ(topics().find("t")->config.at("segment.bytes"), "2048");
  EXPECT_EQ(produce("t", batch_of({"x"}), -1, 5).base_offset, Offset{1});
  EXPECT_EQ(produce_to("t", 6), broker_error::unknown_topic_or_partition);
}

TEST_F(AddedPartitionsTest, AreServedAfterACleanStop) {
  create("t");
  ASSERT_EQ(grow("t", 70).error_code, 0);
  ASSERT_EQ(produce_to("t", 69), 0);
  ASSERT_TRUE(stop_cleanly());
  restart_after_kill();
  EXPECT_EQ(partitions_of("t"), 70U);
  EXPECT_THAT(values("t", {.partition = 69, .max_wait_ms = 0}), ElementsAre("x"));
  EXPECT_THAT(logger.lines, IsEmpty());
}

TEST_F(AddedPartitionsTest, AreRefusedWithTheMessagesOfApacheKafka) {
  create("t", 3);
  const auto absent = grow("absent", 3);
  EXPECT_EQ(absent.error_code, broker_error::unknown_topic_or_partition);
  EXPECT_FALSE(absent.error_message);
  const auto same = grow("t", 3);
  EXPECT_EQ(same.error_code, broker_error::invalid_partitions);
  EXPECT_EQ(same.error_message, "Topic already has 3 partition(s).");
  for (const std::int32_t fewer : {2, 0, -1, INT32_MIN}) {
    const auto less = grow("t", fewer);
    EXPECT_EQ(less.error_code, broker_error::invalid_partitions);
    EXPECT_EQ(less.error_message, "The topic t currently has 3 partition(s); " +
                                      std::to_string(fewer) + " would not be an increase.");
  }
  const auto many = grow("t", static_cast<std::int32_t>(limits::max_partitions) + 1);
  EXPECT_EQ(many.error_code, broker_error::invalid_partitions);
  EXPECT_THAT(many.error_message.value_or(""), HasSubstr("at most 100000 partitions"));

  Request twice = growth("t", 4);
  add(twice, "t", 5);
  for (const auto& each : ask(twice).results) {
    EXPECT_EQ(each.error_code, broker_error::invalid_request);
    EXPECT_EQ(each.error_message, "Duplicate topic name.");
  }
  EXPECT_EQ(partitions_of("t"), 3U);
  EXPECT_FALSE(has_files("t-3"));
}

TEST_F(AddedPartitionsTest, AreRefusedForANameThatALargeRequestRepeats) {
  turns_are_short = true;
  create("t");
  Request request = growth("t", 2);
  for (int i = 0; i < 2'500; ++i) add(request, "absent-" + std::to_string(i), 2);
  add(request, "t", 3);
  const auto results = ask(request).results;
  ASSERT_EQ(results.size(), 2'502U);
  EXPECT_EQ(results.front().error_code, broker_error::invalid_request);
  EXPECT_EQ(results.at(1).error_code, broker_error::unknown_topic_or_partition);
  EXPECT_EQ(results.back().error_code, broker_error::invalid_request);
  EXPECT_EQ(partitions_of("t"), 1U);
}

TEST_F(AddedPartitionsTest, MayBeAssignedOnlyToThisNode) {
  create("t");
  const auto refusal = [&](const std::vector<std::vector<NodeId>>& assigned) {
    const auto outcome = grow("t", 3, assigned);
    EXPECT_EQ(outcome.error_code, broker_error::invalid_replica_assignment);
    return outcome.error_message.value_or("");
  };
  const std::vector<NodeId> here{NodeId{1}};
  EXPECT_EQ(refusal({here}),
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.");
  EXPECT_EQ(refusal({}),
            "Attempted to add 2 additional partition(s), but only 0 assignment(s) were specified.");
  EXPECT_EQ(refusal({here, {}}), "The manual partition assignment includes an empty replica list.");
  EXPECT_EQ(refusal({here, {NodeId{1}, NodeId{2}}}),
            "The manual partition assignment includes broker 2, but no such broker is registered.");
  EXPECT_EQ(refusal({{NodeId{1}, NodeId{1}}, here}),
            "The manual partition assignment includes the broker 1 more than once.");
  EXPECT_EQ(partitions_of("t"), 1U);
  EXPECT_EQ(grow("t", 3, {{here, here}}).error_code, 0);
  EXPECT_EQ(partitions_of("t"), 3U);
}

TEST_F(AddedPartitionsTest, AreOnlyCheckedIfTheRequestOnlyValidates) {
  create("t");
  Request request = growth("t", 3);
  add(request, "absent", 3);
  request.validate_only = true;
  const auto answer = ask(request);
  EXPECT_EQ(answer.results.at(0).error_code, 0);
  EXPECT_EQ(answer.results.at(1).error_code, broker_error::unknown_topic_or_partition);
  EXPECT_EQ(partitions_of("t"), 1U);
  EXPECT_FALSE(has_files("t-1"));
}

TEST_F(AddedPartitionsTest, AreRefusedForTheNodesOwnTopic) {
  std::optional<Result<Topic*>> made;
  (void)node();
  topics().offsets([&](Result<Topic*> topic) { made = topic; });
  ASSERT_TRUE(world.run_until([&] { return made.has_value(); }, 5s));
  const auto refused = grow(std::string(offsets_topic), 2);
  EXPECT_EQ(refused.error_code, broker_error::invalid_request);
  EXPECT_THAT(refused.error_message.value_or(""), HasSubstr("the node needs this topic itself"));
}

TEST_F(AddedPartitionsTest, BecomeVisibleTogetherWhileTheTopicIsServed) {
  create("t");
  (void)client("a");
  const auto growing = send(growth("t", 1'000), 3, "a");
  arrive();
  EXPECT_EQ(produce_to("t", 0), 0);
  EXPECT_EQ(partitions_of("t"), 1U);
  EXPECT_EQ(produce_to("t", 1), broker_error::unknown_topic_or_partition);
  EXPECT_FALSE(growing->has_value());
  EXPECT_EQ(wait<Request>(growing).results.at(0).error_code, 0);
  EXPECT_EQ(partitions_of("t"), 1'000U);
}

TEST_F(AddedPartitionsTest, TwoRequestsForATopicAreCarriedOutInTurn) {
  create("t");
  for (const std::string_view name : {"a", "b", "c", "d"}) (void)client(name);
  const auto first = send(growth("t", 500), 3, "a");
  arrive();
  const auto same = send(growth("t", 500), 3, "b");
  arrive();
  const auto more = send(growth("t", 600), 3, "c");
  arrive();
  const std::vector<NodeId> here{NodeId{1}};
  const auto assigned = send(growth("t", 700, std::vector<std::vector<NodeId>>(699, here)), 3, "d");
  EXPECT_EQ(wait<Request>(first).results.at(0).error_code, 0);
  EXPECT_EQ(wait<Request>(same).results.at(0).error_message, "Topic already has 500 partition(s).");
  EXPECT_EQ(wait<Request>(more).results.at(0).error_code, 0);
  EXPECT_EQ(wait<Request>(assigned).results.at(0).error_message,
            "Attempted to add 100 additional partition(s), but only 699 assignment(s) were "
            "specified.");
  EXPECT_EQ(partitions_of("t"), 600U);
}

TEST_F(AddedPartitionsTest, AreDeletedWithTheirTopic) {
  const TopicId old = create("t");
  for (const std::string_view name : {"a", "b", "c"}) (void)client(name);
  const auto growing = send(growth("t", 500), 3, "a");
  arrive();
  wire::DeleteTopicsRequest removal;
  removal.topics.push_back({"t", {}});
  const auto removed = send(removal, 6, "b");
  arrive();
  const auto late = send(growth("t", 600), 3, "c");
  EXPECT_EQ(wait<Request>(growing).results.at(0).error_code, 0);
  EXPECT_EQ(wait<wire::DeleteTopicsRequest>(removed).responses.at(0).error_code, 0);
  EXPECT_EQ(wait<Request>(late).results.at(0).error_code, broker_error::unknown_topic_or_partition);
  world.run_for(1s);
  EXPECT_FALSE(has_files("t-499"));
  EXPECT_EQ(topics().partition_count(), 0U);
  EXPECT_NE(create("t", 2), old);
  ASSERT_TRUE(stop_cleanly());
  restart_after_kill();
  EXPECT_EQ(partitions_of("t"), 2U);
  EXPECT_THAT(logger.lines, IsEmpty());
}

TEST_F(AddedPartitionsTest, UnderCreationCountAgainstTheBound) {
  create("t");
  create("u");
  (void)client("a");
  const auto growing = send(growth("t", 1'000), 3, "a");
  arrive();
  const auto refused = grow("u", static_cast<std::int32_t>(limits::max_partitions) - 999);
  EXPECT_EQ(refused.error_code, broker_error::invalid_partitions);
  EXPECT_FALSE(growing->has_value());
  EXPECT_EQ(wait<Request>(growing).results.at(0).error_code, 0);
}

TEST_F(AddedPartitionsTest, ThatCannotAllBeCreatedLeaveNoTrace) {
  create("t", 3);
  ASSERT_EQ(produce("t", batch_of({"kept"}), -1, 2).error_code, 0);
  world.machine("node").disk().fail_writes("/t-70/dohle-log", 1);
  EXPECT_EQ(grow("t", 100).error_code, broker_error::kafka_storage_error);
  EXPECT_EQ(partitions_of("t"), 3U);
  EXPECT_EQ(topics().partition_count(), 3U);
  EXPECT_FALSE(has_files("t-3"));
  EXPECT_TRUE(has_files("t-2"));
  EXPECT_THAT(values("t", {.partition = 2, .max_wait_ms = 0}), ElementsAre("kept"));
  EXPECT_EQ(grow("t", 100).error_code, 0);
  EXPECT_EQ(produce_to("t", 99), 0);
}

TEST_F(AddedPartitionsTest, AreRefusedWhileTheCatalogCannotBeWritten) {
  create("t");
  world.machine("node").disk().fail_syncs("dohle-catalog", 1);
  EXPECT_EQ(grow("t", 2).error_code, broker_error::kafka_storage_error);
  EXPECT_EQ(produce_to("t", 0), 0) << "the rest goes on";
  const auto made = world.machine("node").disk().contents("/data/t-1/dohle-log");
  ASSERT_TRUE(made.has_value()) << "the refused line may be on disk";
  EXPECT_EQ(grow("t", 3).error_code, broker_error::kafka_storage_error);
  EXPECT_EQ(world.machine("node").disk().contents("/data/t-1/dohle-log"), made);
  EXPECT_FALSE(has_files("t-2"));
  EXPECT_EQ(produce_to("t", 1), broker_error::unknown_topic_or_partition);
  restart_after_kill();
  EXPECT_EQ(logger.count("error "), 0U) << "the catalog's partitions are there";
  const auto again = grow("t", 2);
  EXPECT_TRUE(again.error_code == 0 || again.error_code == broker_error::invalid_partitions);
  EXPECT_EQ(produce_to("t", 1), 0);
}

TEST_F(AddedPartitionsTest, DoNotUseDirectoriesThatHoldOtherRecords) {
  create("t");
  create("other");
  ASSERT_EQ(produce_to("other", 0), 0);
  ASSERT_TRUE(stop_cleanly());
  node().kill();
  auto& mover = world.machine("node").start("mover", [](sim::Process& self) {
    EXPECT_TRUE(self.disk().rename("/data/other-0", "/data/t-2"));
    return std::make_shared<int>();
  });
  world.run_for(1s);
  mover.kill();
  restart_after_kill();
  EXPECT_EQ(grow("t", 2).error_code, 0) << "t-2 is not in the way";
  const auto refused = grow("t", 4);
  EXPECT_EQ(refused.error_code, broker_error::kafka_storage_error);
  EXPECT_EQ(refused.error_message,
            "the node's directory t-2 is there and holds files that are not the topic's: move it "
            "away");
  EXPECT_EQ(partitions_of("t"), 2U);
  EXPECT_TRUE(has_files("t-2"));
  EXPECT_FALSE(has_files("t-3"));
}

class LostGrowthTest : public AddedPartitionsTest {
 protected:
  /// Adds partitions to a topic in each round, and ends the node with `end` after that many changes
  /// of its disk.
  void end_at_each_change(const std::function<void()>& end, const std::function<void()>& restart) {
    for (unsigned change = 1; change <= 40; change += 3) {
      const std::string topic = "t-of-" + std::to_string(change);
      create(topic, 2);
      ASSERT_EQ(produce(topic, batch_of({"kept"}), -1, 1).error_code, 0);
      (void)client("a");
      bool has_ended = false;
      world.machine("node").disk().after_change(change, sim::SimDisk::Change::any, [&] {
        end();
        has_ended = true;
      });
      const auto growing = send(growth(topic, 5), 3, "a");
      world.run_for(50ms);
      world.machine("node").disk().after_change(0, sim::SimDisk::Change::any, {});
      if (!has_ended) end();
      world.run_for(10ms);
      restart();
      check(topic, growing->has_value());
    }
    EXPECT_TRUE(was_answered_ && was_lost_before_) << "the ends miss the change";
  }

 private:
  void check(const std::string& topic, bool is_answered) {
    const std::size_t count = partitions_of(topic);
    was_answered_ |= is_answered;
    was_lost_before_ |= count == 2;
    EXPECT_TRUE(count == 5 || (count == 2 && !is_answered)) << topic << ": " << count;
    EXPECT_THAT(values(topic, {.partition = 1, .max_wait_ms = 0}), ElementsAre("kept"));
    const auto again = grow(topic, 5).error_code;
    EXPECT_EQ(again, count == 5 ? broker_error::invalid_partitions : broker_error::none);
    EXPECT_EQ(produce_to(topic, 4), 0) << topic;
    EXPECT_EQ(logger.count("error "), 0U) << testing::PrintToString(logger.lines);
  }

  bool was_answered_ = false;
  bool was_lost_before_ = false;
};

TEST_F(LostGrowthTest, AnAnsweredGrowthSurvivesAPowerLossAtAnyMoment) {
  end_at_each_change([this] { world.machine("node").lose_power(); },
                     [this] {
                       world.machine("node").power_on();
                       after_power_loss();
                     });
}

TEST_F(LostGrowthTest, AnAnsweredGrowthSurvivesAKillAtAnyMoment) {
  end_at_each_change([this] { node().kill(); }, [this] { restart_after_kill(); });
}

TEST_F(AddedPartitionsTest, OfManyTopicsAreAddedInSlices) {
  turns_are_short = true;
  create("t");
  Request request;
  for (int i = 0; i < 60; ++i) {
    const std::string name = "topic-" + std::to_string(i);
    create(name);
    add(request, name, 3);
  }
  (void)client("attacker");
  const auto growing = send(request, 3, "attacker");
  arrive();
  EXPECT_EQ(produce_to("t", 0), 0);
  EXPECT_FALSE(growing->has_value());
  const auto grown = wait<Request>(growing);
  ASSERT_EQ(grown.results.size(), 60U);
  for (const auto& each : grown.results) EXPECT_EQ(each.error_code, 0);
  EXPECT_EQ(partitions_of("topic-59"), 3U);
}

TEST_F(AddedPartitionsTest, AreFoundByAFetchSessionThatAskedForThemBefore) {
  create("t");
  auto request = fetch_request("t", {.partition = 1, .max_wait_ms = 0});
  request.session_epoch = 0;
  const auto before = ask(request, 12);
  EXPECT_EQ(before.responses.at(0).partitions.at(0).error_code,
            broker_error::unknown_topic_or_partition);
  ASSERT_EQ(grow("t", 2).error_code, 0);
  ASSERT_EQ(produce_to("t", 1), 0);
  wire::FetchRequest next;
  next.session_id = before.session_id;
  next.session_epoch = 1;
  next.max_bytes = 1 << 20;
  const auto after = ask(next, 12);
  ASSERT_EQ(after.responses.size(), 1U);
  EXPECT_THAT(values_in(after.responses.at(0).partitions.at(0).records), ElementsAre("x"));
}

}  // namespace
}  // namespace dohle::node
