#pragma once

#include <string_view>

#include "wire/batch.hpp"

// What the reader of a batch and the validation of a produced one share.

namespace dohle::wire::detail {

[[nodiscard]] Error malformed(std::string_view what);
[[nodiscard]] Error wrong_crc(const BatchHeader& header);
[[nodiscard]] Error bad_record(std::int32_t index, std::string_view what);

/// The header of `batch`, which has to be as long as that header says.
[[nodiscard]] Result<BatchHeader> whole_batch_header(const Slice& batch);
/// The records' bytes, decompressed, which have room for as many records as the header counts.
[[nodiscard]] Result<Slice> records_of(const Slice& batch, const BatchHeader& header,
                                       const DecompressionLimits& limits);

/// Whatever the two numbers are, their sum is not undefined.
[[nodiscard]] inline Timestamp sum(Timestamp base, std::int64_t delta) {
  return Timestamp{static_cast<std::int64_t>(static_cast<std::uint64_t>(base.value) +
                                             static_cast<std::uint64_t>(delta))};
}

}  // namespace dohle::wire::detail
