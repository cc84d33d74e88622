#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/random.hpp"
#include "dohle/partitioner.hpp"

namespace dohle::client {

/// Counts the records of a topic that take turns. Any thread.
class Turns final : public Partitioner::Memory {
 public:
  /// The next partition; each has `chunk` turns in a row, at least 1. The count has 32 bits and
  /// begins again at 0, as kafka-go's; a division of 64 bits would cost as much as the rest.
  PartitionId next(std::uint32_t chunk, std::int32_t partitions) {
    std::uint32_t turn = taken_.fetch_add(1, std::memory_order_relaxed);
    if (chunk != 1) turn /= chunk;
    return PartitionId{static_cast<std::int32_t>(turn % static_cast<std::uint32_t>(partitions))};
  }

 private:
  std::atomic<std::uint32_t> taken_{0};
};

/// Random numbers that spread records, as SplitMix64 makes them from a seed. Any thread.
class Draws final : public Partitioner::Memory {
 public:
  explicit Draws(std::uint64_t seed) : state_(seed) {}

  PartitionId next(std::int32_t partitions) {
    // Two threads may draw the same number, which spreads records as well. An atomic addition would
    // cost more than all the rest.
    const std::uint64_t state = state_.load(std::memory_order_relaxed) + split_mix_step;
    state_.store(state, std::memory_order_relaxed);
    const std::uint64_t drawn = split_mixed(state);
    return PartitionId{
        static_cast<std::int32_t>(((drawn >> 32) * static_cast<std::uint64_t>(partitions)) >> 32)};
  }

 private:
  std::atomic<std::uint64_t> state_;
};

/// A partitioner that remembers a `Kept` of each topic.
template <class Kept>
class RememberingPartitioner : public Partitioner {
 public:
  [[nodiscard]] std::shared_ptr<Memory> begin_topic(std::string_view /*topic*/,
                                                    std::uint64_t seed) const noexcept final {
    if constexpr (std::constructible_from<Kept, std::uint64_t>) {
      return std::make_shared<Kept>(seed);
    } else {
      return std::make_shared<Kept>();
    }
  }

 protected:
  /// `memory` was returned by begin_topic.
  [[nodiscard]] static Kept& kept(Memory* memory) { return static_cast<Kept&>(*memory); }
};

}  // namespace dohle::client
