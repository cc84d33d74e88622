#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "dohle/consumer.hpp"
#include "dohle/error.hpp"

namespace dohle::client {

/// A partition whose offset was not committed.
struct RefusedOffset {
  TopicPartition partition;
  Error why;
};

/// The outcome of a commit, for each of its partitions.
struct CommitOutcome {
  /// The partitions whose offsets are not committed, whatever becomes of the others.
  std::vector<RefusedOffset> refused = {};
  /// The outcome of all others. An error concerns each of them, as that of a lost membership does.
  Result<void> others = {};
  /// Number of offsets that were to be committed.
  std::size_t offsets = 0;

  /// One result for all: an error with the code of the first refused partition that names all
  /// refused ones (at most 10, and the number of the rest) and states whether the others are
  /// committed.
  [[nodiscard]] Result<void> as_one() const;
};

/// Receives the outcome of a commit.
using CommitDone = std::move_only_function<void(CommitOutcome)>;

}  // namespace dohle::client
