// Producers that share their memory, against a scripted cluster over the simulated network.
#include "client/produce/producer_group.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/produce/record_sender.hpp"
#include "scripted_cluster.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
using Appended = PartitionQueue::Appended;

constexpr std::int16_t refused = 29;  // TOPIC_AUTHORIZATION_FAILED

struct Member {
  std::shared_ptr<RecordSender> sender;
  std::shared_ptr<IntakeTopic> topic;
  std::vector<Result<Receipt>> told;

  Appended put(std::size_t partition, std::string_view value = "value") {
    DeliveryCallback callback = [this](Result<Receipt> receipt) {
      told.push_back(std::move(receipt));
    };
    auto& to = *topic->table().all.at(partition);
    const auto place = to.queue.append({.value = as_bytes(value)}, {.callback = &callback});
    if (place.wake) sender->wake(to);
    return place.appended;
  }
  /// Returns the number of records until memory was refused.
  std::size_t fill(std::size_t partition) {
    const std::string large(10'000, 'x');
    std::size_t count = 0;
    while (put(partition, large) == Appended::ok) ++count;
    return count;
  }
};

/// Two producers of one group. Nothing is due by time.
class Group : public testing::Test, public ScriptedWorld {
 protected:
  void start() {
    ScriptedWorld::start([this](const std::shared_ptr<SimulatedClient>& made, sim::Process& self) {
      for (Member* each : {&one_, &two_}) {
        each->sender = std::make_shared<RecordSender>(
            made, ProducerOptions{.linger = 1min, .batch_bytes = 16 * 1024}, group_);
        each->sender->start();
        each->sender->find_topic(
            "orders", self.clock().mono() + 60s,
            [each](Result<std::shared_ptr<IntakeTopic>> found) { each->topic = *found; });
      }
      return made;
    });
    ASSERT_TRUE(one_.topic && two_.topic);
  }
  ~Group() override {
    for (Member* each : {&one_, &two_}) {
      if (each->sender)
        each->sender->close(CallTime::from(world.now(), 0s), [](Result<FlushReport>) {});
    }
    world.run_for(1s);
  }
  void flush(Member& member) {
    member.sender->flush(world.now() + 10s, [](Result<FlushReport>) {});
    world.run_for(1s);
  }

  std::shared_ptr<ProducerGroup> group_ = std::make_shared<ProducerGroup>(100 * slab_bytes);
  Member one_;
  Member two_;
};

TEST_F(Group, LeavesMemoryToAProducerWhileAnotherIsBlocked) {
  script.leaders[0].node = NodeId{};
  start();
  ASSERT_GT(one_.fill(0), 0u);
  EXPECT_LE(one_.sender->budget.used(), 80 * slab_bytes);
  world.run_for(10s);
  EXPECT_TRUE(one_.told.empty());
  EXPECT_EQ(two_.put(1), Appended::ok);
  flush(two_);
  ASSERT_EQ(two_.told.size(), 1u);
  EXPECT_TRUE(two_.told[0]);
  EXPECT_TRUE(one_.told.empty());
}

TEST_F(Group, SendsTheRecordsOfTheProducerThatHasMostOfTheMemory) {
  start();
  const std::size_t of_one = one_.fill(0);
  const std::size_t of_two = two_.fill(1);
  two_.sender->hurry_all();
  world.run_for(1s);
  EXPECT_EQ(one_.told.size(), of_one);
  EXPECT_EQ(two_.told.size(), of_two);
}

TEST_F(Group, DoesNotSendTheRecordsOfAnotherThatHasLessMemoryThanTheWaitingOne) {
  start();
  ASSERT_EQ(two_.put(1), Appended::ok);
  const std::size_t of_one = one_.fill(0);
  one_.sender->hurry_all();
  world.run_for(1s);
  EXPECT_EQ(one_.told.size(), of_one);
  EXPECT_TRUE(two_.told.empty());
}

TEST_F(Group, ClosesAProducerThatHoldsNoRecordsAndReturnsItsReport) {
  start();
  script.produce_errors = {refused};
  ASSERT_EQ(one_.put(0), Appended::ok);
  std::optional<FlushReport> report;
  on_loop([&] { report = one_.sender->close_if_idle(); });
  EXPECT_FALSE(report) << "a record waits";
  EXPECT_EQ(one_.put(0), Appended::ok) << "it takes records again";
  const auto& partition = *one_.topic->table().all.at(0);
  one_.sender->hurry(partition.id, one_.topic->serial);
  world.run_for(1s);
  ASSERT_EQ(one_.told.size(), 2u);
  on_loop([&] { report = one_.sender->close_if_idle(); });
  ASSERT_TRUE(report);
  EXPECT_EQ(report->failed, 2u);
  EXPECT_TRUE(report->first_error->is_broker(refused));
  EXPECT_EQ(one_.put(0), Appended::closed);
  EXPECT_EQ(two_.put(0), Appended::ok);
}

TEST_F(Group, RefusesRecordsForATopicThatIsFoundAfterTheClose) {
  start();
  auto late = std::make_shared<RecordSender>(client, ProducerOptions{}, group_);
  std::shared_ptr<IntakeTopic> found;
  on_loop([&] {
    late->start();
    ASSERT_TRUE(late->close_if_idle());
    late->find_topic("orders", world.now() + 60s,
                     [&](Result<std::shared_ptr<IntakeTopic>> topic) { found = *topic; });
  });
  world.run_for(1s);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->table().all.at(0)->queue.append({.value = as_bytes("value")}, {}).appended,
            Appended::closed);
}

}  // namespace
}  // namespace dohle::client
