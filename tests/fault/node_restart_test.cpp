#include <gtest/gtest.h>
#include <algorithm>

#include <cstdio>
#include <cstdlib>

#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"

// The time until a node is ready, and the memory of an idle node. The promises are for a release
// build; other builds have larger limits.

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

constexpr std::int32_t partitions = 1'000;

/// DOHLE_FAULT_PARTITION_BYTES: size of each partition; 1048576 makes the gigabyte of the promise.
/// A clean start reads the same amount for any size.
std::size_t bytes_per_partition() {
  const char* const text = std::getenv("DOHLE_FAULT_PARTITION_BYTES");
  return text == nullptr ? 16 * 1024 : std::strtoull(text, nullptr, 10);
}

class RestartTest : public testing::Test {
 protected:
  void show(const char* what, const NodeProcess& node) {
    std::printf("%s: ready after %.1f ms, %.1f MB resident\n", what,
                static_cast<double>(node.ready_after().count()) / 1e3,
                static_cast<double>(node.resident_bytes()) / 1e6);
    RecordProperty("ready_us", static_cast<int>(node.ready_after().count()));
    RecordProperty("resident_bytes", static_cast<int>(node.resident_bytes()));
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
  const auto data = scratch_ / "data";
  {
    NodeProcess node(data, {"--durability", "os"});
    ASSERT_NE(node.port(), 0) << node.lines();
    WireConnection connection(node.port());
    ASSERT_TRUE(create_topic(connection, "many", partitions));
    const std::string value(std::min<std::size_t>(bytes_per_partition(), 512 * 1024), 'x');
    for (std::int32_t partition = 0; partition < partitions; ++partition) {
      for (std::size_t bytes = 0; bytes < bytes_per_partition(); bytes += value.size()) {
        const auto offset = produce(connection, "many", partition, value);
        ASSERT_TRUE(offset) << offset.error().to_string();
      }
    }
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
  // Recovery logs no line.
  EXPECT_EQ(std::ranges::count(node.lines(), '\n'), 1) << node.lines();
  EXPECT_NE(node.lines().find("listening on"), std::string::npos) << node.lines();
  WireConnection connection(node.port());
  const auto found = values(connection, "many", partitions - 1);
  ASSERT_TRUE(found) << found.error().to_string();
  EXPECT_FALSE(found->empty());
}

}  // namespace
}  // namespace dohle::fault
