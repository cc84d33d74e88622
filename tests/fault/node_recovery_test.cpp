#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <optional>

#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "wire/batch.hpp"
#include "wire/messages/find_coordinator.hpp"
#include "wire/messages/join_group.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"

// Files after a crash or on a bad disk.

namespace dohle::fault {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int batches = 6;
/// Number of batches in which files are cut.
constexpr int batches_cut = 3;

fs::path log_file(const fs::path& data, const std::string& partition = "t-0") {
  return data / partition / "00000000000000000000.log";
}

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void flip_bit(const fs::path& path, std::size_t at) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(at));
  const char byte = static_cast<char>(file.get() ^ 4);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(byte);
}

/// The end of each batch of a log file.
std::vector<std::size_t> ends_of_batches(const fs::path& path) {
  const std::string bytes = bytes_of(path);
  std::vector<std::size_t> ends;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto header = wire::read_batch_header(as_bytes(std::string_view(bytes).substr(at)));
    if (!header) break;
    ends.push_back(at += header->size());
  }
  return ends;
}

/// The newest recovery point that a partition has stored (docs/formats.md: dohle-log).
long long recovery_point(const fs::path& partition) {
  const std::string text = bytes_of(partition / "dohle-log");
  long long newest = -1, point = 0;
  for (const std::size_t at : {std::size_t{0}, std::size_t{4096}}) {
    long long number = 0, start = 0, found = 0;
    if (at >= text.size()) break;
    if (std::sscanf(text.c_str() + at, "dohle-log 1 %lld %lld %lld", &number, &start, &found) ==
            3 &&
        number > newest) {
      newest = number;
      point = found;
    }
  }
  return point;
}

class RecoveryTest : public testing::Test {
 protected:
  /// Produces `batches` records to topic t and ends the node with `stop`.
  void fill(const fs::path& data, const std::function<void(NodeProcess&)>& stop) {
    NodeProcess node(data);
    ASSERT_NE(node.port(), 0) << node.lines();
    WireConnection connection(node.port());
    ASSERT_TRUE(create_topic(connection, "t", 2));
    for (int i = 0; i < batches; ++i) {
      const auto offset = produce(connection, "t", 0, "value " + std::to_string(i));
      ASSERT_TRUE(offset) << offset.error().to_string();
    }
    stop(node);
  }
  /// Ends the node before any of the records is below the recovery point.
  bool fill_and_kill(const fs::path& data) {
    for (int attempt = 0; attempt < 5; ++attempt) {
      fs::remove_all(data);
      fill(data, [](NodeProcess& node) { node.kill(); });
      if (recovery_point(data / "t-0") == 0) return true;
    }
    return false;
  }

  ScratchDirectory scratch_;
};

TEST_F(RecoveryTest, ALogCutAtAnyByteRecoversItsWholeBatches) {
  const fs::path original = scratch_ / "original";
  ASSERT_TRUE(fill_and_kill(original));
  const auto ends = ends_of_batches(log_file(original));
  ASSERT_EQ(ends.size(), static_cast<std::size_t>(batches));
  const fs::path data = scratch_ / "cut";
  for (std::size_t at = ends[batches - batches_cut - 1]; at <= ends.back(); ++at) {
    fs::remove_all(data);
    fs::copy(original, data, fs::copy_options::recursive);
    fs::resize_file(log_file(data), at);
    const auto whole =
        static_cast<std::size_t>(std::ranges::count_if(ends, [&](auto end) { return end <= at; }));

    NodeProcess node(data);
    ASSERT_NE(node.port(), 0) << "cut at " << at << ": " << node.lines();
    WireConnection connection(node.port());
    const auto found = values(connection, "t", 0);
    ASSERT_TRUE(found) << "cut at " << at << ": " << found.error().to_string();
    ASSERT_EQ(found->size(), whole) << "cut at " << at;
    for (std::size_t i = 0; i < whole; ++i) EXPECT_EQ((*found)[i], "value " + std::to_string(i));
    const auto next = produce(connection, "t", 0, "next");
    ASSERT_TRUE(next) << next.error().to_string();
    EXPECT_EQ(*next, Offset{static_cast<std::int64_t>(whole)});

    // Zeros at the end come from extending the file and are not kept.
    const std::string left = bytes_of(log_file(original)).substr(0, at);
    const std::size_t kept_until = whole == 0 ? 0 : ends[whole - 1];
    std::size_t torn = at - kept_until;
    while (torn > 0 && left[kept_until + torn - 1] == '\0') --torn;
    if (torn == 0) continue;
    EXPECT_THAT(node.lines(), HasSubstr("cut " + std::to_string(torn) + " bytes"));
    const std::string kept = "00000000000000000000.cut-" + std::to_string(whole);
    EXPECT_EQ(bytes_of(data / "t-0" / kept).size(), torn);
  }
}

TEST_F(RecoveryTest,
       AFlippedBitInAcknowledgedRecordsKeepsThePartitionOfflineUntilTheirLossIsAccepted) {
  const fs::path data = scratch_ / "data";
  ASSERT_TRUE(fill_and_kill(data));
  const auto ends = ends_of_batches(log_file(data));
  flip_bit(log_file(data), ends[3] + 70);
  for (int start = 0; start < 2; ++start) {
    NodeProcess node(data);
    ASSERT_NE(node.port(), 0) << node.lines();
    WireConnection connection(node.port());
    const auto found = values(connection, "t", 0);
    ASSERT_FALSE(found);
    EXPECT_TRUE(found.error().is_broker(56)) << found.error().to_string();
    EXPECT_THAT(node.lines(),
                HasSubstr("topic t, partition 0, offset 4: " + log_file(data).string()));
    EXPECT_THAT(node.lines(), HasSubstr("--accept-loss t-0@4"));
    EXPECT_TRUE(produce(connection, "t", 1, "still here"));
  }
  NodeProcess node(data, {"--accept-loss", "t-0@4"});
  ASSERT_NE(node.port(), 0) << node.lines();
  EXPECT_THAT(node.lines(), HasSubstr("offset 4 on of partition"));
  WireConnection connection(node.port());
  const auto found = values(connection, "t", 0);
  ASSERT_TRUE(found) << found.error().to_string();
  ASSERT_EQ(found->size(), 5u);
  EXPECT_EQ(found->back(), "value 5");
  EXPECT_EQ(*produce(connection, "t", 0, "next"), Offset{6});
}

TEST_F(RecoveryTest, AFlippedBitBelowTheRecoveryPointTakesThePartitionOffline) {
  for (const bool was_clean : {true, false}) {
    const fs::path data = scratch_ / (was_clean ? "clean" : "killed");
    fill(data, [](NodeProcess& node) { EXPECT_EQ(node.stop(), 0) << node.lines(); });
    if (!was_clean) NodeProcess(data).kill();
    flip_bit(log_file(data), ends_of_batches(log_file(data))[1] + 70);
    NodeProcess node(data);
    ASSERT_NE(node.port(), 0) << node.lines();
    WireConnection connection(node.port());
    const auto found = values(connection, "t", 0);
    ASSERT_FALSE(found);
    EXPECT_TRUE(found.error().is_broker(56)) << found.error().to_string();
    const auto other = produce(connection, "t", 1, "still here");
    EXPECT_TRUE(other) << other.error().to_string();
    EXPECT_NE(node.stop(), -1);
    EXPECT_THAT(node.lines(), HasSubstr("partition t-0 is offline until a restart"));
    EXPECT_THAT(node.lines(), HasSubstr("restore the file from a copy, or delete the topic"));
  }
}

TEST_F(RecoveryTest, ALogThatEndsBelowTheRecoveryPointTakesThePartitionOffline) {
  const fs::path data = scratch_ / "data";
  fill(data, [](NodeProcess& node) { EXPECT_EQ(node.stop(), 0) << node.lines(); });
  fs::resize_file(log_file(data), ends_of_batches(log_file(data))[2]);
  NodeProcess node(data);
  ASSERT_NE(node.port(), 0) << node.lines();
  WireConnection connection(node.port());
  const auto found = values(connection, "t", 0);
  ASSERT_FALSE(found);
  EXPECT_TRUE(found.error().is_broker(56)) << found.error().to_string();
  EXPECT_THAT(node.lines(), HasSubstr("below the recovery point"));
  EXPECT_THAT(node.lines(), HasSubstr("restore the file from a copy, or delete the topic"));
  EXPECT_TRUE(produce(connection, "t", 1, "still here"));
}

TEST_F(RecoveryTest, GroupRequestsGetTheReasonWhileConsumerOffsetsIsOffline) {
  constexpr std::int16_t coordinator_not_available = 15;
  const fs::path data = scratch_ / "data";
  fill(data, [](NodeProcess& node) {
    WireConnection connection(node.port());
    wire::OffsetCommitRequest request;
    request.group_id = "group";
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({PartitionId{0}, Offset{3}, LeaderEpoch{0}, ""});
    const auto answer = connection.ask(request, 7);
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->topics.at(0).partitions.at(0).error_code, 0);
    EXPECT_EQ(node.stop(), 0) << node.lines();
  });
  const fs::path offsets = log_file(data, "__consumer_offsets-0");
  fs::resize_file(offsets, fs::file_size(offsets) / 2);
  NodeProcess node(data);
  ASSERT_NE(node.port(), 0) << node.lines();
  EXPECT_THAT(node.lines(), HasSubstr("--accept-loss __consumer_offsets-0@"));
  EXPECT_THAT(node.lines(),
              HasSubstr("all groups and their committed offsets wait for this partition"));
  WireConnection connection(node.port());
  wire::FindCoordinatorRequest find;
  find.coordinator_keys = {"group"};
  const auto coordinator = connection.ask(find, 4);
  ASSERT_TRUE(coordinator);
  EXPECT_EQ(coordinator->coordinators.at(0).error_code, coordinator_not_available);
  EXPECT_THAT(coordinator->coordinators.at(0).error_message.value_or(""),
              HasSubstr("all groups wait for the node's partition __consumer_offsets-0"));
  wire::JoinGroupRequest join;
  join.group_id = "group";
  join.session_timeout_ms = 10'000;
  join.rebalance_timeout_ms = 10'000;
  join.protocol_type = "consumer";
  join.protocols.push_back({"range", {}});
  const auto joined = connection.ask(join, 3);
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->error_code, coordinator_not_available);
  wire::OffsetFetchRequest fetch;
  fetch.group_id = "group";
  fetch.topics.reset();
  const auto fetched = connection.ask(fetch, 7);
  ASSERT_TRUE(fetched);
  EXPECT_EQ(fetched->error_code, coordinator_not_available);
  EXPECT_TRUE(produce(connection, "t", 0, "still here"));
}

TEST_F(RecoveryTest, AFetchBelowTheHighWatermarkReturnsRecordsOrAnError) {
  const fs::path original = scratch_ / "original";
  constexpr int count = 40;
  {
    NodeProcess node(original);
    ASSERT_NE(node.port(), 0) << node.lines();
    WireConnection connection(node.port());
    ASSERT_TRUE(create_topic(connection, "t", 1, {{"segment.bytes", "1024"}}));
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(produce(connection, "t", 0, std::to_string(i) + std::string(100, 'x')));
    }
    EXPECT_EQ(node.stop(), 0) << node.lines();
  }
  // No mark of a clean stop has the sizes of its segments, and all of them are below the recovery
  // point.
  NodeProcess(original).kill();
  std::vector<fs::path> segments;
  for (const auto& entry : fs::directory_iterator(original / "t-0")) {
    if (entry.path().extension() == ".log") segments.push_back(entry.path().filename());
  }
  std::ranges::sort(segments);
  ASSERT_GE(segments.size(), 4u);
  const std::pair<const char*, std::function<void(const fs::path&)>> damages[] = {
      {"emptied", [](const fs::path& path) { fs::resize_file(path, 0); }},
      {"deleted", [](const fs::path& path) { fs::remove(path); }},
      {"cut between batches",
       [](const fs::path& path) { fs::resize_file(path, ends_of_batches(path).front()); }},
  };
  const fs::path data = scratch_ / "data";
  for (std::size_t at = 0; at + 1 < segments.size(); ++at) {
    for (const auto& [name, damage] : damages) {
      fs::remove_all(data);
      fs::copy(original, data, fs::copy_options::recursive);
      damage(data / "t-0" / segments[at]);
      NodeProcess node(data);
      ASSERT_NE(node.port(), 0) << node.lines();
      WireConnection connection(node.port());
      const std::string what = segments[at].string() + " " + name;
      std::int16_t error = 0;
      for (Offset next{0}; next < Offset{count} && error == 0;) {
        const auto answer = connection.ask(fetch_request("t", 0, next), fetch_version);
        ASSERT_TRUE(answer) << what << ": " << answer.error().to_string();
        error = answer->responses.at(0).partitions.at(0).error_code;
        if (error != 0) break;
        const Offset before = next;
        ASSERT_TRUE(values_in(*answer, next)) << what;
        ASSERT_GT(next, before) << what << ": nothing, and no error";
      }
      EXPECT_EQ(error, 56) << what;
      // The line may come after the answer.
      for (int i = 0; i < 50 && node.lines().find("topic t, partition 0") == std::string::npos; ++i)
        EXPECT_FALSE(produce(connection, "t", 0, "offline"));
      EXPECT_THAT(node.lines(), HasSubstr("topic t, partition 0")) << what;
    }
  }
}

TEST_F(RecoveryTest, TwoNodesDoNotShareADirectory) {
  const fs::path data = scratch_ / "data";
  NodeProcess first(data);
  ASSERT_NE(first.port(), 0) << first.lines();
  NodeProcess second(data);
  EXPECT_EQ(second.port(), 0);
  EXPECT_EQ(second.stop(), 1);
  EXPECT_THAT(second.lines(), HasSubstr(data.string()));
}

TEST_F(RecoveryTest, TwoNodesDoNotShareADirectoryWithoutItsLockFile) {
  const fs::path data = scratch_ / "data";
  NodeProcess first(data);
  ASSERT_NE(first.port(), 0) << first.lines();
  ASSERT_TRUE(fs::remove(data / ".lock"));
  NodeProcess second(data);
  EXPECT_EQ(second.port(), 0);
  EXPECT_EQ(second.stop(), 1);
  EXPECT_THAT(second.lines(), HasSubstr("lock " + data.string() + ": held by"));
}

}  // namespace
}  // namespace dohle::fault
