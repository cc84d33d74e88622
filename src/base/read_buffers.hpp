#pragma once

#include <array>
#include <cstddef>

#include "base/assert.hpp"
#include "base/slice.hpp"

namespace dohle {

/// Buffers of 64 KiB into which the connections of one loop read small frames. A connection holds
/// one only while bytes are in it, so idle connections hold none. Up to four spare buffers are kept
/// here. Loop thread only; frames cut from a buffer may be used by any thread and may outlive this
/// object.
class ReadBuffers {
 public:
  static constexpr std::size_t buffer_bytes = 64 * 1024;

  ReadBuffers() = default;
  ReadBuffers(const ReadBuffers&) = delete;
  ReadBuffers& operator=(const ReadBuffers&) = delete;
  ~ReadBuffers() {
    while (count_ > 0) spare_[--count_]->release();
  }

  /// The caller owns one reference to the result.
  [[nodiscard]] Buffer* take() {
    return count_ > 0 ? spare_[--count_] : Buffer::allocate(buffer_bytes);
  }
  void give_back(Buffer* buffer) {
    DOHLE_ASSERT(buffer->size() == buffer_bytes, "a buffer comes back to where it was not from");
    if (count_ < spare_.size() && !buffer->is_shared()) {
      spare_[count_++] = buffer;
    } else {
      buffer->release();
    }
  }

 private:
  std::array<Buffer*, 4> spare_{};
  std::size_t count_ = 0;
};

}  // namespace dohle
