#include "net/frame_prefix.hpp"

namespace dohle::net {

Result<std::size_t> check_frame_length(std::uint32_t length, std::size_t bytes_max) {
  if (length > INT32_MAX) {
    return fail(Error::client(Errc::malformed, "a frame with a negative length"));
  }
  if (length > bytes_max) {
    return fail(Error::client(Errc::too_large, "a frame of " + std::to_string(length) +
                                                   " bytes; the limit is " +
                                                   std::to_string(bytes_max)));
  }
  return length;
}

}  // namespace dohle::net
