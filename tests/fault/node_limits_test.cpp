#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>

#include "base/random.hpp"
#include "base/units.hpp"
#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "wire/messages/offset_commit.hpp"

// The bounds of the node as a process: connections, frames, memory, and clients that do not read.

namespace dohle::fault {
namespace {

using testing::HasSubstr;

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
// AddressSanitizer does not return freed memory.
constexpr std::size_t memory_slack_bytes = 400_MiB;
#else
constexpr std::size_t memory_slack_bytes = 48_MiB;
#endif

constexpr std::size_t max_frame_bytes = 100_MiB;

std::string framed(std::uint32_t length, std::string_view body = {}) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(length >> shift));
  return bytes.append(body);
}

std::size_t lines_with(const NodeProcess& node, std::string_view part) {
  const std::string lines = node.lines();
  std::size_t count = 0;
  for (auto at = lines.find(part); at != lines.npos; at = lines.find(part, at + 1)) ++count;
  return count;
}

/// Raises it to the hard limit.
void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

class LimitsTest : public testing::Test {
 protected:
  void start(std::vector<std::string> more = {}, unsigned max_descriptors = 0) {
    node_.emplace(scratch_ / "data", std::move(more), max_descriptors);
    ASSERT_NE(node_->port(), 0) << node_->lines();
  }
  [[nodiscard]] std::uint16_t port() const { return node_->port(); }
  /// Produces a value and reads it back.
  void expect_served(WireConnection& by, const std::string& value) {
    const auto offset = produce(by, "t", 0, value);
    ASSERT_TRUE(offset) << offset.error().to_string();
    const auto answer = by.ask(fetch_request("t", 0, *offset), fetch_version);
    ASSERT_TRUE(answer) << answer.error().to_string();
    Offset next = *offset;
    EXPECT_THAT(*values_in(*answer, next), testing::ElementsAre(value));
  }

  ScratchDirectory scratch_;
  std::optional<NodeProcess> node_;
};

TEST_F(LimitsTest, ConnectionsOverTheLimitAreClosedAndThoseWithinItAreServed) {
  start({"--max-connections", "4"});
  std::deque<WireConnection> within;
  for (int i = 0; i < 4; ++i) within.emplace_back(port());
  ASSERT_TRUE(create_topic(within[0], "t", 1));
  for (WireConnection& each : within) expect_served(each, "before");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(WireConnection(port()).is_closed_by_the_node());
  for (WireConnection& each : within) expect_served(each, "meanwhile");
  EXPECT_EQ(lines_with(*node_, "is refused: there are 4 already (max_connections)"), 3u)
      << node_->lines();
  within.pop_front();
  // A new connection shows whether the node has noticed the closed ones.
  for (int attempt = 0; attempt < 10'000; ++attempt) {
    WireConnection newcomer(port());
    if (!produce(newcomer, "t", 0, "after")) continue;
    return expect_served(newcomer, "after all");
  }
  FAIL() << "nobody gets in: " << node_->lines();
}

TEST_F(LimitsTest, AFloodOfConnectionsOverTheLimitDoesNotFillTheLog) {
  start({"--max-connections", "1"});
  WireConnection one(port());
  ASSERT_TRUE(create_topic(one, "t", 1));
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(WireConnection(port()).is_closed_by_the_node());
  expect_served(one, "still here");
  EXPECT_LT(lines_with(*node_, "is refused"), 100u);
}

TEST_F(LimitsTest, IdleConnectionsLeaveDescriptorsForRollsCommitsAndTopics) {
  constexpr unsigned max_descriptors = 512;
  constexpr std::size_t wanted = 600;
  raise_descriptor_limit();
  ASSERT_GT(descriptor_limit(), wanted + 64);
  start({"--durability", "os"}, max_descriptors);
  EXPECT_EQ(lines_with(*node_, "connections are accepted, not 10000 (max_connections)"), 1u)
      << node_->lines();
  WireConnection busy(port());
  ASSERT_TRUE(create_topic(busy, "t", 1, {{"segment.bytes", "1024"}}));
  std::deque<WireConnection> idle;
  for (std::size_t i = 0; i < wanted; ++i) idle.emplace_back(port());
  EXPECT_TRUE(idle.back().is_closed_by_the_node());
  EXPECT_GT(lines_with(*node_, "RLIMIT_NOFILE 512"), 0u) << node_->lines();
  for (int i = 0; i < 40; ++i) {
    const std::string topic = "topic" + std::to_string(i);
    const auto created = create_topic(busy, topic, 3, {{"segment.bytes", "1024"}});
    ASSERT_TRUE(created) << created.error().to_string();
    for (int partition = 0; partition < 3; ++partition) {
      for (int roll = 0; roll < 4; ++roll) {
        const auto produced = produce(busy, topic, partition, std::string(600, 'x'));
        ASSERT_TRUE(produced) << produced.error().to_string() << node_->lines();
      }
    }
    wire::OffsetCommitRequest commit;
    commit.group_id = "group";
    auto& committed = commit.topics.emplace_back();
    committed.name = topic;
    committed.partitions.push_back({PartitionId{0}, Offset{2}, LeaderEpoch{0}, ""});
    const auto answer = busy.ask(commit, 7);
    ASSERT_TRUE(answer) << answer.error().to_string();
    ASSERT_EQ(answer->topics.at(0).partitions.at(0).error_code, 0) << node_->lines();
  }
  EXPECT_EQ(node_->stop(), 0) << node_->lines();
}

TEST_F(LimitsTest, ThousandsOfIdleConnectionsLeaveTheOthersServed) {
  constexpr std::size_t wanted = 3'000;
  constexpr std::size_t spare = 64;  // other descriptors of this process
  raise_descriptor_limit();
  const std::size_t count = std::min(wanted, descriptor_limit() - spare);
  if (count < wanted) std::printf("the descriptor limit allows %zu connections\n", count);
  start();
  WireConnection busy(port());
  ASSERT_TRUE(create_topic(busy, "t", 1));
  const std::size_t before = node_->resident_bytes();
  std::deque<WireConnection> idle;
  for (std::size_t i = 0; i < count; ++i) {
    idle.emplace_back(port());
    if (i % 100 == 0) expect_served(busy, "among " + std::to_string(i));
  }
  // The last one was accepted after all others, so all are open once it is served.
  expect_served(idle.back(), "last");
  expect_served(busy, "among all");
  std::printf(
      "%zu idle connections take %.1f KB each\n", count,
      static_cast<double>(node_->resident_bytes() - before) / 1e3 / static_cast<double>(count));
  EXPECT_LT(node_->resident_bytes(), before + memory_slack_bytes);
  for (std::size_t i = 0; i < count; i += 100) expect_served(idle[i], "no longer idle");
}

struct Nonsense {
  const char* name;
  std::string bytes;
  const char* line;
};

std::vector<Nonsense> nonsense() {
  std::string noise;
  SeededRandom random(1);
  for (int i = 0; i < 4'000; ++i) noise.push_back(static_cast<char>(random.below(256)));
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  return {
      {"above the limit", framed(max_frame_bytes + 1), "the limit is 104857600"},
      {"the largest length", framed(INT32_MAX), "the limit is 104857600"},
      {"negative", framed(UINT32_MAX), "a negative length"},
      {"empty", framed(0), "closing the connection of"},
      {"HTTP", "GET / HTTP/1.1\r\nHost: here\r\n\r\n", "the limit is 104857600"},
      {"TLS", hello + noise.substr(0, 500), "the limit is 104857600"},
      {"noise in a frame", framed(4'000, noise), "closing the connection of"},
      {"an unknown request",
       framed(14, std::string("\x7f\x00\x00\x00\x00\x00\x00\x01\x00\x01x\x00\x00\x00", 14)),
       "closing the connection of"},
  };
}

TEST_F(LimitsTest, GarbageClosesOnlyItsConnectionAndLogsOneLine) {
  start();
  WireConnection other(port());
  ASSERT_TRUE(create_topic(other, "t", 1));
  std::size_t lines = 0;
  for (const Nonsense& each : nonsense()) {
    const std::size_t before = lines_with(*node_, "\n");
    WireConnection one(port());
    ASSERT_TRUE(one.send_bytes(as_bytes(each.bytes)));
    EXPECT_TRUE(one.is_closed_by_the_node()) << each.name;
    expect_served(other, each.name);
    EXPECT_EQ(lines_with(*node_, "\n"), before + 1) << each.name << "\n" << node_->lines();
    EXPECT_THAT(node_->lines(), HasSubstr(each.line)) << each.name;
    ++lines;
  }
  EXPECT_EQ(lines, nonsense().size());
}

TEST_F(LimitsTest, HalfAFrameWaitsForTheRestAndDelaysNoOtherClient) {
  start();
  WireConnection other(port());
  ASSERT_TRUE(create_topic(other, "t", 1));
  const auto request = wire::encode_request(1, "fault", produce_request("t", 0, "late"), 12);
  const Slice bytes = *request->flatten();
  std::deque<WireConnection> halves;
  for (std::size_t at = 1; at < bytes.size(); at += 7) {
    halves.emplace_back(port());
    ASSERT_TRUE(halves.back().send_bytes(bytes.bytes().first(at)));
  }
  expect_served(other, "meanwhile");
  std::size_t at = 1;
  for (WireConnection& each : halves) {
    ASSERT_TRUE(each.send_bytes(bytes.bytes().subspan(at)));
    const auto answer = each.receive<wire::ProduceRequest>(12);
    ASSERT_TRUE(answer) << answer.error().to_string();
    EXPECT_EQ(answer->responses.at(0).partition_responses.at(0).error_code, 0);
    at += 7;
  }
  EXPECT_EQ(lines_with(*node_, "closing"), 0u) << node_->lines();
}

TEST_F(LimitsTest, AnnouncedFramesThatAreNeverSentTakeNoMemoryAndDelayNoOtherClient) {
  start();
  WireConnection other(port());
  ASSERT_TRUE(create_topic(other, "t", 1));
  const std::string large(1_MiB - 1'000, 'x');
  expect_served(other, "before");
  ASSERT_TRUE(produce(other, "t", 0, large));
  const std::size_t before = node_->resident_bytes();
  // The sizes vary, to leave no unused rest of the memory bound, and their sum is far above it.
  // Some requests send none of the body, some a little, some more than a small frame.
  constexpr std::size_t sent[] = {0, 1, 1'000, 100'000};
  std::deque<WireConnection> silent;
  for (std::size_t i = 0; i < 200; ++i) {
    const std::size_t length = max_frame_bytes >> (i / 12);
    const std::string body(std::min(sent[i % 4], length - 1), '\0');
    silent.emplace_back(port());
    ASSERT_TRUE(
        silent.back().send_bytes(as_bytes(framed(static_cast<std::uint32_t>(length), body))));
  }
  for (int i = 0; i < 20; ++i) {
    expect_served(other, "meanwhile");
    ASSERT_TRUE(produce(other, "t", 0, large));
  }
  WireConnection newcomer(port());
  expect_served(newcomer, "a newcomer");
  ASSERT_TRUE(produce(newcomer, "t", 0, large));
  EXPECT_LT(node_->resident_bytes(), before + memory_slack_bytes);
}

TEST_F(LimitsTest, AClientThatStopsReadingDelaysNoOtherClientAndGetsAllItsAnswersLater) {
  constexpr int values_count = 64;
  constexpr int fetches = 1'500;
  start();
  WireConnection other(port());
  ASSERT_TRUE(create_topic(other, "t", 1));
  ASSERT_TRUE(create_topic(other, "large", 1));
  const auto large = [](int i) { return std::to_string(i) + std::string(500'000, 'y'); };
  for (int i = 0; i < values_count; ++i) ASSERT_TRUE(produce(other, "large", 0, large(i)));
  expect_served(other, "before");
  const std::size_t before = node_->resident_bytes();
  // 750 MB of answers; the requests fit into the sockets' buffers.
  WireConnection slow(port());
  for (int i = 0; i < fetches; ++i) {
    ASSERT_TRUE(slow.send(fetch_request("large", 0, Offset{i % values_count}, 1), fetch_version));
  }
  std::size_t most = 0;
  for (int i = 0; i < 100; ++i) {
    expect_served(other, "meanwhile " + std::to_string(i));
    most = std::max(most, node_->resident_bytes());
  }
  EXPECT_LT(most, before + memory_slack_bytes);
  for (int i = 0; i < fetches; ++i) {
    const auto answer = slow.receive<wire::FetchRequest>(fetch_version);
    ASSERT_TRUE(answer) << i << ": " << answer.error().to_string();
    Offset next;
    const auto found = values_in(*answer, next);
    ASSERT_TRUE(found) << i << ": " << found.error().to_string();
    ASSERT_EQ(found->size(), 1u) << i;
    ASSERT_TRUE(found->front() == large(i % values_count)) << i;
    ASSERT_EQ(next, Offset{i % values_count + 1}) << i;
  }
  expect_served(slow, "afterwards");
}

}  // namespace
}  // namespace dohle::fault
