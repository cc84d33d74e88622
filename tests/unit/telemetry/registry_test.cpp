#include "telemetry/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.hpp"

namespace dohle::telemetry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr MetricInfo records{"test_records_total", "Records.", ""};
constexpr MetricInfo bytes{"test_bytes", "Bytes in use.", "bytes"};
constexpr MetricInfo times{"test_seconds", "Times.", "seconds"};

TEST(Registry, gives_one_series_for_equal_labels_in_any_order) {
  Registry registry;
  Counter& one = registry.counter(records, {{"topic", "t"}, {"group", "g"}});
  Counter& same = registry.counter(records, {{"group", "g"}, {"topic", "t"}});
  Counter& other = registry.counter(records, {{"topic", "u"}, {"group", "g"}});
  EXPECT_EQ(&one, &same);
  EXPECT_NE(&one, &other);
}

TEST(Registry, snapshot_has_all_series_sorted_with_help_and_unit) {
  Registry registry;
  registry.counter(records, {{"topic", "b"}}).add(3);
  registry.counter(records, {{"topic", "a"}}).add(4);
  registry.gauge(bytes).set(-5);
  registry.histogram(times).add(std::uint64_t{2'000'000'000});
  const MetricsSnapshot taken = registry.snapshot();
  ASSERT_EQ(taken.metrics.size(), 3u);
  EXPECT_EQ(taken.metrics[0].name, "test_bytes");
  EXPECT_EQ(taken.metrics[0].unit, "bytes");
  EXPECT_EQ(taken.metrics[0].kind, MetricKind::gauge);
  EXPECT_EQ(taken.metrics[1].help, "Records.");
  EXPECT_THAT(taken.metrics[1].samples[0].labels, ElementsAre(MetricLabel{"topic", "a"}));
  EXPECT_EQ(taken.value("test_records_total"), 7);
  EXPECT_EQ(taken.value("test_records_total", {{"topic", "b"}}), 3);
  EXPECT_EQ(taken.value("test_records_total", {{"topic", "c"}}), std::nullopt);
  EXPECT_EQ(taken.value("test_missing"), std::nullopt);
  EXPECT_EQ(taken.value("test_bytes"), -5);
  EXPECT_EQ(taken.value("test_seconds"), 1);
  EXPECT_DOUBLE_EQ(taken.find("test_seconds")->samples[0].distribution.sum, 2.0);
  EXPECT_EQ(taken.left_out, 0u);
}

TEST(Registry, refuses_a_series_beyond_max_series_and_names_it) {
  Registry registry(2);
  ASSERT_TRUE(registry.find_counter(records, {{"topic", "a"}}));
  ASSERT_TRUE(registry.find_counter(records, {{"topic", "b"}}));
  const auto third = registry.find_counter(records, {{"topic", "c"}});
  ASSERT_FALSE(third);
  EXPECT_TRUE(third.error().is(Errc::limit_reached));
  EXPECT_THAT(std::string(third.error().message()), HasSubstr("max_series (2)"));
  EXPECT_TRUE(registry.find_counter(records, {{"topic", "a"}}));
  // The library counts on without it.
  registry.counter(records, {{"topic", "d"}}).add(9);
  registry.gauge(bytes).set(9);
  registry.histogram(times).add(std::uint64_t{9});
  const MetricsSnapshot taken = registry.snapshot();
  EXPECT_EQ(taken.left_out, 3u);
  registry.counter(records, {{"topic", "d"}}).add(9);
  EXPECT_EQ(registry.snapshot().left_out, 3u) << "each series counts once";
  EXPECT_EQ(taken.value("test_records_total"), 0);
  EXPECT_EQ(taken.find("test_bytes"), nullptr);
}

TEST(Registry, refuses_names_that_prometheus_does_not_take) {
  Registry registry;
  const std::string long_name(201, 'a');
  const std::string long_value(1'025, 'a');
  for (const std::string& name : std::vector<std::string>{"", "1a", "a-b", "a b", "ä", long_name}) {
    const auto refused = registry.find_counter({name, "Help."});
    ASSERT_FALSE(refused) << name;
    EXPECT_TRUE(refused.error().is(Errc::invalid_argument)) << name;
  }
  EXPECT_TRUE(registry.find_counter({"a:b_1", "Help."}));
  for (const std::string label : {"", "1", "a:b", "a.b"}) {
    EXPECT_FALSE(registry.find_counter(records, {{label, "v"}})) << label;
  }
  EXPECT_FALSE(registry.find_counter(records, {{"l", long_value}}));
  EXPECT_FALSE(registry.find_counter(records, {{"l", "1"}, {"l", "2"}}));
  MetricLabels many;
  for (char c = 'a'; c < 'a' + 17; ++c) many.push_back({std::string(1, c), "v"});
  const auto refused = registry.find_counter(records, many);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::limit_reached));
}

TEST(Registry, refuses_another_kind_under_a_known_name) {
  Registry registry;
  ASSERT_TRUE(registry.find_counter(records));
  const auto refused = registry.find_gauge(records);
  ASSERT_FALSE(refused);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("test_records_total"));
}

struct Asked final : Collector {
  explicit Asked(double value_, std::string who_ = "asked") : value(value_), who(std::move(who_)) {}
  void collect(Collection& into) override {
    into.add(bytes, MetricKind::gauge, {{"who", who}}, value);
  }
  double value;
  std::string who;
};

TEST(Registry, calls_only_existing_collectors) {
  Registry registry;
  registry.gauge(bytes, {{"who", "set"}}).set(1);
  auto asked = std::make_shared<Asked>(5);
  registry.attach(asked);
  EXPECT_EQ(registry.snapshot().value("test_bytes"), 6);
  EXPECT_EQ(registry.snapshot().find("test_bytes")->samples.size(), 2u);
  asked->value = 7;
  EXPECT_EQ(registry.snapshot().value("test_bytes", {{"who", "asked"}}), 7);
  asked.reset();
  EXPECT_EQ(registry.snapshot().value("test_bytes"), 1);
}

TEST(Registry, sums_values_of_collectors_with_equal_labels) {
  Registry registry;
  const auto one = std::make_shared<Asked>(1);
  const auto two = std::make_shared<Asked>(2);
  registry.attach(one);
  registry.attach(two);
  const MetricsSnapshot taken = registry.snapshot();
  ASSERT_EQ(taken.find("test_bytes")->samples.size(), 1u);
  EXPECT_EQ(taken.value("test_bytes"), 3);
}

TEST(Registry, bounds_the_series_of_collectors) {
  Registry registry(1);
  const auto one = std::make_shared<Asked>(1);
  const auto two = std::make_shared<Asked>(1, "another");
  registry.attach(one);
  registry.attach(two);
  EXPECT_EQ(registry.snapshot().value("test_bytes"), 1);
  EXPECT_EQ(registry.snapshot().left_out, 1u);
}

TEST(Registry, agrees_with_a_model) {
  SeededRandom random(11);
  Registry registry;
  std::map<std::pair<std::string, std::string>, std::uint64_t> model;
  for (int i = 0; i < 5'000; ++i) {
    const std::string topic(1, static_cast<char>('a' + random.below(20)));
    const std::string group(1, static_cast<char>('a' + random.below(5)));
    const std::uint64_t count = random.below(100);
    registry.counter(records, {{"topic", topic}, {"group", group}}).add(count);
    model[{topic, group}] += count;
  }
  const MetricsSnapshot taken = registry.snapshot();
  ASSERT_EQ(taken.metrics.size(), 1u);
  EXPECT_EQ(taken.metrics[0].samples.size(), model.size());
  for (const auto& [name, count] : model) {
    EXPECT_EQ(taken.value("test_records_total", {{"topic", name.first}, {"group", name.second}}),
              static_cast<double>(count));
  }
}

TEST(Registry, is_read_while_threads_register_and_count) {
  Registry registry;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&registry, i] {
      for (int n = 0; n < 500; ++n) {
        registry.counter(records, {{"topic", std::to_string((i + n) % 50)}}).add();
        registry.histogram(times).add(static_cast<std::uint64_t>(n));
      }
    });
  }
  double last = 0;
  for (int i = 0; i < 50; ++i) {
    const double now = registry.snapshot().value("test_records_total").value_or(0);
    EXPECT_LE(last, now);
    last = now;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.snapshot().value("test_records_total"), 2'000);
  EXPECT_EQ(registry.snapshot().value("test_seconds"), 2'000);
}

TEST(Metrics, names_max_series_that_is_out_of_range) {
  EXPECT_TRUE(Metrics::create());
  for (const std::size_t wrong : {std::size_t{0}, std::size_t{1'000'001}}) {
    const auto refused = Metrics::create({.max_series = wrong});
    ASSERT_FALSE(refused);
    EXPECT_THAT(std::string(refused.error().message()), HasSubstr("max_series"));
  }
}

TEST(Metrics, snapshots_are_values_that_can_be_combined) {
  const auto one = *Metrics::create();
  const auto two = *Metrics::create();
  MetricsAccess::registry(*one)->counter(records, {{"topic", "b"}}).add(1);
  MetricsAccess::registry(*two)->counter(records, {{"topic", "a"}}).add(2);
  MetricsAccess::registry(*two)->gauge(bytes).set(3);
  MetricsSnapshot both = one->snapshot();
  both.add(two->snapshot());
  ASSERT_EQ(both.metrics.size(), 2u);
  EXPECT_EQ(both.metrics[0].name, "test_bytes");
  EXPECT_EQ(both.metrics[1].samples[0].value, 2);
  EXPECT_EQ(both.value("test_records_total"), 3);
}

}  // namespace
}  // namespace dohle::telemetry
