#include "wire/batch.hpp"

#include <string>

#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/compression.hpp"
#include "wire/crc32c.hpp"
#include "wire/varint.hpp"

namespace dohle::wire {

namespace {

constexpr std::int16_t log_append_time_bit = 8;
constexpr std::size_t record_bytes_min = 7;  // length, attributes, two deltas, key, value, headers

Error malformed(std::string_view what) {
  return Error::client(Errc::malformed, "record batch: " + std::string(what));
}

Error malformed(std::string_view field, std::int64_t value) {
  return malformed(std::string(field) + " is " + std::to_string(value));
}

Result<void> check(const BatchHeader& header) {
  if (header.batch_length < static_cast<std::int32_t>(batch_header_bytes - batch_log_overhead)) {
    return fail(malformed("batch length", header.batch_length));
  }
  if (header.count < 0) return fail(malformed("record count", header.count));
  if (header.last_offset_delta < 0) {
    return fail(malformed("last offset delta", header.last_offset_delta));
  }
  // Compaction removes records and keeps the delta, so fewer records than offsets are fine.
  if (header.count > 0 && header.count - 1 > header.last_offset_delta) {
    return fail(malformed("record count " + std::to_string(header.count) +
                          " exceeds the offsets of last offset delta " +
                          std::to_string(header.last_offset_delta)));
  }
  if (header.compression() > Compression::zstd) {
    return fail(malformed("compression codec", header.attributes & 7));
  }
  if (header.base_offset.value < 0 ||
      header.base_offset.value > INT64_MAX - header.last_offset_delta - 1) {
    return fail(malformed("base offset", header.base_offset.value));
  }
  return {};
}

// Reads one record at a time. Every length is checked against what is left of the record, and the
// record's own length against what is left of the batch.
class RecordWalk {
 public:
  RecordWalk(const std::byte* at, const std::byte* end) : at_(at), end_(end) {}

  /// Null when all is well, else what is wrong.
  const char* next() {
    std::int32_t length = 0;
    at_ = read_varint(at_, end_, length);
    if (at_ == nullptr) return "its length is cut off";
    if (length < 0 || length > end_ - at_) return "its length exceeds the batch";
    const std::byte* const record_end = at_ + length;
    if (at_ == record_end) return "it has no attributes";
    ++at_;  // attributes: none is defined
    at_ = read_varlong(at_, record_end, timestamp_delta);
    if (at_ == nullptr) return "its timestamp delta is damaged";
    at_ = read_varint(at_, record_end, offset_delta);
    if (at_ == nullptr) return "its offset delta is damaged";
    if (!read_bytes(record_end, key)) return "its key does not fit";
    if (!read_bytes(record_end, value)) return "its value does not fit";
    if (const char* fault = skip_headers(record_end)) return fault;
    if (at_ != record_end) return "it is longer than its parts";
    return nullptr;
  }

  [[nodiscard]] const std::byte* at() const { return at_; }

  std::int64_t timestamp_delta = 0;
  std::int32_t offset_delta = 0;
  std::optional<Bytes> key;
  std::optional<Bytes> value;
  const std::byte* headers = nullptr;
  std::uint32_t header_count = 0;

 private:
  bool read_bytes(const std::byte* end, std::optional<Bytes>& into) {
    std::int32_t size = 0;
    at_ = read_varint(at_, end, size);
    if (at_ == nullptr || size > end - at_ || size < -1) return false;
    if (size < 0) {
      into.reset();
      return true;
    }
    into.emplace(at_, static_cast<std::size_t>(size));
    at_ += size;
    return true;
  }

  const char* skip_headers(const std::byte* end) {
    std::int32_t count = 0;
    at_ = read_varint(at_, end, count);
    // A header takes two bytes at least.
    if (at_ == nullptr || count < 0 || count > (end - at_) / 2) return "its header count is wrong";
    headers = at_;
    header_count = static_cast<std::uint32_t>(count);
    for (std::int32_t i = 0; i < count; ++i) {
      std::int32_t size = 0;
      at_ = read_varint(at_, end, size);
      if (at_ == nullptr || size < 0 || size > end - at_) return "a header's name does not fit";
      at_ += size;
      at_ = read_varint(at_, end, size);
      if (at_ == nullptr || size < -1 || size > end - at_) return "a header's value does not fit";
      if (size > 0) at_ += size;
    }
    return nullptr;
  }

  const std::byte* at_;
  const std::byte* end_;
};

Result<Slice> records_of(const Slice& batch, const BatchHeader& header,
                         const DecompressionLimits& limits) {
  const Slice stored = batch.sub(batch_at::records);
  Result<Slice> records = header.compression() == Compression::none
                              ? Result<Slice>(stored)
                              : decompress(header.compression(), stored.bytes(), limits);
  if (!records) return fail(records.error().within("record batch"));
  if (static_cast<std::size_t>(header.count) > records->size() / record_bytes_min) {
    return fail(malformed("record count " + std::to_string(header.count) + " exceeds its " +
                          std::to_string(records->size()) + " bytes"));
  }
  return records;
}

Result<BatchHeader> whole_batch_header(const Slice& batch) {
  auto header = read_batch_header(batch.bytes());
  if (header && header->size() != batch.size()) {
    return fail(malformed("it says that it has " + std::to_string(header->size()) +
                          " bytes, and there are " + std::to_string(batch.size())));
  }
  return header;
}

Error wrong_crc(const BatchHeader& header) {
  return Error::client(Errc::damaged, "record batch at offset " +
                                          std::to_string(header.base_offset.value) +
                                          ": its CRC does not match its bytes");
}

Error bad_record(std::int32_t index, std::string_view what) {
  return malformed("record " + std::to_string(index) + ": " + std::string(what));
}

}  // namespace

Result<BatchHeader> read_batch_header(Bytes bytes) {
  if (bytes.size() < batch_header_bytes) {
    return fail(malformed(std::to_string(bytes.size()) + " bytes are less than a header"));
  }
  const std::byte* const at = bytes.data();
  BatchHeader header;
  header.magic = load_big_endian<std::int8_t>(at + batch_at::magic);
  if (header.magic == 0 || header.magic == 1) {
    return fail(Error::client(Errc::unsupported_version,
                              "record batch: magic " + std::to_string(header.magic) +
                                  " is a format from before Kafka 0.11"));
  }
  if (header.magic != 2) return fail(malformed("magic", header.magic));
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
  if (read_ == header_.count) {
    if (at_ != end_ && !has_fault_) return fail_at("bytes follow its last record");
    return false;
  }
  if (has_fault_) return false;
  RecordWalk walk(at_, end_);
  if (const char* fault = walk.next()) return fail_at(fault);
  if (walk.offset_delta < 0 || walk.offset_delta > header_.last_offset_delta) {
    return fail_at("its offset delta lies outside of the batch");
  }
  at_ = walk.at();
  ++read_;
  into.offset = header_.base_offset + walk.offset_delta;
  into.timestamp = header_.is_log_append_time()
                       ? header_.max_timestamp
                       : Timestamp{static_cast<std::int64_t>(
                             static_cast<std::uint64_t>(header_.base_timestamp.value) +
                             static_cast<std::uint64_t>(walk.timestamp_delta))};
  into.key = walk.key;
  into.value = walk.value;
  into.headers = HeaderRange(walk.headers, walk.header_count);
  return true;
}

bool BatchReader::fail_at(std::string_view what) {
  has_fault_ = true;
  fault_ = bad_record(read_, what).within("offset " + std::to_string(header_.base_offset.value));
  return false;
}

Result<BatchHeader> validate_produced_batch(const Slice& batch, const DecompressionLimits& limits) {
  auto header = whole_batch_header(batch);
  if (!header) return header;
  if (header->is_control()) return fail(malformed("a client may not send control batches"));
  if (header->count == 0) return fail(malformed("it has no records"));
  if (header->count - 1 != header->last_offset_delta) {
    return fail(malformed("record count " + std::to_string(header->count) +
                          " contradicts last offset delta " +
                          std::to_string(header->last_offset_delta)));
  }
  if (!batch_crc_matches(batch.bytes())) return fail(wrong_crc(*header));
  const auto records = records_of(batch, *header, limits);
  if (!records) return fail(records.error());
  const std::byte* const end = records->data() + records->size();
  RecordWalk walk(records->data(), end);
  for (std::int32_t index = 0; index < header->count; ++index) {
    if (const char* fault = walk.next()) return fail(bad_record(index, fault));
    if (walk.offset_delta != index) {
      return fail(bad_record(index, "its offset delta is " + std::to_string(walk.offset_delta)));
    }
  }
  if (walk.at() != end) return fail(bad_record(header->count, "bytes follow the last record"));
  return header;
}

}  // namespace dohle::wire
