#include "client/produce/split_batch.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/budget.hpp"
#include "wire/batch_builder.hpp"
#include "wire/compression.hpp"

namespace dohle::client {
namespace {

using Strings = std::vector<std::string>;

/// A producer's batch of records that compress well: key "key INDEX", a value of one repeated
/// letter, one header, increasing timestamps.
Chain made_batch(wire::Compression codec, int count, std::size_t value_bytes) {
  Budget budget(64 << 20);
  wire::BatchBuilder builder(budget, 1 << 30);
  for (int i = 0; i < count; ++i) {
    const std::string key = "key " + std::to_string(i);
    const std::string value(value_bytes, static_cast<char>('a' + i % 26));
    const std::vector<HeaderView> headers{{"h", as_bytes(key)}};
    EXPECT_EQ(
        builder.append({as_bytes(key), as_bytes(value), headers, {}, {}}, Timestamp{1'000 + i}),
        wire::BatchBuilder::Appended::ok);
  }
  wire::BatchBuilder::Seal seal{.producer_id = ProducerId{7},
                                .producer_epoch = ProducerEpoch{1},
                                .base_sequence = 40,
                                .compression = codec};
  if (codec != wire::Compression::none) {
    seal.compressed = wire::compress(codec, {}, builder.records()).value();
  }
  return builder.seal(std::move(seal));
}

/// "key value-size time header" of each record.
Strings records_of(const Chain& batch) {
  Strings all;
  auto reader = wire::BatchReader::open(*batch.flatten());
  EXPECT_TRUE(reader);
  RecordView view;
  while (reader->next(view)) {
    all.push_back(std::string(as_text(*view.key)) + " " + std::to_string(view.value->size()) + " " +
                  std::to_string(view.timestamp.value));
    for (const HeaderView& header : view.headers) {
      all.back() += " " + std::string(header.name) + "=" + std::string(as_text(*header.value));
    }
  }
  EXPECT_EQ(reader->fault(), nullptr);
  return all;
}

class SplitBatch : public testing::TestWithParam<wire::Compression> {};

TEST_P(SplitBatch, KeepsTheRecordsTheirOrderAndTheCodec) {
  const Chain whole = made_batch(GetParam(), 5, 10'000);
  const auto halves = split_batch(whole, {});
  ASSERT_TRUE(halves) << halves.error().to_string();
  Strings all;
  for (const HalfBatch& half : *halves) {
    const auto bytes = half.bytes.flatten().value();
    EXPECT_TRUE(wire::batch_crc_matches(bytes.bytes()));
    const auto header = wire::read_batch_header(bytes.bytes()).value();
    EXPECT_EQ(header.compression(), GetParam());
    EXPECT_EQ(header.count, half.count);
    EXPECT_TRUE(header.producer_id.is_none()) << "numbers are given when it is sent";
    EXPECT_LT(bytes.size(), whole.size());
    const Strings some = records_of(half.bytes);
    all.insert(all.end(), some.begin(), some.end());
  }
  EXPECT_EQ((*halves)[0].count, 2);
  EXPECT_EQ((*halves)[1].count, 3);
  EXPECT_EQ(all, records_of(whole));
}

INSTANTIATE_TEST_SUITE_P(Codecs, SplitBatch,
                         testing::Values(wire::Compression::none, wire::Compression::gzip,
                                         wire::Compression::snappy, wire::Compression::lz4,
                                         wire::Compression::zstd));

TEST(SplitBatch, SplitsABatchThatCompressesVeryWell) {
  const Chain whole = made_batch(wire::Compression::zstd, 2, 8 << 20);
  ASSERT_LT(whole.size() * 1'032, std::size_t{16} << 20);
  const auto halves = split_batch(whole, {});
  ASSERT_TRUE(halves) << halves.error().to_string();
  EXPECT_EQ((*halves)[1].count, 1);
}

TEST(SplitBatch, NamesAWrongLevel) {
  const auto halves = split_batch(made_batch(wire::Compression::gzip, 2, 100), 77);
  ASSERT_FALSE(halves);
  EXPECT_EQ(halves.error().category(), ErrorCategory::configuration);
}

}  // namespace
}  // namespace dohle::client
