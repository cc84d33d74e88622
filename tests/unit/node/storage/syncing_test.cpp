#include "node/storage/syncing.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "disk/memory_disk.hpp"

namespace dohle::node {
namespace {

using namespace std::chrono_literals;

/// Runs posted tasks on request, with a clock of the test's, and records until when it has to stay
/// awake.
class NotedLoop final : public Executor {
 public:
  void post(Task task) override { tasks_.push_back(std::move(task)); }
  void at_turn_end(Task task) override { ends_.push_back(std::move(task)); }
  [[nodiscard]] bool is_loop_thread() const override { return true; }
  TimerId arm(TimePoint /*at*/, Task /*task*/) override { return 1; }
  void cancel(TimerId /*id*/) override {}
  [[nodiscard]] Now tick() const override { return {now, {}}; }
  [[nodiscard]] TimePoint turn_end() const override { return has_short_turns ? now : never; }
  void stay_awake(TimePoint until) override { awake_until = until; }
  /// Runs the next task, or the next one of the turn's end once there is no other. False if there
  /// is none.
  bool step() {
    std::deque<Task>& from = tasks_.empty() ? ends_ : tasks_;
    if (from.empty()) return false;
    Task task = std::move(from.front());
    from.pop_front();
    task();
    return true;
  }
  void run() {
    while (step()) {
    }
  }

  TimePoint now{1s};
  /// Work that can continue in a later turn always has to.
  bool has_short_turns = false;
  TimePoint awake_until{};

 private:
  std::deque<Task> tasks_;
  std::deque<Task> ends_;
};

class SyncingTest : public testing::Test {
 protected:
  /// Appends and waits with `waiters` callers, and lets `pause` pass after the sync. True if the
  /// loop had to stay awake meanwhile.
  bool sync(Duration pause, int waiters = 1) {
    int told = 0;
    loop_.awake_until = {};
    syncing_.appended(partition_);
    for (int i = 0; i < waiters; ++i) syncing_.when_durable([&told] { ++told; });
    loop_.run();
    EXPECT_EQ(told, waiters);
    const bool stays_awake = loop_.awake_until > loop_.now;
    loop_.now += pause;
    return stays_awake;
  }

  NotedLoop loop_;
  disk::MemoryDisk disk_{loop_};
  /// Without a log, which these tests do not need.
  PartitionRef partition_ = std::make_shared<Partition>(
      "orders", PartitionId{0}, Error::client(Errc::io_error, "it has no log"));
  Syncing syncing_{loop_, disk_, Durability::fsync, 100, [](const PartitionRef&, std::uint64_t) {}};
};

TEST_F(SyncingTest, stays_awake_while_the_next_sync_follows_closely) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(sync(250us)) << i;
}

TEST_F(SyncingTest, sleeps_when_the_next_sync_does_not_follow_closely) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(sync(1ms)) << i;
  for (int i = 0; i < 64; ++i) EXPECT_FALSE(sync(1ms)) << i;
  EXPECT_TRUE(sync(1ms));
}

TEST_F(SyncingTest, sleeps_when_several_syncs_wait) {
  EXPECT_FALSE(sync(100us, 2));
  EXPECT_TRUE(sync(100us));
}

TEST_F(SyncingTest, notes_each_partition_once_a_turn_before_the_acknowledgements_under_os) {
  std::vector<std::string> order;
  const auto other = std::make_shared<Partition>("orders", PartitionId{1},
                                                 Error::client(Errc::io_error, "it has no log"));
  Syncing syncing(
      loop_, disk_, Durability::os, 100, [](const PartitionRef&, std::uint64_t) {},
      [&](const PartitionRef& partition) { order.push_back(partition->name()); });
  for (int i = 0; i < 3; ++i) {
    syncing.appended(partition_);
    syncing.when_durable([&] { order.emplace_back("told"); });
  }
  syncing.appended(other);
  EXPECT_TRUE(order.empty());
  loop_.run();
  EXPECT_EQ(order, (std::vector<std::string>{"orders-0", "told", "told", "told", "orders-1"}));
  syncing.when_durable([&] { order.emplace_back("at once"); });
  EXPECT_EQ(order.back(), "at once") << "nothing was appended in this turn";
  syncing.appended(partition_);
  loop_.run();
  EXPECT_EQ(order.back(), "orders-0") << "without anybody who waits, too";
}

TEST_F(SyncingTest, notes_partitions_after_the_answers_that_the_turn_sends_at_its_end) {
  std::vector<std::string> order;
  Syncing syncing(
      loop_, disk_, Durability::os, 100, [](const PartitionRef&, std::uint64_t) {},
      [&](const PartitionRef& partition) { order.push_back(partition->name()); });
  syncing.appended(partition_);
  syncing.when_durable([&] { order.emplace_back("told"); });
  loop_.post([&] { loop_.at_turn_end([&] { order.emplace_back("answer"); }); });
  loop_.run();
  EXPECT_EQ(order, (std::vector<std::string>{"answer", "orders-0", "told"}));
}

TEST_F(SyncingTest, continues_in_the_next_turn_with_the_notes_and_the_callers_of_many_partitions) {
  std::vector<std::string> order;
  Syncing syncing(
      loop_, disk_, Durability::os, 100, [](const PartitionRef&, std::uint64_t) {},
      [&](const PartitionRef& partition) { order.push_back(partition->name()); });
  std::vector<PartitionRef> partitions;
  for (std::int32_t i = 0; i < 3; ++i) {
    partitions.push_back(std::make_shared<Partition>(
        "orders", PartitionId{i}, Error::client(Errc::io_error, "it has no log")));
  }
  loop_.has_short_turns = true;
  for (const PartitionRef& partition : partitions) syncing.appended(partition);
  syncing.when_durable([&] { order.emplace_back("all"); });
  while (order.empty() && loop_.step()) syncing.check_invariants();
  EXPECT_EQ(order, std::vector<std::string>{"orders-0"});
  // It was noted, and has new records.
  syncing.appended(partitions[0]);
  syncing.when_durable([&] { order.emplace_back("the new ones"); });
  while (loop_.step()) syncing.check_invariants();
  EXPECT_EQ(order, (std::vector<std::string>{"orders-0", "orders-1", "orders-2", "all", "orders-0",
                                             "the new ones"}));
}

TEST_F(SyncingTest, continues_in_the_next_turn_with_a_group_of_many_partitions) {
  std::vector<std::string> order;
  std::vector<PartitionRef> partitions;
  for (std::int32_t i = 0; i < 3; ++i) {
    partitions.push_back(std::make_shared<Partition>(
        "orders", PartitionId{i}, Error::client(Errc::io_error, "it has no log")));
  }
  loop_.has_short_turns = true;
  for (const PartitionRef& partition : partitions) syncing_.appended(partition);
  for (const char* name : {"first", "second"}) {
    syncing_.when_durable([&order, name] { order.emplace_back(name); });
  }
  // Bytes that come while the group is collected.
  loop_.step();
  syncing_.check_invariants();
  EXPECT_TRUE(partitions[2]->is_dirty) << "it is collected in a later turn";
  syncing_.appended(partitions[2]);
  syncing_.when_durable([&] { order.emplace_back("third"); });
  std::size_t told = 0;
  while (loop_.step()) {
    syncing_.check_invariants();
    EXPECT_LE(order.size(), told + 1) << "one caller in each turn";
    told = order.size();
  }
  EXPECT_EQ(order, (std::vector<std::string>{"first", "second", "third"}));
}

}  // namespace
}  // namespace dohle::node
