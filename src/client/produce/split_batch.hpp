#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/chain.hpp"
#include "dohle/error.hpp"

namespace dohle::client {

/// One half of a batch: a complete batch without producer id and sequence.
struct HalfBatch {
  Chain bytes;
  std::int32_t count = 0;
};
using Halves = std::array<HalfBatch, 2>;

/// Splits a batch of at least two records into two, in the same order and with the same codec.
/// `level`: compression level; if absent, the codec's default. Takes as long as compressing the
/// batch again, so it runs on a worker thread, not on the loop. Errors: those of reading and of
/// compressing.
[[nodiscard]] Result<Halves> split_batch(const Chain& batch, std::optional<int> level);

}  // namespace dohle::client
