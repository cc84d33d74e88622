#include "wire/batch.hpp"

#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "base/units.hpp"
#include "wire/batch_builder.hpp"
#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/compression.hpp"
#include "wire/crc32c.hpp"

namespace dohle::wire {
namespace {

struct Owned {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  std::int64_t timestamp = 0;
  friend bool operator==(const Owned&, const Owned&) = default;
};

void append(BatchBuilder& builder, const Owned& owned,
            BatchBuilder::Appended expected = BatchBuilder::Appended::ok) {
  std::vector<HeaderView> headers;
  for (const auto& [name, value] : owned.headers) {
    headers.push_back({name, value ? std::optional(as_bytes(*value)) : std::nullopt});
  }
  Record record{.headers = headers};
  if (owned.key) record.key = as_bytes(*owned.key);
  if (owned.value) record.value = as_bytes(*owned.value);
  EXPECT_EQ(builder.append(record, Timestamp{owned.timestamp}), expected);
}

std::optional<std::string> text(const std::optional<Bytes>& bytes) {
  return bytes ? std::optional(std::string(as_text(*bytes))) : std::nullopt;
}

Owned owned(const RecordView& record) {
  Owned result{text(record.key), text(record.value), {}, record.timestamp.value};
  for (const HeaderView& header : record.headers) {
    result.headers.emplace_back(header.name, text(header.value));
  }
  return result;
}

std::vector<Owned> read_all(const Slice& batch) {
  auto reader = BatchReader::open(batch);
  EXPECT_TRUE(reader.has_value()) << (reader ? "" : reader.error().to_string());
  std::vector<Owned> records;
  if (!reader) return records;
  RecordView view;
  while (reader->next(view)) records.push_back(owned(view));
  EXPECT_EQ(reader->fault(), nullptr) << reader->fault()->to_string();
  return records;
}

std::vector<Owned> some_records() {
  return {{"key", "value", {}, 1000},
          {std::nullopt, std::nullopt, {}, 990},
          {"", "", {{"h", "1"}, {"h", std::nullopt}, {"", ""}}, 1000},
          {std::nullopt, std::string(300, 'x'), {{"long", std::string(200, 'y')}}, 5000}};
}

using Checksum = BatchBuilder::Checksum;

Slice sealed(Budget& budget, const std::vector<Owned>& records, BatchBuilder::Seal seal = {},
             Checksum checksum = Checksum::at_seal) {
  BatchBuilder builder(budget, 64_MiB, checksum);
  for (const Owned& record : records) append(builder, record);
  if (seal.compression != Compression::none) {
    seal.compressed = *compress(seal.compression, std::nullopt, builder.records());
  }
  return *builder.seal(std::move(seal)).flatten();
}

class BatchTest : public testing::Test {
 protected:
  Budget budget{8_MiB};
};

TEST_F(BatchTest, reads_written_records) {
  EXPECT_EQ(read_all(sealed(budget, some_records())), some_records());
  EXPECT_EQ(budget.used(), 0u);
}

TEST_F(BatchTest, every_codec_restores_the_records) {
  for (const auto codec :
       {Compression::gzip, Compression::snappy, Compression::lz4, Compression::zstd}) {
    SCOPED_TRACE(name_of(codec));
    const Slice batch = sealed(budget, some_records(), {.compression = codec, .compressed = {}});
    EXPECT_EQ(read_all(batch), some_records());
    EXPECT_TRUE(validate_produced_batch(batch).has_value());
  }
}

TEST_F(BatchTest, the_header_has_the_sealed_values) {
  const Slice batch = sealed(budget, some_records(),
                             {.producer_id = ProducerId{7},
                              .producer_epoch = ProducerEpoch{3},
                              .base_sequence = 99,
                              .is_transactional = true,
                              .compressed = {}});
  const auto header = read_batch_header(batch.bytes());
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->size(), batch.size());
  EXPECT_EQ(header->count, 4);
  EXPECT_EQ(header->last_offset_delta, 3);
  EXPECT_EQ(header->base_timestamp, Timestamp{1000});
  EXPECT_EQ(header->max_timestamp, Timestamp{5000});
  EXPECT_EQ(header->producer_id, ProducerId{7});
  EXPECT_EQ(header->producer_epoch, ProducerEpoch{3});
  EXPECT_EQ(header->base_sequence, 99);
  EXPECT_TRUE(header->is_transactional());
  EXPECT_FALSE(header->is_control());
}

TEST_F(BatchTest, records_straddle_slabs_at_every_position) {
  for (std::size_t fill = slab_bytes - 200; fill < slab_bytes + 20; ++fill) {
    const std::vector<Owned> records{{std::nullopt, std::string(fill, 'a'), {}, 1},
                                     {"key", std::string(100, 'b'), {{"name", "value"}}, 2},
                                     {std::nullopt, std::string(3 * slab_bytes, 'c'), {}, 3}};
    for (const Checksum checksum : {Checksum::at_seal, Checksum::while_appending}) {
      const Slice batch = sealed(budget, records, {}, checksum);
      ASSERT_EQ(read_all(batch), records) << fill;
      ASSERT_TRUE(validate_produced_batch(batch).has_value());
    }
  }
}

TEST_F(BatchTest, the_checksum_is_the_same_whenever_it_is_taken) {
  // Whole slabs, one byte less and one byte more.
  for (const std::size_t more : {0u, 1u, 2u}) {
    for (std::size_t slabs = 1; slabs <= 3; ++slabs) {
      const std::size_t framing = batch_header_bytes + 11;
      const std::vector<Owned> records{
          {std::nullopt, std::string(slabs * slab_bytes - framing + more, 'v'), {}, 1}};
      EXPECT_EQ(sealed(budget, records).text(),
                sealed(budget, records, {}, Checksum::while_appending).text());
    }
  }
}

TEST_F(BatchTest, a_moved_builder_keeps_its_checksum) {
  BatchBuilder first(budget, 64_MiB, Checksum::while_appending);
  const Owned record{"k", std::string(slab_bytes, 'v'), {}, 1};
  append(first, record);
  BatchBuilder second = std::move(first);
  append(second, record);
  EXPECT_EQ(read_all(*second.seal({}).flatten()), (std::vector<Owned>{record, record}));
  append(first, record);
  EXPECT_EQ(read_all(*first.seal({}).flatten()), (std::vector<Owned>{record}));
}

TEST_F(BatchTest, the_first_record_is_never_full_and_the_next_one_is) {
  BatchBuilder builder(budget, 100);
  append(builder, {std::nullopt, std::string(500, 'x'), {}, 1});
  const std::size_t size = builder.size();
  append(builder, {std::nullopt, "y", {}, 1}, BatchBuilder::Appended::full);
  EXPECT_EQ(builder.size(), size);
  EXPECT_EQ(builder.count(), 1);
}

TEST_F(BatchTest, an_append_without_memory_leaves_no_trace) {
  Budget small(2 * slab_bytes);
  BatchBuilder builder(small, 64_MiB);
  append(builder, {std::nullopt, std::string(100, 'a'), {}, 1});
  append(builder, {std::nullopt, std::string(2 * slab_bytes, 'b'), {}, 1},
         BatchBuilder::Appended::no_memory);
  EXPECT_EQ(small.used(), slab_bytes);
  append(builder, {std::nullopt, std::string(slab_bytes, 'c'), {}, 1});
  EXPECT_EQ(read_all(*builder.seal({}).flatten()).size(), 2u);
}

TEST_F(BatchTest, a_first_record_without_memory_leaves_no_trace) {
  Budget small(2 * slab_bytes);
  BatchBuilder builder(small, 64_MiB);
  append(builder, {std::nullopt, std::string(2 * slab_bytes, 'b'), {}, 1},
         BatchBuilder::Appended::no_memory);
  EXPECT_EQ(small.used(), 0u);
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.size(), batch_header_bytes);
  append(builder, {std::nullopt, "fits", {}, 1});
  EXPECT_EQ(read_all(*builder.seal({}).flatten()).size(), 1u);
}

TEST_F(BatchTest, a_sealed_builder_starts_an_empty_batch) {
  BatchBuilder builder(budget, 64_MiB, Checksum::while_appending);
  for (const std::int64_t time : {5, 3}) {
    const Owned record{"k", std::string(2 * slab_bytes, 'v'), {}, time};
    append(builder, record);
    append(builder, record);
    EXPECT_EQ(read_all(*builder.seal({}).flatten()), (std::vector<Owned>{record, record}));
    EXPECT_TRUE(builder.empty());
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST_F(BatchTest, sealed_slabs_stay_charged_until_the_last_chain_goes) {
  BatchBuilder builder(budget, 64_MiB);
  append(builder, {std::nullopt, std::string(2 * slab_bytes, 'b'), {}, 1});
  {
    const Chain batch = builder.seal({});
    EXPECT_EQ(batch.pieces().size(), 3u);
    EXPECT_EQ(budget.used(), 3 * slab_bytes);
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST_F(BatchTest, compressed_batches_give_their_slabs_back_at_once) {
  BatchBuilder builder(budget, 64_MiB);
  append(builder, {std::nullopt, std::string(2 * slab_bytes, 'b'), {}, 1});
  Chain compressed = *compress(Compression::lz4, std::nullopt, builder.records());
  const Chain batch =
      builder.seal({.compression = Compression::lz4, .compressed = std::move(compressed)});
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(read_all(*batch.flatten()).size(), 1u);
}

TEST_F(BatchTest, times_at_the_ends_of_their_range_are_restored) {
  constexpr auto max = std::numeric_limits<std::int64_t>::max();
  constexpr auto min = std::numeric_limits<std::int64_t>::min();
  const std::vector<Owned> records{
      {"k", "v", {}, max}, {"k", "v", {}, min}, {"k", "v", {}, -1}, {"k", "v", {}, max}};
  EXPECT_EQ(read_all(sealed(budget, records)), records);
}

TEST_F(BatchTest, a_moved_builder_continues_where_it_was) {
  BatchBuilder first(budget, 64_MiB);
  append(first, {std::nullopt, std::string(slab_bytes + 100, 'a'), {}, 1});
  BatchBuilder second = std::move(first);
  append(second, {std::nullopt, std::string(slab_bytes, 'b'), {}, 1});
  EXPECT_EQ(read_all(*second.seal({}).flatten()).size(), 2u);
}

TEST_F(BatchTest, every_truncation_is_an_error) {
  const Slice batch = sealed(budget, some_records());
  for (std::size_t size = 0; size < batch.size(); ++size) {
    EXPECT_FALSE(BatchReader::open(batch.sub(0, size)).has_value()) << size;
    EXPECT_FALSE(validate_produced_batch(batch.sub(0, size)).has_value()) << size;
  }
}

TEST_F(BatchTest, every_flipped_bit_after_the_crc_is_found) {
  const Slice batch = sealed(budget, some_records());
  for (std::size_t bit = batch_at::crc * 8; bit < batch.size() * 8; ++bit) {
    const Slice damaged = Slice::made(batch.size(), [&](std::span<std::byte> to) {
      std::memcpy(to.data(), batch.data(), batch.size());
      to[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    });
    EXPECT_FALSE(BatchReader::open(damaged).has_value()) << bit;
  }
}

// Damage with a matching CRC, as from a faulty or hostile client.
Slice with_valid_crc(const Slice& batch, std::size_t at, std::byte value) {
  return Slice::made(batch.size(), [&](std::span<std::byte> to) {
    std::memcpy(to.data(), batch.data(), batch.size());
    to[at] = value;
    store_big_endian(to.data() + batch_at::crc, crc32c(0, to.subspan(batch_at::crc_begin)));
  });
}

TEST_F(BatchTest, a_wrong_value_in_any_byte_never_leads_out_of_the_batch) {
  const Slice batch = sealed(budget, some_records());
  std::size_t refused = 0;
  for (std::size_t at = batch_at::attributes; at < batch.size(); ++at) {
    for (const unsigned value : {0x00u, 0x01u, 0x7fu, 0x80u, 0xffu}) {
      const Slice lie = with_valid_crc(batch, at, static_cast<std::byte>(value));
      if (!validate_produced_batch(lie).has_value()) ++refused;
      auto reader = BatchReader::open(lie);
      if (!reader) continue;
      RecordView view;
      while (reader->next(view)) {
        ASSERT_LE(owned(view).headers.size(), batch.size());
      }
    }
  }
  EXPECT_GT(refused, 100u);
}

// Validation and reader refuse it as malformed and name record 1 and `what`.
void expect_fault(const Slice& lie, std::string_view what) {
  const auto validated = validate_produced_batch(lie);
  ASSERT_FALSE(validated.has_value());
  auto reader = BatchReader::open(lie);
  ASSERT_TRUE(reader.has_value());
  RecordView view;
  while (reader->next(view)) {
  }
  ASSERT_NE(reader->fault(), nullptr);
  for (const Error& error : {validated.error(), *reader->fault()}) {
    EXPECT_TRUE(error.is(Errc::malformed));
    EXPECT_NE(error.message().find("record 1: "), std::string_view::npos) << error.to_string();
    EXPECT_NE(error.message().find(what), std::string_view::npos) << error.to_string();
  }
  EXPECT_FALSE(reader->next(view));
}

TEST_F(BatchTest, faults_name_the_record_and_the_reason) {
  struct Lie {
    std::size_t at;  // in the second record
    int value;
    std::string_view what;
  };
  const std::vector<Lie> lies{
      {0, 0x01, "its length is less"},        {0, 0x12, "do not add up"},
      {4, 0x40, "its key does not fit"},      {4, 0x03, "its key does not fit"},
      {6, 0x40, "its value does not fit"},    {8, 0x02, "its header count does not fit"},
      {8, 0x01, "its header count does not"}, {3, 0x08, "its offset delta"}};
  // Other code reads the last records of a batch than the earlier ones.
  for (const std::size_t tail : {0UZ, 100UZ}) {
    const Slice batch = sealed(budget, {{"a", "b", {}, 1},
                                        {"c", "d", {}, 1},
                                        {"e", "f", {}, 1},
                                        {std::nullopt, std::string(tail, 'x'), {}, 1}});
    const std::size_t second = batch_header_bytes + 9;
    for (const Lie& lie : lies) {
      SCOPED_TRACE(lie.what);
      expect_fault(with_valid_crc(batch, second + lie.at, static_cast<std::byte>(lie.value)),
                   lie.what);
    }
  }
}

TEST_F(BatchTest, a_record_longer_than_the_batch_is_named) {
  const Slice batch = sealed(budget, {{"a", "b", {}, 1}, {"c", "d", {}, 1}});
  expect_fault(with_valid_crc(batch, batch_header_bytes + 9, std::byte{0x7e}),
               "its length exceeds the batch");
}

TEST_F(BatchTest, counts_that_contradict_the_records_are_refused) {
  const Slice batch = sealed(budget, some_records());
  const auto last_of = [](std::size_t field) { return field + 3; };
  for (const int count : {0, 1, 3, 5, 127}) {
    const auto number = static_cast<std::byte>(count);
    const Slice count_alone = with_valid_crc(batch, last_of(batch_at::count), number);
    EXPECT_FALSE(validate_produced_batch(count_alone).has_value()) << count;
    const auto delta = static_cast<std::byte>(count - 1);
    const Slice both = with_valid_crc(count_alone, last_of(batch_at::last_offset_delta), delta);
    EXPECT_FALSE(validate_produced_batch(both).has_value()) << count;
  }
}

TEST_F(BatchTest, a_produced_batch_may_not_be_a_control_batch) {
  const Slice batch = sealed(budget, some_records());
  const auto validated =
      validate_produced_batch(with_valid_crc(batch, batch_at::attributes + 1, std::byte{32}));
  ASSERT_FALSE(validated.has_value());
  EXPECT_NE(validated.error().message().find("control"), std::string_view::npos);
}

TEST_F(BatchTest, a_produced_batch_with_a_producer_id_needs_a_sequence) {
  const Slice without = sealed(budget, some_records(), {.producer_id = ProducerId{7}});
  const auto validated = validate_produced_batch(without);
  ASSERT_FALSE(validated.has_value());
  EXPECT_NE(validated.error().message().find("base sequence -1"), std::string_view::npos);
}

TEST_F(BatchTest, old_formats_are_named) {
  const Slice batch = sealed(budget, some_records());
  const auto header =
      read_batch_header(with_valid_crc(batch, batch_at::magic, std::byte{1}).bytes());
  ASSERT_FALSE(header.has_value());
  EXPECT_TRUE(header.error().is(Errc::unsupported_version));
}

TEST_F(BatchTest, the_leader_stamps_without_touching_the_crc) {
  const Slice batch = sealed(budget, some_records());
  const Slice stamped = Slice::made(batch.size(), [&](std::span<std::byte> to) {
    std::memcpy(to.data(), batch.data(), batch.size());
    stamp_batch(to, Offset{1234567890123}, LeaderEpoch{5});
  });
  EXPECT_TRUE(batch_crc_matches(stamped.bytes()));
  const auto header = read_batch_header(stamped.bytes());
  EXPECT_EQ(header->base_offset, Offset{1234567890123});
  EXPECT_EQ(header->leader_epoch, LeaderEpoch{5});
}

TEST_F(BatchTest, log_append_time_replaces_the_records_times) {
  const Slice batch = sealed(budget, some_records());
  const Slice stamped = Slice::made(batch.size(), [&](std::span<std::byte> to) {
    std::memcpy(to.data(), batch.data(), batch.size());
    stamp_log_append_time(to, Timestamp{777});
  });
  for (const Owned& record : read_all(stamped)) EXPECT_EQ(record.timestamp, 777);
}

TEST_F(BatchTest, random_records_are_restored) {
  SeededRandom random(1);
  const auto bytes = [&](std::size_t limit) {
    std::string text(random.below(limit), '\0');
    for (char& c : text) c = static_cast<char>(random.next());
    return text;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<Owned> records(1 + random.below(50));
    for (Owned& record : records) {
      if (random.below(2) == 0) record.key = bytes(40);
      if (random.below(8) != 0) record.value = bytes(random.below(20) == 0 ? 40'000 : 300);
      for (auto n = random.below(4); n > 0; --n) record.headers.emplace_back(bytes(10), bytes(20));
      record.timestamp = static_cast<std::int64_t>(random.below(1u << 30));
    }
    const Slice batch = sealed(budget, records);
    ASSERT_EQ(read_all(batch), records);
    ASSERT_TRUE(validate_produced_batch(batch).has_value());
  }
}

}  // namespace
}  // namespace dohle::wire
