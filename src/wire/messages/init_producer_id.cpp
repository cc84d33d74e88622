#include "wire/messages/init_producer_id.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(InitProducerIdRequest);
DOHLE_WIRE_INSTANTIATE(InitProducerIdResponse);

}  // namespace dohle::wire
