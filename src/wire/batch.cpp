#include "wire/batch.hpp"

#include <algorithm>
#include <string>

#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/compression.hpp"
#include "wire/crc32c.hpp"
#include "wire/record_walk.hpp"
#include "wire/whole_batch.hpp"

namespace dohle::wire {

namespace {

constexpr std::int16_t log_append_time_bit = 8;

Error malformed_field(std::string_view field, std::int64_t value) {
  return malformed_batch(std::string(field) + " is " + std::to_string(value));
}

Result<void> check(const BatchHeader& header) {
  if (header.batch_length < static_cast<std::int32_t>(batch_header_bytes - batch_log_overhead)) {
    return fail(malformed_field("batch length", header.batch_length));
  }
  if (header.count < 0) return fail(malformed_field("record count", header.count));
  if (header.last_offset_delta < 0) {
    return fail(malformed_field("last offset delta", header.last_offset_delta));
  }
  // Compaction removes records and keeps the delta, so there may be fewer records than offsets.
  if (header.count > 0 && header.count - 1 > header.last_offset_delta) {
    return fail(malformed_batch("record count " + std::to_string(header.count) +
                                " exceeds the offsets of last offset delta " +
                                std::to_string(header.last_offset_delta)));
  }
  if (header.compression() > Compression::zstd) {
    return fail(malformed_field("compression codec", header.attributes & 7));
  }
  if (header.base_offset.value < 0 ||
      header.base_offset.value > INT64_MAX - header.last_offset_delta - 1) {
    return fail(malformed_field("base offset", header.base_offset.value));
  }
  return {};
}

std::optional<Bytes> nullable(const std::byte* bytes, std::int32_t size) {
  if (size < 0) return std::nullopt;
  return Bytes(bytes, static_cast<std::size_t>(size));
}

}  // namespace

Error malformed_batch(std::string_view what) {
  return Error::client(Errc::malformed, "record batch: " + std::string(what));
}

Error wrong_crc(const BatchHeader& header) {
  return Error::client(Errc::damaged, "record batch at offset " +
                                          std::to_string(header.base_offset.value) +
                                          ": its CRC does not match its bytes");
}

Error bad_record(std::int32_t index, std::string_view what) {
  return malformed_batch("record " + std::to_string(index) + ": " + std::string(what));
}

Result<BatchHeader> whole_batch_header(const Slice& batch) {
  auto header = read_batch_header(batch.bytes());
  if (header && header->size() != batch.size()) {
    return fail(malformed_batch("its length is " + std::to_string(header->size()) +
                                " bytes, and there are " + std::to_string(batch.size())));
  }
  return header;
}

Result<Slice> records_of(const Slice& batch, const BatchHeader& header,
                         const DecompressionLimits& limits) {
  Result<Slice> records =
      header.compression() == Compression::none
          ? Result<Slice>(batch.sub(batch_at::records))
          : decompress(header.compression(), batch.bytes().subspan(batch_at::records), limits);
  if (!records) return fail(records.error().within("record batch"));
  if (static_cast<std::size_t>(header.count) > records->size() / min_record_bytes) {
    return fail(malformed_batch("record count " + std::to_string(header.count) + " exceeds its " +
                                std::to_string(records->size()) + " bytes"));
  }
  return records;
}

const char* read_last_parts(const std::byte* at, const std::byte* record_end, const std::byte* end,
                            RecordParts& parts) {
  return read_parts(WalkInMemory<Room::unknown>(at, record_end, end), parts);
}

const std::byte* skip_headers(const std::byte* at, const std::byte* record_end,
                              const std::byte* end, std::int32_t count) {
  WalkInMemory<Room::unknown> walk(at, record_end, end);
  return walk_headers(walk, count) ? walk.at() : nullptr;
}

Result<BatchHeader> read_batch_header(Bytes bytes) {
  if (bytes.size() < batch_header_bytes) {
    return fail(malformed_batch(std::to_string(bytes.size()) + " bytes are less than a header"));
  }
  const std::byte* const at = bytes.data();
  BatchHeader header;
  header.magic = load_big_endian<std::int8_t>(at + batch_at::magic);
  if (header.magic == 0 || header.magic == 1) {
    return fail(Error::client(Errc::unsupported_version,
                              "record batch: magic " + std::to_string(header.magic) +
                                  " is a format from before Kafka 0.11"));
  }
  if (header.magic != 2) return fail(malformed_field("magic", header.magic));
  header.base_offset = Offset{load_big_endian<std::int64_t>(at + batch_at::base_offset)};
  header.batch_length = load_big_endian<std::int32_t>(at + batch_at::batch_length);
  header.leader_epoch = LeaderEpoch{load_big_endian<std::int32_t>(at + batch_at::leader_epoch)};
  header.crc = load_big_endian<std::uint32_t>(at + batch_at::crc);
  header.attributes = load_big_endian<std::int16_t>(at + batch_at::attributes);
  header.last_offset_delta = load_big_endian<std::int32_t>(at + batch_at::last_offset_delta);
  header.base_timestamp = Timestamp{load_big_endian<std::int64_t>(at + batch_at::base_timestamp)};
  header.max_timestamp = Timestamp{load_big_endian<std::int64_t>(at + batch_at::max_timestamp)};
  header.producer_id = ProducerId{load_big_endian<std::int64_t>(at + batch_at::producer_id)};
  header.producer_epoch =
      ProducerEpoch{load_big_endian<std::int16_t>(at + batch_at::producer_epoch)};
  header.base_sequence = load_big_endian<std::int32_t>(at + batch_at::base_sequence);
  header.count = load_big_endian<std::int32_t>(at + batch_at::count);
  if (auto checked = check(header); !checked) return fail(checked.error());
  return header;
}

bool batch_crc_matches(Bytes batch) {
  if (batch.size() < batch_header_bytes) return false;
  return crc32c(0, batch.subspan(batch_at::crc_begin)) ==
         load_big_endian<std::uint32_t>(batch.data() + batch_at::crc);
}

void stamp_batch(std::span<std::byte> batch, Offset base_offset, LeaderEpoch leader_epoch) {
  store_big_endian(batch.data() + batch_at::base_offset, base_offset.value);
  store_big_endian(batch.data() + batch_at::leader_epoch, leader_epoch.value);
}

void stamp_log_append_time(std::span<std::byte> batch, Timestamp now) {
  const auto attributes = load_big_endian<std::int16_t>(batch.data() + batch_at::attributes);
  store_big_endian(batch.data() + batch_at::attributes,
                   static_cast<std::int16_t>(attributes | log_append_time_bit));
  store_big_endian(batch.data() + batch_at::max_timestamp, now.value);
  store_big_endian(batch.data() + batch_at::crc, crc32c(0, batch.subspan(batch_at::crc_begin)));
}

Result<BatchReader> BatchReader::open(const Slice& batch, bool check_crc,
                                      const DecompressionLimits& limits) {
  auto header = whole_batch_header(batch);
  if (!header) return fail(header.error());
  if (check_crc && !batch_crc_matches(batch.bytes())) return fail(wrong_crc(*header));
  auto records = records_of(batch, *header, limits);
  if (!records) return fail(records.error());
  BatchReader reader;
  reader.header_ = *header;
  reader.records_ = *std::move(records);
  reader.at_ = reader.records_.data();
  reader.end_ = reader.at_ + reader.records_.size();
  return reader;
}

bool BatchReader::next(RecordView& into) {
  if (read_ == header_.count || has_fault_) [[unlikely]] {
    if (at_ != end_ && !has_fault_) return fail_at("bytes follow the last record");
    return false;
  }
  RecordParts parts;
  const std::byte* at = at_;
  if (const char* fault = read_record(at, end_, parts)) [[unlikely]]
    return fail_at(fault);
  if (parts.offset_delta < 0 || parts.offset_delta > header_.last_offset_delta) [[unlikely]] {
    return fail_at("its offset delta lies outside of the batch");
  }
  at_ = at;
  ++read_;
  into.offset = header_.base_offset + parts.offset_delta;
  into.timestamp = header_.is_log_append_time()
                       ? header_.max_timestamp
                       : time_after(header_.base_timestamp, parts.timestamp_delta);
  into.key = nullable(parts.key, parts.key_size);
  into.value = nullable(parts.value, parts.value_size);
  into.headers = HeaderRange(parts.headers, static_cast<std::uint32_t>(parts.header_count));
  return true;
}

bool BatchReader::fail_at(std::string_view what) {
  has_fault_ = true;
  fault_ = bad_record(read_, what).within("offset " + std::to_string(header_.base_offset.value));
  return false;
}

}  // namespace dohle::wire
