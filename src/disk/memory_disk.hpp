#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/disk.hpp"

namespace dohle::disk {

struct MemoryDiskOptions {
  /// Default: 1 GiB. The most bytes of file contents, counted in allocated chunks (4 to 256 KiB). A
  /// write or reservation above it fails with Errc::disk_full and "the memory disk's limit of N
  /// bytes".
  std::size_t max_bytes = std::size_t{1} << 30;
};

/// Disk in memory; its data ends with the process. `view` returns Slices of the files' own memory.
/// The bytes of a Slice never change, also if the file is truncated, overwritten or removed, and
/// they count against the limit while the Slice lives. All writes count as durable at once: `sync`
/// answers in the loop's next turn. `run` runs the job in a turn of the loop, without a thread.
/// Only the root directory exists at first.
///
/// Thread safety: File::read and File::view from any thread, the rest from the loop's.
class MemoryDisk final : public Disk {
 public:
  /// `loop` outlives the disk. The empty disk takes almost no memory.
  explicit MemoryDisk(Executor& loop, MemoryDiskOptions options = {});
  ~MemoryDisk() override;

  Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) override;
  [[nodiscard]] bool exists(const std::string& path) const override;
  Result<void> make_directories(const std::string& path) override;
  [[nodiscard]] Result<std::vector<DirectoryEntry>> list(const std::string& path) const override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_all(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  [[nodiscard]] std::shared_ptr<File> names_in(const std::string& directory) const override;
  [[nodiscard]] Result<std::optional<FileIdentity>> identity_of(
      const std::string& path) const override;
  Result<void> sync_now(File& file) override;
  void sync(std::vector<std::shared_ptr<File>> files, Synced done) override;
  void run(Task job, Task done) override;
  Result<DirectoryLock> lock(const std::string& directory) override;
  [[nodiscard]] std::string boot() const override;

  /// The bytes that count against the limit now.
  [[nodiscard]] std::size_t bytes_used() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace dohle::disk
