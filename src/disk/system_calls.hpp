#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>

namespace dohle::disk {

/// The system calls that can fail because of the device, so that a test can make them fail, stop
/// half-way or take long. Each has the return value of the system call, and sets errno. Thread
/// safety: any thread.
class SystemCalls {
 public:
  virtual ~SystemCalls() = default;
  virtual ssize_t write(int descriptor, const iovec* pieces, int count, off_t offset);
  virtual ssize_t read(int descriptor, void* into, std::size_t size, off_t offset);
  /// Allocates space for [offset, offset + size). `mode` is that of fallocate: FALLOC_FL_KEEP_SIZE,
  /// or 0, which extends the file.
  virtual int allocate(int descriptor, int mode, off_t offset, off_t size);
  virtual int truncate(int descriptor, off_t size);
  virtual int sync_file(int descriptor);
  /// Syncs the whole file system that holds `descriptor`.
  virtual int sync_file_system(int descriptor);
  virtual int sync_directory(int descriptor);

  /// The operating system's calls; one shared object.
  static SystemCalls& real();
};

}  // namespace dohle::disk
