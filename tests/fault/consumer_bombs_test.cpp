#include <gtest/gtest.h>
#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

#include "base/units.hpp"
#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "fault/measured.hpp"
#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "fault/zeros_batch.hpp"
#include "wire/compression.hpp"

// Measures a consumer's memory for records that decompress to a thousand times their size. It is a
// program of its own, since it measures the memory of the process.

namespace dohle::fault {
namespace {

using namespace std::chrono_literals;

constexpr int bombs = 8;
constexpr std::size_t bomb_bytes = is_measured ? 250'000'000 : 25'000'000;
constexpr std::size_t buffer_bytes = 64'000'000;
constexpr std::size_t small_bytes = 16'000'000;

/// Resets the process's peak memory.
std::size_t forget_peak() {
  ::malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
  return status_bytes("self", "VmRSS:");
}

class ConsumerBombsTest : public testing::TestWithParam<wire::Compression> {
 protected:
  void store_bombs() {
    WireConnection connection(node_.port());
    ASSERT_TRUE(create_topic(connection, "bombs", 1, {{"max.message.bytes", "16000000"}}));
    const Chain batch = zeros_batch(GetParam(), bomb_bytes);
    for (int i = 0; i < bombs; ++i) {
      wire::ProduceRequest request;
      request.acks = 1;
      request.timeout_ms = 60'000;
      auto& data = request.topic_data.emplace_back();
      data.name = "bombs";
      data.partition_data.push_back({PartitionId{0}, batch});
      const auto answer = connection.ask(request, 12);
      ASSERT_TRUE(answer.has_value()) << answer.error().to_string();
      ASSERT_EQ(answer->responses[0].partition_responses[0].error_code, 0);
    }
  }
  Result<Consumer> begin() {
    ClientOptions options;
    options.bootstrap_servers = {"127.0.0.1:" + std::to_string(node_.port())};
    auto client = Client::create(std::move(options));
    if (!client) return fail(client.error());
    ConsumerOptions reading;
    reading.buffer_bytes = buffer_bytes;
    auto consumer = client->consumer(std::move(reading));
    if (!consumer) return consumer;
    const TopicPartition where{"bombs", PartitionId{0}};
    if (auto assigned = consumer->assign({where}); !assigned) return fail(assigned.error());
    if (auto sought = consumer->seek(where, Offset{0}); !sought) return fail(sought.error());
    return consumer;
  }

  ScratchDirectory scratch_;
  NodeProcess node_{scratch_ / "data", {"--durability", "os"}};
};

TEST_P(ConsumerBombsTest, EightRecordsOf250MegabytesNeedOnlyTheBufferAndOneBatchOfMemory) {
  ASSERT_NO_FATAL_FAILURE(store_bombs());
  const std::size_t idle = forget_peak();
  {
    auto consumer = begin();
    ASSERT_TRUE(consumer.has_value()) << consumer.error().to_string();
    const auto deadline = std::chrono::steady_clock::now() + 120s;
    std::int64_t next = 0;
    while (next < bombs && std::chrono::steady_clock::now() < deadline) {
      auto records = consumer->poll(1s);
      ASSERT_TRUE(records.has_value()) << records.error().to_string();
      for (const auto& record : *records) {
        EXPECT_EQ(record.offset, Offset{next});
        EXPECT_EQ(record.value.value_or(Bytes()).size(), bomb_bytes);
        ++next;
      }
      ASSERT_EQ(records->error(), nullptr) << records->error()->to_string();
    }
    EXPECT_EQ(next, bombs);
  }
  const std::size_t taken = status_bytes("self", "VmHWM:") - idle;
  std::printf("%d bombs of %zu MB (%s), buffer of %zu MB: %zu MB more than idle\n", bombs,
              bomb_bytes / 1'000'000, std::string(wire::name_of(GetParam())).c_str(),
              buffer_bytes / 1'000'000, taken / 1'000'000);
  if (is_measured) {
    EXPECT_LE(taken, buffer_bytes + bomb_bytes + small_bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, ConsumerBombsTest,
                         testing::Values(wire::Compression::gzip, wire::Compression::snappy,
                                         wire::Compression::lz4, wire::Compression::zstd),
                         [](const auto& info) { return std::string(wire::name_of(info.param)); });

}  // namespace
}  // namespace dohle::fault
