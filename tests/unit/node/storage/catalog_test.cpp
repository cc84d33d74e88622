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
  /// Runs `what` in a process of its own, whose disk it gets.
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

TEST_F(CatalogTest, KeepsWhatItWasTold) {
  with_catalog([](Catalog& catalog) {
    ASSERT_TRUE(catalog.set_cluster_id("me"));
    auto wanted = topic(1, 3);
    wanted.config["retention.ms"] = "1000";
    ASSERT_TRUE(catalog.add("t", wanted));
    ASSERT_TRUE(catalog.add("u", topic(2)));
    ASSERT_TRUE(catalog.remove("u"));
    ASSERT_TRUE(catalog.set_free_producer_id(2'000));
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

TEST_F(CatalogTest, RemembersDeletedTopicsAcrossRewrites) {
  with_catalog([](Catalog& catalog) {
    ASSERT_TRUE(catalog.set_cluster_id("me"));
    ASSERT_TRUE(catalog.add("gone", topic(1)));
    ASSERT_TRUE(catalog.remove("gone"));
    const auto before = catalog.journal().lines();
    for (int i = 0; i < 1'100; ++i) ASSERT_TRUE(catalog.set_free_producer_id(i));
    EXPECT_LT(catalog.journal().lines(), before + 1'100) << "it was rewritten";
    EXPECT_TRUE(catalog.is_deleted(TopicId{{1}}));
  });
  with_catalog([](Catalog& catalog) {
    EXPECT_TRUE(catalog.is_deleted(TopicId{{1}}));
    EXPECT_EQ(catalog.free_producer_id(), 1'099);
    ASSERT_TRUE(catalog.add("gone", topic(1)));
    EXPECT_FALSE(catalog.is_deleted(TopicId{{1}})) << "it is listed again";
  });
}

TEST_F(CatalogTest, OfTheFirstReleaseOpensAndIsWrittenAnew) {
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

TEST_F(CatalogTest, RefusesWhatIsShortOfAKnownSizeAndSaysWhatToDo) {
  with_catalog([](Catalog& catalog) {
    ASSERT_TRUE(catalog.set_cluster_id("me"));
    ASSERT_TRUE(catalog.add("t", topic(1)));
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

TEST_F(CatalogTest, ThatIsGoneAltogetherRefusesWhereItsSizeIsKnown) {
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

TEST_F(CatalogTest, RefusesLinesThatMakeNoSense) {
  for (const std::string body : {"cluster", "topic t", "topic t nonsense 1", "producer-ids x",
                                 "topic t AQAAAAAAAAAAAAAAAAAAAA 0", "deleted t",
                                 "topic t AQAAAAAAAAAAAAAAAAAAAA 1 durable setting"}) {
    write(sealed_line(1, 0, body));
    EXPECT_THAT(refusal(), HasSubstr("makes no sense")) << body;
  }
}

TEST_F(CatalogTest, NotesNoSizeThatItsFileMayNotHave) {
  std::vector<std::uint64_t> noted;
  std::uint64_t longest = 0;
  with_catalog(
      [&](Catalog& catalog) {
        ASSERT_TRUE(catalog.set_cluster_id("me"));
        EXPECT_THAT(noted, ElementsAre(catalog.journal().size()));
        for (int i = 0; i < 1'100; ++i) {
          longest = std::max(longest, catalog.journal().size());
          ASSERT_TRUE(catalog.set_free_producer_id(i));
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
  with_catalog([](Catalog& catalog) { ASSERT_TRUE(catalog.set_cluster_id("me")); });
  write(text() + sealed_line(2, 1, "topic t AQAAAAAAAAAAAAAAAAAAAA 1 durable"));
  with_catalog([](Catalog& catalog) { EXPECT_EQ(catalog.topics().size(), 1u); });
  world_.machine("m").lose_power();
  world_.machine("m").power_on();
  with_catalog([](Catalog& catalog) { EXPECT_EQ(catalog.topics().size(), 1u); });
}

}  // namespace
}  // namespace dohle::node
