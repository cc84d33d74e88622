#include "wire/messages/find_coordinator.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(FindCoordinatorRequest);
DOHLE_WIRE_INSTANTIATE(FindCoordinatorResponse);

}  // namespace dohle::wire
