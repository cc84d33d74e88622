#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "disk/system_calls.hpp"

namespace dohle::disk {

struct FileDiskOptions {
  /// Threads that sync files of one group side by side. Started when first needed.
  std::size_t max_sync_threads = 16;
  /// Threads for `Disk::run`. Started when first needed.
  std::size_t max_job_threads = 2;
  /// A group of at least that many files is synced with one syncfs, where the file system reports
  /// write-back errors through it (ext4, XFS, btrfs; Linux 5.8). 0: never. On a quiet ext4 of two
  /// cores 16 files took 1.7 ms one by one on threads and 0.2 ms at once, 100 files 4 and 0.7 ms.
  std::size_t min_whole_file_system_files = 8;
  /// syncfs also waits for what other programs wrote (with compilers beside it, 4 ms for any
  /// group). When it took longer than file by file would have, by the last such group's time per
  /// file, groups are synced file by file for so long.
  std::chrono::milliseconds whole_file_system_pause{5'000};
  /// Where tests inject faults. Outlives the disk and its files.
  SystemCalls* calls = &SystemCalls::real();
};

/// Disk over the file system.
///
/// `sync`: one group at a time is made durable on disk threads while calls that arrive form the
/// next group. A file that could not be synced fails exactly the calls whose set holds it, and
/// stays failed: each later sync of that File fails at once with the same error.
///
/// `reserve` asks the file system for the space in one call; where it cannot promise any (tmpfs of
/// old kernels, NFS), free space is compared instead. Callers choose the step.
///
/// `lock` holds the directory and DIRECTORY/.lock, which has the holder's process id in it; the
/// file stays behind.
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
  /// Waits for the syncs and jobs that are running; those that wait are dropped with their answers.
  ~FileDisk() override;

  Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) override;
  [[nodiscard]] bool exists(const std::string& path) const override;
  Result<void> make_directories(const std::string& path) override;
  [[nodiscard]] Result<std::vector<DirectoryEntry>> list(const std::string& path) const override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_all(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<void> sync_directories(std::span<const std::string> paths) override;
  [[nodiscard]] std::shared_ptr<File> names_in(const std::string& directory) const override;
  [[nodiscard]] Result<std::optional<FileIdentity>> identity_of(
      const std::string& path) const override;
  Result<void> sync_now(File& file) override;
  void sync(std::vector<std::shared_ptr<File>> files, Synced done) override;
  void run(Task job, Task done) override;
  Result<DirectoryLock> lock(const std::string& directory) override;
  [[nodiscard]] std::string boot() const override;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace dohle::disk
