#include "client/produce/partitioners/key_hash.hpp"
#include "client/produce/partitioners/turns.hpp"
#include "dohle/partitioner.hpp"

namespace dohle::client {
namespace {

class Murmur2Partitioner final : public RememberingPartitioner<Draws> {
 public:
  explicit Murmur2Partitioner(bool consistent) : consistent_(consistent) {}

  [[nodiscard]] PartitionId choose(std::string_view /*topic*/, const Record& record,
                                   std::int32_t partitions, Memory* memory) const override {
    if (!consistent_ && !record.key) return kept(memory).next(partitions);
    return partition_for_key(record.key.value_or(Bytes()), partitions);
  }

 private:
  const bool consistent_;
};

}  // namespace
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

std::shared_ptr<const Partitioner> murmur2_partitioner(bool consistent) {
  return std::make_shared<client::Murmur2Partitioner>(consistent);
}

}  // namespace v0
}  // namespace dohle
