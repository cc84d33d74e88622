#include "round_trip.hpp"
#include "wire/versioned.hpp"

namespace {

/// Reads the bytes as each schema that begins with its version.
void read_versioned(const dohle::Slice& bytes) {
  using namespace dohle::wire;
  (void)decode_key<OffsetCommitKey>(bytes);
  (void)decode_key<GroupMetadataKey>(bytes);
  (void)decode_versioned<OffsetCommitValue>(bytes);
  (void)decode_versioned<GroupMetadataValue>(bytes);
  (void)decode_consumer_protocol<ConsumerProtocolSubscription>(bytes);
  (void)decode_consumer_protocol<ConsumerProtocolAssignment>(bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dohle::fuzz::pick_and_round_trip<dohle::wire::GroupRecords>(data, size);
  read_versioned(
      dohle::Slice::copy_of(dohle::Bytes{reinterpret_cast<const std::byte*>(data), size}));
  return 0;
}
