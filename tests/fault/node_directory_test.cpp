#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <optional>

#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "wire/messages/delete_topics.hpp"

// A data directory with a removed entry or a wrong bit.

namespace dohle::fault {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr std::size_t records = 20;

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

bool delete_topic(WireConnection& at, const std::string& name) {
  wire::DeleteTopicsRequest request;
  request.topics.push_back({name, {}});
  const auto answer = at.ask(request);
  return answer && answer->responses.at(0).error_code == 0;
}

class DirectoryTest : public testing::Test {
 protected:
  void fill() {
    NodeProcess node(data_);
    ASSERT_NE(node.port(), 0) << node.lines();
    WireConnection connection(node.port());
    for (const std::string topic : {"first", "money"}) {
      ASSERT_TRUE(create_topic(connection, topic, 1));
      for (std::size_t i = 0; i < records; ++i) {
        ASSERT_TRUE(produce(connection, topic, 0, topic + std::to_string(i)));
      }
    }
    EXPECT_EQ(node.stop(), 0) << node.lines();
  }
  /// The node's log lines if it does not start.
  std::string refusal(std::vector<std::string> more = {}, int status = 1) {
    NodeProcess node(data_, std::move(more));
    EXPECT_EQ(node.port(), 0);
    EXPECT_EQ(node.stop(), status);
    return node.lines();
  }
  static void expect_records(NodeProcess& node, const std::string& topic, std::size_t count) {
    ASSERT_NE(node.port(), 0) << node.lines();
    WireConnection connection(node.port());
    const auto found = values(connection, topic, 0);
    ASSERT_TRUE(found) << topic << ": " << found.error().to_string() << node.lines();
    EXPECT_THAT(*found, SizeIs(count)) << topic;
  }

  ScratchDirectory scratch_;
  const fs::path data_ = scratch_ / "data";
  const fs::path catalog_ = data_ / "dohle-catalog";
};

TEST_F(DirectoryTest, ACatalogWithAFlippedBitOrAMissingByteRefusesTheStartAndLosesNothing) {
  fill();
  const std::string good = bytes_of(catalog_);
  const std::size_t last_line = good.rfind('\n', good.size() - 2) + 1;
  for (const std::size_t at : {std::size_t{3}, last_line + 2, last_line + 30, good.size() - 2}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 2);
    write_bytes(catalog_, bad);
    const std::string lines = refusal();
    EXPECT_THAT(lines, HasSubstr(catalog_.string())) << at;
    EXPECT_THAT(lines, HasSubstr("restore it from a copy")) << at;
    EXPECT_EQ(bytes_of(catalog_), bad) << at;
  }
  write_bytes(catalog_, good.substr(0, good.size() - 1));
  EXPECT_THAT(refusal(), HasSubstr("the last clean stop left " + std::to_string(good.size())));
  write_bytes(catalog_, good);
  NodeProcess node(data_);
  expect_records(node, "money", records);
}

TEST_F(DirectoryTest, ACatalogCutAfterSigkillRefusesTheStart) {
  fill();
  {
    NodeProcess node(data_);
    WireConnection connection(node.port());
    ASSERT_TRUE(create_topic(connection, "new", 1));
    node.kill();
  }
  const std::string good = bytes_of(catalog_);
  for (const std::size_t off :
       {std::size_t{1}, good.size() - good.rfind('\n', good.size() - 2) - 1}) {
    write_bytes(catalog_, good.substr(0, good.size() - off));
    EXPECT_THAT(refusal(), HasSubstr("the node had written " + std::to_string(good.size())));
  }
  write_bytes(catalog_, good);
  NodeProcess node(data_);
  expect_records(node, "money", records);
  expect_records(node, "new", 0);
}

TEST_F(DirectoryTest, ALostCatalogIsReplacedByAdoption) {
  fill();
  fs::remove(catalog_);
  EXPECT_THAT(refusal(), HasSubstr("--adopt TOPIC"));
  NodeProcess node(data_, {"--adopt", "first", "--adopt", "money"});
  expect_records(node, "first", records);
  expect_records(node, "money", records);
  EXPECT_THAT(node.lines(), HasSubstr("topic money is listed again"));
}

TEST_F(DirectoryTest, AMissingPartitionDirectoryIsDamageOfThatPartitionAlone) {
  fill();
  fs::remove_all(data_ / "money-0");
  NodeProcess node(data_);
  expect_records(node, "first", records);
  WireConnection connection(node.port());
  const auto refused = produce(connection, "money", 0, "more");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_broker(56)) << refused.error().to_string();
  EXPECT_THAT(node.lines(), HasSubstr("money-0: its directory is missing"));
  EXPECT_THAT(node.lines(), HasSubstr("restore the directory from a copy, or delete the topic"));
}

TEST_F(DirectoryTest, APartitionWithoutItsDirectoryBeginsAgainOnceItsLossIsAccepted) {
  for (const bool is_clean : {true, false}) {
    fs::remove_all(data_);
    fill();
    if (!is_clean) NodeProcess(data_).kill();
    fs::remove_all(data_ / "money-0");
    for (int start = 0; start < 2; ++start) {
      const NodeProcess node(data_);
      EXPECT_THAT(node.lines(), HasSubstr("--accept-loss money-0@0")) << "every start says it";
    }
    // The option may stay in the next start.
    for (std::size_t start = 0; start < 2; ++start) {
      NodeProcess node(data_, {"--accept-loss", "money-0@0"});
      expect_records(node, "first", records);
      if (start == 0) {
        EXPECT_THAT(node.lines(), HasSubstr("money-0 begins anew at offset 20"));
      }
      WireConnection connection(node.port());
      const auto next = produce(connection, "money", 0, "next");
      ASSERT_TRUE(next) << next.error().to_string() << node.lines();
      EXPECT_EQ(*next, Offset{static_cast<std::int64_t>(records + start)});
      const auto found = values(connection, "money", 0, Offset{records});
      ASSERT_TRUE(found) << found.error().to_string();
      EXPECT_THAT(*found, SizeIs(start + 1));
      EXPECT_EQ(node.stop(), 0) << node.lines();
    }
  }
}

TEST_F(DirectoryTest, AnAcceptedLossThatDoesNotExistRefusesTheStartAndChangesNothing) {
  fill();
  constexpr int exit_usage = 2;
  const std::pair<const char*, const char*> slips[] = {
      {"monye-0@4", "monye-0@4: there is no such topic"},
      {"money-7@4", "money-7@4: topic money has 1 partitions"},
      {"money-0@4", "there is no damage at offset 4 of partition"},
      {"money-0@0", "there is no damage at offset 0 of partition"},
  };
  for (const auto& [slip, said] : slips) {
    EXPECT_THAT(refusal({"--accept-loss", slip}, exit_usage), HasSubstr(said));
  }
  EXPECT_THAT(refusal({"--adopt", "monye"}, exit_usage), HasSubstr("topic monye"));
  NodeProcess node(data_);
  expect_records(node, "money", records);
  expect_records(node, "first", records);
}

TEST_F(DirectoryTest, WithTwoExchangedPartitionsRefusesThemAndLosesNoRecord) {
  fill();
  const auto exchange = [&] {
    fs::rename(data_ / "money-0", data_ / "aside");
    fs::rename(data_ / "first-0", data_ / "money-0");
    fs::rename(data_ / "aside", data_ / "first-0");
  };
  exchange();
  {
    NodeProcess node(data_);
    ASSERT_NE(node.port(), 0) << node.lines();
    WireConnection connection(node.port());
    for (const std::string topic : {"first", "money"}) {
      const auto found = values(connection, topic, 0);
      ASSERT_FALSE(found) << topic;
      EXPECT_TRUE(found.error().is_broker(56)) << found.error().to_string();
      EXPECT_FALSE(produce(connection, topic, 0, "more")) << topic;
      EXPECT_THAT(node.lines(), HasSubstr(topic + "-0/dohle-log is that of topic id"));
    }
    EXPECT_TRUE(create_topic(connection, "other", 1));
    EXPECT_TRUE(produce(connection, "other", 0, "value"));
    // Its directory holds the other partition's records.
    EXPECT_TRUE(delete_topic(connection, "first"));
    EXPECT_THAT(node.lines(), HasSubstr("first-0 of a deleted topic holds records of another"));
    EXPECT_EQ(node.stop(), 0);
  }
  exchange();
  NodeProcess node(data_);
  expect_records(node, "money", records);
  expect_records(node, "other", 1);
  EXPECT_FALSE(fs::exists(data_ / "first-0")) << "of a deleted topic";
}

TEST_F(DirectoryTest, RemovedWhileTheNodeRunsRefusesRecordsAfterASecond) {
  fill();
  NodeProcess node(data_);
  ASSERT_NE(node.port(), 0) << node.lines();
  WireConnection connection(node.port());
  ASSERT_TRUE(produce(connection, "money", 0, "before"));
  fs::remove_all(data_);
  const auto removed = std::chrono::steady_clock::now();
  std::optional<Error> why;
  while (!why && std::chrono::steady_clock::now() - removed < std::chrono::seconds(20)) {
    const auto offset = produce(connection, "money", 0, "into nothing");
    if (!offset) why = offset.error();
  }
  ASSERT_TRUE(why);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - removed;
  std::printf("refused %.2f s after the removal\n", took.count());
  EXPECT_TRUE(why->is_broker(56)) << why->to_string();
  // The line comes after the answer and through a pipe.
  const std::string line = "was removed or replaced while the node wrote to it";
  while (node.lines().find(line) == std::string::npos &&
         std::chrono::steady_clock::now() - removed < std::chrono::seconds(20)) {
    EXPECT_FALSE(produce(connection, "money", 0, "into nothing"));
  }
  EXPECT_THAT(node.lines(), HasSubstr(line));
  EXPECT_FALSE(create_topic(connection, "new", 1));
}

}  // namespace
}  // namespace dohle::fault
