#pragma once

#include <cstdint>
#include <span>

#include "base/chain.hpp"
#include "base/slice.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "dohle/record.hpp"

namespace dohle::wire {

/// How the records of a batch are compressed; the numbers of the attributes' low three bits.
enum class Compression : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

inline constexpr std::size_t batch_header_bytes = 61;
/// What precedes the bytes that `batch_length` counts: base offset and length.
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

/// Reads and checks a header: magic 2, a length of at least the header, a count and a last offset
/// delta that do not contradict each other, a known codec. `bytes` may hold less than the whole
/// batch but at least its header. Errors are Errc::malformed and say which field is wrong;
/// magic 0 and 1 are Errc::unsupported_version.
[[nodiscard]] Result<BatchHeader> read_batch_header(Bytes bytes);

/// CRC-32C over a whole batch against its header. `batch` is exactly one batch.
[[nodiscard]] bool batch_crc_matches(Bytes batch);

/// What the leader may write into an accepted batch without touching the CRC.
void stamp_batch(std::span<std::byte> batch, Offset base_offset, LeaderEpoch leader_epoch);
/// What the leader writes under message.timestamp.type=LogAppendTime: sets the attribute and
/// max_timestamp and computes the CRC anew.
void stamp_log_append_time(std::span<std::byte> batch, Timestamp now);

/// The same batch under another producer epoch and sequence: a header of its own, the records
/// shared. For a producer that has to number anew what it sent under an earlier epoch (KIP-360).
[[nodiscard]] Chain renumber_batch(const Chain& batch, ProducerId producer_id,
                                   ProducerEpoch producer_epoch, std::int32_t base_sequence);

/// What a compressed batch may grow to. There is no limit on how well it is compressed: zstd makes
/// 20 MB of zeros 2 KB.
struct DecompressionLimits {
  std::size_t max_bytes = std::size_t{256} << 20;
};

/// Walks the records of one batch. Construct, check, then call next() until it returns false.
///
/// The views it yields live as long as the batch's bytes when it is not compressed, else as long as
/// `records()` (a slice that shares ownership of the decompressed bytes).
class BatchReader {
 public:
  /// Reads the header, checks the CRC if asked, decompresses under limits. `batch` is one batch.
  static Result<BatchReader> open(const Slice& batch, bool check_crc = true,
                                  const DecompressionLimits& limits = {});

  /// The next record; false at the end or at a fault (see `fault`).
  bool next(RecordView& into);
  /// Why next() ended early: malformed record, wrong count. Null when all is well.
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

/// The header of a batch whose records were all walked, and what its records say.
struct ProducedBatch : BatchHeader {
  /// Of its records, without those that have no time (-1); none when all have none.
  Timestamp earliest;
  /// The largest time of a record: what the header's max timestamp has to be.
  Timestamp latest;
};

/// What the node asks of a produced batch: every record is walked (lengths, offset deltas that
/// count up by one, count), no control bit, a sequence if there is a producer id, a codec that
/// decompresses under limits, the CRC.
/// Returns the header. Errors carry what and where; the caller maps them to a wire code.
[[nodiscard]] Result<ProducedBatch> validate_produced_batch(const Slice& batch,
                                                            const DecompressionLimits& limits = {});

}  // namespace dohle::wire
