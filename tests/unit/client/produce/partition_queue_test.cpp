#include "client/produce/partition_queue.hpp"

#include <gtest/gtest.h>

#include <string>

#include "sim/machine.hpp"
#include "sim/process.hpp"
#include "sim/world.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
using Appended = PartitionQueue::Appended;

class StillTime final : public RecordTime {
 public:
  Timestamp wall() const override { return now; }
  void keep_fresh(bool) override {}
  Timestamp now{5'000};
};

class Queue : public testing::Test {
 protected:
  Queue()
      : process_(world_.machine("client").start(
            "client", [](sim::Process&) { return std::make_shared<int>(); })) {
    world_.run_for(1ms);
  }
  PartitionQueue& queue() {
    if (!queue_) {
      queue_.emplace(budget_, settings_, environment_, std::weak_ptr<client::OutcomeOwner>(),
                     "orders", 1, PartitionId{0});
    }
    return *queue_;
  }
  PartitionQueue::Place append(std::size_t bytes, PartitionQueue::Wish wish = {}) {
    const std::string value(bytes, 'v');
    return queue().append({.value = as_bytes(value)}, wish);
  }
  TimePoint now() { return environment_.clock.mono(); }

  sim::World world_{1};
  sim::Process& process_;
  StillTime time_;
  ClientEnvironment environment_{process_.executor(),
                                 process_.dialer(),
                                 process_.clock(),
                                 process_.random(),
                                 process_.workers(),
                                 time_,
                                 *logger_,
                                 process_.secure_random()};
  static inline const std::shared_ptr<Logger> logger_ = silent_logger();
  Budget budget_{1 << 20};
  PartitionQueue::Settings settings_{.batch_bytes = 1'000, .batch_records = 0, .linger = 5ms};
  std::optional<PartitionQueue> queue_;
};

TEST_F(Queue, WakesTheLoopOnceForManyRecords) {
  EXPECT_TRUE(append(10).wake);
  EXPECT_FALSE(append(10).wake);
  EXPECT_FALSE(append(10).wake);
}

TEST_F(Queue, IsDueWhenItsFirstRecordHasLingered) {
  append(10);
  const TimePoint opened = now();
  EXPECT_EQ(queue().due(opened).bytes, 0u);
  EXPECT_EQ(queue().due(opened).next, opened + 5ms);
  EXPECT_FALSE(queue().take(opened));
  EXPECT_GT(queue().due(opened + 5ms).bytes, 10u);
  EXPECT_TRUE(queue().take(opened + 5ms));
}

TEST_F(Queue, IsDueAtOnceWithoutLinger) {
  settings_.linger = Duration::zero();
  append(10);
  // In a turn of the loop that began before the record was appended.
  EXPECT_TRUE(queue().take(now() - 1ms));
}

TEST_F(Queue, StartsANewBatchWhenOneIsFull) {
  EXPECT_EQ(append(600).serial, 1u);
  const auto second = append(600);
  EXPECT_EQ(second.serial, 2u);
  EXPECT_TRUE(second.wake);
  EXPECT_EQ(second.index, 0u);
  EXPECT_EQ(queue().take(now())->builder.count(), 1) << "the full one, however young";
  EXPECT_FALSE(queue().take(now()));
}

TEST_F(Queue, IsDueAtBatchRecordsAndStillGrows) {
  settings_.batch_records = 2;
  EXPECT_TRUE(append(10).wake);
  EXPECT_TRUE(append(10).wake);
  EXPECT_FALSE(append(10).wake);
  EXPECT_EQ(queue().take(now())->builder.count(), 3);
}

TEST_F(Queue, RefusesAnAppendToABatchThatWasTaken) {
  const auto serial = append(10).serial;
  EXPECT_EQ(append(10, {.only_serial = serial}).appended, Appended::ok);
  queue().take_any();
  EXPECT_EQ(append(10, {.only_serial = serial}).appended, Appended::moved_on);
  EXPECT_TRUE(queue().is_empty());
}

TEST_F(Queue, RefusesRecordsWhenTheBufferIsFullAndLosesNone) {
  settings_.batch_bytes = 1 << 20;
  ASSERT_TRUE(budget_.reserve((1 << 20) - 2 * slab_bytes));
  EXPECT_EQ(append(10'000).appended, Appended::ok);
  EXPECT_EQ(append(10'000).appended, Appended::ok);
  EXPECT_EQ(append(20'000).appended, Appended::no_memory);
  EXPECT_EQ(queue().take_any()->builder.count(), 2);
}

TEST_F(Queue, KeepsNoEmptyBatchWhenThereIsNoMemory) {
  ASSERT_TRUE(budget_.reserve(1 << 20));
  EXPECT_EQ(append(10).appended, Appended::no_memory);
  EXPECT_TRUE(queue().is_empty());
  EXPECT_EQ(queue().opened(), 0u);
}

TEST_F(Queue, MakesItsBatchesDueOnRequest) {
  EXPECT_FALSE(queue().hurry());
  append(10);
  EXPECT_TRUE(queue().hurry());
  EXPECT_FALSE(queue().hurry());
  EXPECT_TRUE(queue().take(now()));
  append(10);
  EXPECT_FALSE(queue().take(now())) << "what came later is not due";
}

TEST_F(Queue, TakesNoMoreRecordsWhenClosed) {
  append(10);
  queue().close();
  EXPECT_EQ(append(10).appended, Appended::closed);
  EXPECT_TRUE(queue().take(now()));
}

TEST_F(Queue, NeverStampsARecordBeforeItsBatchWasOpened) {
  time_.now = Timestamp{1};  // published time may lag
  append(10);
  append(10);
  const auto batch = queue().take_any();
  EXPECT_EQ(batch->builder.max_timestamp(), batch->builder.base_timestamp());
  EXPECT_GT(batch->builder.base_timestamp().value, 1'000'000);
}

}  // namespace
}  // namespace dohle::client
