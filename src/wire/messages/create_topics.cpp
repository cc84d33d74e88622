#include "wire/messages/create_topics.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(CreateTopicsRequest);
DOHLE_WIRE_INSTANTIATE(CreateTopicsResponse);

}  // namespace dohle::wire
