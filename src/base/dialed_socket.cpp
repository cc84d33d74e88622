#include "base/descriptor.hpp"
#include "dohle/dial.hpp"

namespace dohle {
inline namespace v0 {

DialedSocket& DialedSocket::operator=(DialedSocket&& other) noexcept {
  if (this != &other) const Descriptor former(std::exchange(descriptor_, other.release()));
  return *this;
}

DialedSocket::~DialedSocket() {
  const Descriptor closed(release());
}

}  // namespace v0
}  // namespace dohle
