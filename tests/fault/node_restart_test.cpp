#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"

// The time until a node is ready, the reads and waits of a start, and the memory of an idle node.
// The promises are for a release build; other builds have larger limits.

namespace dohle::fault {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer)
constexpr int slower = 1;
constexpr std::size_t max_idle_bytes = 20'000'000;
#else
constexpr int slower = 10;
constexpr std::size_t max_idle_bytes = 200'000'000;
#endif

std::size_t number_from(const char* variable, std::size_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}
/// DOHLE_FAULT_PARTITION_BYTES: size of each partition; 1048576 makes the gigabyte of the promise.
/// A clean start reads the same amount for any size.
std::size_t bytes_per_partition() {
  return number_from("DOHLE_FAULT_PARTITION_BYTES", 16 * 1024);
}
/// DOHLE_FAULT_PARTITIONS: number of nearly empty partitions; the promise is for 10000.
std::int32_t many_partitions() {
  return static_cast<std::int32_t>(number_from("DOHLE_FAULT_PARTITIONS", 1'000));
}

class RestartTest : public testing::Test {
 protected:
  void show(const char* what, const NodeProcess& node) {
    std::printf("%s: ready after %.1f ms, %d ms of CPU, %zu reads, %zu waits, %.1f MB resident\n",
                what, static_cast<double>(node.ready_after().count()) / 1e3,
                static_cast<int>(node.cpu_time().count()), node.reads(), node.waits_of_loop(),
                static_cast<double>(node.resident_bytes()) / 1e6);
    RecordProperty("ready_us", static_cast<int>(node.ready_after().count()));
    RecordProperty("resident_bytes", static_cast<int>(node.resident_bytes()));
  }
  /// Stores that many bytes in each partition of a new topic.
  void fill(const NodeProcess& node, std::int32_t partitions, std::size_t bytes_each) {
    ASSERT_NE(node.port(), 0) << node.lines();
    WireConnection connection(node.port());
    ASSERT_TRUE(create_topic(connection, "many", partitions));
    const std::string value(std::min<std::size_t>(bytes_each, 512 * 1024), 'x');
    for (std::int32_t partition = 0; partition < partitions; ++partition) {
      for (std::size_t bytes = 0; bytes < bytes_each; bytes += value.size()) {
        const auto offset = produce(connection, "many", partition, value);
        ASSERT_TRUE(offset) << offset.error().to_string();
      }
    }
  }
  /// Recovery logs no line, and the last partition has its records.
  void expect_whole(const NodeProcess& node, std::int32_t partitions) {
    EXPECT_EQ(std::ranges::count(node.lines(), '\n'), 1) << node.lines();
    EXPECT_NE(node.lines().find("listening on"), std::string::npos) << node.lines();
    WireConnection connection(node.port());
    const auto found = values(connection, "many", partitions - 1);
    ASSERT_TRUE(found) << found.error().to_string();
    EXPECT_FALSE(found->empty());
  }
  ScratchDirectory scratch_;
};

TEST_F(RestartTest, AnEmptyDirectoryIsReadyWithin50Milliseconds) {
  auto best = microseconds::max();
  for (int i = 0; i < 5; ++i) {
    NodeProcess node(scratch_ / ("data" + std::to_string(i)));
    ASSERT_NE(node.port(), 0) << node.lines();
    best = std::min(best, node.ready_after());
    EXPECT_LE(node.resident_bytes(), max_idle_bytes);
    if (i == 4) show("empty directory", node);
  }
  EXPECT_LE(best, slower * milliseconds(50));
}

TEST_F(RestartTest, AThousandPartitionsAreReadyWithinASecondAfterACleanStop) {
  constexpr std::int32_t partitions = 1'000;
  const auto data = scratch_ / "data";
  {
    NodeProcess node(data, {"--durability", "os"});
    ASSERT_NO_FATAL_FAILURE(fill(node, partitions, bytes_per_partition()));
    show("before the stop", node);
    const auto before = std::chrono::steady_clock::now();
    ASSERT_EQ(node.stop(), 0) << node.lines();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
    std::printf("the stop took %.2f s\n", took.count());
  }
  NodeProcess node(data);
  ASSERT_NE(node.port(), 0) << node.lines();
  show("1,000 partitions after a clean stop", node);
  EXPECT_LE(node.ready_after(), slower * std::chrono::seconds(1));
  expect_whole(node, partitions);
}

// Half a second for 10,000 partitions is 50 µs each. The limit is twice that, of CPU time.
TEST_F(RestartTest, OpensNoSegmentOfManyPartitionsAfterACleanStop) {
  const std::int32_t partitions = many_partitions();
  const auto data = scratch_ / "data";
  {
    NodeProcess node(data, {"--durability", "os"});
    ASSERT_NO_FATAL_FAILURE(fill(node, partitions, 100));
    ASSERT_EQ(node.stop(), 0) << node.lines();
  }
  NodeProcess node(data);
  ASSERT_NE(node.port(), 0) << node.lines();
  show("many partitions after a clean stop", node);
  EXPECT_LE(node.cpu_time(), slower * milliseconds(50) + slower * microseconds(100) * partitions);
  // One small file each. The background checks, which begin later, read more.
  EXPECT_LE(node.reads(), static_cast<std::size_t>(partitions) * 3 / 2 + 1'000);
  EXPECT_LE(node.waits_of_loop(), 1'000u);
  expect_whole(node, partitions);
}

// A sync of one file after the other would make eight waits per partition.
TEST_F(RestartTest, SyncsManyPartitionsInGroupsAfterSigkill) {
  const std::int32_t partitions = many_partitions();
  const auto data = scratch_ / "data";
  {
    NodeProcess node(data, {"--durability", "os"});
    ASSERT_NO_FATAL_FAILURE(fill(node, partitions, 100));
    node.kill();
  }
  NodeProcess node(data);
  ASSERT_NE(node.port(), 0) << node.lines();
  show("many partitions after SIGKILL", node);
  EXPECT_LE(node.waits_of_loop(), static_cast<std::size_t>(partitions));
  EXPECT_LE(node.cpu_time(), slower * milliseconds(50) + slower * milliseconds(2) * partitions);
  expect_whole(node, partitions);
}

}  // namespace
}  // namespace dohle::fault
