#include "base/slice.hpp"

#include <new>

namespace dohle {

Buffer* Buffer::allocate(std::size_t size) {
  void* block = ::operator new(sizeof(Buffer) + size);
  auto* bytes = static_cast<std::byte*>(block) + sizeof(Buffer);
  return new (block) Buffer(bytes, size, [](Buffer* buffer) noexcept {
    buffer->~Buffer();
    ::operator delete(buffer);
  });
}

Slice Slice::copy_of(Bytes bytes) {
  return made(bytes.size(), [&](std::span<std::byte> to) {
    if (!bytes.empty()) std::memcpy(to.data(), bytes.data(), bytes.size());
  });
}

}  // namespace dohle
