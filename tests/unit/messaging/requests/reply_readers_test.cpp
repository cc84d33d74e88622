#include "messaging/requests/reply_readers.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 20s;

/// A source of one partition without records.
class SilentSource final : public Source {
 public:
  explicit SilentSource(TopicPartition partition) : partition_(std::move(partition)) {}

  Result<void> start(RebalanceListener listener) override {
    listener.on_assigned(std::span(&partition_, 1));
    return {};
  }
  Result<PolledRecords> poll(std::chrono::milliseconds timeout) override {
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, timeout, [this] { return is_woken_; });
    if (!std::exchange(is_woken_, false)) return PolledRecords{};
    return fail(Error::client(Errc::cancelled, "woken"));
  }
  std::vector<TopicPartition> take_replaced() override { return {}; }
  void wakeup() override {
    const std::lock_guard lock(mutex_);
    is_woken_ = true;
    woken_.notify_all();
  }
  void commit_async(std::vector<PartitionOffset>, client::CommitDone callback) override {
    callback({});
  }
  client::CommitOutcome commit_sync(std::vector<PartitionOffset>,
                                    std::chrono::milliseconds) override {
    return {};
  }
  void pause(std::span<const TopicPartition>) override {}
  void resume(std::span<const TopicPartition>) override {}
  void seek(const TopicPartition&, Offset) override {}
  Result<Offset> position(const TopicPartition&) override { return Offset{0}; }
  std::optional<std::int64_t> lag(const TopicPartition&) const override { return 0; }
  Result<void> leave() override { return {}; }
  Result<void> close(std::chrono::milliseconds) override { return {}; }

 private:
  const TopicPartition partition_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool is_woken_ = false;
};

/// Reads replies from topics with partitions as the test chooses them.
class ReplyReadersTest : public testing::Test {
 protected:
  ReplyReadersTest() {
    ReplyReaders::Means means;
    means.choose_partition = [this](const std::string&, const std::optional<ReplyTopicCreation>&,
                                    const CallDeadline&) -> Result<PartitionId> {
      return PartitionId{chosen_};
    };
    means.subscribe = [this](const std::string& topic, PartitionId partition,
                             std::function<void()> on_replaced) {
      Subscription::Setup setup;
      setup.topic = topic;
      setup.source = std::make_unique<SilentSource>(TopicPartition{topic, partition});
      setup.handler = [](RawEvent&) { return Result<void>(); };
      setup.reports = std::make_shared<Reports>(nullptr, silent_logger());
      started_.push_back(Subscription::start(std::move(setup)));
      if (std::exchange(is_replaced_at_start_, false)) on_replaced();
      on_replaced_ = std::move(on_replaced);
      return Result<std::shared_ptr<Subscription>>(started_.back());
    };
    means.known_partitions = [this](const std::string&) { return known_; };
    readers_ = std::make_shared<ReplyReaders>(std::move(means));
  }
  ~ReplyReadersTest() override {
    for (const auto& each : started_) EXPECT_TRUE(each->unsubscribe(patience));
  }
  Result<PartitionId> partition() {
    return readers_->partition_of("replies", std::nullopt, CallDeadline(patience), true);
  }

  std::int32_t chosen_ = 5;
  std::int32_t known_ = 8;
  bool is_replaced_at_start_ = false;
  std::function<void()> on_replaced_;
  std::vector<std::shared_ptr<Subscription>> started_;
  std::shared_ptr<ReplyReaders> readers_;
};

TEST_F(ReplyReadersTest, ReadsAnotherPartitionOnceTheTopicHasFewer) {
  EXPECT_EQ(partition(), PartitionId{5});
  on_replaced_();
  EXPECT_EQ(partition(), PartitionId{5}) << "the new topic has the partition, too";
  EXPECT_EQ(started_.size(), 1u);
  known_ = 1;
  chosen_ = 0;
  on_replaced_();
  EXPECT_EQ(partition(), PartitionId{0});
  EXPECT_EQ(started_.size(), 2u);
  EXPECT_FALSE(started_.front()->wait_ready(0ms)) << "its end was requested";
}

TEST_F(ReplyReadersTest, ReadsAnotherPartitionIfTheTopicGotFewerWhileItsReaderStarted) {
  is_replaced_at_start_ = true;
  known_ = 1;
  ASSERT_TRUE(partition());
  chosen_ = 0;
  EXPECT_EQ(partition(), PartitionId{0});
  EXPECT_EQ(started_.size(), 2u);
}

}  // namespace
}  // namespace dohle::messaging
