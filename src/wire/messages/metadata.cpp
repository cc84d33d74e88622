#include "wire/messages/metadata.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(MetadataRequest);
DOHLE_WIRE_INSTANTIATE(MetadataResponse);

}  // namespace dohle::wire
