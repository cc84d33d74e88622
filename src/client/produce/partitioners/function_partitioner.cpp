#include "dohle/partitioner.hpp"

#include <utility>

namespace dohle::client {
namespace {

class FunctionPartitioner final : public Partitioner {
 public:
  explicit FunctionPartitioner(PartitionChoice choice) : choice_(std::move(choice)) {}

  [[nodiscard]] PartitionId choose(std::string_view topic, const Record& record,
                                   std::int32_t partitions, Memory* /*memory*/) const override {
    return choice_(topic, record, partitions);
  }

 private:
  const PartitionChoice choice_;
};

}  // namespace
}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

std::shared_ptr<const Partitioner> function_partitioner(PartitionChoice choice) {
  if (!choice) return nullptr;
  return std::make_shared<client::FunctionPartitioner>(std::move(choice));
}

}  // namespace v0
}  // namespace dohle
