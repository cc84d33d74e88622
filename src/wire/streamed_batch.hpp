#pragma once

#include <cstddef>

#include "wire/batch.hpp"

namespace dohle::wire {

/// Minimum size of the window that streamed records are walked in: the longest number and more.
inline constexpr std::size_t min_record_window_bytes = 64;

/// `validate_produced_batch` without the whole of the decompressed records in memory: they are
/// walked in a window of `window_bytes` (default: 256 KiB, at least `min_record_window_bytes`)
/// while they are decompressed, and a record may be larger than the window. Beside the window it
/// takes what `open_decompressor` says. It accepts the same batches, with the same outcome, but for
/// zstd frames that ask for a window of more than 128 MiB (limit_reached), which
/// Apache Kafka refuses too. Of several faults it may name another one.
[[nodiscard]] Result<ProducedBatch> validate_streamed(const Slice& batch,
                                                      const DecompressionLimits& limits = {},
                                                      std::size_t window_bytes = std::size_t{256}
                                                                                 << 10);

}  // namespace dohle::wire
