#include "messaging/publish/balancers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace dohle::messaging {
namespace {

using kafka::Balancer;

constexpr int threads = 4;
constexpr int records = 4'000;

/// How often each of four partitions was chosen. Any thread.
class Counts {
 public:
  void add(PartitionId chosen) { ++of_.at(static_cast<std::size_t>(chosen.value)); }
  [[nodiscard]] std::vector<int> all() const { return std::vector<int>(of_.begin(), of_.end()); }

 private:
  std::array<std::atomic<int>, 4> of_{};
};

/// Runs `choose` on several threads at the same time.
void on_threads(const auto& choose) {
  std::latch begin(threads);
  std::vector<std::jthread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&] {
      begin.arrive_and_wait();
      choose();
    });
  }
}

TEST(BalancerMemories, AreSharedByAllThreadsForEachTopicAndBalancer) {
  const auto memories = std::make_shared<BalancerMemories>(1);
  const std::vector<std::string> topics = {"orders", "payments"};
  const std::vector<Balancer> balancers = {Balancer::round_robin(), Balancer::round_robin(5),
                                           Balancer::least_bytes(), Balancer::hash()};
  std::array<std::array<Counts, 4>, 2> counts;
  on_threads([&] {
    for (int each = 0; each < records; ++each) {
      for (std::size_t topic = 0; topic < topics.size(); ++topic) {
        for (std::size_t i = 0; i < balancers.size(); ++i) {
          counts.at(topic).at(i).add(BalancerAccess::partitioner(balancers[i])
                                         ->choose(topics[topic], {.value = as_bytes("text")}, 4,
                                                  memories->borrow(topics[topic], balancers[i])));
        }
      }
    }
  });
  for (const auto& of_topic : counts) {
    for (const Counts& each : of_topic) EXPECT_THAT(each.all(), testing::Each(records));
  }
}

TEST(BalancerMemories, ServeTheProducersOfSeveralThreads) {
  const auto memories = std::make_shared<BalancerMemories>(1);
  Counts counts;
  on_threads([&] {
    const auto partitioner = memories->sharing(Balancer::least_bytes());
    const auto memory = partitioner->begin_topic("orders", 7);
    for (int each = 0; each < records; ++each) {
      counts.add(partitioner->choose("orders", {.value = as_bytes("text")}, 4, memory.get()));
    }
  });
  EXPECT_THAT(counts.all(), testing::Each(records));
}

}  // namespace
}  // namespace dohle::messaging
