#include "dohle/partitioner.hpp"

#include <utility>

#include "client/produce/partitioners/key_hash.hpp"
#include "client/produce/partitioners/turns.hpp"

namespace dohle::client {
namespace {

class ReferenceHashPartitioner final : public RememberingPartitioner<Draws> {
 public:
  explicit ReferenceHashPartitioner(KeyHasher hasher) : hasher_(std::move(hasher)) {}

  [[nodiscard]] PartitionId choose(std::string_view /*topic*/, const Record& record,
                                   std::int32_t partitions, Memory* memory) const override {
    if (!record.key) return kept(memory).next(partitions);
    return partition_of_hash(hasher_ ? hasher_(*record.key) : fnv1a(*record.key), partitions);
  }

 private:
  const KeyHasher hasher_;
};

}  // namespace
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

std::shared_ptr<const Partitioner> reference_hash_partitioner(KeyHasher hasher) {
  return std::make_shared<client::ReferenceHashPartitioner>(std::move(hasher));
}

}  // namespace v0
}  // namespace dohle
