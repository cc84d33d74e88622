#include "base/mapped_slice.hpp"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace dohle {

Slice mapped_copy_of(Bytes bytes) {
  const std::size_t size = bytes.size();
  void* block = ::mmap(nullptr, sizeof(Buffer) + size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (block == MAP_FAILED) return Slice::copy_of(bytes);
  auto* data = static_cast<std::byte*>(block) + sizeof(Buffer);
  if (size > 0) std::memcpy(data, bytes.data(), size);
  auto* buffer = new (block) Buffer(data, size, [](Buffer* gone) noexcept {
    const std::size_t mapped = sizeof(Buffer) + gone->size();
    gone->~Buffer();
    ::munmap(gone, mapped);
  });
  return {buffer, data, size};
}

}  // namespace dohle
