// Bytes of a peer as a FramedConnection gets them: in pieces of any size, held, paused, sent back.
// The first eight bytes choose all that, the others are the stream.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "framed_play.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::uint64_t seed = 0;
  for (; size > 0 && seed >> 56 == 0; --size) seed = seed << 8 | *data++ | std::uint64_t{1} << 7;
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  for (const bool hands_over : {false, true}) {
    dohle::SeededRandom random(seed);
    const std::string complaint = dohle::frames::play(random, stream, hands_over);
    if (complaint.empty()) continue;
    std::fprintf(stderr, "%s\n", complaint.c_str());
    std::abort();
  }
  return 0;
}
