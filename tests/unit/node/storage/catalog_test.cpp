#include "node/storage/catalog.hpp"

#include <functional>

#include "node_world.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;

class CatalogTest : public testing::Test {
 protected:
  /// Runs `what` in a process of its own with that process's disk.
  void on_disk(const std::function<void(Disk&)>& what) {
    bool is_done = false;
    auto& process = world_.machine("m").start("process " + std::to_string(++processes_),
                                              [&](sim::Process& self) {
                                                what(self.disk());
                                                is_done = true;
                                                return std::make_shared<int>();
                                              });
    ASSERT_TRUE(world_.run_until([&] { return is_done; }, 1s));
    process.kill();
  }
  void with_catalog(const std::function<void(Catalog&)>& what, Catalog::Options options = {}) {
    on_disk([&](Disk& disk) {
      ASSERT_TRUE(disk.make_directories("/data"));
      auto catalog = Catalog::open(disk, "/data", std::move(options));
      ASSERT_TRUE(catalog) << catalog.error().to_string();
      what(**catalog);
    });
  }
  std::string refusal(Catalog::Options options = {}) {
    std::string text;
    on_disk([&](Disk& disk) {
      auto catalog = Catalog::open(disk, "/data", std::move(options));
      ASSERT_FALSE(catalog);
      text = catalog.error().message();
    });
    return text;
  }
  void write(const std::string& text) {
    on_disk([&](Disk& disk) {
      ASSERT_TRUE(disk.make_directories("/data"));
      auto file = disk.open(path, OpenMode::truncate);
      ASSERT_TRUE(file);
      const Bytes bytes = as_bytes(text);
      ASSERT_TRUE((*file)->write(0, {&bytes, 1}));
    });
  }
  /// The outcome of a change in the calling thread.
  template <class Change>
  static Result<void> made(Change change) {
    std::optional<Result<void>> outcome;
    change([&](Result<void> told) { outcome = std::move(told); });
    EXPECT_TRUE(outcome.has_value());
    return outcome.value_or(Result<void>());
  }
  static Result<void> name_cluster(Catalog& catalog, const std::string& id) {
    return made([&](Catalog::Done done) { catalog.set_cluster_id(id, std::move(done)); });
  }
  static Result<void> add(Catalog& catalog, const std::string& name, const CatalogTopic& topic) {
    return made([&](Catalog::Done done) { catalog.add(name, topic, std::move(done)); });
  }
  static Result<void> remove(Catalog& catalog, const std::string& name) {
    return made([&](Catalog::Done done) { catalog.remove(name, std::move(done)); });
  }
  static Result<void> give_out_to(Catalog& catalog, std::int64_t id) {
    return made([&](Catalog::Done done) { catalog.set_free_producer_id(id, std::move(done)); });
  }
  std::string text() { return world_.machine("m").disk().contents(path).value_or(""); }
  static CatalogTopic topic(std::uint8_t id, std::int32_t partitions = 1) {
    return {TopicId{{id}}, partitions, {}, true};
  }

  const std::string path = "/data/dohle-catalog";
  sim::World world_{1};
  int processes_ = 0;
};

/// Written by 0.1.0: two topics, one with settings, one deleted again; a block of producer ids.
const char* const text_of_0_1_0 =
    "5806f44e cluster lt6pw2cFRNaR2ZOhIEYnvw\n"
    "cfe4f628 topic money AQAAAAAAAAAAAAAAAAAAAA 2 retention.ms=1000\n"
    "1093a763 topic gone AgAAAAAAAAAAAAAAAAAAAA 1\n"
    "1e6cd115 producer-ids 1000\n"
    "c52b581d deleted gone AgAAAAAAAAAAAAAAAAAAAA\n";

TEST_F(CatalogTest, KeepsItsTopics) {
  with_catalog([](Catalog& catalog) {
    ASSERT_TRUE(name_cluster(catalog, "me"));
    auto wanted = topic(1, 3);
    wanted.config["retention.ms"] = "1000";
    ASSERT_TRUE(add(catalog, "t", wanted));
    ASSERT_TRUE(add(catalog, "u", topic(2)));
    ASSERT_TRUE(remove(catalog, "u"));
    ASSERT_TRUE(give_out_to(catalog, 2'000));
  });
  world_.machine("m").lose_power();
  world_.machine("m").power_on();
  with_catalog([](Catalog& catalog) {
    EXPECT_EQ(catalog.cluster_id(), "me");
    EXPECT_THAT(catalog.topics(), ElementsAre(Key("t")));
    const CatalogTopic& found = catalog.topics().at("t");
    EXPECT_EQ(found.id, (TopicId{{1}}));
    EXPECT_EQ(found.partitions, 3);
    EXPECT_EQ(found.config.at("retention.ms"), "1000");
    EXPECT_TRUE(found.has_durable_files);
    EXPECT_EQ(catalog.free_producer_id(), 2'000);
    EXPECT_TRUE(catalog.is_deleted(TopicId{{2}}));
    EXPECT_FALSE(catalog.is_deleted(TopicId{{1}}));
  });
}

TEST_F(CatalogTest, TakesATopicFromItsLastLineAcrossRewrites) {
  with_catalog([](Catalog& catalog) {
    ASSERT_TRUE(name_cluster(catalog, "me"));
    for (int partitions = 1; partitions <= 1'100; ++partitions) {
      ASSERT_TRUE(add(catalog, "t", topic(1, partitions)));
    }
    EXPECT_LT(catalog.journal().lines(), 1'100U) << "it was rewritten";
    EXPECT_EQ(catalog.topics().at("t").partitions, 1'100);
  });
  with_catalog([](Catalog& catalog) {
    EXPECT_EQ(catalog.topics().at("t").partitions, 1'100);
    EXPECT_TRUE(catalog.topics().at("t").has_durable_files);
  });
}

TEST_F(CatalogTest, RemembersDeletedTopicsAcrossRewrites) {
  with_catalog([](Catalog& catalog) {
    ASSERT_TRUE(name_cluster(catalog, "me"));
    ASSERT_TRUE(add(catalog, "gone", topic(1)));
    ASSERT_TRUE(remove(catalog, "gone"));
    const auto before = catalog.journal().lines();
    for (int i = 0; i < 1'100; ++i) ASSERT_TRUE(give_out_to(catalog, i));
    EXPECT_LT(catalog.journal().lines(), before + 1'100) << "it was rewritten";
    EXPECT_TRUE(catalog.is_deleted(TopicId{{1}}));
  });
  with_catalog([](Catalog& catalog) {
    EXPECT_TRUE(catalog.is_deleted(TopicId{{1}}));
    EXPECT_EQ(catalog.free_producer_id(), 1'099);
    ASSERT_TRUE(add(catalog, "gone", topic(1)));
    EXPECT_FALSE(catalog.is_deleted(TopicId{{1}})) << "it is listed again";
  });
}

TEST_F(CatalogTest, OfTheFirstReleaseOpensAndIsRewritten) {
  write(text_of_0_1_0);
  const auto check = [](Catalog& catalog) {
    EXPECT_EQ(catalog.cluster_id(), "lt6pw2cFRNaR2ZOhIEYnvw");
    EXPECT_THAT(catalog.topics(), ElementsAre(Key("money")));
    EXPECT_EQ(catalog.topics().at("money").config.at("retention.ms"), "1000");
    EXPECT_FALSE(catalog.topics().at("money").has_durable_files);
    EXPECT_TRUE(catalog.is_deleted(TopicId{{2}}));
    EXPECT_EQ(catalog.free_producer_id(), 1'000);
  };
  with_catalog(check);
  EXPECT_THAT(text(), Not(HasSubstr("1e6cd115 producer-ids 1000")));
  with_catalog(check);
}

TEST_F(CatalogTest, OfTheFirstReleaseWithAWrongBitRefuses) {
  std::string damaged = text_of_0_1_0;
  damaged[damaged.size() - 5] ^= 4;
  write(damaged);
  EXPECT_THAT(refusal(), HasSubstr("is whole, and its CRC is wrong: restore it from a copy"));
  EXPECT_EQ(text(), damaged) << "nothing of it is touched";
}

TEST_F(CatalogTest, RefusesAFileBelowItsKnownSizeWithAdvice) {
  with_catalog([](Catalog& catalog) {
    ASSERT_TRUE(name_cluster(catalog, "me"));
    ASSERT_TRUE(add(catalog, "t", topic(1)));
  });
  const std::string whole = text();
  const std::string cut = whole.substr(0, whole.size() - 1);
  write(cut);
  const std::string noted = refusal({.sizes = {.noted = whole.size()}});
  EXPECT_THAT(noted,
              HasSubstr(path + ": it has " + std::to_string(cut.size()) + " bytes, and the"));
  EXPECT_THAT(noted, HasSubstr("restore it from a copy; or, if there is none, move it away and"));
  EXPECT_THAT(refusal({.sizes = {.marked = whole.size()}}), HasSubstr("the last clean stop left"));
  EXPECT_EQ(text(), cut);
  with_catalog([&](Catalog& catalog) {
    EXPECT_TRUE(catalog.topics().empty());
    EXPECT_EQ(catalog.cluster_id(), "me");
    EXPECT_GT(catalog.journal().dropped_bytes(), 0u);
  });
  EXPECT_EQ(text(), whole.substr(0, text().size())) << "the torn line is gone";
}

TEST_F(CatalogTest, ThatIsMissingRefusesIfItsSizeIsKnown) {
  on_disk([](Disk& disk) { ASSERT_TRUE(disk.make_directories("/data")); });
  EXPECT_THAT(refusal({.sizes = {.noted = 100}}), HasSubstr("it has 0 bytes, and the node had"));
  on_disk([&](Disk& disk) { EXPECT_FALSE(disk.exists(path)); });
}

TEST_F(CatalogTest, SkipsOptionalLinesThatItDoesNotKnowAndRefusesOthers) {
  std::string later = sealed_line(1, 0, "cluster me") + sealed_line(2, 1, "?hint about it");
  write(later);
  with_catalog([](Catalog& catalog) { EXPECT_EQ(catalog.cluster_id(), "me"); });
  write(later + sealed_line(3, 2, "acl everybody"));
  const std::string refused = refusal();
  EXPECT_THAT(refused, HasSubstr("written by Dohle " + std::string(journal_version())));
  EXPECT_THAT(refused, HasSubstr("of the kind acl, which Dohle"));
  EXPECT_THAT(refused, HasSubstr("run that version or a later one"));
}

TEST_F(CatalogTest, RefusesInvalidLines) {
  for (const std::string body : {"cluster", "topic t", "topic t nonsense 1", "producer-ids x",
                                 "topic t AQAAAAAAAAAAAAAAAAAAAA 0", "deleted t",
                                 "topic t AQAAAAAAAAAAAAAAAAAAAA 1 durable setting"}) {
    write(sealed_line(1, 0, body));
    EXPECT_THAT(refusal(), HasSubstr("does not fit the lines before it")) << body;
  }
}

TEST_F(CatalogTest, NotesNoSizeThatItsFileMayNotHave) {
  std::vector<std::uint64_t> noted;
  std::uint64_t longest = 0;
  with_catalog(
      [&](Catalog& catalog) {
        ASSERT_TRUE(name_cluster(catalog, "me"));
        EXPECT_THAT(noted, ElementsAre(catalog.journal().size()));
        for (int i = 0; i < 1'100; ++i) {
          longest = std::max(longest, catalog.journal().size());
          ASSERT_TRUE(give_out_to(catalog, i));
        }
        EXPECT_LT(catalog.journal().size(), longest) << "it was rewritten";
        EXPECT_EQ(noted.back(), catalog.journal().size());
      },
      {.note = [&](std::uint64_t size) {
        noted.push_back(size);
        EXPECT_GE(text().size(), size);
      }});
}

TEST_F(CatalogTest, WithALineThatAKilledProcessWroteIsMadeDurable) {
  with_catalog([](Catalog& catalog) { ASSERT_TRUE(name_cluster(catalog, "me")); });
  write(text() + sealed_line(2, 1, "topic t AQAAAAAAAAAAAAAAAAAAAA 1 durable"));
  with_catalog([](Catalog& catalog) { EXPECT_EQ(catalog.topics().size(), 1u); });
  world_.machine("m").lose_power();
  world_.machine("m").power_on();
  with_catalog([](Catalog& catalog) { EXPECT_EQ(catalog.topics().size(), 1u); });
}

/// Changes on disk threads.
class CatalogBesideTest : public CatalogTest {
 protected:
  struct Life {
    std::unique_ptr<Catalog> catalog;
    std::vector<std::uint64_t> noted;
    /// Changes, in the order of their outcomes.
    std::vector<std::string> told, refused;
  };
  Life& live() {
    auto life = std::make_shared<Life>();
    const std::string name = "life " + std::to_string(++processes_);
    world_.machine("m").start(name, [life](sim::Process& self) {
      EXPECT_TRUE(self.disk().make_directories("/data"));
      Catalog::Options options;
      options.note = [at = life.get()](std::uint64_t size) { at->noted.push_back(size); };
      auto catalog = Catalog::open(self.disk(), "/data", std::move(options));
      EXPECT_TRUE(catalog) << catalog.error().to_string();
      life->catalog = *std::move(catalog);
      life->catalog->work_beside();
      return life;
    });
    EXPECT_TRUE(world_.run_until([&] { return life->catalog != nullptr; }, 1s));
    return *life;
  }
  static void add_beside(Life& life, std::uint8_t id) {
    const std::string name = "t" + std::to_string(id);
    life.catalog->add(name, topic(id), [&life, name](const Result<void>& outcome) {
      (outcome ? life.told : life.refused).push_back(name);
      EXPECT_EQ(life.catalog->topics().contains(name), outcome.has_value());
    });
  }
};

TEST_F(CatalogBesideTest, SimultaneousChangesShareASync) {
  Life& life = live();
  for (std::uint8_t id = 1; id <= 100; ++id) add_beside(life, id);
  EXPECT_TRUE(life.told.empty()) << "nothing is made within the call";
  EXPECT_TRUE(life.catalog->topics().empty());
  ASSERT_TRUE(world_.run_until([&] { return life.told.size() == 100; }, 1s));
  EXPECT_EQ(life.noted.size(), 2u) << "the first one, and those that came meanwhile";
  EXPECT_EQ(life.told.front(), "t1");
  EXPECT_EQ(life.told.back(), "t100");
  EXPECT_EQ(life.noted.back(), text().size());
}

TEST_F(CatalogBesideTest, AcknowledgedChangesSurviveAnyCrash) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    on_disk([&](Disk& disk) { (void)disk.remove(path); });
    Life& life = live();
    for (std::uint8_t id = 1; id <= 5; ++id) add_beside(life, id);
    world_.run_for(std::chrono::microseconds(50 * seed));
    for (std::uint8_t id = 6; id <= 9; ++id) add_beside(life, id);
    world_.run_for(std::chrono::microseconds(20 * seed));
    const auto told = life.told;
    world_.machine("m").lose_power();
    world_.machine("m").power_on();
    with_catalog([&](Catalog& catalog) {
      for (const std::string& name : told) EXPECT_TRUE(catalog.topics().contains(name)) << name;
    });
  }
}

TEST_F(CatalogBesideTest, AFailedSyncRefusesItsLinesAndAllThatFollow) {
  Life& life = live();
  world_.machine("m").disk().fail_syncs("dohle-catalog", 1);
  add_beside(life, 1);
  add_beside(life, 2);
  ASSERT_TRUE(world_.run_until([&] { return life.refused.size() == 2; }, 1s));
  EXPECT_TRUE(life.catalog->journal().is_broken());
  add_beside(life, 3);
  ASSERT_TRUE(world_.run_until([&] { return life.refused.size() == 3; }, 1s));
  EXPECT_TRUE(life.told.empty());
  EXPECT_TRUE(life.noted.empty());
}

TEST_F(CatalogBesideTest, IsRewrittenDuringChangesAndLosesNone) {
  Life& life = live();
  std::int64_t next = 0;
  std::int64_t told = 0;
  for (int round = 0; round < 300; ++round) {
    for (int i = 0; i < 10; ++i) {
      life.catalog->set_free_producer_id(++next, [&told](const Result<void>& outcome) {
        EXPECT_TRUE(outcome.has_value());
        ++told;
      });
    }
    if (round % 100 == 0) add_beside(life, static_cast<std::uint8_t>(1 + round / 100));
    world_.run_for(100us);
  }
  bool is_idle = false;
  life.catalog->when_idle([&] { is_idle = true; });
  ASSERT_TRUE(world_.run_until([&] { return is_idle; }, 1s));
  EXPECT_EQ(told, 3'000);
  EXPECT_LT(life.catalog->journal().lines(), 2'000u) << "it was rewritten";
  EXPECT_EQ(life.noted.back(), text().size());
  world_.machine("m").lose_power();
  world_.machine("m").power_on();
  with_catalog([](Catalog& catalog) {
    EXPECT_EQ(catalog.free_producer_id(), 3'000);
    EXPECT_THAT(catalog.topics(), ElementsAre(Key("t1"), Key("t2"), Key("t3")));
  });
}

}  // namespace
}  // namespace dohle::node
