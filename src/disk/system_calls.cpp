#include "disk/system_calls.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace dohle::disk {

ssize_t SystemCalls::write(int descriptor, const iovec* pieces, int count, off_t offset) {
  return ::pwritev(descriptor, pieces, count, offset);
}

ssize_t SystemCalls::read(int descriptor, void* into, std::size_t size, off_t offset) {
  return ::pread(descriptor, into, size, offset);
}

int SystemCalls::allocate(int descriptor, int mode, off_t offset, off_t size) {
  return ::fallocate(descriptor, mode, offset, size);
}

int SystemCalls::truncate(int descriptor, off_t size) {
  return ::ftruncate(descriptor, size);
}

int SystemCalls::sync_file(int descriptor) {
  return ::fdatasync(descriptor);
}

int SystemCalls::sync_file_system(int descriptor) {
  return ::syncfs(descriptor);
}

int SystemCalls::sync_directory(int descriptor) {
  return ::fsync(descriptor);
}

SystemCalls& SystemCalls::real() {
  static SystemCalls calls;
  return calls;
}

}  // namespace dohle::disk
