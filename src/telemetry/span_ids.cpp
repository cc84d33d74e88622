#include "telemetry/span_ids.hpp"

#include <optional>

#include "base/fork_watch.hpp"
#include "base/system_secure_random.hpp"

namespace dohle::telemetry {

namespace {

struct OfThread {
  ForkMark made_in;
  SpanIds ids;
};

}  // namespace

SpanIds& SpanIds::of_thread() {
  thread_local std::optional<OfThread> kept;
  if (!kept || kept->made_in.is_forked()) {
    SystemSecureRandom seed;
    kept.emplace(ForkMark(), SpanIds(seed));
  }
  return kept->ids;
}

std::string random_uuid() {
  TraceId drawn = SpanIds::of_thread().next_trace();
  drawn.bytes[6] = static_cast<std::uint8_t>((drawn.bytes[6] & 0x0f) | 0x40);
  drawn.bytes[8] = static_cast<std::uint8_t>((drawn.bytes[8] & 0x3f) | 0x80);
  std::string text = drawn.to_hex();
  for (std::size_t at = 20; at >= 8; at -= 4) text.insert(at, 1, '-');
  return text;
}

}  // namespace dohle::telemetry
