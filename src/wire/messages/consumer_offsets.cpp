#include "wire/messages/consumer_offsets.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(OffsetCommitKey);
DOHLE_WIRE_INSTANTIATE(OffsetCommitValue);
DOHLE_WIRE_INSTANTIATE(GroupMetadataKey);
DOHLE_WIRE_INSTANTIATE(GroupMetadataValue);

}  // namespace dohle::wire
