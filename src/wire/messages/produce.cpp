#include "wire/messages/produce.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(ProduceRequest);
DOHLE_WIRE_INSTANTIATE(ProduceResponse);

}  // namespace dohle::wire
