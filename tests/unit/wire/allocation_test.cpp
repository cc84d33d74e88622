#include <gtest/gtest.h>

#include "base/budget.hpp"
#include "base/units.hpp"
#include "bytes_of.hpp"
#include "counted_allocations.hpp"
#include "wire/batch_builder.hpp"
#include "wire/compression.hpp"
#include "wire/header.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/produce.hpp"
#include "wire/streamed_batch.hpp"

namespace dohle::wire {
namespace {

template <class F>
std::size_t allocations_of(F&& f) {
  const std::size_t before = allocations.load();
  largest_allocation.store(0);
  f();
  return allocations.load() - before;
}

FetchResponse fetch_response(int partitions) {
  FetchResponse response;
  auto& topic = response.responses.emplace_back();
  for (int i = 0; i < partitions; ++i) {
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = PartitionId{i};
    partition.records = Chain(Slice::copy_of("records"));
  }
  return response;
}

TEST(Allocation, encoding_takes_one_buffer_and_one_list_of_pieces) {
  const FetchResponse response = fetch_response(100);
  (void)encode_response(1, response, 16);  // makes the allocations of the first call
  const std::size_t made = allocations_of([&] { (void)encode_response(1, response, 16); });
  EXPECT_LE(made, 2u);
}

TEST(Allocation, decoding_takes_one_list_per_partition) {
  const Slice body = encode(fetch_response(100), 16).value().flatten().value();
  const std::size_t made = allocations_of([&] { (void)decode<FetchResponse>(body, 16); });
  EXPECT_LE(made, 100u + 5u);
}

TEST(Allocation, an_announced_array_reserves_at_most_a_thousand_elements) {
  // The message claims 999,999 topics and has as many bytes, but the first topic is malformed.
  std::string bytes("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0f\x42\x3f", 14);
  bytes.append(1'000'000, '\xff');
  const Slice body = Slice::copy_of(bytes);
  bool refused = false;
  allocations_of([&] { refused = !decode<FetchResponse>(body, 7); });
  EXPECT_TRUE(refused);
  EXPECT_LE(largest_allocation.load(),
            max_first_reservation_elements * sizeof(FetchResponse::FetchableTopicResponse));
}

TEST(Allocation, an_announced_array_without_bytes_reserves_nothing) {
  const Slice body = bytes_of("ffff 0001 00000000 000f4240 0000");
  bool refused = false;
  allocations_of([&] { refused = !decode<ProduceRequest>(body, 3); });
  EXPECT_TRUE(refused);
  EXPECT_LE(largest_allocation.load(), 512u) << "the error's text";
}

TEST(Allocation, a_streamed_batch_takes_its_window_for_any_decompressed_size) {
  Budget budget(64_MiB);
  BatchBuilder builder(budget, 64_MiB);
  const std::string zeros(50'000'000, '\0');
  ASSERT_EQ(builder.append({.value = as_bytes(zeros)}, Timestamp{1}), BatchBuilder::Appended::ok);
  const Chain records = builder.records();
  for (const auto codec :
       {Compression::gzip, Compression::snappy, Compression::lz4, Compression::zstd}) {
    BatchBuilder::Seal seal{.compression = codec,
                            .compressed = *compress(codec, std::nullopt, records)};
    BatchBuilder again(budget, 64_MiB);
    ASSERT_EQ(again.append({.value = as_bytes("x")}, Timestamp{1}), BatchBuilder::Appended::ok);
    const Slice batch = again.seal(std::move(seal)).flatten().value();
    bool is_accepted = false;
    allocations_of([&] { is_accepted = validate_streamed(batch).has_value(); });
    EXPECT_TRUE(is_accepted) << name_of(codec);
    EXPECT_LE(largest_allocation.load(), 256_KiB) << name_of(codec);
  }
}

}  // namespace
}  // namespace dohle::wire
