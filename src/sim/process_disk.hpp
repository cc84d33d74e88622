#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/disk.hpp"
#include "sim/contents.hpp"
#include "sim/disk.hpp"
#include "sim/process_loop.hpp"

namespace dohle::sim {

/// A file that a process has open. After the end of the process all calls fail with Errc::closed.
class SimFile final : public File {
 public:
  SimFile(SimDisk& disk, ProcessLoop& loop, std::string path, std::shared_ptr<SimContents> contents)
      : disk_(disk), loop_(loop), path_(std::move(path)), contents_(std::move(contents)) {}
  /// The names in a directory.
  SimFile(SimDisk& disk, ProcessLoop& loop, std::string path, FileIdentity identity)
      : disk_(disk), loop_(loop), path_(std::move(path)), directory_(identity) {}

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] FileIdentity identity() const override {
    return directory_ ? *directory_ : contents_->identity();
  }
  [[nodiscard]] std::uint64_t size() const override { return contents_->bytes(); }
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override;
  Result<void> write(std::uint64_t offset, std::span<const Bytes> pieces) override;
  Result<void> reserve(std::uint64_t end) override;
  Result<void> extend(std::uint64_t end) override;
  Result<void> truncate(std::uint64_t size) override;

  [[nodiscard]] std::uint64_t change_mark() const {
    return directory_ ? 0 : contents_->change_mark();
  }
  /// Makes the changes before `mark` durable. After a failure all further calls fail.
  Result<void> sync(std::uint64_t mark);

 private:
  [[nodiscard]] Result<void> check_alive(std::string_view what) const;
  [[nodiscard]] Result<void> changed(std::string_view what) const;
  Result<void> sync_names();

  SimDisk& disk_;
  ProcessLoop& loop_;
  const std::string path_;
  std::shared_ptr<SimContents> contents_;
  std::optional<FileIdentity> directory_;  // set for a directory, which has no contents
  std::optional<Error> sync_error_;
};

/// The disk of a machine as one life of a process sees it.
class ProcessDisk final : public Disk {
 public:
  ProcessDisk(SimDisk& disk, ProcessLoop& loop, SeededRandom random)
      : disk_(disk), loop_(loop), random_(std::move(random)) {}

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

  /// Destroys all calls that have no answer yet.
  void clear();

 private:
  struct Call {
    std::vector<std::shared_ptr<SimFile>> files;
    Synced done;
  };
  struct Job {
    Task job;
    Task done;
  };

  [[nodiscard]] Result<void> check_alive(std::string_view what, const std::string& path) const;
  [[nodiscard]] Result<void> changed(Result<void> outcome, std::string_view what,
                                     const std::string& path);
  void start_group();
  void finish_group(const std::map<SimFile*, std::uint64_t>& marks);
  void finish_job(std::uint64_t id);

  SimDisk& disk_;
  ProcessLoop& loop_;
  SeededRandom random_;
  std::vector<Call> forming_;
  std::vector<Call> syncing_;
  std::map<std::uint64_t, Job> jobs_;
  std::uint64_t last_job_ = 0;
};

}  // namespace dohle::sim
