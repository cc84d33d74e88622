#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file_tree.hpp"
#include "sim/contents.hpp"
#include "sim/disk.hpp"

namespace dohle::sim {

/// The names of a simulated disk, and their changes that no directory sync has made durable.
class SimTree final : public FileTree {
 public:
  explicit SimTree(SimDisk& disk);

  Result<void> sync_directory(const std::string& path);
  /// Loses changes that `random` chooses: names first, then contents of the files that are left.
  void crash(Random& random, bool in_order);

 private:
  /// One creation or removal, or a rename: two entries that are kept or lost together.
  struct Change {
    struct Entry {
      std::shared_ptr<SimContents> directory;
      std::string name;
      std::shared_ptr<SimContents> now;
    };
    std::vector<Entry> entries;
    bool is_whole = false;
  };

  std::shared_ptr<FileNode> make_node(bool directory) override;
  void changed(const std::shared_ptr<FileNode>& directory, const std::string& name,
               const std::shared_ptr<FileNode>& now, bool part_of_rename) override;
  static void persist(const Change& change);
  void lose_names(Random& random, bool in_order);
  void reload(SimContents& directory, Random& random);

  SimDisk& disk_;
  std::vector<Change> changes_;
};

}  // namespace dohle::sim
