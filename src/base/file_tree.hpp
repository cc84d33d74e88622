#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"

namespace dohle {

/// A file or directory of a disk in memory. The disk's own subclass holds the contents.
struct FileNode {
  explicit FileNode(bool directory) : is_directory(directory) {}
  virtual ~FileNode() = default;
  [[nodiscard]] virtual std::uint64_t bytes() const { return 0; }
  [[nodiscard]] FileIdentity identity() const { return {0, number}; }

  const bool is_directory;
  /// Assigned by the tree in the order of creation; the root has 0.
  std::uint64_t number = 0;
  std::map<std::string, std::shared_ptr<FileNode>, std::less<>> entries;
};

/// The names of a disk in memory (the memory disk, the simulated disk), with the rules of a file
/// system. Paths are split at '/'; empty parts and "." are ignored, ".." is refused; the root
/// exists. Errors have the same text as those of the file disk. Not thread safe.
class FileTree {
 public:
  explicit FileTree(std::shared_ptr<FileNode> root) : root_(std::move(root)) {}
  virtual ~FileTree() = default;
  FileTree(const FileTree&) = delete;
  FileTree& operator=(const FileTree&) = delete;

  /// Null if nothing has this path.
  [[nodiscard]] std::shared_ptr<FileNode> find(std::string_view path) const;
  /// The file at `path`, made with `make_node` if it is absent and `mode` allows.
  Result<std::shared_ptr<FileNode>> open(const std::string& path, OpenMode mode);
  Result<void> make_directories(const std::string& path);
  [[nodiscard]] Result<std::vector<DirectoryEntry>> list(const std::string& path) const;
  Result<void> rename(const std::string& from, const std::string& to);
  Result<void> remove(const std::string& path);
  Result<void> remove_all(const std::string& path);

 protected:
  virtual std::shared_ptr<FileNode> make_node(bool directory) = 0;
  /// Called when one name of a directory changed; `now` is null if it was removed. A rename calls
  /// it twice: for the old name, with `part_of_rename`, then for the new name.
  virtual void changed(const std::shared_ptr<FileNode>& directory, const std::string& name,
                       const std::shared_ptr<FileNode>& now, bool part_of_rename) {
    (void)directory, (void)name, (void)now, (void)part_of_rename;
  }
  [[nodiscard]] const std::shared_ptr<FileNode>& root() const { return root_; }

 private:
  struct Place;
  [[nodiscard]] Result<Place> place_of(std::string_view what, const std::string& path) const;
  void set(const std::shared_ptr<FileNode>& directory, const std::string& name,
           std::shared_ptr<FileNode> node, bool part_of_rename = false);
  void remove_entries(const std::shared_ptr<FileNode>& directory);

  [[nodiscard]] std::shared_ptr<FileNode> numbered(std::shared_ptr<FileNode> node) {
    node->number = ++last_number_;
    return node;
  }

  std::shared_ptr<FileNode> root_;
  std::uint64_t last_number_ = 0;
};

/// The storage error "`what` `path`: `why`". Every disk uses this form.
[[nodiscard]] Error file_error(Errc code, std::string_view what, std::string_view path,
                               std::string_view why);

}  // namespace dohle
