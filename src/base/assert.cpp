#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace dohle {

void assertion_failed(const char* condition, const char* file, int line,
                      std::string_view message) noexcept {
  std::fprintf(stderr, "dohle: assertion failed at %s:%d: %s: %.*s\n", file, line, condition,
               static_cast<int>(message.size()), message.data());
  std::abort();
}

}  // namespace dohle
