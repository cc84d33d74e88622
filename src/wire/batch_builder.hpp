#pragma once

#include <cstdint>
#include <vector>

#include "base/budget.hpp"
#include "base/chain.hpp"
#include "wire/batch.hpp"

namespace dohle::wire {

/// An open record batch. Records are encoded uncompressed into slabs of a Budget; the first slab
/// has space for the header. A record is copied once, and the only allocation is a slab per 16 KiB.
/// Record lengths are computed before the first write, so a refused append changes nothing.
///
/// Not thread safe. The PartitionQueue's lock guards it.
class BatchBuilder {
 public:
  enum class Appended : std::uint8_t {
    ok,
    full,       ///< would exceed `max_batch_bytes` (never for the first record)
    no_memory,  ///< the Budget is spent
    too_large,  ///< the record alone would exceed `max_lone_bytes`
  };

  /// When the CRC of the records is computed.
  enum class Checksum : std::uint8_t {
    at_seal,
    /// Per full slab, in the appending thread, whose CPU cache holds the slab. Only for batches
    /// that will not be compressed.
    while_appending,
  };

  /// The first record may exceed `max_batch_bytes`, up to a batch of `max_lone_bytes`.
  explicit BatchBuilder(Budget& budget, std::size_t max_batch_bytes,
                        Checksum checksum = Checksum::at_seal,
                        std::size_t max_lone_bytes = INT32_MAX);
  BatchBuilder(BatchBuilder&&) noexcept;
  BatchBuilder& operator=(BatchBuilder&&) noexcept;
  ~BatchBuilder();

  /// Upper bound of the bytes that the record adds, framing included.
  [[nodiscard]] static std::size_t max_record_bytes(const Record& record);

  /// Encodes the record at the end. `timestamp` is the record's resolved time; it may lie before
  /// the first record's.
  Appended append(const Record& record, Timestamp timestamp);

  [[nodiscard]] std::int32_t count() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  /// Encoded size so far, header included.
  [[nodiscard]] std::size_t size() const { return bytes_; }
  [[nodiscard]] Timestamp base_timestamp() const { return base_timestamp_; }
  [[nodiscard]] Timestamp max_timestamp() const { return max_timestamp_; }

  /// The records without the header, as slices of the slabs. They are the input of compression.
  [[nodiscard]] Chain records() const;

  struct Seal {
    ProducerId producer_id = {};
    ProducerEpoch producer_epoch = {};
    std::int32_t base_sequence = -1;
    bool is_transactional = false;
    Compression compression = Compression::none;
    /// The compressed records. Ignored if `compression` is none.
    Chain compressed = {};
  };
  /// Writes the header, completes the CRC over header and records and returns the whole batch. The
  /// returned Chain shares the slabs. Afterwards the builder is empty and may be used again.
  /// Sealing an empty builder is a bug.
  [[nodiscard]] Chain seal(Seal seal);

 private:
  struct Shape;

  bool take_slabs_for(std::size_t size);
  bool append_over_slabs(const Record& record, const Shape& shape, std::size_t size);
  void write_header(std::byte* header, std::size_t size, const Seal& seal) const;
  void clear();
  void write(const void* bytes, std::size_t size);
  void sum_up(std::size_t slab, std::size_t used);
  [[nodiscard]] std::uint32_t records_crc();
  /// CRC of a batch without compression. The header is written already.
  [[nodiscard]] std::uint32_t whole_crc(const std::byte* header);
  [[nodiscard]] Chain slices(std::size_t from) const;

  Budget* budget_;
  std::size_t max_batch_bytes_;
  std::size_t max_lone_bytes_;
  Checksum checksum_;
  std::vector<Buffer*> slabs_;
  std::size_t current_ = 0;  // index of the slab that at_ points into
  std::byte* at_ = nullptr;
  std::byte* slab_end_ = nullptr;
  std::size_t bytes_ = batch_header_bytes;
  std::size_t summed_slabs_ = 0;
  std::uint32_t summed_crc_ = 0;  // CRC of the records in these slabs
  std::int32_t count_ = 0;
  Timestamp base_timestamp_;
  Timestamp max_timestamp_;
};

}  // namespace dohle::wire
