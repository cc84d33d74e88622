#pragma once

#include <cstdint>
#include <span>

#include "base/chain.hpp"
#include "base/slice.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "dohle/record.hpp"

namespace dohle::wire {

/// The compression of a batch's records. The numbers are those of the attributes' low three bits.
enum class Compression : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

inline constexpr std::size_t batch_header_bytes = 61;
/// Bytes before those that `batch_length` counts: base offset and length.
inline constexpr std::size_t batch_log_overhead = 12;

/// The header of a record batch v2, as values. docs/formats.md has the layout.
struct BatchHeader {
  Offset base_offset;
  std::int32_t batch_length = 0;
  LeaderEpoch leader_epoch;
  std::int8_t magic = 2;
  std::uint32_t crc = 0;
  std::int16_t attributes = 0;
  std::int32_t last_offset_delta = 0;
  Timestamp base_timestamp;
  Timestamp max_timestamp;
  ProducerId producer_id;
  ProducerEpoch producer_epoch;
  std::int32_t base_sequence = -1;
  std::int32_t count = 0;

  /// Bytes of the whole batch, header included.
  [[nodiscard]] std::size_t size() const {
    return static_cast<std::size_t>(batch_length) + batch_log_overhead;
  }
  [[nodiscard]] Offset last_offset() const { return base_offset + last_offset_delta; }
  [[nodiscard]] Offset next_offset() const { return base_offset + last_offset_delta + 1; }
  /// Only the low three bits; 5 to 7 name no codec and are refused by read_batch_header.
  [[nodiscard]] Compression compression() const { return static_cast<Compression>(attributes & 7); }
  [[nodiscard]] bool is_log_append_time() const { return (attributes & 8) != 0; }
  [[nodiscard]] bool is_transactional() const { return (attributes & 16) != 0; }
  [[nodiscard]] bool is_control() const { return (attributes & 32) != 0; }
};

/// Reads and checks a header: magic 2, a length of at least the header, a record count that fits
/// the last offset delta, a known codec, a base offset of at least 0. `bytes` may hold less than
/// the whole batch but has to hold its header.
/// Errors: Errc::malformed names the wrong field; Errc::unsupported_version for magic 0 and 1.
[[nodiscard]] Result<BatchHeader> read_batch_header(Bytes bytes);

/// Whether the CRC-32C of a batch equals the one in its header. `batch` is exactly one batch.
[[nodiscard]] bool batch_crc_matches(Bytes batch);

/// Writes base offset and leader epoch, which the CRC does not cover, into an accepted batch.
void stamp_batch(std::span<std::byte> batch, Offset base_offset, LeaderEpoch leader_epoch);
/// For message.timestamp.type=LogAppendTime: sets the attribute and max_timestamp and computes the
/// CRC again.
void stamp_log_append_time(std::span<std::byte> batch, Timestamp now);

/// The same batch under another producer id, epoch and sequence. It has a header of its own and
/// shares the records. A producer renumbers unacknowledged batches so after its epoch was raised
/// (KIP-360).
[[nodiscard]] Chain renumber_batch(const Chain& batch, ProducerId producer_id,
                                   ProducerEpoch producer_epoch, std::int32_t base_sequence);

/// The limit on a batch's decompressed size. The ratio has no limit: zstd compresses 20 MB of zeros
/// to 2 KB.
struct DecompressionLimits {
  std::size_t max_bytes = std::size_t{256} << 20;
};

/// Walks the records of one batch. Construct, check, then call next() until it returns false.
///
/// The views that it yields live as long as the batch's bytes if the batch is not compressed, else
/// as long as `records()`, a slice that shares ownership of the decompressed bytes.
class BatchReader {
 public:
  /// Reads the header, checks the CRC if `check_crc`, decompresses under `limits`. `batch` is
  /// exactly one batch.
  static Result<BatchReader> open(const Slice& batch, bool check_crc = true,
                                  const DecompressionLimits& limits = {});

  /// Reads the next record. False at the end or after a fault (see `fault`).
  bool next(RecordView& into);
  /// The reason why next() ended early: a malformed record or a wrong count. Null without a fault.
  [[nodiscard]] const Error* fault() const { return has_fault_ ? &*fault_ : nullptr; }
  [[nodiscard]] const BatchHeader& header() const { return header_; }
  /// The records' bytes, uncompressed.
  [[nodiscard]] const Slice& records() const { return records_; }

 private:
  BatchReader() = default;
  bool fail_at(std::string_view what);

  BatchHeader header_;
  Slice records_;
  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
  std::int32_t read_ = 0;
  bool has_fault_ = false;
  std::optional<Error> fault_;
};

/// The header of a batch of which every record was read, and the records' range of times.
struct ProducedBatch : BatchHeader {
  /// The smallest time of a record; records without a time (-1) do not count. None if no record has
  /// one.
  Timestamp earliest;
  /// The largest time of a record, which the header's max timestamp has to equal.
  Timestamp latest;
};

/// Checks a produced batch: its CRC, every record (lengths, offset deltas that count up by one,
/// their count), no control bit, a sequence if there is a producer id, and that it decompresses
/// under `limits`. Errors name the fault and its place; the caller maps them to a wire code.
[[nodiscard]] Result<ProducedBatch> validate_produced_batch(const Slice& batch,
                                                            const DecompressionLimits& limits = {});

}  // namespace dohle::wire
