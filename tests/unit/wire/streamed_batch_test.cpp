#include "wire/streamed_batch.hpp"

#include <array>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "base/units.hpp"
#include "wire/batch_builder.hpp"
#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/compression.hpp"
#include "wire/crc32c.hpp"

// Each batch is validated in memory without compression, and streamed with compression.

namespace dohle::wire {
namespace {

using testing::HasSubstr;

constexpr std::array codecs{Compression::gzip, Compression::snappy, Compression::lz4,
                            Compression::zstd};
constexpr std::array windows{min_record_window_bytes, std::size_t{65}, std::size_t{300},
                             std::size_t{10'000}, std::size_t{256} << 10};

/// `changed` after `batch`'s header, which is corrected.
Slice with_records(const Slice& batch, Compression codec, Bytes changed) {
  return Slice::made(batch_header_bytes + changed.size(), [&](std::span<std::byte> to) {
    std::memcpy(to.data(), batch.data(), batch_header_bytes);
    if (!changed.empty()) {
      std::memcpy(to.data() + batch_header_bytes, changed.data(), changed.size());
    }
    store_big_endian(to.data() + batch_at::batch_length,
                     static_cast<std::int32_t>(to.size() - batch_log_overhead));
    store_big_endian(to.data() + batch_at::attributes, static_cast<std::int16_t>(codec));
    store_big_endian(to.data() + batch_at::crc, crc32c(0, to.subspan(batch_at::crc_begin)));
  });
}

Slice compressed(const Slice& batch, Compression codec) {
  const auto bytes = compress(codec, std::nullopt, Chain(batch.sub(batch_header_bytes)));
  return with_records(batch, codec, bytes->flatten()->bytes());
}

class StreamedBatchTest : public testing::Test {
 protected:
  void append(const Record& record, std::int64_t time = 1'000) {
    EXPECT_EQ(builder_.append(record, Timestamp{time}), BatchBuilder::Appended::ok);
  }
  Slice sealed() {
    Slice batch = *builder_.seal({}).flatten();
    builder_ = BatchBuilder(budget_, 128_MiB);
    return batch;
  }
  Slice random_batch() {
    const auto text = [&](std::size_t limit) {
      std::string bytes(random_.below(limit), 'x');
      for (std::size_t i = 0; i < bytes.size(); i += 3)
        bytes[i] = static_cast<char>(random_.next());
      return bytes;
    };
    for (auto records = 1 + random_.below(30); records > 0; --records) {
      const std::string key = text(100);
      const std::string value = text(random_.below(10) == 0 ? 30'000 : 300);
      const std::string name = text(20);
      const std::vector<HeaderView> headers(random_.below(4), {name, as_bytes(value)});
      Record record{.headers = headers};
      if (random_.below(2) == 0) record.key = as_bytes(key);
      if (random_.below(5) != 0) record.value = as_bytes(value);
      append(record, static_cast<std::int64_t>(random_.below(1u << 30)));
    }
    return sealed();
  }

  SeededRandom random_{1};
  Budget budget_{256_MiB};
  BatchBuilder builder_{budget_, 128_MiB};
};

TEST_F(StreamedBatchTest, batches_are_judged_as_in_memory_with_any_codec_and_window) {
  for (int round = 0; round < 60; ++round) {
    const Slice plain = random_batch();
    const auto in_memory = validate_produced_batch(plain);
    ASSERT_TRUE(in_memory.has_value()) << in_memory.error().to_string();
    for (const Compression codec : codecs) {
      const Slice batch = compressed(plain, codec);
      for (const std::size_t window : windows) {
        const auto streamed = validate_streamed(batch, {}, window);
        ASSERT_TRUE(streamed.has_value())
            << name_of(codec) << ' ' << window << ' ' << streamed.error().to_string();
        EXPECT_EQ(streamed->count, in_memory->count);
        EXPECT_EQ(streamed->earliest, in_memory->earliest);
        EXPECT_EQ(streamed->latest, in_memory->latest);
        EXPECT_EQ(streamed->size(), batch.size());
      }
    }
  }
}

TEST_F(StreamedBatchTest, a_wrong_value_in_any_byte_is_judged_as_in_memory) {
  const std::string value(100, 'v');
  const std::vector<HeaderView> headers{{"name", as_bytes(value)}, {"null", std::nullopt}};
  append({.key = as_bytes("key"), .value = as_bytes(value), .headers = headers}, 990);
  append({.value = as_bytes("b")});
  append({.value = as_bytes(value), .headers = headers});
  const Slice plain = sealed();
  std::size_t refused = 0;
  for (std::size_t at = batch_header_bytes; at < plain.size(); ++at) {
    for (const unsigned lie : {0x00u, 0x01u, 0x02u, 0x7eu, 0x7fu, 0x80u, 0xffu}) {
      std::vector<std::byte> records(plain.bytes().begin() + batch_header_bytes,
                                     plain.bytes().end());
      records[at - batch_header_bytes] = static_cast<std::byte>(lie);
      const Slice lying = with_records(plain, Compression::none, records);
      const auto in_memory = validate_produced_batch(lying);
      const Slice batch = compressed(lying, Compression::lz4);
      for (const std::size_t window : {windows[0], windows[1], windows[4]}) {
        const auto streamed = validate_streamed(batch, {}, window);
        ASSERT_EQ(streamed.has_value(), in_memory.has_value()) << at << ' ' << lie << ' ' << window;
        if (!streamed) {
          EXPECT_TRUE(streamed.error().is(Errc::malformed)) << streamed.error().to_string();
          ++refused;
        } else {
          EXPECT_EQ(streamed->earliest, in_memory->earliest);
          EXPECT_EQ(streamed->latest, in_memory->latest);
        }
      }
    }
  }
  EXPECT_GT(refused, 300u);
}

TEST_F(StreamedBatchTest, every_cut_and_bytes_behind_the_last_record_are_found) {
  const std::string value(200, 'v');
  append({.value = as_bytes(value)});
  append({.value = as_bytes("b")});
  const Slice plain = sealed();
  const Bytes records = plain.bytes().subspan(batch_header_bytes);
  for (const Compression codec : codecs) {
    for (const std::size_t window : {windows[0], windows[4]}) {
      for (std::size_t size = 1; size < records.size(); ++size) {
        const Slice cut = with_records(plain, Compression::none, records.first(size));
        EXPECT_FALSE(validate_streamed(compressed(cut, codec), {}, window).has_value()) << size;
      }
      std::vector<std::byte> more(records.begin(), records.end());
      more.push_back(std::byte{0});
      const auto refused = validate_streamed(
          compressed(with_records(plain, Compression::none, more), codec), {}, window);
      ASSERT_FALSE(refused.has_value());
      EXPECT_THAT(std::string(refused.error().message()), HasSubstr("bytes follow"));
    }
  }
}

TEST_F(StreamedBatchTest,
       faults_of_a_record_larger_than_the_window_name_the_record_and_the_reason) {
  const std::string value(1'000'000, 'v');
  append({.value = as_bytes("a")});
  append({.value = as_bytes(value)});
  const Slice plain = sealed();
  std::vector<std::byte> records(plain.bytes().begin() + batch_header_bytes, plain.bytes().end());
  const auto says = [&](Bytes changed) {
    const Slice batch =
        compressed(with_records(plain, Compression::none, changed), Compression::zstd);
    const auto refused = validate_streamed(batch, {}, windows[2]);
    return refused ? std::string("accepted") : std::string(refused.error().message());
  };
  EXPECT_EQ(says(records), "accepted");
  EXPECT_THAT(says(Bytes(records).first(500'000)),
              HasSubstr("record 1: its length exceeds the batch"));
  records.back() = std::byte{2};  // one header
  EXPECT_THAT(says(records), HasSubstr("record 1: its header count does not fit"));
}

TEST_F(StreamedBatchTest, damage_of_the_compressed_bytes_is_reported_before_faults_of_records) {
  const std::string value(5'000, 'v');
  append({.value = as_bytes(value)});
  const Slice plain = sealed();
  for (const Compression codec : codecs) {
    const Slice batch = compressed(plain, codec);
    const Bytes bytes = batch.bytes().subspan(batch_header_bytes);
    const Slice cut = with_records(plain, codec, bytes.first(bytes.size() - 1));
    const auto refused = validate_streamed(cut, {}, windows[0]);
    ASSERT_FALSE(refused.has_value()) << name_of(codec);
    EXPECT_THAT(std::string(refused.error().message()), HasSubstr(std::string(name_of(codec))));
  }
}

TEST_F(StreamedBatchTest, the_limit_is_exact_and_named) {
  const std::string value(3_MiB, 'v');
  append({.value = as_bytes(value)});
  const Slice plain = sealed();
  const std::size_t size = plain.size() - batch_header_bytes;
  for (const Compression codec : codecs) {
    const Slice batch = compressed(plain, codec);
    for (const bool is_streamed : {false, true}) {
      const auto judge = [&](std::size_t limit) {
        return is_streamed ? validate_streamed(batch, {limit})
                           : validate_produced_batch(batch, {limit});
      };
      EXPECT_TRUE(judge(size).has_value()) << name_of(codec) << ' ' << is_streamed;
      const auto refused = judge(size - 1);
      ASSERT_FALSE(refused.has_value()) << name_of(codec) << ' ' << is_streamed;
      EXPECT_TRUE(refused.error().is(Errc::too_large));
      EXPECT_THAT(std::string(refused.error().message()), HasSubstr(std::to_string(size - 1)));
    }
  }
}

TEST_F(StreamedBatchTest, uncompressed_batches_are_judged_too) {
  append({.value = as_bytes("a")});
  const Slice plain = sealed();
  EXPECT_TRUE(validate_streamed(plain).has_value());
  EXPECT_FALSE(validate_streamed(plain.sub(0, plain.size() - 1)).has_value());
}

}  // namespace
}  // namespace dohle::wire
