#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/chain.hpp"
#include "dohle/error.hpp"

namespace dohle::client {

/// One half of a batch: whole, without a producer's numbers.
struct HalfBatch {
  Chain bytes;
  std::int32_t count = 0;
};
using Halves = std::array<HalfBatch, 2>;

/// Makes two batches of one that holds at least two records, in the same order and compressed as
/// it is. `level`: of compression, nothing for the codec's default. Takes as long as compressing
/// the batch once more: a worker's job, not the loop's. Errors: those of reading and of
/// compressing.
[[nodiscard]] Result<Halves> split_batch(const Chain& batch, std::optional<int> level);

}  // namespace dohle::client
