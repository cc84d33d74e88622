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

/// Which file it is, whatever it is called and whichever file has its name by now.
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
  /// The end of what was written (reserved space does not count).
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Reads exactly `into.size()` bytes, or fewer at the end of the file; returns how many.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const = 0;
  /// Writes all pieces at `offset`, with gather calls. On failure the file may hold a part of
  /// them: the caller cuts it.
  virtual Result<void> write(std::uint64_t offset, std::span<const Bytes> pieces) = 0;
  /// Makes sure that bytes up to `end` can be written without running out of space; size() stays.
  virtual Result<void> reserve(std::uint64_t end) = 0;
  /// As reserve; and where a sync costs less when it has no new size to make durable, the file is
  /// made that long, with zeros. Whoever extends a file knows its end by himself, cuts it there
  /// when he has done, and after a crash takes zeros for its end.
  virtual Result<void> extend(std::uint64_t end) { return reserve(end); }
  /// Sets the size; also gives back reserved space above it.
  virtual Result<void> truncate(std::uint64_t size) = 0;
  /// When it was written to last, by the wall clock; nothing where that is not kept (memory) or
  /// cannot be found out.
  [[nodiscard]] virtual std::optional<Timestamp> modified_at() const { return std::nullopt; }
  /// The operating system's descriptor, for sendfile; -1 where there is none.
  [[nodiscard]] virtual int descriptor() const { return -1; }
  /// Bytes that are in memory anyway (memory disk), without copying; nothing where they are not.
  [[nodiscard]] virtual bool view(std::uint64_t offset, std::size_t size, Chain& out) const {
    (void)offset, (void)size, (void)out;
    return false;
  }
};

enum class OpenMode : std::uint8_t {
  read,        ///< must exist
  read_write,  ///< must exist
  create,      ///< made if absent, kept if present
  truncate,    ///< made if absent, emptied if present
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
  std::uint64_t size = 0;
};

/// The files of one machine. Paths are as the operating system takes them. Calls that return a
/// Result are short and run in the calling thread (the node's); what waits for the device is
/// asynchronous and answers on the node's loop.
class Disk {
 public:
  using Synced = std::move_only_function<void(Result<void>)>;
  using DirectoryLock = std::shared_ptr<void>;

  virtual ~Disk() = default;
  virtual Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  [[nodiscard]] virtual bool exists(const std::string& path) const = 0;
  virtual Result<void> make_directories(const std::string& path) = 0;
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) const = 0;
  /// Renames a file or directory, replacing a file that has the new name.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  /// A directory with all that is in it. Done on a disk thread when `done` is given.
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
  /// The names in a directory, for `sync`: what was made, renamed and removed there is durable once
  /// the sync has succeeded. Nothing is opened before the sync; it fails where no directory has
  /// that path by then. Of File only path() and identity() may be called.
  [[nodiscard]] virtual std::shared_ptr<File> names_in(const std::string& directory) const = 0;
  /// Which file or directory has that path now; nothing if there is none. Also from a job of `run`.
  [[nodiscard]] virtual Result<std::optional<FileIdentity>> identity_of(
      const std::string& path) const = 0;
  /// Makes what was written to one file durable, in the calling thread (start, stop, checkpoints).
  virtual Result<void> sync_now(File& file) = 0;
  /// Makes what was written so far to all of `files` durable; then calls `done` on the loop. Calls
  /// made while a sync runs form the next group. An error is final for the files: never retried.
  virtual void sync(std::vector<std::shared_ptr<File>> files, Synced done) = 0;
  /// Runs `job` on a disk thread (scans, deletion, cold reads), then `done` on the loop.
  virtual void run(Task job, Task done) = 0;
  /// Held until the last reference goes; Errc::locked if some process holds it.
  virtual Result<DirectoryLock> lock(const std::string& directory) = 0;
  /// Names the time since the machine was last started: what was written without a sync under the
  /// same name has not been lost. Without spaces; empty: unknown, and never the same.
  [[nodiscard]] virtual std::string boot() const = 0;
};

}  // namespace dohle
