#pragma once

#include <cstddef>

#include "wire/batch.hpp"

namespace dohle::wire {

/// Minimum size of the window for streamed records. It exceeds the longest number.
inline constexpr std::size_t min_record_window_bytes = 64;

/// As `validate_produced_batch`, without all decompressed records in memory. Records are checked in
/// a window while they are decompressed; a record may be larger than the window. `window_bytes`:
/// default 256 KiB, at least `min_record_window_bytes`. Further memory: see `open_decompressor`. It
/// accepts the same batches with the same result, but for zstd frames with a window of more than
/// 128 MiB (limit_reached), which Apache Kafka refuses too. Of several faults it may name another
/// one.
[[nodiscard]] Result<ProducedBatch> validate_streamed(const Slice& batch,
                                                      const DecompressionLimits& limits = {},
                                                      std::size_t window_bytes = std::size_t{256}
                                                                                 << 10);

}  // namespace dohle::wire
