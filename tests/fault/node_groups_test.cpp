#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>

#include "base/broker_errors.hpp"
#include "base/units.hpp"
#include "fault/attack.hpp"
#include "fault/measured.hpp"
#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/join_group.hpp"
#include "wire/messages/offset_commit.hpp"

// The memory that clients' groups take in the node, and service to other clients during walks over
// very many groups.

namespace dohle::fault {
namespace {

constexpr std::int16_t commit_version = 9;
/// The bound of all groups together, plus the requests in flight.
constexpr std::size_t max_taken_bytes = 256_MiB + 96_MiB;

wire::OffsetCommitRequest commit_of(const std::string& group, int partitions,
                                    const std::string& metadata) {
  wire::OffsetCommitRequest request;
  request.group_id = group;
  auto& topic = request.topics.emplace_back();
  topic.name = "probe";
  for (int i = 0; i < partitions; ++i) {
    topic.partitions.push_back({PartitionId{i}, Offset{1}, LeaderEpoch{0}, metadata});
  }
  return request;
}

class NodeGroupsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(node_.port(), 0) << node_.lines();
    ASSERT_TRUE(create_topic(connection_, "probe", 100));
    idle_bytes_ = node_.resident_bytes();
  }
  std::int16_t commit(const std::string& group, int partitions, const std::string& metadata) {
    const auto answer = connection_.ask(commit_of(group, partitions, metadata), commit_version);
    EXPECT_TRUE(answer.has_value()) << answer.error().to_string();
    return answer ? answer->topics.at(0).partitions.at(0).error_code : std::int16_t{-1};
  }
  void check_taken(const std::string& what, int groups) {
    const std::size_t taken = node_.max_resident_bytes() - idle_bytes_;
    std::printf("%s: %d groups until refused, %zu MiB more than idle\n", what.c_str(), groups,
                taken >> 20);
    EXPECT_NE(node_.lines().find("(max_group_state_bytes)"), std::string::npos) << node_.lines();
    if (is_measured) {
      EXPECT_LE(taken, max_taken_bytes);
    }
  }

  ScratchDirectory scratch_;
  NodeProcess node_{scratch_ / "data", {"--listen", "127.0.0.1:0", "--durability", "os"}};
  WireConnection connection_{node_.port()};
  std::size_t idle_bytes_ = 0;
};

TEST_F(NodeGroupsTest, MembersOfManyGroupsTakeNoMoreMemoryThanTheirBound) {
  wire::JoinGroupRequest request;
  request.session_timeout_ms = 1'800'000;
  request.rebalance_timeout_ms = 1'800'000;
  request.protocol_type = "consumer";
  request.protocols.push_back({"range", Slice::copy_of(std::string(900'000, 'm'))});
  int count = 0;
  std::int16_t error = 0;
  while (count < 700 && error == 0) {
    request.group_id = "g-" + std::to_string(count);
    const auto answer = connection_.ask(request, 3);
    ASSERT_TRUE(answer.has_value()) << answer.error().to_string();
    error = answer->error_code;
    if (error == 0) ++count;
  }
  EXPECT_EQ(error, broker_error::group_max_size_reached);
  check_taken("members that tell 900 KB", count);
}

TEST_F(NodeGroupsTest, OffsetsWithMetadataTakeNoMoreMemoryThanTheirBound) {
  int count = 0;
  std::int16_t error = 0;
  while (count < 2'000 && error == 0) {
    error = commit("g-" + std::to_string(count), 100, std::string(4'096, 'm'));
    if (error == 0) ++count;
  }
  EXPECT_EQ(error, broker_error::policy_violation);
  check_taken("100 offsets with 4 KiB of metadata", count);
}

TEST_F(NodeGroupsTest, NamesOfGroupsTakeNoMoreMemoryThanTheirBound) {
  const std::string rest(32'000, 'g');
  int count = 0;
  std::int16_t error = 0;
  while (count < 10'000 && error == 0) {
    error = commit(std::to_string(count) + rest, 1, "");
    if (error == 0) ++count;
  }
  EXPECT_EQ(error, broker_error::policy_violation);
  check_taken("names of 32,000 bytes", count);
}

TEST_F(NodeGroupsTest, AProducerIsServedWhileOffsetsOfVeryManyGroupsAreDeletedWithTheirTopic) {
  ASSERT_TRUE(create_topic(connection_, "beside", 1));
  const int groups = is_measured ? 99'000 : 5'000;
  for (int sent = 0; sent < groups; sent += 100) {
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(
          connection_.send(commit_of("g-" + std::to_string(sent + i), 1, ""), commit_version));
    }
    for (int i = 0; i < 100; ++i) {
      const auto answer = connection_.receive<wire::OffsetCommitRequest>(commit_version);
      ASSERT_TRUE(answer.has_value() && answer->topics[0].partitions[0].error_code == 0);
    }
  }
  std::atomic<bool> is_deleted = false;
  std::thread deleting([&] {
    WireConnection admin(node_.port());
    wire::DeleteTopicsRequest request;
    request.topics.push_back({"probe", {}});
    const auto answer = admin.ask(request);
    EXPECT_TRUE(answer.has_value() && answer->responses[0].error_code == 0);
    is_deleted = true;
  });
  Waits waits;
  const wire::ProduceRequest record = produce_request("beside", 0, "x");
  do {
    const Waits some = probe_with(node_.port(), record, 50);
    waits.each.insert(waits.each.end(), some.each.begin(), some.each.end());
  } while (!is_deleted);
  deleting.join();
  print("beside the offsets of " + std::to_string(groups) + " groups that go", waits);
  if (is_measured) {
    EXPECT_LE(waits.longest_ms(), 250.0);
  }
}

}  // namespace
}  // namespace dohle::fault
