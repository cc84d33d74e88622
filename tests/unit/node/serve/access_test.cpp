#include "node/serve/access.hpp"

#include <functional>
#include <set>

#include "node_world.hpp"
#include "wire/every_message.hpp"

namespace dohle::node {
namespace {

constexpr std::int16_t authorization_failed = broker_error::topic_authorization_failed;
const std::string secret = "secret";

/// Allows every operation but the one that the test names, on one topic.
class Refusing final : public Authorizer {
 public:
  [[nodiscard]] bool allows(const Principal& who, Operation what,
                            std::string_view topic) const override {
    if (topic != secret) return true;
    EXPECT_EQ(who, Principal::anonymous());
    asked.insert(what);
    return !refused.contains(what);
  }
  std::set<Operation> refused;
  mutable std::set<Operation> asked;
};

class AccessTest : public NodeWorld {
 protected:
  AccessTest() { authorizer = &refusing; }

  /// The operation is the only one that the request asks for, and refusing it is answered.
  void expect_asks_for(Operation what, const std::function<std::int16_t()>& request) {
    refusing.refused = {what};
    refusing.asked.clear();
    EXPECT_EQ(request(), authorization_failed);
    EXPECT_EQ(refusing.asked, std::set{what});
    refusing.refused.clear();
    EXPECT_EQ(request(), 0);
  }

  Refusing refusing;
};

TEST_F(AccessTest, ProduceNeedsTheRightToWrite) {
  const TopicId id = create(secret);
  expect_asks_for(Operation::write, [&] { return produce(secret, batch_of({"a"})).error_code; });
  expect_asks_for(Operation::write, [&] {
    auto request = produce_request("", batch_of({"a"}));
    request.topic_data[0].topic_id = id;
    return ask(request).responses.at(0).partition_responses.at(0).error_code;
  });
}

TEST_F(AccessTest, FetchNeedsTheRightToRead) {
  const TopicId id = create(secret);
  const FetchFrom at_once{.min_bytes = 0, .max_wait_ms = 0};
  expect_asks_for(Operation::read, [&] { return fetch(secret, at_once).error_code; });
  expect_asks_for(Operation::read, [&] {
    auto request = fetch_request("", at_once);
    request.topics[0].topic_id = id;
    return ask(request).responses.at(0).partitions.at(0).error_code;
  });
}

TEST_F(AccessTest, ListOffsetsNeedsTheRightToDescribe) {
  create(secret);
  expect_asks_for(Operation::describe, [&] {
    wire::ListOffsetsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = secret;
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = PartitionId{0};
    partition.timestamp = Timestamp{-1};
    return ask(request).topics.at(0).partitions.at(0).error_code;
  });
}

TEST_F(AccessTest, OffsetForLeaderEpochNeedsTheRightToDescribe) {
  create(secret);
  expect_asks_for(Operation::describe, [&] {
    wire::OffsetForLeaderEpochRequest request;
    auto& topic = request.topics.emplace_back();
    topic.topic = secret;
    auto& partition = topic.partitions.emplace_back();
    partition.partition = PartitionId{0};
    partition.leader_epoch = LeaderEpoch{0};
    return ask(request).topics.at(0).partitions.at(0).error_code;
  });
}

TEST_F(AccessTest, MetadataNeedsTheRightToDescribe) {
  const TopicId id = create(secret);
  wire::MetadataRequest request;
  request.topics.emplace();
  request.topics->emplace_back().name = secret;
  expect_asks_for(Operation::describe, [&] { return ask(request).topics.at(0).error_code; });
  request.topics->at(0) = {id, std::nullopt};
  expect_asks_for(Operation::describe, [&] { return ask(request).topics.at(0).error_code; });
}

TEST_F(AccessTest, MetadataOfAllTopicsLeavesOutTopicsThatMayNotBeDescribed) {
  create(secret);
  create("open");
  refusing.refused = {Operation::describe};
  wire::MetadataRequest request;
  request.topics.reset();
  const auto answer = ask(request);
  ASSERT_EQ(answer.topics.size(), 1u);
  EXPECT_EQ(answer.topics[0].name, "open");
}

TEST_F(AccessTest, MetadataCreatesOnlyTopicsThatMayBeCreated) {
  refusing.refused = {Operation::create};
  wire::MetadataRequest request;
  request.topics.emplace();
  request.topics->emplace_back().name = secret;
  request.allow_auto_topic_creation = true;
  EXPECT_EQ(ask(request).topics.at(0).error_code, authorization_failed);
  EXPECT_EQ(topics().find(secret), nullptr);
  EXPECT_EQ(refusing.asked, (std::set{Operation::describe, Operation::create}));
}

TEST_F(AccessTest, CreateTopicsNeedsTheRightToCreate) {
  expect_asks_for(Operation::create, [&] { return try_create(secret).error_code; });
}

TEST_F(AccessTest, DeleteTopicsNeedsTheRightToDelete) {
  create(secret);
  expect_asks_for(Operation::remove, [&] {
    wire::DeleteTopicsRequest request;
    request.topics.emplace_back().name = secret;
    return ask(request).responses.at(0).error_code;
  });
  const TopicId id = create(secret);
  expect_asks_for(Operation::remove, [&] {
    wire::DeleteTopicsRequest request;
    request.topics.emplace_back().topic_id = id;
    return ask(request).responses.at(0).error_code;
  });
}

TEST_F(AccessTest, CreatePartitionsNeedsTheRightToAlter) {
  create(secret);
  expect_asks_for(Operation::alter, [&] {
    wire::CreatePartitionsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = secret;
    topic.count = 2;
    topic.assignments.reset();
    return ask(request).results.at(0).error_code;
  });
}

TEST_F(AccessTest, DescribeConfigsNeedsTheRightToDescribeConfigs) {
  create(secret);
  expect_asks_for(Operation::describe_configs, [&] {
    wire::DescribeConfigsRequest request;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = 2;
    resource.resource_name = secret;
    return ask(request).results.at(0).error_code;
  });
}

TEST_F(AccessTest, OffsetCommitNeedsTheRightToRead) {
  const TopicId id = create(secret);
  wire::OffsetCommitRequest request;
  request.group_id = "g";
  auto& topic = request.topics.emplace_back();
  topic.name = secret;
  topic.topic_id = id;
  auto& partition = topic.partitions.emplace_back();
  partition.partition_index = PartitionId{0};
  partition.committed_offset = Offset{1};
  for (const std::int16_t version : {std::int16_t{9}, std::int16_t{10}}) {
    expect_asks_for(Operation::read,
                    [&] { return ask(request, version).topics.at(0).partitions.at(0).error_code; });
  }
}

TEST_F(AccessTest, OffsetFetchNeedsTheRightToDescribe) {
  const TopicId id = create(secret);
  expect_asks_for(Operation::describe, [&] {
    wire::OffsetFetchRequest request;
    auto& group = request.groups.emplace_back();
    group.group_id = "g";
    auto& topic = group.topics.emplace().emplace_back();
    topic.topic_id = id;
    topic.partition_indexes = {PartitionId{0}};
    return ask(request).groups.at(0).topics.at(0).partitions.at(0).error_code;
  });
  expect_asks_for(Operation::describe, [&] {
    wire::OffsetFetchRequest request;
    request.group_id = "g";
    auto& topic = request.topics.emplace().emplace_back();
    topic.name = secret;
    topic.partition_indexes = {PartitionId{0}};
    return ask(request, 7).topics.at(0).partitions.at(0).error_code;
  });
}

}  // namespace
}  // namespace dohle::node
