#pragma once

#include <utility>

#include "wire/codec.hpp"

namespace dohle::wire {

/// A message that was received as the body of a frame.
template <class M>
struct FrameBody {
  M message;
  /// Bytes of unknown meaning follow the last field.
  bool has_more = false;
};

/// As decode, but bytes after the last field are ignored, as by Apache Kafka's servers and clients:
/// librdkafka 2.16 sends three in Metadata version 13. For frames only; stored messages are read
/// with decode. Errors as decode.
template <class M>
[[nodiscard]] Result<FrameBody<M>> decode_frame_body(const Slice& body, std::int16_t version) {
  auto exact = decode<M>(body, version);
  if (exact) return FrameBody<M>{*std::move(exact), false};
  auto prefix = decode_prefix<M>(body, version);
  if (!prefix) return fail(prefix.error());
  return FrameBody<M>{*std::move(prefix), true};
}

}  // namespace dohle::wire
