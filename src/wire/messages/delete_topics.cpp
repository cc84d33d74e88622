#include "wire/messages/delete_topics.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(DeleteTopicsRequest);
DOHLE_WIRE_INSTANTIATE(DeleteTopicsResponse);

}  // namespace dohle::wire
