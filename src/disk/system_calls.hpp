#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>

namespace dohle::disk {

/// The system calls that can fail because of the device, so that a test can make them fail, stop
/// half-way or take long. Each returns what the call itself returns, and sets errno.
/// Thread safety: any thread.
class SystemCalls {
 public:
  virtual ~SystemCalls() = default;
  virtual ssize_t write(int descriptor, const iovec* pieces, int count, off_t offset);
  virtual ssize_t read(int descriptor, void* into, std::size_t size, off_t offset);
  /// Makes space sure in [offset, offset + size). `mode` is fallocate's: FALLOC_FL_KEEP_SIZE, or 0,
  /// which makes the file that long.
  virtual int allocate(int descriptor, int mode, off_t offset, off_t size);
  virtual int truncate(int descriptor, off_t size);
  virtual int sync_file(int descriptor);
  /// The whole file system that holds `descriptor`.
  virtual int sync_file_system(int descriptor);
  virtual int sync_directory(int descriptor);

  /// The operating system's, shared by everybody.
  static SystemCalls& real();
};

}  // namespace dohle::disk
