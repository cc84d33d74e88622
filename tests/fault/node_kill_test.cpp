#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>

#include "base/random.hpp"
#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "wire/messages/init_producer_id.hpp"

// SIGKILL under load: records acknowledged with acks=all are there once and in order. (SIGKILL does
// not show whether they are on disk, since the page cache survives; the simulated disk does.)

namespace dohle::fault {
namespace {

constexpr int producers = 4;
constexpr std::int32_t partitions = 2;
constexpr int enough = 1'000'000'000;  // no thread waits for this count

int cycles() {
  const char* const text = std::getenv("DOHLE_FAULT_CYCLES");
  return text == nullptr ? 100 : std::atoi(text);
}

/// The address of the running node, for threads that wait for its next life.
class Place {
 public:
  void set(std::uint16_t port) {
    const std::lock_guard guard(mutex_);
    port_ = port;
    ++life_;
    changed_.notify_all();
  }
  /// Waits for the life after `life`. Port 0 means that there is none.
  std::uint16_t next(int& life) {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] { return life_ > life; });
    life = life_;
    return port_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint16_t port_ = 0;
  int life_ = 0;
};

/// Counts acknowledgements; the killing thread waits for a number of them.
class Count {
 public:
  void add(int more = 1) {
    value_.fetch_add(more);
    value_.notify_one();
  }
  void wait_for(int value) {
    for (int now = value_.load(); now < value; now = value_.load()) value_.wait(now);
  }
  [[nodiscard]] int value() const { return value_.load(); }

 private:
  std::atomic<int> value_{0};
};

/// Sends numbered records, each until it is acknowledged.
struct Load {
  std::int64_t producer_id = -1;
  std::int32_t partition = 0;
  int acknowledged = 0;
  std::string fault;

  void run(Place& place, Count& count) {
    int life = 0;
    while (const std::uint16_t port = place.next(life)) {
      WireConnection connection(port);
      for (;;) {
        const auto offset =
            produce(connection, "t", partition,
                    std::to_string(producer_id) + " " + std::to_string(acknowledged),
                    {producer_id, 0, acknowledged});
        if (!offset && offset.error().category() == ErrorCategory::broker) {
          fault = offset.error().to_string();
          count.add(enough);
          return;
        }
        if (!offset) break;
        ++acknowledged;
        count.add();
      }
    }
  }
};

std::int64_t new_producer_id(WireConnection& at) {
  wire::InitProducerIdRequest request;
  request.transactional_id.reset();
  const auto answer = at.ask(request);
  return answer ? answer->producer_id.value : -1;
}

TEST(KillTest, AcknowledgedRecordsAreStoredOnceAndInOrder) {
  ScratchDirectory scratch;
  std::vector<Load> loads(producers);
  Place place;
  Count count;
  std::vector<std::jthread> threads;
  std::optional<NodeProcess> node(std::in_place, scratch / "data");
  ASSERT_NE(node->port(), 0) << node->lines();
  {
    WireConnection connection(node->port());
    ASSERT_TRUE(create_topic(connection, "t", partitions, {{"segment.bytes", "65536"}}));
    for (int i = 0; i < producers; ++i) {
      loads[static_cast<std::size_t>(i)].producer_id = new_producer_id(connection);
      loads[static_cast<std::size_t>(i)].partition = i % partitions;
    }
  }
  for (Load& load : loads) threads.emplace_back([&] { load.run(place, count); });
  SeededRandom random(1);
  bool is_ready = true;
  for (int cycle = 0; cycle < cycles() && is_ready && count.value() < enough; ++cycle) {
    place.set(node->port());
    count.wait_for(count.value() + 1 + static_cast<int>(random.below(200)));
    node.emplace(scratch / "data");  // kills and replaces the former one
    is_ready = node->port() != 0;
  }
  place.set(0);
  threads.clear();
  ASSERT_TRUE(is_ready) << node->lines();

  WireConnection connection(node->port());
  std::map<std::int64_t, int> next;
  for (std::int32_t partition = 0; partition < partitions; ++partition) {
    const auto found = values(connection, "t", partition);
    ASSERT_TRUE(found) << found.error().to_string();
    for (const std::string& value : *found) {
      long long id = -1;
      int number = -1;
      ASSERT_EQ(std::sscanf(value.c_str(), "%lld %d", &id, &number), 2) << value;
      ASSERT_EQ(number, next[id]) << "producer " << id << ": lost, doubled or out of order";
      ++next[id];
    }
  }
  for (const Load& load : loads) {
    EXPECT_EQ(load.fault, "");
    EXPECT_GE(next[load.producer_id], load.acknowledged);
    EXPECT_LE(next[load.producer_id], load.acknowledged + 1);
  }
  std::printf("%d kills, %d records acknowledged\n", cycles(), count.value());
}

}  // namespace
}  // namespace dohle::fault
