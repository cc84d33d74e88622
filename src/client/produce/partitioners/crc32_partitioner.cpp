#include "client/produce/partitioners/key_hash.hpp"
#include "client/produce/partitioners/turns.hpp"
#include "dohle/partitioner.hpp"

namespace dohle::client {
namespace {

class Crc32Partitioner final : public RememberingPartitioner<Draws> {
 public:
  explicit Crc32Partitioner(bool consistent) : consistent_(consistent) {}

  [[nodiscard]] PartitionId choose(std::string_view /*topic*/, const Record& record,
                                   std::int32_t partitions, Memory* memory) const override {
    if (!consistent_ && (!record.key || record.key->empty())) return kept(memory).next(partitions);
    const std::uint32_t hash = crc32(record.key.value_or(Bytes()));
    return PartitionId{static_cast<std::int32_t>(hash % static_cast<std::uint32_t>(partitions))};
  }

 private:
  const bool consistent_;
};

}  // namespace
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

std::shared_ptr<const Partitioner> crc32_partitioner(bool consistent) {
  return std::make_shared<client::Crc32Partitioner>(consistent);
}

}  // namespace v0
}  // namespace dohle
