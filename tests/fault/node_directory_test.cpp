#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <optional>

#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"

// A data directory of which somebody took something away, or in which a bit is wrong.

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
  /// What the node says when it does not start.
  std::string refusal() {
    NodeProcess node(data_);
    EXPECT_EQ(node.port(), 0);
    EXPECT_EQ(node.stop(), 1);
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

TEST_F(DirectoryTest, ABitFlippedInTheCatalogRefusesTheStartAndLosesNothing) {
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
  write_bytes(catalog_, good);
  NodeProcess node(data_);
  expect_records(node, "money", records);
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

TEST_F(DirectoryTest, ThatIsRemovedWhileTheNodeRunsTakesNoMoreRecordsAfterASecond) {
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
  EXPECT_THAT(node.lines(), HasSubstr("was removed or replaced while the node wrote to it"));
  EXPECT_FALSE(create_topic(connection, "new", 1));
}

}  // namespace
}  // namespace dohle::fault
