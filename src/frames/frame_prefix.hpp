#pragma once

#include <cstddef>
#include <cstdint>

#include "dohle/error.hpp"

namespace dohle::frames {

inline constexpr std::size_t frame_prefix_bytes = 4;

/// The next step in cutting a stream into frames.
enum class FrameState : std::uint8_t {
  need_bytes,  ///< more bytes have to arrive
  length,      ///< a length arrived and waits to be admitted
  frame,       ///< a frame can be taken
  broken,      ///< no frame can follow
};

[[nodiscard]] inline std::uint32_t load_frame_length(const std::byte* at) {
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < frame_prefix_bytes; ++i) {
    length = (length << 8) | std::to_integer<std::uint32_t>(at[i]);
  }
  return length;
}

/// Errc::malformed for a negative length, Errc::too_large for one above `max_bytes`,
/// Errc::handshake_failed for one that is the beginning of TLS.
[[nodiscard]] Result<std::size_t> check_frame_length(std::uint32_t length, std::size_t max_bytes);

}  // namespace dohle::frames
