#include "dohle/partitioner.hpp"

namespace dohle {
inline namespace v0 {

Partitioner::Memory::~Memory() = default;
Partitioner::~Partitioner() = default;

std::shared_ptr<Partitioner::Memory> Partitioner::begin_topic(
    std::string_view /*topic*/, std::uint64_t /*seed*/) const noexcept {
  return nullptr;
}

}  // namespace v0
}  // namespace dohle
