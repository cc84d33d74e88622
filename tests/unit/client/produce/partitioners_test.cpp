#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <latch>
#include <limits>
#include <thread>
#include <vector>

#include "client/produce/partitioners/key_hash.hpp"
#include "dohle/partitioner.hpp"

namespace dohle::client {
namespace {

// The expected values of Apache Kafka's UtilsTest.testMurmur2.
TEST(Partitioners, Murmur2HashesAsJavaDoes) {
  const auto hash = [](std::string_view text) {
    return static_cast<std::int32_t>(murmur2(as_bytes(text)));
  };
  EXPECT_EQ(hash("21"), -973932308);
  EXPECT_EQ(hash("foobar"), -790332482);
  EXPECT_EQ(hash("a-little-bit-long-string"), -985981536);
  EXPECT_EQ(hash("a-little-bit-longer-string"), -1486304829);
  EXPECT_EQ(hash("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58897971);
  EXPECT_EQ(hash("abc"), 479470107);
}

TEST(Partitioners, AKeyStaysWithinThePartitions) {
  EXPECT_EQ(partition_for_key(as_bytes("21"), 1), PartitionId{0});
  EXPECT_EQ(partition_for_key(as_bytes("abc"), 10), PartitionId{479470107 % 10});
  EXPECT_EQ(partition_for_key(as_bytes("21"), 10),
            PartitionId{(-973932308 & std::numeric_limits<std::int32_t>::max()) % 10});
}

// The check value of CRC-32, and values of the FNV authors' test suite.
TEST(Partitioners, HashesHaveTheirPublishedValues) {
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xcbf43926u);
  EXPECT_EQ(fnv1a(as_bytes("")), 0x811c9dc5u);
  EXPECT_EQ(fnv1a(as_bytes("a")), 0xe40c292cu);
  EXPECT_EQ(fnv1a(as_bytes("foobar")), 0xbf9cf968u);
}

/// CRC-32 by its definition: bit by bit.
std::uint32_t plain_crc32(std::string_view text) {
  std::uint32_t crc = 0xffffffffu;
  for (const char each : text) {
    crc ^= static_cast<unsigned char>(each);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
  }
  return ~crc;
}

TEST(Partitioners, Crc32OfAnyLengthIsThatOfItsDefinition) {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(crc32(as_bytes(text)), plain_crc32(text)) << text.size();
    text.push_back(static_cast<char>(i * 37 + 200));
  }
}

/// How often each of four partitions is chosen for 4,000 equal records.
std::vector<int> choices(const Partitioner& partitioner, const Record& record,
                         std::uint64_t seed = 7) {
  const auto memory = partitioner.begin_topic("t", seed);
  std::vector<int> counts(4);
  for (int i = 0; i < 4'000; ++i) {
    ++counts.at(static_cast<std::size_t>(partitioner.choose("t", record, 4, memory.get()).value));
  }
  return counts;
}

TEST(Partitioners, RecordsWithoutAKeyGoToRandomPartitions) {
  for (const auto& partitioner :
       {murmur2_partitioner(), crc32_partitioner(), reference_hash_partitioner()}) {
    EXPECT_THAT(choices(*partitioner, {}),
                testing::Each(testing::AllOf(testing::Gt(850), testing::Lt(1'150))));
    EXPECT_NE(choices(*partitioner, {}, 7), choices(*partitioner, {}, 8));
  }
}

TEST(Partitioners, AnEmptyKeyCountsAsAKeyExceptForCrc32) {
  const Record with_empty_key{.key = Bytes()};
  EXPECT_THAT(choices(*murmur2_partitioner(), with_empty_key), testing::Contains(4'000));
  EXPECT_THAT(choices(*hash_partitioner(), with_empty_key), testing::Contains(4'000));
  EXPECT_THAT(choices(*reference_hash_partitioner(), with_empty_key), testing::Contains(4'000));
  EXPECT_THAT(choices(*crc32_partitioner(), with_empty_key), testing::Each(testing::Gt(850)));
  EXPECT_THAT(choices(*crc32_partitioner(true), with_empty_key),
              testing::ElementsAre(4'000, 0, 0, 0));
}

TEST(Partitioners, RecordsWithoutAKeyTakeTurnsUnderHash) {
  EXPECT_THAT(choices(*hash_partitioner(), {}), testing::Each(1'000));
}

TEST(Partitioners, EachTopicTakesItsOwnTurns) {
  const auto partitioner = round_robin_partitioner();
  const auto one = partitioner->begin_topic("one", 1);
  const auto two = partitioner->begin_topic("two", 1);
  EXPECT_EQ(partitioner->choose("one", {}, 3, one.get()), PartitionId{0});
  EXPECT_EQ(partitioner->choose("one", {}, 3, one.get()), PartitionId{1});
  EXPECT_EQ(partitioner->choose("two", {}, 3, two.get()), PartitionId{0});
}

TEST(Partitioners, LeastBytesFillsTheEmptiestAndStartsAgainWithNewPartitions) {
  const auto partitioner = least_bytes_partitioner();
  const auto memory = partitioner->begin_topic("t", 1);
  const auto chosen = [&](std::string_view key, std::string_view value, std::int32_t partitions) {
    return partitioner
        ->choose("t", {.key = as_bytes(key), .value = as_bytes(value)}, partitions, memory.get())
        .value;
  };
  EXPECT_EQ(chosen("key", "a long value", 2), 0);
  EXPECT_EQ(chosen("k", "short", 2), 1);
  EXPECT_EQ(chosen("k", "short", 2), 1);
  EXPECT_EQ(chosen("k", "short", 2), 1);
  EXPECT_EQ(chosen("k", "short", 2), 0);
  EXPECT_EQ(chosen("k", "short", 3), 0);
  EXPECT_EQ(chosen("k", "short", 3), 1);
  EXPECT_EQ(chosen("k", "short", 3), 2);
}

/// How often each of four partitions is chosen by four threads at the same time, each for 4,000
/// equal records.
std::vector<int> choices_of_four_threads(const Partitioner& partitioner, const Record& record) {
  const auto memory = partitioner.begin_topic("t", 7);
  std::array<std::atomic<int>, 4> counts{};
  std::latch begin(4);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        begin.arrive_and_wait();
        for (int each = 0; each < 4'000; ++each) {
          const PartitionId chosen = partitioner.choose("t", record, 4, memory.get());
          ++counts.at(static_cast<std::size_t>(chosen.value));
        }
      });
    }
  }
  return std::vector<int>(counts.begin(), counts.end());
}

TEST(Partitioners, SeveralThreadsTogetherFillAllPartitionsEqually) {
  const Record record{.value = as_bytes("text")};
  for (const auto& partitioner : {least_bytes_partitioner(), round_robin_partitioner(),
                                  round_robin_partitioner(5), hash_partitioner()}) {
    EXPECT_THAT(choices_of_four_threads(*partitioner, record), testing::Each(4'000));
  }
}

// Two threads may draw the same number.
TEST(Partitioners, SeveralThreadsTogetherDrawAllPartitions) {
  for (const auto& partitioner :
       {murmur2_partitioner(), crc32_partitioner(), reference_hash_partitioner()}) {
    EXPECT_THAT(choices_of_four_threads(*partitioner, {}), testing::Each(testing::Gt(2'000)));
  }
}

TEST(Partitioners, SeveralThreadsTogetherHashAKeyAsOneDoes) {
  const Record record{.key = as_bytes("jackdaw")};
  const KeyHasher length = [](Bytes key) { return static_cast<std::uint32_t>(key.size()); };
  for (const auto& partitioner : {murmur2_partitioner(), crc32_partitioner(), hash_partitioner(),
                                  reference_hash_partitioner(), hash_partitioner(length),
                                  reference_hash_partitioner(length)}) {
    std::vector<int> of_one_thread = choices(*partitioner, record);
    for (int& count : of_one_thread) count *= 4;
    EXPECT_EQ(choices_of_four_threads(*partitioner, record), of_one_thread);
  }
}

TEST(Partitioners, AFunctionSeesTopicRecordAndPartitions) {
  const auto partitioner = function_partitioner([](std::string_view topic, const Record& record,
                                                   std::int32_t partitions) {
    return PartitionId{static_cast<std::int32_t>(topic.size() + record.value->size()) % partitions};
  });
  EXPECT_EQ(partitioner->choose("orders", {.value = as_bytes("12345")}, 7, nullptr),
            PartitionId{4});
  EXPECT_EQ(function_partitioner(nullptr), nullptr);
}

}  // namespace
}  // namespace dohle::client
