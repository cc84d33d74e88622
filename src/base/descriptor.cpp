#include "base/descriptor.hpp"

#include <unistd.h>

namespace dohle {

void Descriptor::close() {
  if (is_open()) ::close(std::exchange(number_, -1));
}

}  // namespace dohle
