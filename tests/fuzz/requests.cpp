#include "round_trip.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dohle::fuzz::pick_and_round_trip<dohle::wire::AllRequests>(data, size);
  return 0;
}
