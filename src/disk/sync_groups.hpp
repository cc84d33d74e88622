#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/disk.hpp"
#include "disk/disk_threads.hpp"
#include "disk/file_disk.hpp"
#include "disk/open_file.hpp"

namespace dohle::disk {

/// True if syncfs reports write-back errors on this file system (ext4, XFS, btrfs; Linux 5.8).
[[nodiscard]] bool reports_write_back(int descriptor);

/// Group sync. New calls form a group while the previous group is made durable. The thread that
/// completes a group posts all its answers at once and starts the next group itself, so that a
/// single outstanding record costs one wake-up of a disk thread and one of the loop.
///
/// A group is synced file by file, in parallel on the threads, or, from
/// FileDiskOptions::min_whole_file_system_files files on one device, with one syncfs. After an
/// error of syncfs it is not used again: the error names no file and is reported once, and the file
/// may belong to a later group. fdatasync of that file still reports it. Thread safety: any thread.
class SyncGroups {
 public:
  using Files = std::vector<std::shared_ptr<OpenFile>>;

  SyncGroups(Executor& loop, const FileDiskOptions& options)
      : loop_(loop), options_(options), threads_(options.max_sync_threads) {}
  ~SyncGroups() { threads_.stop(); }

  /// Opens the file system of `file` for syncfs, which reports the errors after this call: call it
  /// before the first write.
  void watch(const OpenFile& file);
  void sync(Files files, Disk::Synced done);
  /// The same, and waits for the outcome. Not on a thread of this object.
  Result<void> sync_now(Files files);

 private:
  struct Call {
    Files files;
    Disk::Synced done;
    /// A thread waits for the answer, so that it must not wait for the loop.
    bool is_waited_for = false;
  };
  struct Group {
    std::vector<Call> calls;
    std::vector<OpenFile*> files;  ///< distinct; kept alive by `calls`
    std::atomic<std::size_t> next{0};
    std::atomic<std::size_t> left{0};
    std::chrono::steady_clock::time_point started;
  };

  void add(Call call);
  [[nodiscard]] std::shared_ptr<Group> next_group();
  void drive(std::shared_ptr<Group> group);
  void call_threads(const std::shared_ptr<Group>& group, std::size_t threads);
  [[nodiscard]] static bool is_waited_for(const Group& group);
  [[nodiscard]] int whole_file_system(const Group& group);
  [[nodiscard]] bool sync_whole(const Group& group);
  static bool sync_files(Group& group);
  void learn_file_time(const Group& group);
  void answer(Group& group);

  Executor& loop_;
  const FileDiskOptions options_;
  std::mutex mutex_;
  std::vector<Call> forming_;
  bool running_ = false;
  std::map<std::uint64_t, Descriptor>
      file_systems_;  ///< by device; closed if syncfs reports no errors
  std::atomic<bool> whole_works_{true};
  // Used only by the thread that drives or completes a group, one at a time.
  std::chrono::steady_clock::time_point whole_again_{};
  std::chrono::nanoseconds file_time_ = std::chrono::microseconds(50);
  DiskThreads threads_;
};

}  // namespace dohle::disk
