#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/chain.hpp"
#include "base/executor.hpp"
#include "dohle/ids.hpp"

namespace dohle {

/// Identifies a file independently of its name, which may change or pass to another file.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// An open file. Reads may come from any thread; everything else from the thread that owns it.
/// Closed with its last reference. Errors are storage errors that name the path.
class File {
 public:
  virtual ~File() = default;
  [[nodiscard]] virtual const std::string& path() const = 0;
  [[nodiscard]] virtual FileIdentity identity() const = 0;
  /// The end of the written bytes, without reserved space.
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Reads exactly `into.size()` bytes, or fewer at the end of the file; returns how many.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const = 0;
  /// Writes all pieces at `offset`, with gather calls. On failure the file may hold a part of them,
  /// which the caller must truncate.
  virtual Result<void> write(std::uint64_t offset, std::span<const Bytes> pieces) = 0;
  /// Reserves space for bytes up to `end`. size() does not change.
  virtual Result<void> reserve(std::uint64_t end) = 0;
  /// As reserve. In addition the file grows to `end`, filled with zeros, if a sync is cheaper
  /// without a new size to make durable. The caller must know the end of its data, truncate the
  /// file there when it is done, and treat zeros as the end after a crash.
  virtual Result<void> extend(std::uint64_t end) { return reserve(end); }
  /// Sets the size; also gives back reserved space above it.
  virtual Result<void> truncate(std::uint64_t size) = 0;
  /// The wall-clock time of the last write. Absent if it is not stored (memory) or cannot be read.
  [[nodiscard]] virtual std::optional<Timestamp> modified_at() const { return std::nullopt; }
  /// The operating system's descriptor, for sendfile; -1 if there is none.
  [[nodiscard]] virtual int descriptor() const { return -1; }
  /// Appends bytes that are in memory (memory disk) to `out` without a copy. False if they are not
  /// in memory.
  [[nodiscard]] virtual bool view(std::uint64_t offset, std::size_t size, Chain& out) const {
    (void)offset, (void)size, (void)out;
    return false;
  }
};

enum class OpenMode : std::uint8_t {
  read,        ///< must exist
  read_write,  ///< must exist
  create,      ///< created if absent, kept if present
  truncate,    ///< created if absent, emptied if present
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
  std::uint64_t size = 0;
};

/// The files of one machine. Paths are as the operating system takes them. Calls that return a
/// Result are short and run on the calling thread (the node's). Calls that wait for the device are
/// asynchronous and answer on the node's loop.
class Disk {
 public:
  using Synced = std::move_only_function<void(Result<void>)>;
  using DirectoryLock = std::shared_ptr<void>;

  virtual ~Disk() = default;
  virtual Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  [[nodiscard]] virtual bool exists(const std::string& path) const = 0;
  virtual Result<void> make_directories(const std::string& path) = 0;
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) const = 0;
  /// The same, quicker: only files whose names end in `suffix` need to have their sizes.
  [[nodiscard]] virtual Result<std::vector<DirectoryEntry>> list_with_sizes_of(
      const std::string& path, std::string_view suffix) const {
    (void)suffix;
    return list(path);
  }
  /// Renames a file or directory, replacing a file that has the new name.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  /// Removes a file, or a directory with all its contents. It succeeds if nothing has that path.
  virtual Result<void> remove_all(const std::string& path) = 0;
  /// Makes renames, creations and removals in a directory durable, in the calling thread.
  virtual Result<void> sync_directory(const std::string& path) = 0;
  /// The same for many directories on one file system, in the order given.
  virtual Result<void> sync_directories(std::span<const std::string> paths) {
    for (const std::string& path : paths) {
      if (auto synced = sync_directory(path); !synced) return synced;
    }
    return {};
  }
  /// The names in a directory, as a File for `sync`: creations, renames and removals in it are
  /// durable once the sync has succeeded. The sync opens the directory, and fails if it does not
  /// exist by then. Only path() and identity() of this File may be called.
  [[nodiscard]] virtual std::shared_ptr<File> names_in(const std::string& directory) const = 0;
  /// The file or directory that has this path now. Absent if there is none. May be called from a
  /// job of `run`.
  [[nodiscard]] virtual Result<std::optional<FileIdentity>> identity_of(
      const std::string& path) const = 0;
  /// Makes all writes to one file durable, on the calling thread (start, stop, checkpoints).
  virtual Result<void> sync_now(File& file) = 0;
  /// The same for many files, as one group. All of them are synced, even after an error. Errors:
  /// that of one file; after it `sync_now` tells the outcome of each.
  virtual Result<void> sync_all_now(std::span<const std::shared_ptr<File>> files) {
    Result<void> outcome;
    for (const auto& file : files) {
      auto synced = sync_now(*file);
      if (outcome) outcome = std::move(synced);
    }
    return outcome;
  }
  /// Makes all writes so far to all of `files` durable, then calls `done` on the loop. Calls made
  /// while a sync runs form the next group. An error is final for a file: its sync is never
  /// retried.
  virtual void sync(std::vector<std::shared_ptr<File>> files, Synced done) = 0;
  /// Runs `job` on a disk thread (scans, deletion, cold reads), then `done` on the loop.
  virtual void run(Task job, Task done) = 0;
  /// Locks a directory until the last reference is destroyed. Errc::locked if a process holds it.
  virtual Result<DirectoryLock> lock(const std::string& directory) = 0;
  /// The id of the machine's current boot: writes without a sync survive as long as it stays the
  /// same. It contains no spaces. Empty if it is unknown; an empty id equals no other.
  [[nodiscard]] virtual std::string boot() const = 0;
};

}  // namespace dohle
