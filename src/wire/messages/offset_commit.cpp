#include "wire/messages/offset_commit.hpp"

#include "wire/instantiate.hpp"

namespace dohle::wire {

DOHLE_WIRE_INSTANTIATE(OffsetCommitRequest);
DOHLE_WIRE_INSTANTIATE(OffsetCommitResponse);

}  // namespace dohle::wire
