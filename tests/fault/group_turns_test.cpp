#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/broker_errors.hpp"
#include "base/budget.hpp"
#include "base/units.hpp"
#include "fault/measured.hpp"
#include "fault/measured_node.hpp"
#include "fault/measured_turns.hpp"
#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "node/group/group_records.hpp"
#include "wire/batch_builder.hpp"
#include "wire/messages/delete_groups.hpp"
#include "wire/messages/describe_groups.hpp"
#include "wire/messages/join_group.hpp"
#include "wire/messages/list_groups.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"
#include "wire/messages/sync_group.hpp"

// No turn of the node's loop uses more than 20 ms of its thread's CPU, for any requests about
// groups and any amount of their stored data.

namespace dohle::fault {
namespace {

using std::chrono::microseconds;
using namespace std::chrono_literals;

constexpr microseconds start_most{200'000};
constexpr std::int16_t commit_version = 9;
constexpr std::int16_t fetch_version_of_one = 7;

class GroupTurns : public MeasuredTurns {
 protected:
  void start() {
    node_.reset();
    node::NodeSettings settings;
    settings.data_directory = *scratch_ / "data";
    settings.durability = Durability::os;
    node_.emplace(std::move(settings));
    ASSERT_TRUE(node_->started()) << node_->started().error().to_string();
  }
  [[nodiscard]] std::uint16_t port() const { return node_->port(); }
  static wire::OffsetCommitRequest commit_of(const std::string& group, int count) {
    wire::OffsetCommitRequest request;
    request.group_id = group;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.assign(static_cast<std::size_t>(count),
                            {PartitionId{0}, Offset{1}, LeaderEpoch{0}, ""});
    return request;
  }
  /// Creates a topic, and __consumer_offsets by a commit.
  void prepare() {
    start();
    WireConnection client(port());
    ASSERT_TRUE(create_topic(client, "t", 1));
    const auto answer = client.ask(commit_of("first", 1), commit_version);
    ASSERT_TRUE(answer) << answer.error().to_string();
    ASSERT_EQ(answer->topics.at(0).partitions.at(0).error_code, 0);
  }
  /// Stores offsets of `groups` groups, each for `each` partitions, as commits do. The node knows
  /// them after the next start. Only the first of these partitions exists.
  void store_offsets(int groups, int each) {
    constexpr int batch_records = 10'000;
    node_->with_engine([&](node::NodeEngine& engine) {
      const auto partition =
          engine.part<node::Storage>().topics().find(node::offsets_topic)->partitions.at(0);
      int number = 0;
      while (number < groups * each) {
        Budget budget(64_MiB);
        wire::BatchBuilder builder(budget, 8_MiB);
        for (int i = 0; i < batch_records && number < groups * each; ++i, ++number) {
          const auto made = node::offset_record(
              "g-" + std::to_string(number / each), "t", PartitionId{number % each},
              {Offset{number}, LeaderEpoch{0}, "", Timestamp{1'790'000'000'000}});
          ASSERT_TRUE(made.has_value());
          Record record;
          record.key = made->key.bytes();
          record.value = made->value->bytes();
          ASSERT_EQ(builder.append(record, Timestamp{1'790'000'000'000}),
                    wire::BatchBuilder::Appended::ok);
        }
        const Slice batch = *builder.seal({}).flatten();
        ASSERT_TRUE(engine.part<node::Storage>().append(partition, batch,
                                                        *wire::read_batch_header(batch.bytes())));
      }
    });
  }
  static wire::OffsetFetchRequest fetch_all(const std::string& group) {
    wire::OffsetFetchRequest request;
    request.group_id = group;
    request.topics.reset();
    return request;
  }
  /// Asks until groups are loaded. Returns the number of refusals.
  int wait_until_loaded(WireConnection& client) {
    for (int refused = 0;; ++refused) {
      wire::OffsetFetchRequest request;
      request.group_id = "nobody";
      const auto answer = client.ask(request, fetch_version_of_one);
      EXPECT_TRUE(answer.has_value());
      if (!answer || answer->error_code != broker_error::coordinator_load_in_progress) {
        return refused;
      }
    }
  }
  void expect_all(WireConnection& client, const std::string& group, std::size_t count) {
    const auto answer = client.ask(fetch_all(group), fetch_version_of_one);
    ASSERT_TRUE(answer) << answer.error().to_string();
    ASSERT_EQ(answer->topics.size(), 1u);
    EXPECT_EQ(answer->topics[0].partitions.size(), count);
  }
};

TEST_F(GroupTurns, are_short_and_the_start_is_quick_with_a_million_offsets) {
  prepare();
  constexpr int groups = is_measured ? 10'000 : 500;
  store_offsets(groups, 100);
  ASSERT_TRUE(node_->stop());
  const auto begin = std::chrono::steady_clock::now();
  start();
  const auto ready = node_->start_time();
  WireConnection client(port());
  const int refused = wait_until_loaded(client);
  const auto loaded = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  std::printf("%d offsets: ready after %lld us, loaded after %lld ms\n", groups * 100,
              static_cast<long long>(ready.count()), static_cast<long long>(loaded.count()));
  EXPECT_GT(refused, 0);
  expect_at_most(start_most, ready, "the start");
  expect_all(client, "g-7", 100);
  expect_all(client, "g-" + std::to_string(groups - 1), 100);
  expect_short_turns("loading");
}

TEST_F(GroupTurns, are_short_while_one_group_with_very_many_offsets_is_read_rewritten_and_deleted) {
  prepare();
  constexpr int offsets = is_measured ? 100'000 : 5'000;
  // Replaced offsets as well, so that the log is rewritten.
  for (int i = 0; i < 4; ++i) store_offsets(1, offsets);
  ASSERT_TRUE(node_->stop());
  start();
  WireConnection client(port());
  (void)wait_until_loaded(client);
  expect_short_turns("loading one group");
  expect_all(client, "g-0", offsets);
  expect_short_turns("reading all offsets of one group");
  ASSERT_TRUE(client.ask(commit_of("first", 1), commit_version));
  expect_all(client, "g-0", offsets);
  expect_short_turns("the rewrite");
  wire::DeleteGroupsRequest request;
  request.groups_names = {"g-0"};
  const auto deleted = client.ask(request);
  ASSERT_TRUE(deleted) << deleted.error().to_string();
  EXPECT_EQ(deleted->results.at(0).error_code, 0);
  const auto none = client.ask(fetch_all("g-0"), fetch_version_of_one);
  ASSERT_TRUE(none) << none.error().to_string();
  EXPECT_TRUE(none->topics.empty());
  expect_short_turns("deleting one group");
  ASSERT_TRUE(node_->stop());
  start();
  WireConnection again(port());
  (void)wait_until_loaded(again);
  EXPECT_TRUE(again.ask(fetch_all("g-0"), fetch_version_of_one)->topics.empty());
}

TEST_F(GroupTurns, are_short_when_the_largest_requests_are_served) {
  prepare();
  WireConnection client(port());
  constexpr int commits = is_measured ? 200'000 : 5'000;
  const auto committed = client.ask(commit_of("g", commits), commit_version);
  ASSERT_TRUE(committed) << committed.error().to_string();
  ASSERT_EQ(committed->topics.at(0).partitions.size(), static_cast<std::size_t>(commits));
  for (const auto& partition : committed->topics[0].partitions) {
    ASSERT_EQ(partition.error_code, 0);
  }
  expect_short_turns("committing 200,000 offsets");

  for (const std::int16_t version : {fetch_version_of_one, std::int16_t{9}}) {
    wire::OffsetFetchRequest fetch;
    const std::vector<PartitionId> partitions(is_measured ? 290'000 : 50'000, PartitionId{0});
    if (version == fetch_version_of_one) {
      fetch.group_id = "g";
      fetch.topics->push_back({"t", partitions});
    } else {
      auto& group = fetch.groups.emplace_back();
      group.group_id = "g";
      group.topics->push_back({"t", {}, partitions});
    }
    const auto fetched = client.ask(fetch, version);
    ASSERT_TRUE(fetched) << fetched.error().to_string();
    const auto found = version == fetch_version_of_one
                           ? fetched->topics.at(0).partitions.back().committed_offset
                           : fetched->groups.at(0).topics.at(0).partitions.back().committed_offset;
    EXPECT_EQ(found, Offset{1});
    expect_short_turns("fetching 290,000 offsets, version " + std::to_string(version));
  }

  wire::JoinGroupRequest join;
  join.group_id = "g";
  join.session_timeout_ms = 10'000;
  join.rebalance_timeout_ms = 10'000;
  join.protocol_type = "consumer";
  join.protocols.assign(is_measured ? 300'000 : 50'000, {"", Slice()});
  const auto joined = client.ask(join, 6);
  ASSERT_TRUE(joined) << joined.error().to_string();
  EXPECT_EQ(joined->error_code, broker_error::invalid_request);
  expect_short_turns("a join with 300,000 protocols");

  wire::SyncGroupRequest sync;
  sync.group_id = "g";
  sync.assignments.assign(is_measured ? 300'000 : 50'000, {"", Slice()});
  const auto synced = client.ask(sync, 4);
  ASSERT_TRUE(synced) << synced.error().to_string();
  EXPECT_NE(synced->error_code, 0);
  expect_short_turns("a sync with 300,000 assignments");

  wire::DescribeGroupsRequest describe;
  wire::DeleteGroupsRequest remove;
  for (int i = 0; i < (is_measured ? 130'000 : 5'000); ++i) {
    describe.groups.push_back(std::to_string(i));
  }
  remove.groups_names = describe.groups;
  const auto described = client.ask(describe, 5);
  ASSERT_TRUE(described) << described.error().to_string();
  EXPECT_EQ(described->groups.size(), describe.groups.size());
  expect_short_turns("describing 130,000 groups");
  const auto removed = client.ask(remove);
  ASSERT_TRUE(removed) << removed.error().to_string();
  EXPECT_EQ(removed->results.size(), describe.groups.size());
  expect_short_turns("deleting 130,000 groups");
}

TEST_F(GroupTurns, are_short_when_very_many_groups_are_listed) {
  prepare();
  store_offsets(is_measured ? 99'000 : 2'000, 1);
  ASSERT_TRUE(node_->stop());
  start();
  WireConnection client(port());
  (void)wait_until_loaded(client);
  const auto listed = client.ask(wire::ListGroupsRequest());
  ASSERT_TRUE(listed) << listed.error().to_string();
  EXPECT_EQ(listed->groups.size(), is_measured ? 99'001u : 2'001u);
  expect_short_turns("listing 99,000 groups");
}

TEST_F(GroupTurns, are_short_while_a_group_with_very_many_members_rebalances) {
  prepare();
  constexpr int connections = is_measured ? 50 : 3;
  constexpr int members_each = 100;
  wire::JoinGroupRequest join;
  join.group_id = "g";
  join.session_timeout_ms = 1'800'000;
  // The first generation begins with its first member, which never joins again.
  join.rebalance_timeout_ms = 5'000;
  join.protocol_type = "consumer";
  join.protocols.push_back({"range", Slice::copy_of(std::string(400, 'm'))});
  std::deque<WireConnection> clients;
  for (int i = 0; i < connections; ++i) {
    auto& client = clients.emplace_back(port());
    for (int member = 0; member < members_each; ++member) ASSERT_TRUE(client.send(join, 3));
  }
  // The first member is alone in the first generation, and not in the next one.
  wire::SyncGroupRequest sync;
  sync.group_id = "g";
  WireConnection* leader = nullptr;
  for (WireConnection& client : clients) {
    for (int member = 0; member < members_each; ++member) {
      const auto joined = client.receive<wire::JoinGroupRequest>(3);
      ASSERT_TRUE(joined) << joined.error().to_string();
      EXPECT_EQ(joined->error_code, 0);
      if (joined->members.size() < 2) continue;
      leader = &client;
      sync.generation_id = joined->generation_id;
      sync.member_id = joined->leader;
      for (const auto& assigned : joined->members) {
        sync.assignments.push_back({assigned.member_id, Slice::copy_of(std::string(300, 'a'))});
      }
    }
  }
  expect_short_turns("many members that join");
  ASSERT_NE(leader, nullptr);
  EXPECT_EQ(sync.assignments.size(), static_cast<std::size_t>(connections * members_each - 1));
  const auto synced = leader->ask(sync, 3);
  ASSERT_TRUE(synced) << synced.error().to_string();
  EXPECT_EQ(synced->error_code, 0);
  expect_short_turns("assigning to many members");
  wire::DescribeGroupsRequest describe;
  describe.groups = {"g"};
  WireConnection other(port());
  const auto described = other.ask(describe);
  ASSERT_TRUE(described) << described.error().to_string();
  EXPECT_GT(described->groups.at(0).members.size(), 1u);
  expect_short_turns("describing them");
}

}  // namespace
}  // namespace dohle::fault
