#include "rdkafka_library.hpp"

#include <dlfcn.h>

#include <cstdlib>

#include <fmt/format.h>

namespace {

template <class Function>
void find(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function != nullptr) return;
  fmt::print(stderr, "rdkafka_peer: {} is not in this library\n", name);
  std::exit(1);
}

}  // namespace

RdKafka::RdKafka(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    fmt::print(stderr, "rdkafka_peer: {}\n", dlerror());
    std::exit(1);
  }
#define DOHLE_RDKAFKA_FIND(name) find(library, name##_, "rd_kafka_" #name);
  DOHLE_RDKAFKA_FUNCTIONS(DOHLE_RDKAFKA_FIND)
#undef DOHLE_RDKAFKA_FIND
}
