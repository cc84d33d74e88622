#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

// Counts all allocations of the process. For one source of a program of its own:
// dohle_allocation_test.

namespace dohle {

inline std::atomic<std::size_t> allocations = 0;
inline std::atomic<std::size_t> largest_allocation = 0;
/// Those of the calling thread.
inline constinit thread_local std::size_t allocations_here = 0;

}  // namespace dohle

void* operator new(std::size_t size) {
  dohle::allocations.fetch_add(1);
  ++dohle::allocations_here;
  dohle::largest_allocation.store(std::max(dohle::largest_allocation.load(), size));
  if (void* block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept {
  std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
  std::free(block);
}
