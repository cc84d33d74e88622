#include "node/storage/strays.hpp"

#include <array>
#include <cstdio>

#include "node_world.hpp"
#include "wire/crc32c.hpp"
#include "wire/messages/create_partitions.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/init_producer_id.hpp"
#include "wire/messages/offset_commit.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(StrayTest, NamesOfPartitionDirectoriesAreTopicAndNumber) {
  const auto read = parse_partition_directory("my-topic-0-12");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->topic, "my-topic-0");
  EXPECT_EQ(read->partition, 12);
  for (const std::string name : {"t", "-1", "t-", "t-01", "t-x", "t-0.deleted", "t-99999999999"}) {
    EXPECT_FALSE(parse_partition_directory(name)) << name;
  }
}

TEST(StrayTest, AdoptionNeedsEveryPartitionOfOneTopic) {
  const TopicId one{{1}}, two{{2}}, fresh{{3}};
  const auto whole = adopted_topic("t", {{"t", 1, std::nullopt, true}, {"t", 0, one, true}}, fresh);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->id, one);
  EXPECT_EQ(whole->partitions, 2);
  EXPECT_TRUE(whole->has_durable_files);
  EXPECT_EQ(adopted_topic("t", {{"t", 0}}, fresh)->id, fresh);
  const auto why = [&](const std::vector<Stray>& strays) {
    const auto adopted = adopted_topic("t", strays, fresh);
    return adopted ? "" : std::string(adopted.error().message());
  };
  EXPECT_THAT(why({}), HasSubstr("has no partition of it"));
  EXPECT_THAT(why({{"t", 1, one, true}}), HasSubstr("the directory t-0 is missing"));
  EXPECT_THAT(why({{"t", 0, one}, {"t", 1, two}}), HasSubstr("belong to 2 different topics"));
}

TEST(StrayTest, PartitionsThatWereAddedFollowTheListedOnesAndHaveTheirId) {
  const TopicId one{{1}}, two{{2}};
  const CatalogTopic listed{one, 2, {}, true};
  EXPECT_EQ(partitions_with(listed, {{"t", 3, one, true}, {"t", 2, one}, {"t", 4, one}}), 5);
  EXPECT_EQ(partitions_with(listed, {{"t", 2, one}, {"t", 3, one}}), 2) << "none has records";
  EXPECT_EQ(partitions_with(listed, {{"t", 3, one, true}}), 2) << "one is missing";
  EXPECT_EQ(partitions_with(listed, {{"t", 2, two, true}}), 2);
  EXPECT_EQ(partitions_with(listed, {{"t", 2, std::nullopt, true}}), 2);
  EXPECT_EQ(partitions_with(listed, {}), 2);
}

TEST(StrayTest, AreSummedUpInOneLine) {
  EXPECT_FALSE(line_about_strays("/data", {}, {}));
  std::vector<Stray> many;
  for (int i = 0; i < 25; ++i) many.push_back({"t", i, std::nullopt, true});
  const std::string line = line_about_strays("/data", many, {{"u", 0}}).value_or("");
  EXPECT_THAT(line, HasSubstr("25 partition directories in /data hold records"));
  EXPECT_THAT(line, HasSubstr("t-8, t-9 and 15 more)"));
  EXPECT_THAT(line, HasSubstr("1 partition directories without records"));
  EXPECT_THAT(line, HasSubstr("(u-0)"));
}

class StrayDirectoriesTest : public NodeWorld {
 protected:
  /// Stops the node, changes its disk with `what`, and starts it again, whether or not the start
  /// succeeds.
  void restart_with(const std::function<void(Disk&)>& what, bool keeps_mark = false) {
    (void)node();
    node().kill();
    auto& other =
        world.machine("node").start("other " + std::to_string(++others_), [&](sim::Process& self) {
          // Removes the stored file sizes, since the test changes files.
          for (const char* const name : {"/data/dohle-run", "/data/dohle-clean-stop"}) {
            if (!keeps_mark && self.disk().exists(name)) {
              EXPECT_TRUE(self.disk().remove(name));
            }
          }
          what(self.disk());
          return std::make_shared<int>();
        });
    world.run_for(1s);
    other.kill();
    forget_clients();
    logger.lines.clear();
    node().restart();
    world.run_for(1s);
  }
  static void write_catalog(Disk& disk, const std::string& text) {
    auto file = disk.open("/data/dohle-catalog", OpenMode::truncate);
    ASSERT_TRUE(file);
    const Bytes bytes = as_bytes(text);
    ASSERT_TRUE((*file)->write(0, {&bytes, 1}));
  }
  /// A catalog with no lines but `more`.
  static std::string catalog_of(const std::string& more = "") {
    std::string text = sealed_line(1, 0, "cluster me") + sealed_line(2, 1, "producer-ids 1000");
    return more.empty() ? text : text + sealed_line(3, 2, more);
  }
  void restart_without_catalog_lines() {
    restart_with([](Disk& disk) { write_catalog(disk, catalog_of()); });
    ASSERT_TRUE(running().started) << running().started.error().to_string();
  }
  std::int16_t metadata_code(const std::string& name) {
    wire::MetadataRequest request;
    request.allow_auto_topic_creation = true;
    request.topics.emplace().push_back({{}, name});
    return ask(request).topics.at(0).error_code;
  }
  std::int64_t producer_id() {
    wire::InitProducerIdRequest request;
    request.transactional_id.reset();
    return ask(request).producer_id.value;
  }
  bool exists(const std::string& path) {
    bool found = false;
    auto& other =
        world.machine("node").start("look " + std::to_string(++others_), [&](sim::Process& self) {
          found = self.disk().exists(path);
          return std::make_shared<int>();
        });
    world.run_for(1ms);
    other.kill();
    return found;
  }

 private:
  int others_ = 0;
};

TEST_F(StrayDirectoriesTest, WithRecordsAreKeptAndTheirTopicIsNotCreatedAgain) {
  create("money");
  ASSERT_EQ(produce("money", batch_of({"a", "b"})).error_code, 0);
  restart_without_catalog_lines();
  EXPECT_EQ(logger.count("1 partition directories in /data hold records of topics"), 1u);
  EXPECT_EQ(logger.lines.size(), 1u);
  EXPECT_EQ(metadata_code("money"), broker_error::unknown_topic_or_partition);
  const auto refused = try_create("money");
  EXPECT_EQ(refused.error_code, broker_error::kafka_storage_error);
  EXPECT_THAT(refused.error_message.value_or(""), HasSubstr("--adopt money"));
  create("other");

  settings.adopt = {"money"};
  restart_with([](Disk&) {});
  ASSERT_TRUE(running().started) << running().started.error().to_string();
  EXPECT_EQ(logger.count("topic money is listed again, with 1 partitions"), 1u);
  EXPECT_THAT(values("money"), ElementsAre("a", "b"));
  EXPECT_EQ(produce("money", batch_of({"c"})).base_offset, Offset{2});
  // The option may stay in the next start.
  restart_after_power_loss();
  EXPECT_THAT(values("money", {.offset = 2}), ElementsAre("c"));
}

TEST_F(StrayDirectoriesTest, ThatAreMovedAwayReleaseTheirName) {
  create("money");
  ASSERT_EQ(produce("money", batch_of({"a"})).error_code, 0);
  restart_without_catalog_lines();
  EXPECT_EQ(try_create("money").error_code, broker_error::kafka_storage_error);
  auto& other = world.machine("node").start("mover", [](sim::Process& self) {
    EXPECT_TRUE(self.disk().rename("/data/money-0", "/money-0"));
    return std::make_shared<int>();
  });
  world.run_for(1s);
  other.kill();
  EXPECT_EQ(metadata_code("money"), 0);
  EXPECT_THAT(values("money", {.max_wait_ms = 0}), IsEmpty());
}

TEST_F(StrayDirectoriesTest, WithoutRecordsAreRemoved) {
  create("t", 2);
  restart_without_catalog_lines();
  EXPECT_EQ(logger.count("2 partition directories in /data without records"), 1u);
  EXPECT_FALSE(exists("/data/t-0"));
  EXPECT_FALSE(exists("/data/t-1"));
  EXPECT_EQ(metadata_code("t"), 0);
}

TEST_F(StrayDirectoriesTest, OfADeletedTopicAreRemoved) {
  const TopicId id = create("t");
  ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  restart_with([&](Disk& disk) { write_catalog(disk, catalog_of("deleted t " + id.to_string())); });
  EXPECT_EQ(logger.count("1 partition directories in /data without records or of deleted"), 1u);
  EXPECT_FALSE(exists("/data/t-0"));
}

TEST_F(StrayDirectoriesTest, OfGroupsPreventANewEmptyTopicOfGroups) {
  create("t");
  const auto commit = [&] {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    auto& wanted = request.topics.emplace_back();
    wanted.name = "t";
    wanted.partitions.push_back({PartitionId{0}, Offset{1}, LeaderEpoch{0}, ""});
    return ask(request, 9).topics.at(0).partitions.at(0).error_code;
  };
  ASSERT_EQ(commit(), 0);
  const TopicId id = topics().find("t")->id;
  restart_with([&](Disk& disk) {
    write_catalog(disk, catalog_of("topic t " + id.to_string() + " 1 durable"));
  });
  EXPECT_EQ(commit(), broker_error::coordinator_not_available);
  EXPECT_EQ(logger.count("groups are unavailable: "), 1u);
}

TEST_F(StrayDirectoriesTest, WithoutRecordsAreKeptBesideOthersOfTheirTopic) {
  create("t", 3);
  ASSERT_EQ(produce("t", batch_of({"a"}), -1, 1).error_code, 0);
  restart_without_catalog_lines();
  EXPECT_TRUE(exists("/data/t-0"));
  settings.adopt = {"t"};
  restart_with([](Disk&) {});
  ASSERT_TRUE(running().started) << running().started.error().to_string();
  EXPECT_EQ(logger.count("topic t is listed again, with 3 partitions"), 1u);
  EXPECT_THAT(values("t", {.partition = 1}), ElementsAre("a"));
}

TEST_F(StrayDirectoriesTest, OfAddedPartitionsAreListedAgainByAdoption) {
  const TopicId id = create("t", 5);
  ASSERT_EQ(produce("t", batch_of({"a"}), -1, 3).error_code, 0);
  const auto grow = [&](std::int32_t count) {
    wire::CreatePartitionsRequest request;
    request.topics.push_back({"t", count, std::nullopt});
    return ask(request).results.at(0);
  };
  restart_with([&](Disk& disk) {
    write_catalog(disk,
                  catalog_of("topic t " + id.to_string() + " 2 durable retention.ms=1000000"));
  });
  ASSERT_TRUE(running().started) << running().started.error().to_string();
  EXPECT_EQ(logger.count("3 partition directories in /data hold records of topics or partitions"),
            1u);
  EXPECT_EQ(topics().find("t")->partitions.size(), 2u);
  const auto refused = grow(3);
  EXPECT_EQ(refused.error_code, broker_error::kafka_storage_error);
  EXPECT_THAT(refused.error_message.value_or(""), HasSubstr("--adopt t"));

  settings.adopt = {"t"};
  for (const bool is_again : {false, true}) {
    restart_with([](Disk&) {});
    ASSERT_TRUE(running().started) << running().started.error().to_string();
    EXPECT_EQ(logger.count("topic t has 5 partitions again, and not 2"), is_again ? 0u : 1u);
    EXPECT_EQ(logger.lines.size(), is_again ? 0u : 1u);
    EXPECT_EQ(topics().find("t")->id, id);
    EXPECT_EQ(topics().find("t")->config.at("retention.ms"), "1000000");
    EXPECT_THAT(values("t", {.partition = 3}), ElementsAre("a"));
    EXPECT_EQ(grow(5).error_code, broker_error::invalid_partitions);
  }
  EXPECT_EQ(grow(6).error_code, 0);
}

TEST_F(StrayDirectoriesTest, ThatAreMissingCannotBeAdopted) {
  create("t");
  settings.adopt = {"typo"};
  restart_with([](Disk&) {});
  ASSERT_FALSE(running().started);
  EXPECT_EQ(running().started.error().category(), ErrorCategory::configuration);
  EXPECT_THAT(std::string(running().started.error().message()),
              HasSubstr("topic typo: the data directory has no partition of it"));
}

TEST_F(StrayDirectoriesTest, ThatWereRenamedCannotBeAdopted) {
  create("t");
  ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  settings.adopt = {"u"};
  restart_with([](Disk& disk) { ASSERT_TRUE(disk.rename("/data/t-0", "/data/u-0")); });
  ASSERT_FALSE(running().started);
  EXPECT_THAT(std::string(running().started.error().message()),
              HasSubstr("are those of topic t, renamed"));
}

TEST_F(StrayDirectoriesTest, ThatCannotAllBeAdoptedLeaveTheCatalogUnchanged) {
  create("t");
  ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  ASSERT_TRUE(stop_cleanly());
  const Slice batch = *batch_of({"b"}).flatten();
  settings.adopt = {"extra", "typo"};
  restart_with(
      [&](Disk& disk) {
        ASSERT_TRUE(disk.make_directories("/data/extra-0"));
        auto file = disk.open("/data/extra-0/00000000000000000000.log", OpenMode::create);
        ASSERT_TRUE(file);
        const Bytes bytes = batch.bytes();
        ASSERT_TRUE((*file)->write(0, {&bytes, 1}));
      },
      true);
  ASSERT_FALSE(running().started);
  settings.adopt = {"extra"};
  restart_with([](Disk&) {}, true);
  ASSERT_TRUE(running().started) << running().started.error().to_string();
  EXPECT_THAT(values("extra"), ElementsAre("b"));
  EXPECT_THAT(values("t"), ElementsAre("a"));
}

TEST_F(StrayDirectoriesTest, AreAdoptedWhenTheCatalogIsLost) {
  create("t", 2);
  const std::int64_t id = producer_id();
  ASSERT_EQ(produce("t", batch_of({"a"}, {id, 0, 0}), -1, 1).error_code, 0);
  const auto lose = [](Disk& disk) {
    if (disk.exists("/data/dohle-catalog")) {
      ASSERT_TRUE(disk.remove("/data/dohle-catalog"));
    }
  };
  restart_with(lose);
  ASSERT_FALSE(running().started);
  EXPECT_THAT(std::string(running().started.error().message()), HasSubstr("--adopt TOPIC"));
  settings.adopt = {"t"};
  restart_with(lose);
  ASSERT_TRUE(running().started) << running().started.error().to_string();
  EXPECT_THAT(values("t", {.partition = 1}), ElementsAre("a"));
  EXPECT_GT(producer_id(), id);
}

TEST_F(StrayDirectoriesTest, ProducerIdsSkipThoseInTheLogsWhenALineWasTorn) {
  create("t");
  ASSERT_EQ(produce("t", batch_of({"a"}, {5'000, 0, 0})).error_code, 0);
  const TopicId id = topics().find("t")->id;
  restart_with([&](Disk& disk) {
    const std::string torn = sealed_line(4, 3, "producer-ids 6000");
    write_catalog(disk, catalog_of("topic t " + id.to_string() + " 1 durable") +
                            torn.substr(0, torn.size() - 3));
  });
  EXPECT_EQ(logger.count("of an unacknowledged last change that a crash cut off"), 1u);
  EXPECT_EQ(producer_id(), 6'001);
  restart_after_power_loss();
  EXPECT_GT(producer_id(), 6'001);
}

TEST_F(StrayDirectoriesTest, AMissingDirectoryIsDamageOfThatPartitionAlone) {
  create("t", 2);
  create("u");
  ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  ASSERT_EQ(produce("t", batch_of({"b"}), -1, 1).error_code, 0);
  for (const bool has_directory : {false, true}) {
    restart_with([&](Disk& disk) {
      if (disk.exists("/data/t-0")) {
        ASSERT_TRUE(disk.remove_all("/data/t-0"));
      }
      if (has_directory) {
        ASSERT_TRUE(disk.make_directories("/data/t-0"));
      }
    });
    EXPECT_EQ(logger.count(has_directory ? "t-0: all of its files are missing"
                                         : "t-0: its directory is missing"),
              1u);
    EXPECT_EQ(produce("t", batch_of({"c"})).error_code, broker_error::kafka_storage_error);
    EXPECT_EQ(fetch("t").error_code, broker_error::kafka_storage_error);
    EXPECT_THAT(values("t", {.partition = 1}), ElementsAre("b"));
    EXPECT_EQ(produce("u", batch_of({"c"})).error_code, 0);
  }
  wire::DeleteTopicsRequest request;
  request.topics.push_back({"t", {}});
  EXPECT_EQ(ask(request).responses.at(0).error_code, 0);
  create("t");
  EXPECT_EQ(produce("t", batch_of({"c"})).base_offset, Offset{0});
}

TEST_F(StrayDirectoriesTest, AMissingDirectoryOfTheFirstReleaseIsCreatedAgain) {
  const TopicId id = create("t");
  restart_with([&](Disk& disk) {
    write_catalog(disk, catalog_of("topic t " + id.to_string() + " 1"));
    ASSERT_TRUE(disk.remove_all("/data/t-0"));
  });
  EXPECT_EQ(produce("t", batch_of({"c"})).base_offset, Offset{0});
}

class NamesOnDiskTest : public StrayDirectoriesTest {};

// 0.1.0 created topics whose names differ by '.' and '_' alone.
TEST_F(NamesOnDiskTest, AreServedAlsoIfNewTopicsMayNotHaveThem) {
  const std::vector<std::string> names{"a.b", "a_b", "a+b"};
  std::string catalog;
  const auto add_line = [&catalog](const std::string& text) {
    std::array<char, 16> crc{};
    std::snprintf(crc.data(), crc.size(), "%08x ", wire::crc32c(0, as_bytes(text)));
    catalog += crc.data() + text + "\n";
  };
  add_line("cluster me");
  TopicId id;
  for (const std::string& name : names) {
    ++id.bytes[0];
    add_line("topic " + name + " " + id.to_string() + " 1");
  }
  add_line("producer-ids 1000");
  restart_with([&](Disk& disk) { write_catalog(disk, catalog); });
  ASSERT_TRUE(running().started) << running().started.error().to_string();
  for (const std::string& name : names) {
    EXPECT_EQ(metadata_code(name), 0) << name;
    EXPECT_EQ(produce(name, batch_of({"of " + name})).error_code, 0) << name;
  }
  restart_after_kill();
  for (const std::string& name : names) EXPECT_THAT(values(name), ElementsAre("of " + name));
  EXPECT_EQ(try_create("a+c").error_code, broker_error::invalid_topic_exception);
  wire::DeleteTopicsRequest request;
  request.topics.push_back({"a.b", {}});
  EXPECT_EQ(ask(request).responses.at(0).error_code, 0);
  EXPECT_EQ(try_create("a.b").error_code, broker_error::invalid_topic_exception)
      << "a_b is still there";
  EXPECT_THAT(values("a_b"), ElementsAre("of a_b"));
}

TEST_F(StrayDirectoriesTest, NoPowerLossRemovesTheFilesOfATopicThatWasCreated) {
  for (int i = 0; i < 20; ++i) {
    create("t" + std::to_string(i), 1 + i % 3);
    restart_after_power_loss();
    EXPECT_EQ(logger.count("missing"), 0u);
  }
  EXPECT_EQ(topics().all().size(), 20u);
}

TEST_F(StrayDirectoriesTest, OfAnUnfinishedDeletionAreRemovedAndThoseOfOtherTopicsAreNot) {
  (void)node();
  restart_with([](Disk& disk) {
    for (const std::string name : {"t-0.AQAAAAAAAAAAAAAAAAAAAA-delete", "backup-delete"}) {
      ASSERT_TRUE(disk.make_directories("/data/" + name));
      ASSERT_TRUE(disk.open("/data/" + name + "/00000000000000000000.log", OpenMode::create));
    }
  });
  EXPECT_FALSE(exists("/data/t-0.AQAAAAAAAAAAAAAAAAAAAA-delete"));
  EXPECT_TRUE(exists("/data/backup-delete"));
}

TEST_F(StrayDirectoriesTest, ForeignFilesAreNotRemovedForANewPartition) {
  (void)node();
  restart_with([](Disk& disk) {
    ASSERT_TRUE(disk.make_directories("/data/notes-0"));
    ASSERT_TRUE(disk.open("/data/notes-0/diary", OpenMode::create));
  });
  EXPECT_THAT(logger.lines, IsEmpty());
  const auto refused = try_create("notes");
  EXPECT_EQ(refused.error_code, broker_error::kafka_storage_error);
  EXPECT_THAT(refused.error_message.value_or(""), HasSubstr("notes-0 is there"));
  EXPECT_TRUE(exists("/data/notes-0/diary"));
}

class PlaceWatchTest : public NodeWorld {
 protected:
  void do_beside(const std::function<void(Disk&)>& what) {
    auto& other =
        world.machine("node").start("beside " + std::to_string(++others_), [&](sim::Process& self) {
          what(self.disk());
          return std::make_shared<int>();
        });
    world.run_for(1ms);
    other.kill();
  }

 private:
  int others_ = 0;
};

TEST_F(PlaceWatchTest, APartitionThatIsMovedAwayGoesOfflineWithinASecondOrTwo) {
  create("t");
  create("u");
  ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  do_beside([](Disk& disk) { EXPECT_TRUE(disk.rename("/data/t-0", "/t-0")); });
  ASSERT_EQ(produce("t", batch_of({"b"})).error_code, 0);
  world.run_for(1'100ms);
  EXPECT_EQ(produce("t", batch_of({"c"})).error_code, broker_error::kafka_storage_error);
  EXPECT_EQ(logger.count("partition t-0 is offline until a restart: "), 1u);
  EXPECT_EQ(logger.count("was removed or replaced while the node wrote to it"), 1u);
  EXPECT_EQ(produce("u", batch_of({"c"})).error_code, 0);
  world.run_for(5s);
  EXPECT_EQ(produce("u", batch_of({"d"})).error_code, 0);
}

TEST_F(PlaceWatchTest, AReplacedDirectoryIsNoticed) {
  create("t");
  ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  world.run_for(5s);
  do_beside([](Disk& disk) {
    EXPECT_TRUE(disk.rename("/data/t-0", "/t-0"));
    EXPECT_TRUE(disk.make_directories("/data/t-0"));
    EXPECT_TRUE(disk.open("/data/t-0/00000000000000000000.log", OpenMode::create));
  });
  ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  world.run_for(1'100ms);
  EXPECT_EQ(produce("t", batch_of({"b"})).error_code, broker_error::kafka_storage_error);
}

TEST_F(PlaceWatchTest, SegmentsThatRetentionDeletesAreNotReported) {
  create("t", 1, {{"retention.ms", "1000"}, {"segment.bytes", "1024"}});
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(produce("t", batch_of({std::string(800, 'x')})).error_code, 0);
    world.run_for(300ms);
  }
  EXPECT_GT(topics().find("t")->partitions[0]->log()->log_start(), Offset{100});
  EXPECT_EQ(logger.count("removed or replaced"), 0u);
}

TEST_F(PlaceWatchTest, AMissingCatalogRefusesChanges) {
  create("t");
  do_beside([](Disk& disk) { EXPECT_TRUE(disk.remove("/data/dohle-catalog")); });
  const auto refused = try_create("u");
  EXPECT_EQ(refused.error_code, broker_error::kafka_storage_error);
  EXPECT_THAT(refused.error_message.value_or(""), HasSubstr("was removed or replaced"));
}

}  // namespace
}  // namespace dohle::node
