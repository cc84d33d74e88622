#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/units.hpp"
#include "fault/attack.hpp"
#include "fault/measured.hpp"
#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "fault/zeros_batch.hpp"
#include "wire/compression.hpp"

// Clients that make the node do much with little: batches that decompress to a thousand times their
// size, and fetches that wait for very many partitions. Other clients are served meanwhile.

namespace dohle::fault {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

/// Maximum memory for bombs beside the idle node's: their compressed bytes, which wait in memory,
/// and a window.
constexpr std::size_t max_bomb_bytes = 64_MiB;

/// Maximum memory for 1,000,000 pairs of a waiting fetch and a partition, with the connections that
/// wait; and for as many more fetches, which are above the bound on pairs.
constexpr std::size_t max_pairs_bytes = 128'000'000;
constexpr std::size_t max_waits_bytes = 160_MiB;

/// Beside compilers each bomb took 1.1 s.
constexpr milliseconds max_time_of_all = std::chrono::seconds(240);

milliseconds since(SteadyClock::time_point then) {
  return std::chrono::duration_cast<milliseconds>(SteadyClock::now() - then);
}

wire::ProduceRequest produce_of(const std::string& topic, int partitions, const Chain& batch) {
  wire::ProduceRequest request;
  request.acks = 1;
  request.timeout_ms = 60'000;
  auto& data = request.topic_data.emplace_back();
  data.name = topic;
  for (int i = 0; i < partitions; ++i) data.partition_data.push_back({PartitionId{i}, batch});
  return request;
}

class BombsTest : public testing::Test {
 protected:
  /// Waiting times of `count` produce requests.
  Waits probe(const std::string& topic, const Chain& batch, int count) {
    return probe_with(node_.port(), produce_of(topic, 1, batch), count);
  }

  ScratchDirectory scratch_;
  NodeProcess node_{scratch_ / "data", {"--listen", "127.0.0.1:0", "--durability", "os"}};
};

TEST_F(BombsTest, AHundredBombsInOneRequestDelayNoOtherClient) {
  WireConnection attacker(node_.port());
  // A batch of this topic may decompress to 256 MiB.
  ASSERT_TRUE(create_topic(attacker, "bombs", 100, {{"max.message.bytes", "2097152"}}));
  ASSERT_TRUE(create_topic(attacker, "plain", 1));
  const Chain bomb = zeros_batch(wire::Compression::gzip, 250'000'000);
  const std::size_t idle = node_.resident_bytes();
  const auto begin = SteadyClock::now();
  ASSERT_TRUE(attacker.send(produce_of("bombs", is_measured ? 100 : 3, bomb), 12));
  const Waits plain = probe("plain", zeros_batch(wire::Compression::none, 100), 500);
  const Waits compressed = probe("plain", zeros_batch(wire::Compression::lz4, 200'000), 5);
  print("beside bombs, plain", plain);
  print("beside bombs, lz4", compressed);
  if (is_measured) {
    EXPECT_LE(compressed.longest_ms(), 1'000.0);
    EXPECT_LE(plain.longest_ms(), 250.0);
  }
  auto answer = attacker.receive<wire::ProduceRequest>(12);
  while (!answer && answer.error().is(Errc::timed_out) && since(begin) < max_time_of_all) {
    answer = attacker.receive<wire::ProduceRequest>(12);
  }
  ASSERT_TRUE(answer.has_value()) << answer.error().to_string();
  std::printf("all bombs: %lld ms\n", static_cast<long long>(since(begin).count()));
  for (const auto& partition : answer->responses[0].partition_responses) {
    EXPECT_EQ(partition.error_code, 0) << partition.error_message.value_or("");
  }
  const std::size_t taken = node_.max_resident_bytes() - idle;
  std::printf("bombs: %zu MiB more than idle\n", taken >> 20);
  if (is_measured) {
    EXPECT_LT(taken, max_bomb_bytes);
  }
}

TEST_F(BombsTest, ABombOfAnyCodecTakesLittleMemory) {
  WireConnection attacker(node_.port());
  ASSERT_TRUE(create_topic(attacker, "bombs", 2, {{"max.message.bytes", "16000000"}}));
  for (const auto codec : {wire::Compression::gzip, wire::Compression::snappy,
                           wire::Compression::lz4, wire::Compression::zstd}) {
    const Chain bomb = zeros_batch(codec, is_measured ? 250'000'000 : 25'000'000);
    const std::size_t idle = node_.resident_bytes();
    const auto begin = SteadyClock::now();
    const auto answer = attacker.ask(produce_of("bombs", 1, bomb), 12);
    ASSERT_TRUE(answer.has_value()) << answer.error().to_string();
    const auto& partition = answer->responses[0].partition_responses[0];
    EXPECT_EQ(partition.error_code, 0) << partition.error_message.value_or("");
    const std::size_t taken = node_.max_resident_bytes() - idle;
    std::printf("%s of %zu bytes: %lld ms, %zu MiB more than idle\n",
                std::string(wire::name_of(codec)).c_str(), bomb.size(),
                static_cast<long long>(since(begin).count()), taken >> 20);
    if (is_measured) {
      EXPECT_LT(taken, max_bomb_bytes);
    }
  }
}

TEST_F(BombsTest, TwentyThousandFetchesOfAHundredPartitionsCloseAtOnce) {
  constexpr int connections_count = 160;
  constexpr int fetches_each = 125;
  std::vector<std::unique_ptr<WireConnection>> connections;
  connections.push_back(std::make_unique<WireConnection>(node_.port()));
  ASSERT_TRUE(create_topic(*connections[0], "t", 100));
  ASSERT_TRUE(create_topic(*connections[0], "plain", 1));
  const std::size_t before = node_.resident_bytes();
  wire::FetchRequest request = fetch_request("t", 0, Offset{0});
  request.max_wait_ms = 120'000;
  for (int i = 1; i < 100; ++i) {
    auto next = request.topics[0].partitions[0];
    next.partition = PartitionId{i};
    request.topics[0].partitions.push_back(next);
  }
  const Chain batch = zeros_batch(wire::Compression::none, 100);
  std::size_t for_pairs = 0;
  for (int i = 0; i < (is_measured ? connections_count : 8); ++i) {
    auto& connection = *connections.emplace_back(std::make_unique<WireConnection>(node_.port()));
    for (int j = 0; j < fetches_each; ++j) ASSERT_TRUE(connection.send(request, fetch_version));
    if (2 * (i + 1) == connections_count) {
      (void)probe("plain", batch, 50);
      for_pairs = node_.resident_bytes() - before;
    }
  }
  const Waits waiting = probe("plain", batch, 500);
  const std::size_t taken = node_.resident_bytes() - before;
  connections.clear();
  const Waits closing = probe("plain", batch, 500);
  std::printf("10,000 waiting fetches, 1,000,000 pairs: %zu KB; 20,000: %zu KB\n",
              for_pairs / 1'000, taken / 1'000);
  print("beside waiting fetches", waiting);
  print("while they close", closing);
  if (is_measured) {
    EXPECT_LT(for_pairs, max_pairs_bytes);
    EXPECT_LT(taken, max_waits_bytes);
    EXPECT_LE(waiting.longest_ms(), 1'000.0);
    EXPECT_LE(closing.longest_ms(), 1'000.0);
  }
}

}  // namespace
}  // namespace dohle::fault
