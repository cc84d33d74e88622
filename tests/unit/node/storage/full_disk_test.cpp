#include "node_world.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/init_producer_id.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FullDiskTest : public NodeWorld {
 protected:
  void set_full(bool is_full) { world.machine("node").disk().set_full(is_full); }
  /// A small file of each partition is missing, so that its recovery needs space.
  void restart_on_a_full_disk() {
    Disk& disk = node().disk();
    for (const auto& entry : disk.list("/data").value()) {
      if (!entry.is_directory) continue;
      EXPECT_TRUE(disk.remove("/data/" + entry.name + "/leader-epoch-checkpoint"));
    }
    set_full(true);
    restart_after_kill();
  }
  std::int16_t commit(std::int64_t offset, const std::string& topic = "t") {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    auto& wanted = request.topics.emplace_back();
    wanted.name = topic;
    wanted.partitions.push_back({PartitionId{0}, Offset{offset}, LeaderEpoch{0}, ""});
    return ask(request, 9).topics.at(0).partitions.at(0).error_code;
  }
  std::int64_t committed(const std::string& topic = "t") {
    wire::OffsetFetchRequest request;
    auto& wanted = request.groups.emplace_back();
    wanted.group_id = "g";
    wanted.topics->push_back({topic, {}, {PartitionId{0}}});
    return ask(request, 9).groups.at(0).topics.at(0).partitions.at(0).committed_offset.value;
  }
  std::int16_t remove(const std::string& name) {
    wire::DeleteTopicsRequest request;
    request.topics.push_back({name, {}});
    return ask(request).responses.at(0).error_code;
  }
  std::int16_t ask_for_producer() {
    wire::InitProducerIdRequest request;
    request.transactional_id.reset();
    return ask(request).error_code;
  }
  void commit_until_refused() {
    std::int16_t error = 0;
    for (int i = 0; i < 1'000 && error == 0; ++i) error = commit(1'000, "other");
    EXPECT_EQ(error, broker_error::coordinator_not_available);
  }
  bool is_recovered(std::string_view topic) {
    return topics().find(topic)->partitions.at(0)->log()->is_recovered();
  }
};

TEST_F(FullDiskTest, RefusalsNameTheirErrorCodeInTheLog) {
  create("t");
  set_full(true);
  const auto refused = produce("t", batch_of({"a"}));
  EXPECT_EQ(refused.error_code, broker_error::kafka_storage_error);
  EXPECT_THAT(refused.error_message.value_or(""), HasSubstr("No space left on device"));
  EXPECT_EQ(logger.count("partition t-0 refuses records: KAFKA_STORAGE_ERROR (56): "), 1u);
  for (int i = 0; i < 100; ++i) (void)produce("t", batch_of({"a"}));
  EXPECT_LE(logger.lines.size(), 2 * limits::max_log_lines);
}

TEST_F(FullDiskTest, RetentionLogsOnceThatItKeepsAPartitionAndContinuesWithOthers) {
  for (const std::string name : {"a", "b", "c"}) {
    create(name, 1, {{"retention.ms", "1000"}, {"segment.bytes", "1024"}});
    const int batches = name == "b" ? 3 : 1;
    for (int i = 0; i < batches; ++i) {
      ASSERT_EQ(produce(name, batch_of({std::string(800, 'x')})).error_code, 0);
    }
  }
  set_full(true);
  world.run_for(1min);
  EXPECT_EQ(fetch("b", {.offset = 2, .max_wait_ms = 0}).log_start_offset, Offset{2});
  for (const std::string name : {"a", "b", "c"}) {
    EXPECT_EQ(logger.count("partition " + name + "-0 keeps its old records: "), 1u) << name;
  }
  set_full(false);
  world.run_for(1min);
  EXPECT_EQ(fetch("a", {.offset = 1, .max_wait_ms = 0}).log_start_offset, Offset{1});
  ASSERT_EQ(produce("a", batch_of({"y"})).error_code, 0);
  set_full(true);
  world.run_for(1min);
  EXPECT_EQ(logger.count("partition a-0 keeps its old records: "), 2u) << "it was cured meanwhile";
}

TEST_F(FullDiskTest, ANodeThatStartsOnAFullDiskServesRequestsAndRecoversByItself) {
  create("t");
  ASSERT_EQ(produce("t", batch_of({"one", "two"})).error_code, 0);
  ASSERT_EQ(commit(1), 0);
  restart_on_a_full_disk();
  EXPECT_EQ(
      logger.count("t-0: the disk is full; the partition can only be read until there is space"),
      1u);
  EXPECT_THAT(values("t"), ElementsAre("one", "two"));
  EXPECT_EQ(committed(), 1);
  EXPECT_EQ(produce("t", batch_of({"three"})).error_code, broker_error::kafka_storage_error);
  EXPECT_EQ(commit(2), broker_error::coordinator_not_available);
  EXPECT_EQ(committed(), 1);
  world.run_for(10s);
  EXPECT_FALSE(is_recovered("t"));
  set_full(false);
  EXPECT_EQ(produce("t", batch_of({"three"})).base_offset, Offset{2});
  EXPECT_EQ(commit(3), 0);
  restart_after_power_loss();
  EXPECT_THAT(values("t"), ElementsAre("one", "two"));
  EXPECT_THAT(values("t", {.offset = 2}), ElementsAre("three"));
  EXPECT_EQ(committed(), 3);
}

TEST_F(FullDiskTest, PartitionsWithoutAppendsRecoverAsWell) {
  create("t");
  create("u");
  ASSERT_EQ(produce("t", batch_of({"one"})).error_code, 0);
  ASSERT_EQ(produce("u", batch_of({"one"})).error_code, 0);
  restart_on_a_full_disk();
  EXPECT_FALSE(is_recovered("t"));
  EXPECT_FALSE(is_recovered("u"));
  set_full(false);
  world.run_for(5s);
  EXPECT_TRUE(is_recovered("t"));
  EXPECT_TRUE(is_recovered("u"));
}

TEST_F(FullDiskTest, TopicsAreStillDeletedAndProducersNumbered) {
  constexpr int topics = 150;
  for (int i = 0; i < topics; ++i) create("topic-" + std::to_string(i));
  set_full(true);
  const auto refused = try_create("new");
  EXPECT_EQ(refused.error_code, broker_error::kafka_storage_error);
  EXPECT_THAT(refused.error_message.value_or(""), HasSubstr("No space left on device"));
  for (int life = 0; life < 3; ++life) {
    EXPECT_EQ(ask_for_producer(), 0);
    restart_after_kill();
  }
  for (int i = 0; i < topics; ++i) {
    ASSERT_EQ(remove("topic-" + std::to_string(i)), 0) << i;
  }
  restart_after_power_loss();
  EXPECT_EQ(this->topics().all().size(), 0u);
  set_full(false);
  create("new");
}

TEST_F(FullDiskTest, OffsetsOfADeletedTopicDoNotReappear) {
  // The tombstone is larger than the last record that did not fit.
  const std::string doomed(200, 'd');
  for (const bool stays_full : {false, true}) {
    create(doomed);
    create("other");
    ASSERT_EQ(commit(5, doomed), 0);
    set_full(true);
    commit_until_refused();
    logger.lines.clear();
    ASSERT_EQ(remove(doomed), 0);
    EXPECT_EQ(logger.count("stay on disk for now: "), 1u);
    if (stays_full) restart_after_kill();
    set_full(false);
    world.run_for(5s);
    create(doomed);
    EXPECT_EQ(committed(doomed), -1);
    restart_after_power_loss();
    EXPECT_EQ(committed(doomed), -1);
    EXPECT_EQ(committed("other"), 1'000);
    ASSERT_EQ(commit(6, doomed), 0);
    restart_after_power_loss();
    EXPECT_EQ(committed(doomed), 6);
    ASSERT_EQ(remove(doomed), 0);
    ASSERT_EQ(remove("other"), 0);
  }
}

}  // namespace
}  // namespace dohle::node
