#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <optional>

#include "base/broker_errors.hpp"
#include "base/units.hpp"
#include "fault/node_process.hpp"
#include "fault/small_disk.hpp"
#include "fault/wire_connection.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/heartbeat.hpp"
#include "wire/messages/init_producer_id.hpp"
#include "wire/messages/join_group.hpp"
#include "wire/messages/list_offsets.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"
#include "wire/messages/sync_group.hpp"

// A full disk: the node refuses producers, serves all other clients, and continues without a
// restart once there is space.

namespace dohle::fault {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAreArray;
using testing::HasSubstr;

constexpr std::size_t disk_bytes = 24_MiB;
constexpr std::size_t value_bytes = 20'000;
/// Space is free only after files are deleted, which happens on another thread.
constexpr int max_attempts = 10'000;

/// Sends numbered values, each until it is acknowledged.
class Load {
 public:
  explicit Load(std::string topic) : topic_(std::move(topic)) {}

  /// Sends the next value once. Errors: the node's answer.
  Result<void> send(WireConnection& to) {
    if (id_ < 0) {
      wire::InitProducerIdRequest request;
      request.transactional_id.reset();
      const auto answer = to.ask(request);
      if (!answer) return fail(answer.error());
      id_ = answer->producer_id.value;
    }
    const auto number = static_cast<std::int32_t>(acknowledged_.size());
    std::string value = std::to_string(number) + std::string(value_bytes, 'v');
    const auto offset = produce(to, topic_, 0, value, {id_, 0, number});
    if (!offset) return fail(offset.error());
    EXPECT_EQ(*offset, Offset{number});
    acknowledged_.push_back(std::move(value));
    return {};
  }
  /// Sends until a value is refused; returns the error.
  Error send_until_refused(WireConnection& to) {
    for (;;) {
      if (auto sent = send(to); !sent) return sent.error();
    }
  }
  /// Sends until a value is accepted again.
  void send_until_taken(WireConnection& to) {
    Result<void> sent;
    for (int i = 0; i < max_attempts; ++i) {
      sent = send(to);
      if (sent || !sent.error().is_broker(broker_error::kafka_storage_error)) break;
    }
    EXPECT_TRUE(sent) << sent.error().to_string();
  }
  void expect_all_there(WireConnection& from) const {
    const auto found = values(from, topic_, 0);
    ASSERT_TRUE(found) << found.error().to_string();
    ASSERT_EQ(found->size(), acknowledged_.size());
    EXPECT_TRUE(*found == acknowledged_);
  }
  [[nodiscard]] std::int64_t count() const {
    return static_cast<std::int64_t>(acknowledged_.size());
  }

 private:
  std::string topic_;
  std::int64_t id_ = -1;
  std::vector<std::string> acknowledged_;
};

/// A group of one member that commits given offsets.
class Group {
 public:
  std::int16_t join(WireConnection& at) {
    wire::JoinGroupRequest join;
    join.group_id = "g";
    join.session_timeout_ms = 300'000;
    join.rebalance_timeout_ms = 30'000;
    join.protocol_type = "consumer";
    join.protocols.push_back({"range", Slice::copy_of("t")});
    join.member_id = member_;
    auto joined = at.ask(join, 9);
    if (joined && joined->error_code == broker_error::member_id_required) {
      join.member_id = joined->member_id;
      joined = at.ask(join, 9);
    }
    if (!joined) return broker_error::network_exception;
    if (joined->error_code != 0) return joined->error_code;
    member_ = joined->member_id;
    generation_ = joined->generation_id;
    wire::SyncGroupRequest sync;
    sync.group_id = "g";
    sync.member_id = member_;
    sync.generation_id = generation_;
    sync.assignments.push_back({member_, Slice::copy_of("all of t")});
    const auto synced = at.ask(sync, 5);
    return synced ? synced->error_code : broker_error::network_exception;
  }
  std::int16_t heartbeat(WireConnection& at) {
    wire::HeartbeatRequest request;
    request.group_id = "g";
    request.member_id = member_;
    request.generation_id = generation_;
    const auto answer = at.ask(request);
    return answer ? answer->error_code : broker_error::network_exception;
  }
  std::int16_t commit(WireConnection& at, std::int64_t offset, const std::string& topic = "t") {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    request.member_id = member_;
    request.generation_id_or_member_epoch = generation_;
    auto& wanted = request.topics.emplace_back();
    wanted.name = topic;
    wanted.partitions.push_back({PartitionId{0}, Offset{offset}, LeaderEpoch{0}, ""});
    const auto answer = at.ask(request, 9);
    if (!answer) return broker_error::network_exception;
    return answer->topics.at(0).partitions.at(0).error_code;
  }
  static std::int64_t committed(WireConnection& at, const std::string& topic = "t") {
    wire::OffsetFetchRequest request;
    auto& wanted = request.groups.emplace_back();
    wanted.group_id = "g";
    wanted.topics->push_back({topic, {}, {PartitionId{0}}});
    const auto answer = at.ask(request, 9);
    if (!answer || answer->groups.at(0).error_code != 0) return -2;
    return answer->groups.at(0).topics.at(0).partitions.at(0).committed_offset.value;
  }

 private:
  std::string member_;
  Generation generation_;
};

Result<Offset> end_of(WireConnection& at, const std::string& topic) {
  wire::ListOffsetsRequest request;
  auto& wanted = request.topics.emplace_back();
  wanted.name = topic;
  wanted.partitions.push_back({PartitionId{0}, {}, Timestamp{-1}});
  const auto answer = at.ask(request);
  if (!answer) return fail(answer.error());
  const auto& found = answer->topics.at(0).partitions.at(0);
  if (found.error_code != 0) return fail(Error::broker(found.error_code));
  return found.offset;
}

std::int16_t delete_topic(WireConnection& at, const std::string& topic) {
  wire::DeleteTopicsRequest request;
  request.topics.push_back({topic, {}});
  const auto answer = at.ask(request);
  return answer ? answer->responses.at(0).error_code : broker_error::network_exception;
}

class FullDiskTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(disk_.fault(), "");
    fs::create_directory(disk_.path() / "data");
    // The node's log lines are kept on another disk.
    fs::create_symlink(disk_.path() / "data", data_);
    disk_.take(disk_bytes / 3);
  }
  void start() {
    node_.emplace(data_);
    ASSERT_NE(node_->port(), 0) << node_->lines();
    connection_.emplace(node_->port());
  }
  WireConnection& node() { return *connection_; }
  void make_topics() {
    ASSERT_TRUE(create_topic(node(), "t", 1, {{"segment.bytes", "1048576"}}));
    ASSERT_TRUE(create_topic(node(), "doomed", 1));
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(produce(node(), "doomed", 0, std::string(value_bytes, 'd')));
    }
    ASSERT_EQ(group_.join(node()), 0);
    ASSERT_EQ(group_.commit(node(), 7, "doomed"), 0);
  }
  void expect_refused(const Error& why) {
    EXPECT_TRUE(why.is_broker(broker_error::kafka_storage_error)) << why.to_string();
    EXPECT_THAT(std::string(why.server_message()), HasSubstr("No space left on device"));
  }
  /// All requests but writes succeed.
  void expect_served() {
    load_.expect_all_there(node());
    EXPECT_EQ(*end_of(node(), "t"), Offset{load_.count()});
    EXPECT_EQ(Group::committed(node()), committed_);
    EXPECT_EQ(group_.heartbeat(node()), 0);
  }
  /// Commits acknowledged offsets until the node refuses with error 15.
  void commit_until_refused() {
    for (int i = 0; i < max_attempts; ++i) {
      const std::int16_t error = group_.commit(node(), load_.count());
      if (error == broker_error::coordinator_not_available) return;
      ASSERT_EQ(error, 0);
      committed_ = load_.count();
    }
    FAIL() << "the disk is full, and commits are stored";
  }
  void commit_until_taken() {
    std::int16_t error = -1;
    for (int i = 0; i < max_attempts && error != 0; ++i)
      error = group_.commit(node(), load_.count());
    ASSERT_EQ(error, 0);
    committed_ = load_.count();
    EXPECT_EQ(Group::committed(node()), committed_);
  }
  void kill_and_start() {
    node_->kill();
    start();
  }

  ScratchDirectory scratch_;
  SmallDisk disk_{scratch_ / "disk", disk_bytes};
  fs::path data_ = scratch_ / "data";
  std::optional<NodeProcess> node_;
  std::optional<WireConnection> connection_;
  Load load_{"t"};
  Group group_;
  std::int64_t committed_ = -1;
};

TEST_F(FullDiskTest, RefusesProducersServesOtherRequestsAndRecoversOnceThereIsSpace) {
  start();
  make_topics();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(load_.send(node()));
    ASSERT_EQ(group_.commit(node(), load_.count()), 0);
    committed_ = load_.count();
  }
  const Error why = load_.send_until_refused(node());
  expect_refused(why);
  EXPECT_THAT(node_->lines(),
              HasSubstr("partition t-0 refuses records: KAFKA_STORAGE_ERROR (56): "));
  EXPECT_THAT(node_->lines(), HasSubstr("No space left on device"));
  disk_.take();
  expect_refused(load_.send_until_refused(node()));
  commit_until_refused();
  expect_served();
  EXPECT_FALSE(create_topic(node(), "new", 1));
  // A producer that begins now gets the reason too.
  Load late("t");
  expect_refused(late.send_until_refused(node()));

  disk_.give_back();
  load_.send_until_taken(node());
  commit_until_taken();
  EXPECT_TRUE(create_topic(node(), "new", 1));
  expect_served();

  kill_and_start();
  expect_served();
  load_.send_until_taken(node());
  commit_until_taken();
  expect_served();
}

TEST_F(FullDiskTest, DeletingATopicFreesSpaceAndDeletesItsOffsets) {
  start();
  make_topics();
  expect_refused(load_.send_until_refused(node()));
  disk_.take();
  expect_refused(load_.send_until_refused(node()));
  commit_until_refused();
  ASSERT_EQ(Group::committed(node(), "doomed"), 7);
  ASSERT_EQ(delete_topic(node(), "doomed"), 0);
  load_.send_until_taken(node());
  commit_until_taken();
  expect_served();
  for (const bool is_restarted : {false, true}) {
    if (is_restarted) kill_and_start();
    expect_served();
    EXPECT_EQ(Group::committed(node(), "doomed"), -1);
  }
  EXPECT_FALSE(end_of(node(), "doomed"));
}

TEST_F(FullDiskTest, ANodeStartedOnAFullDiskServesRequestsAndRecoversOnceThereIsSpace) {
  start();
  make_topics();
  ASSERT_TRUE(load_.send(node()));
  ASSERT_EQ(group_.commit(node(), load_.count()), 0);
  committed_ = load_.count();
  expect_refused(load_.send_until_refused(node()));
  for (int round = 0; round < 3; ++round) {
    node_->kill();
    // In the second round without the files that a crash may lose and a start makes again.
    if (round == 1) {
      fs::resize_file(disk_.path() / "data/.lock", 0);
      for (const std::string partition : {"t-0", "__consumer_offsets-0"}) {
        fs::remove(disk_.path() / "data" / partition / "leader-epoch-checkpoint");
        fs::remove(disk_.path() / "data" / partition / "partition.metadata");
        fs::remove(disk_.path() / "data" / partition / "00000000000000000000.index");
      }
    }
    disk_.take();
    start();
    expect_served();
    expect_refused(load_.send_until_refused(node()));
    commit_until_refused();
    expect_served();
  }
  disk_.give_back();
  load_.send_until_taken(node());
  commit_until_taken();
  expect_served();
  kill_and_start();
  expect_served();
  EXPECT_TRUE(fs::exists(disk_.path() / "data/t-0/leader-epoch-checkpoint"));
  EXPECT_TRUE(fs::exists(disk_.path() / "data/t-0/partition.metadata"));
}

TEST_F(FullDiskTest, ACleanStopOnAFullDiskLosesNothing) {
  start();
  make_topics();
  ASSERT_TRUE(load_.send(node()));
  ASSERT_EQ(group_.commit(node(), load_.count()), 0);
  committed_ = load_.count();
  expect_refused(load_.send_until_refused(node()));
  disk_.take();
  (void)node_->stop();
  disk_.take();
  start();
  expect_served();
  disk_.give_back();
  load_.send_until_taken(node());
  EXPECT_EQ(node_->stop(), 0) << node_->lines();
  start();
  expect_served();
}

}  // namespace
}  // namespace dohle::fault
