#include "wire/messages/list_offsets.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(ListOffsetsRequest);
DOHLE_WIRE_INSTANTIATE(ListOffsetsResponse);

}  // namespace dohle::wire
