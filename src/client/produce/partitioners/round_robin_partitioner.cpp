#include "dohle/partitioner.hpp"

#include <algorithm>
#include <cstdint>

#include "client/produce/partitioners/turns.hpp"

namespace dohle::client {
namespace {

class RoundRobinPartitioner final : public RememberingPartitioner<Turns> {
 public:
  explicit RoundRobinPartitioner(std::size_t chunk)
      : chunk_(static_cast<std::uint32_t>(std::clamp<std::size_t>(chunk, 1, UINT32_MAX))) {}

  [[nodiscard]] PartitionId choose(std::string_view /*topic*/, const Record& /*record*/,
                                   std::int32_t partitions, Memory* memory) const override {
    return kept(memory).next(chunk_, partitions);
  }

 private:
  const std::uint32_t chunk_;
};

}  // namespace
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

std::shared_ptr<const Partitioner> round_robin_partitioner(std::size_t chunk) {
  return std::make_shared<client::RoundRobinPartitioner>(chunk);
}

}  // namespace v0
}  // namespace dohle
