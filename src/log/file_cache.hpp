#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include "base/disk.hpp"

namespace dohle::log {

class CachedFile;

/// Keeps at most `max_open` files of cold segments open; the least recently used one is closed
/// first. A file that somebody still refers to (a range being sent, bytes that no sync covers yet)
/// stays open beside that, and is found again instead of being opened twice. Shared by all logs of
/// a node. Owner's thread only.
class FileCache {
 public:
  static constexpr std::size_t open_max_default = 1000;

  explicit FileCache(std::size_t max_open = open_max_default)
      : max_open_(max_open == 0 ? 1 : max_open) {}
  FileCache(const FileCache&) = delete;
  FileCache& operator=(const FileCache&) = delete;

  /// How many files the cache keeps open now.
  [[nodiscard]] std::size_t open_count() const { return recent_.size(); }
  [[nodiscard]] std::size_t max_open() const { return max_open_; }

 private:
  friend class CachedFile;
  void touch(CachedFile& file);
  void drop(CachedFile& file);

  std::size_t max_open_;
  std::list<CachedFile*> recent_;  // the most recently used first
};

/// One file that is opened when it is needed. Owned by its segment; does not move.
class CachedFile {
 public:
  CachedFile(Disk& disk, std::shared_ptr<FileCache> cache, std::string path);
  ~CachedFile() { close(); }
  CachedFile(const CachedFile&) = delete;
  CachedFile& operator=(const CachedFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// The open file, opened with `mode` if it is not. Errors: as Disk::open.
  Result<std::shared_ptr<File>> get(OpenMode mode = OpenMode::read_write);
  /// Empties the file, or makes it.
  Result<std::shared_ptr<File>> make();
  /// Lets go of the open file; whoever refers to it keeps it.
  void close();
  /// Closes the file, and opens it by that cache from now on, which is not touched by this.
  void use(std::shared_ptr<FileCache> cache);
  /// Closes the file; the next call opens the path anew.
  void forget() {
    close();
    known_.reset();
  }

 private:
  friend class FileCache;

  Disk* disk_;
  std::shared_ptr<FileCache> cache_;
  std::string path_;
  std::shared_ptr<File> open_;
  std::weak_ptr<File> known_;  // finds a file again that the cache let go and somebody keeps
  std::list<CachedFile*>::iterator place_;
};

}  // namespace dohle::log
