#include <gtest/gtest.h>

#include <cstring>

#include "base/units.hpp"
#include "golden_lines.hpp"
#include "wire/batch.hpp"
#include "wire/batch_builder.hpp"
#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/compression.hpp"

// Record batches made by Apache Kafka's own classes (Batches.java): read, compared with Kafka's own
// reading, and written again byte for byte.

namespace dohle::wire {
namespace {

using golden::Line;

Slice batch_of(const Line& line) {
  return golden::from_base64(line.at("bytes").get<std::string>());
}

Line json_of(const std::optional<Bytes>& bytes) {
  return bytes ? Line(golden::to_base64(*bytes)) : Line(nullptr);
}

Line json_of(const RecordView& record) {
  Line headers = Line::array();
  for (const HeaderView& header : record.headers) {
    headers.push_back({std::string(header.name), json_of(header.value)});
  }
  return {{"offset", record.offset.value},
          {"timestamp", record.timestamp.value},
          {"key", json_of(record.key)},
          {"value", json_of(record.value)},
          {"headers", headers}};
}

Line json_of(const BatchHeader& header) {
  return {{"baseOffset", header.base_offset.value},
          {"leaderEpoch", header.leader_epoch.value},
          {"codec", std::string(name_of(header.compression()))},
          {"logAppendTime", header.is_log_append_time()},
          {"transactional", header.is_transactional()},
          {"control", header.is_control()},
          {"lastOffsetDelta", header.last_offset_delta},
          {"baseTimestamp", header.base_timestamp.value},
          {"maxTimestamp", header.max_timestamp.value},
          {"producerId", header.producer_id.value},
          {"producerEpoch", header.producer_epoch.value},
          {"baseSequence", header.base_sequence},
          {"crc", header.crc}};
}

/// This library's view of a batch, in the form in which Batches.java writes Kafka's.
Line read(const Line& line) {
  auto reader = BatchReader::open(batch_of(line));
  if (!reader) return reader.error().to_string();
  Line seen = json_of(reader->header());
  seen["name"] = line.at("name");
  seen["bytes"] = line.at("bytes");
  seen["records"] = Line::array();
  RecordView record;
  while (reader->next(record)) seen["records"].push_back(json_of(record));
  if (reader->fault() != nullptr) return reader->fault()->to_string();
  return seen;
}

bool has_gaps(const Line& line) {
  return line.at("records").size() != line.at("lastOffsetDelta").get<std::size_t>() + 1;
}

/// The batch without the attribute LogAppendTime, so that its records' own times show.
Slice with_create_times(const Slice& batch) {
  return Slice::made(batch.size(), [&](std::span<std::byte> to) {
    std::memcpy(to.data(), batch.data(), batch.size());
    to[batch_at::attributes + 1] &= ~std::byte{8};
  });
}

/// The batch's contents in a new batch, written by BatchBuilder and stamped as by a leader.
Slice written_again(const Slice& batch) {
  const BatchHeader header = *read_batch_header(batch.bytes());
  auto reader = *BatchReader::open(with_create_times(batch), false);
  Budget budget(16_MiB);
  BatchBuilder builder(budget, 16_MiB);
  RecordView view;
  while (reader.next(view)) {
    const std::vector<HeaderView> headers(view.headers.begin(), view.headers.end());
    const Record record{.key = view.key, .value = view.value, .headers = headers};
    EXPECT_EQ(builder.append(record, view.timestamp), BatchBuilder::Appended::ok);
  }
  const Slice sealed = *builder
                            .seal({.producer_id = header.producer_id,
                                   .producer_epoch = header.producer_epoch,
                                   .base_sequence = header.base_sequence,
                                   .is_transactional = header.is_transactional()})
                            .flatten();
  return Slice::made(sealed.size(), [&](std::span<std::byte> to) {
    std::memcpy(to.data(), sealed.data(), sealed.size());
    stamp_batch(to, header.base_offset, header.leader_epoch);
    if (header.is_log_append_time()) stamp_log_append_time(to, header.max_timestamp);
  });
}

TEST(GoldenBatches, hold_the_records_that_kafka_reads_from_them) {
  const auto lines = golden::read_lines(DOHLE_GOLDEN_BATCHES);
  ASSERT_EQ(lines.size(), 32u);
  for (const Line& line : lines) {
    EXPECT_EQ(read(line), line) << line.at("name");
  }
}

TEST(GoldenBatches, are_accepted_unless_no_producer_may_send_them) {
  for (const Line& line : golden::read_lines(DOHLE_GOLDEN_BATCHES)) {
    const bool may_be_sent = !line.at("control").get<bool>() && !has_gaps(line);
    const auto validated = validate_produced_batch(batch_of(line));
    EXPECT_EQ(validated.has_value(), may_be_sent)
        << line.at("name") << (validated ? "" : ": " + validated.error().to_string());
  }
}

TEST(GoldenBatches, are_written_again_byte_for_byte) {
  int written = 0;
  for (const Line& line : golden::read_lines(DOHLE_GOLDEN_BATCHES)) {
    if (line.at("codec") != "none" || line.at("control").get<bool>() || has_gaps(line)) continue;
    const Slice batch = batch_of(line);
    EXPECT_EQ(golden::to_base64(written_again(batch).bytes()), line.at("bytes").get<std::string>())
        << line.at("name");
    ++written;
  }
  EXPECT_EQ(written, 5);
}

TEST(GoldenBatches, truncated_anywhere_are_refused) {
  for (const Line& line : golden::read_lines(DOHLE_GOLDEN_BATCHES)) {
    const Slice batch = batch_of(line);
    for (std::size_t size = 0; size < std::min<std::size_t>(batch.size(), 400); ++size) {
      ASSERT_FALSE(BatchReader::open(batch.sub(0, size)).has_value()) << line.at("name") << size;
    }
  }
}

}  // namespace
}  // namespace dohle::wire
