#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "disk/system_calls.hpp"

namespace dohle::disk {

struct FileDiskOptions {
  /// Default: 16. Number of threads that sync the files of a group in parallel. Started when first
  /// needed.
  std::size_t max_sync_threads = 16;
  /// Default: 2. Number of threads for `Disk::run`. Started when first needed.
  std::size_t max_job_threads = 2;
  /// Default: 8; 0 disables it. A group of at least this many files is synced with one syncfs, if
  /// the file system reports write-back errors through it (ext4, XFS, btrfs; Linux 5.8). On a quiet
  /// ext4 of two cores 16 files took 1.7 ms file by file on threads and 0.2 ms with syncfs, 100
  /// files 4 and 0.7 ms.
  std::size_t min_whole_file_system_files = 8;
  /// Default: 5 s. syncfs also waits for the writes of other programs (beside running compilers it
  /// took 4 ms for any group). If it took longer than syncing file by file, estimated by the last
  /// such group's time per file, groups are synced file by file for this long.
  std::chrono::milliseconds whole_file_system_pause{5'000};
  /// The system calls, through which tests inject faults. Outlives the disk and its files.
  SystemCalls* calls = &SystemCalls::real();
};

/// Disk on the file system.
///
/// `sync`: one group at a time is made durable on disk threads while new calls form the next group.
/// If a file cannot be synced, exactly the calls with that file fail, and each later sync of that
/// File fails at once with the same error.
///
/// `reserve` asks the file system for the space in one call; if it cannot reserve space (tmpfs of
/// old kernels, NFS), the free space is compared instead. Callers choose how much they reserve at a
/// time.
///
/// `lock` locks the directory and DIRECTORY/.lock, which contains the holder's process id; the file
/// is not removed.
///
/// Errors: disk_full for ENOSPC and EDQUOT, not_found for ENOENT, already_exists for EEXIST,
/// io_error otherwise; each names operation, path and the system's words.
///
/// Thread safety: File and the short calls as in base/disk.hpp; `sync` and `run` from any thread,
/// answers on the Executor given here. Files and locks may outlive the disk. Fork: not supported.
class FileDisk final : public Disk {
 public:
  /// `loop` outlives the disk. No thread is started and no file opened here.
  explicit FileDisk(Executor& loop, FileDiskOptions options = {});
  /// Waits for running syncs and jobs. Waiting ones are dropped without an answer.
  ~FileDisk() override;

  Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) override;
  [[nodiscard]] bool exists(const std::string& path) const override;
  Result<void> make_directories(const std::string& path) override;
  [[nodiscard]] Result<std::vector<DirectoryEntry>> list(const std::string& path) const override;
  [[nodiscard]] Result<std::vector<DirectoryEntry>> list_with_sizes_of(
      const std::string& path, std::string_view suffix) const override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_all(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<void> sync_directories(std::span<const std::string> paths) override;
  [[nodiscard]] std::shared_ptr<File> names_in(const std::string& directory) const override;
  [[nodiscard]] Result<std::optional<FileIdentity>> identity_of(
      const std::string& path) const override;
  Result<void> sync_now(File& file) override;
  Result<void> sync_all_now(std::span<const std::shared_ptr<File>> files) override;
  void sync(std::vector<std::shared_ptr<File>> files, Synced done) override;
  void run(Task job, Task done) override;
  Result<DirectoryLock> lock(const std::string& directory) override;
  [[nodiscard]] std::string boot() const override;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace dohle::disk
