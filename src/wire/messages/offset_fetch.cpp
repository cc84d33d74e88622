#include "wire/messages/offset_fetch.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(OffsetFetchRequest);
DOHLE_WIRE_INSTANTIATE(OffsetFetchResponse);

}  // namespace dohle::wire
