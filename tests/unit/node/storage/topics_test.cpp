#include "node_world.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/describe_cluster.hpp"
#include "wire/messages/describe_configs.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class TopicsTest : public NodeWorld {
 protected:
  wire::MetadataResponse metadata(std::optional<std::vector<std::string>> names,
                                  bool creates = false, std::int16_t version = 13) {
    wire::MetadataRequest request;
    request.topics.reset();
    request.allow_auto_topic_creation = creates;
    if (names) {
      request.topics.emplace();
      for (const auto& name : *names) request.topics->push_back({{}, name});
    }
    return ask(request, version);
  }
  std::int16_t remove(const std::string& name) {
    wire::DeleteTopicsRequest request;
    request.topics.push_back({name, {}});
    return ask(request).responses.at(0).error_code;
  }
  std::map<std::string, std::string> configs_of(const std::string& topic) {
    wire::DescribeConfigsRequest request;
    request.resources.push_back({2, topic, std::nullopt});
    std::map<std::string, std::string> values;
    const auto answer = ask(request);
    for (const auto& entry : answer.results.at(0).configs) {
      values[entry.name] = entry.value.value_or("(none)");
    }
    return values;
  }
};

TEST_F(TopicsTest, MetadataNamesTheNodeAndItsTopics) {
  const TopicId id = create("t", 3);
  const auto all = metadata(std::nullopt);
  ASSERT_EQ(all.brokers.size(), 1u);
  EXPECT_EQ(all.brokers[0].host, "node");
  EXPECT_EQ(all.brokers[0].port, 9092);
  EXPECT_EQ(all.controller_id, all.brokers[0].node_id);
  ASSERT_EQ(all.topics.size(), 1u);
  EXPECT_EQ(all.topics[0].topic_id, id);
  ASSERT_EQ(all.topics[0].partitions.size(), 3u);
  EXPECT_EQ(all.topics[0].partitions[2].leader_id, all.brokers[0].node_id);
  EXPECT_EQ(all.topics[0].partitions[2].leader_epoch, LeaderEpoch{0});

  wire::MetadataRequest by_id;
  by_id.topics->push_back({id, std::nullopt});
  by_id.topics->push_back({TopicId{{1}}, std::nullopt});
  const auto found = ask(by_id);
  EXPECT_EQ(found.topics[0].name, "t");
  EXPECT_EQ(found.topics[1].error_code, broker_error::unknown_topic_id);
  EXPECT_EQ(ask(wire::DescribeClusterRequest{}).cluster_id, all.cluster_id);
}

TEST_F(TopicsTest, AreCreatedOnFirstUseUnlessThatIsSwitchedOff) {
  EXPECT_EQ(metadata({{"t"}}).topics[0].error_code, broker_error::unknown_topic_or_partition);
  EXPECT_EQ(metadata({{"t", "u", "t"}}).topics.size(), 2u);
  const auto made = metadata({{"t", "not/a/name"}}, true);
  EXPECT_EQ(made.topics[0].error_code, 0);
  EXPECT_EQ(made.topics[0].partitions.size(), 1u);
  EXPECT_EQ(made.topics[1].error_code, broker_error::invalid_topic_exception);
  ASSERT_TRUE(stop_cleanly());
  settings.auto_create_topics = false;
  restart_after_kill();
  EXPECT_EQ(metadata({{"u"}}, true).topics[0].error_code, broker_error::unknown_topic_or_partition);
}

TEST_F(TopicsTest, CreatingIsRefusedWithAReason) {
  create("t");
  EXPECT_EQ(try_create("t").error_code, broker_error::topic_already_exists);
  EXPECT_EQ(try_create("").error_code, broker_error::invalid_topic_exception);
  EXPECT_EQ(try_create("..").error_code, broker_error::invalid_topic_exception);
  EXPECT_EQ(try_create(std::string(250, 'x')).error_code, broker_error::invalid_topic_exception);
  EXPECT_EQ(try_create("u", 0).error_code, broker_error::invalid_partitions);
  EXPECT_EQ(try_create("u", 200'000).error_code, broker_error::invalid_partitions);
  const auto unknown = try_create("u", 1, {{"flush.ms", "1"}});
  EXPECT_EQ(unknown.error_code, broker_error::invalid_config);
  EXPECT_THAT(unknown.error_message.value_or(""), HasSubstr("flush.ms"));
  EXPECT_EQ(try_create("u", 1, {{"cleanup.policy", "compact"}}).error_code,
            broker_error::invalid_config);
  const auto number = try_create("u", 1, {{"retention.ms", "soon"}});
  EXPECT_THAT(number.error_message.value_or(""), HasSubstr("retention.ms: a number from -1"));

  wire::CreateTopicsRequest request;
  for (int i = 0; i < 2; ++i) request.topics.push_back({"twice", 1, 1, {}, {}});
  request.topics.push_back({"factor", 1, 3, {}, {}});
  const auto answer = ask(request);
  EXPECT_EQ(answer.topics[0].error_code, broker_error::invalid_request);
  EXPECT_EQ(answer.topics[1].error_code, broker_error::invalid_request);
  EXPECT_EQ(answer.topics[2].error_code, broker_error::invalid_replication_factor);
  EXPECT_EQ(metadata(std::nullopt).topics.size(), 1u);
}

TEST_F(TopicsTest, IllegalNamesAreReportedAsIllegalAlsoIfNothingIsCreated) {
  for (const std::string& name : {std::string("not/a/name"), std::string("a b"), std::string("."),
                                  std::string(".."), std::string(), std::string(250, 'x')}) {
    for (const bool may_create : {false, true}) {
      EXPECT_EQ(metadata({{name}}, may_create).topics[0].error_code,
                broker_error::invalid_topic_exception)
          << name;
    }
    EXPECT_EQ(try_create(name).error_code, broker_error::invalid_topic_exception) << name;
  }
  EXPECT_EQ(metadata({{std::string(249, 'x')}}).topics[0].error_code,
            broker_error::unknown_topic_or_partition);
  EXPECT_THAT(metadata(std::nullopt).topics, testing::IsEmpty());
}

TEST_F(TopicsTest, NamesThatDifferByDotAndUnderscoreAloneAreRefused) {
  create("a.b_c");
  const auto other = try_create("a_b.c");
  EXPECT_EQ(other.error_code, broker_error::invalid_topic_exception);
  EXPECT_THAT(other.error_message.value_or(""),
              HasSubstr("Topic 'a_b.c' collides with existing topic: a.b_c"));
  EXPECT_EQ(metadata({{"a_b_c"}}, true).topics[0].error_code,
            broker_error::invalid_topic_exception);
  EXPECT_EQ(try_create("a-b-c").error_code, 0);
  wire::DeleteTopicsRequest request;
  request.topics.push_back({"a.b_c", {}});
  EXPECT_EQ(ask(request).responses[0].error_code, 0);
  EXPECT_EQ(try_create("a_b.c").error_code, 0);
  ASSERT_TRUE(stop_cleanly());
  restart_after_kill();
  EXPECT_EQ(try_create("a.b.c").error_code, broker_error::invalid_topic_exception);
}

TEST_F(TopicsTest, RefusalsHaveTheWordsOfApacheKafkaThatScriptsSearchFor) {
  create("t");
  const auto text = [&](const std::string& name, std::int32_t partitions,
                        const Configs& configs = {}) {
    return try_create(name, partitions, configs).error_message.value_or("");
  };
  EXPECT_EQ(text("t", 1), "Topic 't' already exists.");
  EXPECT_THAT(text("a b", 1), HasSubstr("Topic name is invalid: 'a b' contains one or more "
                                        "characters other than ASCII alphanumerics"));
  EXPECT_THAT(text("", 1), HasSubstr("the empty string is not allowed"));
  EXPECT_THAT(text(std::string(250, 'x'), 1), HasSubstr("longer than the max allowed length 249"));
  EXPECT_THAT(text("u", 0), HasSubstr("set to an invalid non-positive value"));
  EXPECT_THAT(text("u", 1, {{"flush.ms", "1"}}), HasSubstr("Unknown topic config name: flush.ms"));
  EXPECT_THAT(text("u", 1, {{"retention.ms", "soon"}}),
              HasSubstr("Invalid value soon for configuration retention.ms"));
  wire::CreateTopicsRequest request;
  request.topics.push_back({"factor", 1, 3, {}, {}});
  for (int i = 0; i < 2; ++i) request.topics.push_back({"twice", 1, 1, {}, {}});
  const auto answer = ask(request);
  EXPECT_THAT(answer.topics[0].error_message.value_or(""),
              HasSubstr("replication factor of 3 cannot be reached because only 1 broker(s)"));
  EXPECT_EQ(answer.topics[1].error_message, "Duplicate topic name.");
}

TEST_F(TopicsTest, RefusalsOfLongNamesAndValuesAreAnsweredAndShort) {
  const std::string large(32'767, 'x');
  const auto value = try_create("t", 1, {{"retention.ms", large}});
  EXPECT_EQ(value.error_code, broker_error::invalid_config);
  EXPECT_LT(value.error_message.value_or("").size(), 1'100u);
  const auto name = try_create("t", 1, {{large, "1"}});
  EXPECT_EQ(name.error_code, broker_error::invalid_config);
  EXPECT_LT(name.error_message.value_or("").size(), 1'100u);
  EXPECT_LT(try_create(large).error_message.value_or("").size(), 1'100u);
  wire::DescribeConfigsRequest request;
  for (const std::int8_t type : std::initializer_list<std::int8_t>{2, 4}) {
    auto& wanted = request.resources.emplace_back();
    wanted.resource_type = type;
    wanted.resource_name = large;
  }
  for (const auto& described : ask(request).results) {
    EXPECT_NE(described.error_code, 0);
    EXPECT_LT(described.error_message.value_or("").size(), 1'200u);
  }
}

TEST_F(TopicsTest, ValidatingCreatesNoTopic) {
  wire::CreateTopicsRequest request;
  request.topics.push_back({"t", -1, -1, {}, {}});
  request.validate_only = true;
  const auto answer = ask(request);
  EXPECT_EQ(answer.topics[0].error_code, 0);
  EXPECT_EQ(answer.topics[0].num_partitions, 1);
  EXPECT_THAT(metadata(std::nullopt).topics, IsEmpty());
}

TEST_F(TopicsTest, TheirSettingsSurviveAnyCrash) {
  const TopicId id = create("t", 2, {{"retention.ms", "1000"}, {"segment.bytes", "2048"}});
  restart_after_power_loss();
  const auto found = metadata({{"t"}});
  EXPECT_EQ(found.topics[0].topic_id, id);
  EXPECT_EQ(found.topics[0].partitions.size(), 2u);
  const auto configs = configs_of("t");
  EXPECT_EQ(configs.at("retention.ms"), "1000");
  EXPECT_EQ(configs.at("segment.bytes"), "2048");
  EXPECT_EQ(configs.at("max.message.bytes"), "1048588");
  EXPECT_EQ(configs.at("cleanup.policy"), "delete");
}

TEST_F(TopicsTest, RetentionDeletesOldSegmentsAndMovesTheStart) {
  create("t", 1, {{"retention.ms", "1000"}, {"segment.bytes", "1024"}});
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(produce("t", batch_of({std::string(800, 'x')})).error_code, 0);
  }
  world.run_for(30s);
  const auto found = fetch("t", {.offset = 5, .max_wait_ms = 0});
  EXPECT_EQ(found.log_start_offset, Offset{5});
  EXPECT_EQ(fetch("t", {.offset = 0}).error_code, broker_error::offset_out_of_range);
  EXPECT_EQ(produce("t", batch_of({"a"})).base_offset, Offset{5});
}

TEST_F(TopicsTest, DeletedOnesStayDeletedAfterARestart) {
  const TopicId old = create("t");
  ASSERT_EQ(produce("t", batch_of({"old"})).error_code, 0);
  EXPECT_EQ(remove("t"), 0);
  EXPECT_EQ(remove("t"), broker_error::unknown_topic_or_partition);
  EXPECT_EQ(fetch("t").error_code, broker_error::unknown_topic_or_partition);
  const TopicId fresh = create("t");
  EXPECT_NE(fresh, old);
  EXPECT_THAT(values("t", {.max_wait_ms = 0}), IsEmpty());
  world.run_for(1s);
  restart_after_power_loss();
  EXPECT_EQ(metadata({{"t"}}).topics[0].topic_id, fresh);
  EXPECT_THAT(values("t", {.max_wait_ms = 0}), IsEmpty());
}

/// Requests for a topic during its creation or deletion.
class TopicChangesTest : public TopicsTest {
 protected:
  using Creation = Awaited<wire::CreateTopicsRequest>;
  using Deletion = Awaited<wire::DeleteTopicsRequest>;

  Creation begin_create(const std::string& name, std::string_view from,
                        std::int32_t partitions = 1) {
    wire::CreateTopicsRequest request;
    request.topics.push_back({name, partitions, 1, {}, {}});
    return send(request, 7, from);
  }
  Deletion begin_remove(const std::string& name, std::string_view from) {
    wire::DeleteTopicsRequest request;
    request.topics.push_back({name, {}});
    return send(request, 6, from);
  }
  Awaited<wire::MetadataRequest> begin_metadata(const std::string& name, bool creates,
                                                std::string_view from) {
    wire::MetadataRequest request;
    request.allow_auto_topic_creation = creates;
    request.topics->push_back({{}, name});
    return send(request, 13, from);
  }
  std::int16_t error_of(const Creation& creation) {
    return wait<wire::CreateTopicsRequest>(creation).topics.at(0).error_code;
  }
  std::int16_t error_of(const Deletion& deletion) {
    return wait<wire::DeleteTopicsRequest>(deletion).responses.at(0).error_code;
  }
  void connect(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) (void)client(name);
  }
  /// Lets sent requests arrive before later ones.
  void arrive() { world.run_for(500us); }
};

TEST_F(TopicChangesTest, ASecondCreationIsRefusedDuringTheFirstAndMetadataWaitsForIt) {
  connect({"a", "b", "c", "d", "e"});
  const auto first = begin_create("t", "a", 1'000);
  arrive();
  const auto second = begin_create("t", "b", 1);
  const auto unknown = begin_metadata("t", false, "c");
  const auto awaited = begin_metadata("t", true, "d");
  const auto produced = send(produce_request("t", batch_of({"x"})), 12, "e");
  EXPECT_EQ(wait<wire::MetadataRequest>(unknown).topics.at(0).error_code,
            broker_error::unknown_topic_or_partition);
  EXPECT_EQ(
      wait<wire::ProduceRequest>(produced).responses.at(0).partition_responses.at(0).error_code,
      broker_error::unknown_topic_or_partition);
  EXPECT_FALSE(first->has_value());
  EXPECT_EQ(error_of(first), 0);
  EXPECT_EQ(error_of(second), broker_error::topic_already_exists);
  const auto found = wait<wire::MetadataRequest>(awaited).topics.at(0);
  EXPECT_EQ(found.error_code, 0);
  EXPECT_EQ(found.partitions.size(), 1'000u);
}

TEST_F(TopicChangesTest, NamesThatCollideAreRefusedDuringTheCreationOfTheOther) {
  connect({"a", "b"});
  const auto first = begin_create("a.b", "a", 1'000);
  arrive();
  const auto second = begin_create("a_b", "b");
  EXPECT_EQ(error_of(first), 0);
  EXPECT_EQ(error_of(second), broker_error::invalid_topic_exception);
}

TEST_F(TopicChangesTest, PartitionsUnderCreationCountAgainstTheBound) {
  connect({"a", "b"});
  const auto first = begin_create("t", "a", 1'000);
  arrive();
  const auto second =
      begin_create("u", "b", static_cast<std::int32_t>(limits::max_partitions) - 999);
  EXPECT_EQ(error_of(second), broker_error::invalid_partitions);
  EXPECT_FALSE(first->has_value());
  EXPECT_EQ(error_of(first), 0);
}

TEST_F(TopicChangesTest, ANameIsFreeAsSoonAsItsTopicIsDeleted) {
  const TopicId old = create("t", 1'000);
  ASSERT_EQ(produce("t", batch_of({"old"})).error_code, 0);
  connect({"a", "b", "c", "d"});
  const auto first = begin_remove("t", "a");
  arrive();
  const auto second = begin_remove("t", "b");
  const auto again = begin_create("t", "c", 2);
  arrive();
  const auto metadata_of = begin_metadata("t", true, "d");
  EXPECT_EQ(error_of(first), 0);
  EXPECT_EQ(error_of(second), broker_error::unknown_topic_or_partition);
  EXPECT_EQ(error_of(again), 0);
  EXPECT_EQ(wait<wire::MetadataRequest>(metadata_of).topics.at(0).error_code, 0);
  const auto fresh = metadata({{"t"}}).topics.at(0);
  EXPECT_NE(fresh.topic_id, old);
  EXPECT_EQ(fresh.partitions.size(), 2u);
  EXPECT_THAT(values("t", {.max_wait_ms = 0}), IsEmpty());
  ASSERT_TRUE(stop_cleanly());
  restart_after_kill();
  EXPECT_EQ(metadata({{"t"}}).topics.at(0).topic_id, fresh.topic_id);
  EXPECT_THAT(logger.lines, IsEmpty());
}

TEST_F(TopicChangesTest, WaitingFetchesAreAnsweredWhenTheirTopicIsDeleted) {
  create("t", 3);
  connect({"a", "b"});
  const auto waiting = send(fetch_request("t", {.max_wait_ms = 20'000}), 12, "a");
  world.run_for(10ms);
  EXPECT_EQ(error_of(begin_remove("t", "b")), 0);
  EXPECT_EQ(wait<wire::FetchRequest>(waiting, 1s).responses.at(0).partitions.at(0).error_code,
            broker_error::unknown_topic_or_partition);
}

TEST_F(TopicChangesTest, ATopicThatCannotBeCreatedCompletelyLeavesNoTrace) {
  world.machine("node").disk().fail_writes("/t-70/dohle-log", 1);
  const auto refused = try_create("t", 100);
  EXPECT_EQ(refused.error_code, broker_error::kafka_storage_error);
  EXPECT_THAT(metadata(std::nullopt).topics, IsEmpty());
  EXPECT_FALSE(world.machine("node").disk().contents("/data/t-0/dohle-log").has_value());
  create("t", 100);
}

TEST_F(TopicChangesTest, ACatalogThatCannotBeSyncedRefusesChangesUntilARestart) {
  const TopicId kept = create("kept");
  world.machine("node").disk().fail_syncs("dohle-catalog", 1);
  EXPECT_EQ(try_create("t").error_code, broker_error::kafka_storage_error);
  EXPECT_EQ(remove("kept"), broker_error::kafka_storage_error);
  EXPECT_EQ(produce("kept", batch_of({"x"})).error_code, 0) << "the rest goes on";
  restart_after_kill();
  EXPECT_EQ(metadata({{"kept"}}).topics.at(0).topic_id, kept);
  EXPECT_EQ(logger.count("error "), 0u) << "what the catalog names is there";
  const auto other = try_create("t").error_code;
  EXPECT_TRUE(other == 0 || other == broker_error::topic_already_exists) << other;
}

TEST_F(TopicChangesTest, FilesThatARefusedLineOfTheCatalogNamesStayUntilARestart) {
  create("kept");
  world.machine("node").disk().fail_syncs("dohle-catalog", 1);
  EXPECT_EQ(try_create("t").error_code, broker_error::kafka_storage_error);
  const auto made = world.machine("node").disk().contents("/data/t-0/dohle-log");
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(try_create("t").error_code, broker_error::kafka_storage_error);
  EXPECT_EQ(world.machine("node").disk().contents("/data/t-0/dohle-log"), made);
  EXPECT_EQ(try_create("u").error_code, broker_error::kafka_storage_error);
  EXPECT_FALSE(world.machine("node").disk().contents("/data/u-0/dohle-log").has_value());
  restart_after_kill();
  EXPECT_EQ(logger.count("error "), 0u) << "the files are those of the id in the line";
  const auto other = try_create("t").error_code;
  EXPECT_TRUE(other == 0 || other == broker_error::topic_already_exists) << other;
  EXPECT_EQ(produce("t", batch_of({"x"})).error_code, 0);
}

TEST_F(TopicChangesTest, AStopWhileTopicsAreCreatedAndDeletedIsClean) {
  for (const auto after : {100us, 300us, 600us, 1'000us, 2'000us, 4'000us}) {
    std::vector<Creation> creations;
    const std::string run = std::to_string(after.count());
    create("doomed-" + run, 150);
    connect({"a", "b"});
    for (int i = 0; i < 20; ++i) {
      creations.push_back(begin_create("new-" + run + "-" + std::to_string(i), "a", 20));
    }
    (void)begin_remove("doomed-" + run, "b");
    world.run_for(after);
    std::optional<Result<void>> outcome;
    running().engine.stop(world.now(), [&](Result<void> how) { outcome = std::move(how); });
    ASSERT_TRUE(world.run_until([&] { return outcome.has_value(); }, 10s));
    ASSERT_TRUE(outcome->has_value());
    restart_after_kill();
    EXPECT_THAT(logger.lines,
                testing::Each(HasSubstr("without records or of deleted topics are removed")))
        << run;
    logger.lines.clear();
    for (const auto& creation : creations) {
      if (!creation->has_value()) continue;
      const auto& made = creation->value().topics.at(0);
      EXPECT_EQ(metadata({{made.name}}).topics.at(0).error_code, 0);
    }
  }
}

TEST_F(TopicChangesTest, AnsweredChangesSurviveAPowerLossAtAnyMoment) {
  for (unsigned change = 1; change <= 120; change += 7) {
    const std::string run = std::to_string(change);
    create("old-" + run, 3);
    connect({"a", "b", "c"});
    bool is_lost = false;
    world.machine("node").disk().after_change(change, sim::SimDisk::Change::any, [&] {
      world.machine("node").lose_power();
      is_lost = true;
    });
    const auto first = begin_create("first-" + run, "a", 5);
    const auto second = begin_create("second-" + run, "b", 5);
    const auto removed = begin_remove("old-" + run, "c");
    world.run_for(50ms);
    world.machine("node").disk().after_change(0, sim::SimDisk::Change::any, {});
    if (!is_lost) world.machine("node").lose_power();
    world.run_for(10ms);
    world.machine("node").power_on();
    after_power_loss();
    const auto exists = [&](const std::string& name) {
      return metadata({{name}}).topics.at(0).error_code == 0;
    };
    EXPECT_TRUE(!first->has_value() || exists("first-" + run)) << run;
    EXPECT_TRUE(!second->has_value() || exists("second-" + run)) << run;
    EXPECT_FALSE(removed->has_value() && exists("old-" + run)) << run;
    for (const std::string name : {"first-", "second-", "old-"}) {
      const auto code = try_create(name + run, 2).error_code;
      EXPECT_TRUE(code == 0 || code == broker_error::topic_already_exists) << name << run;
      EXPECT_EQ(produce(name + run, batch_of({"x"}), -1, 1).error_code, 0) << name << run;
    }
    EXPECT_EQ(logger.count("error "), 0u) << testing::PrintToString(logger.lines);
  }
}

TEST_F(TopicsTest, AStrayPartitionIsLogged) {
  create("t");
  ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  ASSERT_TRUE(stop_cleanly());
  node().kill();
  ASSERT_EQ(logger.lines.size(), 0u);
  auto& other = world.machine("node").start("other", [](sim::Process& self) {
    EXPECT_TRUE(self.disk().rename("/data/t-0", "/data/lost-0"));
    return std::make_shared<int>();
  });
  world.run_for(1s);
  other.kill();
  restart_after_kill();
  EXPECT_EQ(logger.count("are kept (lost-0): --adopt TOPIC lists them again"), 1u);
}

TEST_F(TopicsTest, PartitionsWithoutACatalogAreNotIgnored) {
  create("t");
  ASSERT_TRUE(stop_cleanly());
  node().kill();
  auto& other = world.machine("node").start("other", [](sim::Process& self) {
    EXPECT_TRUE(self.disk().remove("/data/" + std::string(Catalog::file_name)));
    return std::make_shared<int>();
  });
  world.run_for(1s);
  other.kill();
  node().restart();
  world.run_for(1s);
  const auto& started = running().started;
  ASSERT_FALSE(started.has_value());
  EXPECT_TRUE(started.error().is(Errc::damaged));
  EXPECT_THAT(std::string(started.error().message()), HasSubstr("restore it from a copy"));
}

}  // namespace
}  // namespace dohle::node
