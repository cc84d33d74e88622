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
  /// The next partition; each has `chunk` turns in a row, at least 1.
  PartitionId next(std::uint64_t chunk, std::int32_t partitions) {
    const std::uint64_t turn = taken_.fetch_add(1, std::memory_order_relaxed) / chunk;
    return PartitionId{static_cast<std::int32_t>(turn % static_cast<std::uint64_t>(partitions))};
  }

 private:
  std::atomic<std::uint64_t> taken_{0};
};

/// Random numbers that spread records, as SplitMix64 makes them from a seed. Any thread.
class Draws final : public Partitioner::Memory {
 public:
  explicit Draws(std::uint64_t seed) : state_(seed) {}

  PartitionId next(std::int32_t partitions) {
    const std::uint64_t drawn =
        split_mixed(state_.fetch_add(split_mix_step, std::memory_order_relaxed) + split_mix_step);
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
  /// `memory` is what begin_topic returned.
  [[nodiscard]] static Kept& kept(Memory* memory) { return static_cast<Kept&>(*memory); }
};

}  // namespace dohle::client
