#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include "base/disk.hpp"

namespace dohle::log {

class CachedFile;

/// Keeps at most `max_open` files of cold segments open and closes the least recently used one
/// first. A file that is still referred to (a range being sent, unsynced bytes) stays open in
/// addition, and is found again instead of being opened twice. Shared by all logs of a node.
/// Owner's thread only.
class FileCache {
 public:
  static constexpr std::size_t open_max_default = 1000;

  explicit FileCache(std::size_t max_open = open_max_default)
      : max_open_(max_open == 0 ? 1 : max_open) {}
  FileCache(const FileCache&) = delete;
  FileCache& operator=(const FileCache&) = delete;

  /// Files that the cache keeps open now.
  [[nodiscard]] std::size_t open_count() const { return recent_.size(); }
  [[nodiscard]] std::size_t max_open() const { return max_open_; }

 private:
  friend class CachedFile;
  void touch(CachedFile& file);
  void drop(CachedFile& file);

  std::size_t max_open_;
  std::list<CachedFile*> recent_;  // the most recently used first
};

/// A file that is opened on demand. Owned by its segment; does not move.
class CachedFile {
 public:
  CachedFile(Disk& disk, std::shared_ptr<FileCache> cache, std::string path);
  ~CachedFile() { close(); }
  CachedFile(const CachedFile&) = delete;
  CachedFile& operator=(const CachedFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// The open file; opens it with `mode` if it is closed. Errors: as Disk::open.
  Result<std::shared_ptr<File>> get(OpenMode mode = OpenMode::read_write);
  /// Opens the file empty; creates it if absent.
  Result<std::shared_ptr<File>> make();
  /// Releases the open file. Other references keep it open.
  void close();
  /// Closes the file and opens it through `cache` from now on. Does not touch `cache`.
  void use(std::shared_ptr<FileCache> cache);

 private:
  friend class FileCache;

  Disk* disk_;
  std::shared_ptr<FileCache> cache_;
  std::string path_;
  std::shared_ptr<File> open_;
  std::weak_ptr<File> known_;  // finds a file again that the cache released and that is still open
  std::list<CachedFile*>::iterator place_;
};

}  // namespace dohle::log
