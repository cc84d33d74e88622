#include "wire/messages/create_partitions.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(CreatePartitionsRequest);
DOHLE_WIRE_INSTANTIATE(CreatePartitionsResponse);

}  // namespace dohle::wire
