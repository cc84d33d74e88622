#include "wire/messages/fetch.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(FetchRequest);
DOHLE_WIRE_INSTANTIATE(FetchResponse);

}  // namespace dohle::wire
