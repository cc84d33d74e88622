#include "messaging/middleware/values_by_topic.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace dohle::messaging {
namespace {

struct Named {
  std::string name;
};
Named named(const std::string& topic) {
  return {topic};
}

TEST(ValuesByTopic, keeps_a_value_for_each_topic) {
  ValuesByTopic<Named> table;
  Named& orders = table.of("orders", named);
  Named& payments = table.of("payments", named);
  EXPECT_EQ(orders.name, "orders");
  EXPECT_EQ(payments.name, "payments");
  int made = 0;
  Named& again = table.of("orders", [&](const std::string& topic) {
    ++made;
    return named(topic);
  });
  EXPECT_EQ(&again, &orders);
  EXPECT_EQ(made, 0);
}

TEST(ValuesByTopic, finds_one_of_ten_thousand_topics_without_passing_most_of_them) {
  ValuesByTopic<Named> table;
  std::vector<Named*> values;
  for (int i = 0; i < 10'000; ++i) {
    values.push_back(&table.of("sensor." + std::to_string(i), named));
  }
  EXPECT_LE(table.longest_lookup(), 100u);
  for (int i = 0; i < 10'000; ++i) {
    Named& found = table.of("sensor." + std::to_string(i), named);
    ASSERT_EQ(&found, values[static_cast<std::size_t>(i)]);
  }
}

TEST(ValuesByTopic, takes_new_topics_of_several_threads) {
  ValuesByTopic<std::atomic<int>> table;
  const auto zero = [](const std::string&) { return 0; };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1'000; ++i) {
        std::atomic<int>& value = table.of("t" + std::to_string(i), zero);
        value.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (std::thread& each : threads) each.join();
  for (int i = 0; i < 1'000; ++i) {
    const int count = table.of("t" + std::to_string(i), zero);
    EXPECT_GE(count, 1) << i;
    EXPECT_LE(count, 4) << i;
  }
}

}  // namespace
}  // namespace dohle::messaging
