// Pauses, seeks and positions of a running subscription.
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "tested_brokers.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

/// A subscription of a group to a topic of two partitions, and the messages that its handler got.
class RunningSubscription : public AtTestedServer {
 protected:
  void SetUp() override {
    broker_ = connected(kafka::with_batch_timeout(0ms), kafka::with_max_wait(20ms));
    ASSERT_TRUE(broker_);
    make(2);
    auto reader = broker_->subscribe(topic(),
                                     [this](RawEvent event) {
                                       const std::lock_guard lock(mutex_);
                                       texts_.emplace_back(*event.body());
                                       kept_.push_back(std::move(event));
                                       changed_.notify_all();
                                     },
                                     {.group_id = topic("g"), .auto_ack = false});
    ASSERT_TRUE(reader) << reader.error().to_string();
    reader_.emplace(std::move(*reader));
    ASSERT_TRUE(reader_->wait_ready(patience));
  }
  ~RunningSubscription() override {
    reader_.reset();
    kept_.clear();
    broker_.reset();
  }
  void publish(const std::string& text, int partition) {
    const auto sent =
        broker_->publish(topic(), text, {.partition = PartitionId{partition}, .async = false});
    ASSERT_TRUE(sent) << sent.error().to_string();
  }
  bool wait_for(const std::string& text, int count = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience,
                             [&] { return std::ranges::count(texts_, text) >= count; });
  }
  /// Waits until messages of a partition were read that were published after the call.
  void read_on(const std::string& name, int partition) {
    for (const char* each : {"1", "2"}) {
      publish(name + each, partition);
      ASSERT_TRUE(wait_for(name + each));
    }
  }
  std::vector<std::string> texts() {
    const std::lock_guard lock(mutex_);
    return texts_;
  }
  Result<void> ack(std::size_t index) {
    const std::lock_guard lock(mutex_);
    return kept_.at(index).ack();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> texts_;
  std::vector<RawEvent> kept_;
  std::optional<Broker> broker_;
  std::optional<Subscriber> reader_;
};

TEST_F(RunningSubscription, reads_a_paused_partition_only_once_it_resumes) {
  ASSERT_TRUE(reader_->pause(PartitionId{0}));
  read_on("other", 1);
  publish("paused", 0);
  read_on("more", 1);
  EXPECT_THAT(texts(), Not(Contains("paused")));
  ASSERT_TRUE(reader_->resume(PartitionId{0}));
  EXPECT_TRUE(wait_for("paused"));
}

// Another subscription shows when the messages can be read.
TEST_F(RunningSubscription, reads_nothing_while_all_partitions_are_paused) {
  Texts others;
  const auto other = read(*broker_, others);
  ASSERT_TRUE(other);
  const auto publish_to_both = [&](const std::string& round) {
    for (const int partition : {0, 1}) {
      const std::string text = round + "-" + std::to_string(partition);
      publish(text, partition);
      ASSERT_TRUE(others.wait_for(text));
    }
  };
  ASSERT_TRUE(reader_->pause());
  // The poll that is under way may still return these.
  for (const char* round : {"1", "2"}) ASSERT_NO_FATAL_FAILURE(publish_to_both(round));
  const std::vector<std::string> rounds{"3", "4", "5", "6", "7", "8"};
  for (const std::string& round : rounds) ASSERT_NO_FATAL_FAILURE(publish_to_both(round));
  for (const std::string& round : rounds) {
    EXPECT_THAT(texts(), Not(Contains(round + "-0")));
    EXPECT_THAT(texts(), Not(Contains(round + "-1")));
  }
  ASSERT_TRUE(reader_->resume());
  for (const std::string& round : rounds) {
    EXPECT_TRUE(wait_for(round + "-0"));
    EXPECT_TRUE(wait_for(round + "-1"));
  }
}

TEST_F(RunningSubscription, reads_again_from_the_offset_that_it_seeks) {
  for (const char* text : {"zero", "one", "two"}) {
    publish(text, 0);
    ASSERT_TRUE(wait_for(text));
  }
  EXPECT_EQ(reader_->position(PartitionId{0}).value(), Offset{3});
  ASSERT_TRUE(reader_->seek(PartitionId{0}, Offset{1}));
  EXPECT_TRUE(wait_for("two", 2));
  EXPECT_THAT(texts(), ElementsAre("zero", "one", "two", "one", "two"));
  const auto late = ack(2);
  ASSERT_FALSE(late) << "an event from before the seek is acknowledged";
  EXPECT_TRUE(late.error().is(Errc::not_owner)) << late.error().to_string();
  EXPECT_TRUE(ack(3));
  EXPECT_TRUE(eventually([&] {
    const auto committed = reader_->committed(PartitionId{0});
    return committed && *committed == Offset{2};
  }));
  ASSERT_TRUE(reader_->unsubscribe(patience));
  const auto offsets = broker_->client()->admin().group_offsets(topic("g")).value();
  const auto found = std::ranges::find(
      offsets, PartitionId{0}, [](const GroupOffset& each) { return each.partition.partition; });
  ASSERT_NE(found, offsets.end());
  EXPECT_EQ(found->offset, Offset{2});
}

TEST_F(RunningSubscription, knows_its_partitions_and_refuses_others) {
  EXPECT_THAT(reader_->assignment(), ElementsAre(TopicPartition{topic(), PartitionId{0}},
                                                 TopicPartition{topic(), PartitionId{1}}));
  EXPECT_TRUE(reader_->position(PartitionId{7}).error().is(Errc::not_owner));
  EXPECT_TRUE(reader_->committed(PartitionId{7}).error().is(Errc::not_owner));
  EXPECT_TRUE(reader_->pause(PartitionId{7}).error().is(Errc::not_owner));
  EXPECT_TRUE(reader_->resume(PartitionId{7}).error().is(Errc::not_owner));
  EXPECT_TRUE(reader_->seek(PartitionId{7}, Offset{0}).error().is(Errc::not_owner));
  EXPECT_TRUE(reader_->seek(PartitionId{0}, Offset{-2}).error().is(Errc::invalid_argument));
  ASSERT_TRUE(reader_->unsubscribe(patience));
  EXPECT_THAT(reader_->assignment(), IsEmpty());
  EXPECT_TRUE(reader_->pause().error().is(Errc::closed));
  EXPECT_TRUE(reader_->seek(PartitionId{0}, Offset{0}).error().is(Errc::closed));
}

}  // namespace
}  // namespace dohle
