#include "dohle/partitioner.hpp"

#include <atomic>
#include <compare>
#include <thread>
#include <vector>

#include "client/produce/partitioners/turns.hpp"

namespace dohle::client {
namespace {

/// The bytes sent to each partition of a topic. Any thread.
class ByteCounts final : public Partitioner::Memory {
 public:
  PartitionId add(std::uint64_t bytes, std::int32_t partitions) {
    const Turn turn(is_taken_);
    if (fewest_first_.size() != static_cast<std::size_t>(partitions)) start_again(partitions);
    const Count fewest = fewest_first_.front();
    sink_first({fewest.bytes + bytes, fewest.partition});
    return PartitionId{fewest.partition};
  }

 private:
  /// A lock that is held for some nanoseconds, and costs half of a mutex. A waiting thread yields.
  class Turn {
   public:
    explicit Turn(std::atomic<bool>& is_taken) : is_taken_(is_taken) {
      while (is_taken_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
    }
    ~Turn() { is_taken_.store(false, std::memory_order_release); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    std::atomic<bool>& is_taken_;
  };
  struct Count {
    std::uint64_t bytes;
    std::int32_t partition;
    auto operator<=>(const Count&) const = default;
  };

  void start_again(std::int32_t partitions) {
    fewest_first_.clear();
    for (std::int32_t each = 0; each < partitions; ++each) fewest_first_.push_back({0, each});
  }
  void sink_first(Count changed) {
    std::size_t at = 0;
    for (;;) {
      std::size_t child = 2 * at + 1;
      if (child >= fewest_first_.size()) break;
      const bool has_second = child + 1 < fewest_first_.size();
      if (has_second && fewest_first_[child + 1] < fewest_first_[child]) ++child;
      if (changed < fewest_first_[child]) break;
      fewest_first_[at] = fewest_first_[child];
      at = child;
    }
    fewest_first_[at] = changed;
  }

  std::atomic<bool> is_taken_{false};
  /// A heap: no entry is less than its parent, which is at half its index.
  std::vector<Count> fewest_first_;
};

class LeastBytesPartitioner final : public RememberingPartitioner<ByteCounts> {
 public:
  [[nodiscard]] PartitionId choose(std::string_view /*topic*/, const Record& record,
                                   std::int32_t partitions, Memory* memory) const override {
    const std::size_t bytes =
        record.key.value_or(Bytes()).size() + record.value.value_or(Bytes()).size();
    return kept(memory).add(bytes, partitions);
  }
};

}  // namespace
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

std::shared_ptr<const Partitioner> least_bytes_partitioner() {
  return std::make_shared<client::LeastBytesPartitioner>();
}

}  // namespace v0
}  // namespace dohle
