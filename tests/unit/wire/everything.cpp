#include "everything.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(Everything);
DOHLE_WIRE_INSTANTIATE(Small);

}  // namespace dohle::wire
