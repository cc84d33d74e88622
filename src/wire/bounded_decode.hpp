#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/frame_body.hpp"

namespace dohle::wire {

/// As decode_frame_body, for bytes from strangers: the time and memory that a message takes depend
/// on the elements of its arrays more than on its bytes. Errors: also Errc::too_large if all arrays
/// together have more than `max_elements` elements; decoding ends there.
template <class M>
[[nodiscard]] Result<FrameBody<M>> decode_bounded(const Slice& body, std::int16_t version,
                                                  std::size_t max_elements);

}  // namespace dohle::wire
