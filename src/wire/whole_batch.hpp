#pragma once

#include <string_view>

#include "wire/batch.hpp"

// Shared by BatchReader and the validation of produced batches.

namespace dohle::wire {

[[nodiscard]] Error malformed_batch(std::string_view what);
[[nodiscard]] Error wrong_crc(const BatchHeader& header);
[[nodiscard]] Error bad_record(std::int32_t index, std::string_view what);

/// Reads the header of `batch`, whose size has to equal the header's.
[[nodiscard]] Result<BatchHeader> whole_batch_header(const Slice& batch);
/// The records' bytes, decompressed. Fails if they are too few for the header's record count.
[[nodiscard]] Result<Slice> records_of(const Slice& batch, const BatchHeader& header,
                                       const DecompressionLimits& limits);

/// Wraps around; no pair of numbers is undefined behaviour.
[[nodiscard]] inline Timestamp time_after(Timestamp base, std::int64_t delta) {
  return Timestamp{static_cast<std::int64_t>(static_cast<std::uint64_t>(base.value) +
                                             static_cast<std::uint64_t>(delta))};
}

}  // namespace dohle::wire
