#include "dohle/partitioner.hpp"

#include <cstdlib>
#include <utility>

#include "client/produce/partitioners/turns.hpp"

namespace dohle::client {
namespace {

class HashPartitioner final : public RememberingPartitioner<Turns> {
 public:
  explicit HashPartitioner(KeyHasher hasher) : hasher_(std::move(hasher)) {}

  [[nodiscard]] PartitionId choose(std::string_view /*topic*/, const Record& record,
                                   std::int32_t partitions, Memory* memory) const override {
    if (!record.key) return kept(memory).next(1, partitions);
    const auto hash =
        static_cast<std::int32_t>(hasher_ ? hasher_(*record.key) : fnv1a(*record.key));
    return PartitionId{std::abs(hash % partitions)};
  }

 private:
  const KeyHasher hasher_;
};

}  // namespace
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

std::shared_ptr<const Partitioner> hash_partitioner(KeyHasher hasher) {
  return std::make_shared<client::HashPartitioner>(std::move(hasher));
}

}  // namespace v0
}  // namespace dohle
