#include "log/producer_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace dohle::log {
namespace {

KnownProducer::Batch batch_at(std::int64_t offset) {
  KnownProducer::Batch batch;
  batch.base_offset = Offset{offset};
  return batch;
}

/// `count` producers from `first` on, `step` apart, each with one batch and last seen at `seen`.
void add(ProducerTable& table, std::int64_t first, std::int64_t count, std::int64_t seen,
         std::int64_t step = 1) {
  for (std::int64_t i = 0; i < count; ++i) {
    const ProducerId id{first + i * step};
    KnownProducer& producer = table.use(id, Timestamp{seen});
    producer.seen = Timestamp{seen};
    producer.push(batch_at(id.value));
  }
}

std::map<std::int64_t, std::int64_t> newest_of(const ProducerTable::View& view) {
  std::map<std::int64_t, std::int64_t> newest;
  for (const auto& shard : view) {
    for (const auto& [id, producer] : shard->producers) {
      newest.emplace(id.value, producer.newest().base_offset.value);
    }
  }
  return newest;
}

TEST(ProducerTable, finds_each_producer_while_it_grows) {
  for (const std::int64_t step : {std::int64_t{1}, std::int64_t{1} << 32}) {
    ProducerTable table;
    EXPECT_EQ(table.find(ProducerId{0}), nullptr);
    for (std::int64_t size = 0; size < 5'000; size += 100) {
      add(table, size * step, 100, 1, step);
      table.check_invariants();
    }
    EXPECT_EQ(table.size(), 5'000u);
    for (std::int64_t i = 0; i < 5'000; ++i) {
      const KnownProducer* producer = table.find(ProducerId{i * step});
      ASSERT_NE(producer, nullptr) << i;
      EXPECT_EQ(producer->newest().base_offset, Offset{i * step});
    }
    EXPECT_EQ(table.find(ProducerId{5'000 * step}), nullptr);
  }
}

TEST(ProducerTable, has_shards_of_a_few_hundred_producers) {
  ProducerTable table;
  add(table, 0, 100'000, 1);
  for (const auto& shard : table.begin_view()) {
    EXPECT_GT(shard->producers.size(), 50u);
    EXPECT_LT(shard->producers.size(), 1'000u);
  }
}

TEST(ProducerTable, a_view_keeps_the_producers_as_they_were) {
  ProducerTable table;
  add(table, 0, 2'000, 1);
  {
    const ProducerTable::View view = table.begin_view();
    const auto before = newest_of(view);
    EXPECT_EQ(before.size(), 2'000u);
    for (std::int64_t id = 0; id < 1'000; ++id) {
      table.use(ProducerId{id}, Timestamp{10}).push(batch_at(id + 10'000));
    }
    add(table, 2'000, 2'000, 10);
    for (int i = 0; i < 100; ++i) table.expire(Timestamp{5}, Timestamp{10});
    EXPECT_EQ(table.size(), 2'000u);
    table.check_invariants();
    EXPECT_EQ(newest_of(view), before);
  }
  table.end_view();
  EXPECT_EQ(newest_of(table.begin_view()).size(), 2'000u);
}

TEST(ProducerTable, expires_some_shards_in_each_call_and_all_in_the_end) {
  ProducerTable table;
  add(table, 0, 30'000, 1);
  add(table, 30'000, 100, 100);
  std::size_t calls = 0;
  for (std::size_t size = table.size(); size > 100 && calls < 1'000; ++calls) {
    table.expire(Timestamp{50}, Timestamp{100});
    EXPECT_LT(size - table.size(), 10'000u);
    size = table.size();
    table.check_invariants();
  }
  EXPECT_GT(calls, 3u);
  EXPECT_EQ(table.size(), 100u);
  for (std::int64_t id = 30'000; id < 30'100; ++id) {
    EXPECT_NE(table.find(ProducerId{id}), nullptr) << id;
  }
}

}  // namespace
}  // namespace dohle::log
