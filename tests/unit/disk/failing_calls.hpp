#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <set>

#include "disk/system_calls.hpp"

namespace dohle::disk {

/// System calls that fail, stop half-way or wait as a test sets them up.
class FailingCalls final : public SystemCalls {
 public:
  ssize_t write(int descriptor, const iovec* pieces, int count, off_t offset) override {
    if (interrupts > 0) {
      --interrupts;
      errno = EINTR;
      return -1;
    }
    if (space >= 0 && space == 0) {
      errno = ENOSPC;
      return -1;
    }
    iovec first = pieces[0];
    if (max_write_bytes > 0) {
      first.iov_len = std::min(first.iov_len, max_write_bytes);
      count = 1;
    }
    if (space >= 0) {
      first.iov_len = std::min(first.iov_len, static_cast<std::size_t>(space));
      count = 1;
    }
    const ssize_t wrote = count == 1 ? SystemCalls::write(descriptor, &first, 1, offset)
                                     : SystemCalls::write(descriptor, pieces, count, offset);
    if (space >= 0 && wrote > 0) space -= wrote;
    return wrote;
  }
  ssize_t read(int descriptor, void* into, std::size_t size, off_t offset) override {
    return SystemCalls::read(descriptor, into, std::min<std::size_t>(size, 3), offset);
  }
  int allocate(int descriptor, int mode, off_t offset, off_t size) override {
    ++allocations;
    if (allocate_error == 0) return SystemCalls::allocate(descriptor, mode, offset, size);
    errno = allocate_error;
    return -1;
  }
  int sync_file(int descriptor) override {
    std::unique_lock lock(mutex_);
    ++file_syncs;
    ++running_;
    most_at_once = std::max(most_at_once, running_);
    arrived_.notify_all();
    passed_.wait(lock, [this] { return is_open_; });
    --running_;
    if (bad_files.contains(descriptor)) {
      errno = EIO;
      return -1;
    }
    return 0;
  }
  int sync_directory(int) override {
    ++directory_syncs;
    if (!directory_fails) return 0;
    errno = EIO;
    return -1;
  }
  int sync_file_system(int) override {
    ++file_system_syncs;
    if (!file_system_fails) return 0;
    errno = EIO;
    return -1;
  }

  /// Holds syncs of files until `open_gate`.
  void close_gate() {
    const std::scoped_lock lock(mutex_);
    is_open_ = false;
  }
  void open_gate() {
    {
      const std::scoped_lock lock(mutex_);
      is_open_ = true;
    }
    passed_.notify_all();
  }
  void wait_for_syncs(int count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return running_ >= count; });
  }
  int syncs() {
    const std::scoped_lock lock(mutex_);
    return file_syncs;
  }

  int interrupts = 0;
  std::size_t max_write_bytes = 0;
  ssize_t space = -1;
  int allocate_error = 0;
  int allocations = 0;
  std::set<int> bad_files;  ///< set before any sync
  int file_syncs = 0;       ///< read through `syncs` while threads run
  int most_at_once = 0;
  std::atomic<int> file_system_syncs = 0;
  std::atomic<bool> file_system_fails = false;
  std::atomic<int> directory_syncs = 0;
  std::atomic<bool> directory_fails = false;

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable passed_;
  bool is_open_ = true;
  int running_ = 0;
};

}  // namespace dohle::disk
