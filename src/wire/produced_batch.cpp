#include <algorithm>
#include <memory>
#include <string>

#include "base/assert.hpp"
#include "wire/batch_layout.hpp"
#include "wire/compression.hpp"
#include "wire/record_stream.hpp"
#include "wire/record_walk.hpp"
#include "wire/streamed_batch.hpp"
#include "wire/whole_batch.hpp"

namespace dohle::wire {

namespace {

// Checks for headers that are valid elsewhere but not in a produce request.
Result<void> check_produced(const BatchHeader& header) {
  if (header.is_control()) return fail(malformed_batch("a client may not send control batches"));
  if (header.count == 0) return fail(malformed_batch("it has no records"));
  if (header.count - 1 != header.last_offset_delta) {
    return fail(malformed_batch("record count " + std::to_string(header.count) +
                                " contradicts last offset delta " +
                                std::to_string(header.last_offset_delta)));
  }
  if (!header.producer_id.is_none() && header.base_sequence < 0) {
    return fail(malformed_batch("it has a producer id and base sequence " +
                                std::to_string(header.base_sequence)));
  }
  return {};
}

Result<ProducedBatch> checked_header(const Slice& batch) {
  const auto header = whole_batch_header(batch);
  if (!header) return fail(header.error());
  if (auto checked = check_produced(*header); !checked) return fail(checked.error());
  if (!batch_crc_matches(batch.bytes())) return fail(wrong_crc(*header));
  return ProducedBatch{*header, {}, {}};
}

/// Source of `walk` for records that are all in memory.
class RecordsInMemory {
 public:
  explicit RecordsInMemory(Bytes records)
      : at_(records.data()), end_(records.data() + records.size()) {}
  [[nodiscard, gnu::always_inline]] const char* next(RecordParts& parts) {
    return read_record(at_, end_, parts);
  }
  [[nodiscard]] bool is_at_end() const { return at_ == end_; }

 private:
  const std::byte* at_;
  const std::byte* end_;
};

// Checks that there are exactly `count` records and that their offset deltas count up by one.
template <class Records>
Result<void> walk(Records& records, ProducedBatch& batch) {
  std::int64_t earliest = INT64_MAX;
  std::int64_t latest = INT64_MIN;
  RecordParts parts;
  for (std::int32_t index = 0; index < batch.count; ++index) {
    if (const char* fault = records.next(parts)) [[unlikely]] {
      return fail(bad_record(index, fault));
    }
    if (parts.offset_delta != index) [[unlikely]] {
      return fail(bad_record(index, "its offset delta is " + std::to_string(parts.offset_delta)));
    }
    const std::int64_t time = time_after(batch.base_timestamp, parts.timestamp_delta).value;
    latest = std::max(latest, time);
    if (time != Timestamp{}.value) earliest = std::min(earliest, time);
  }
  if (!records.is_at_end()) {
    return fail(bad_record(batch.count, "bytes follow the last record"));
  }
  batch.latest = Timestamp{latest};
  if (earliest != INT64_MAX) batch.earliest = Timestamp{earliest};
  return {};
}

}  // namespace

Result<ProducedBatch> validate_produced_batch(const Slice& batch,
                                              const DecompressionLimits& limits) {
  auto produced = checked_header(batch);
  if (!produced) return produced;
  const auto records = records_of(batch, *produced, limits);
  if (!records) return fail(records.error());
  RecordsInMemory walked(records->bytes());
  if (auto all = walk(walked, *produced); !all) return fail(all.error());
  return produced;
}

Result<ProducedBatch> validate_streamed(const Slice& batch, const DecompressionLimits& limits,
                                        std::size_t window_bytes) {
  DOHLE_ASSERT(window_bytes >= min_record_window_bytes,
               "the window is smaller than the longest number of a record");
  auto produced = checked_header(batch);
  if (!produced) return produced;
  const Compression codec = produced->compression();
  if (codec == Compression::none) return validate_produced_batch(batch, limits);
  auto source = open_decompressor(codec, batch.bytes().subspan(batch_at::records), limits);
  if (!source) return fail(source.error().within("record batch"));
  const auto window = std::make_unique_for_overwrite<std::byte[]>(window_bytes);
  RecordStream records(**source, {window.get(), window_bytes});
  const auto all = walk(records, *produced);
  if (records.fault()) return fail(records.fault()->within("record batch"));
  if (!all) return fail(all.error());
  return produced;
}

}  // namespace dohle::wire
