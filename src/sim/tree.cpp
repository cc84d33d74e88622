#include "sim/tree.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace dohle::sim {

SimTree::SimTree(SimDisk& disk)
    : FileTree(std::make_shared<SimContents>(true, disk.used_)), disk_(disk) {}

std::shared_ptr<FileNode> SimTree::make_node(bool directory) {
  return std::make_shared<SimContents>(directory, disk_.used_);
}

void SimTree::changed(const std::shared_ptr<FileNode>& directory, const std::string& name,
                      const std::shared_ptr<FileNode>& now, bool part_of_rename) {
  if (changes_.empty() || changes_.back().is_whole) changes_.emplace_back();
  changes_.back().entries.push_back({std::static_pointer_cast<SimContents>(directory), name,
                                     std::static_pointer_cast<SimContents>(now)});
  changes_.back().is_whole = !part_of_rename;
}

void SimTree::persist(const Change& change) {
  for (const auto& [directory, name, now] : change.entries) {
    if (now == nullptr) {
      directory->durable_entries.erase(name);
    } else {
      directory->durable_entries.insert_or_assign(name, now);
    }
  }
}

/// With `entries_in_order`, persists all changes up to the last one of the directory, as a journal
/// commits. Otherwise persists the changes of the directory, and of directories tied to it by
/// renames.
Result<void> SimTree::sync_directory(const std::string& path) {
  const auto node = find(path);
  if (node == nullptr || !node->is_directory) {
    return fail(file_error(Errc::not_found, "sync directory", path, "No such file or directory"));
  }
  std::set<const FileNode*> tied = {node.get()};
  const auto touches = [&tied](const Change& change) {
    return std::ranges::any_of(change.entries, [&tied](const Change::Entry& entry) {
      return tied.contains(entry.directory.get());
    });
  };
  std::vector<bool> due(changes_.size());
  bool is_later_due = false;
  for (std::size_t i = changes_.size(); i-- > 0;) {
    due[i] = touches(changes_[i]) || (is_later_due && disk_.options_.entries_in_order);
    is_later_due |= due[i];
    if (!due[i]) continue;
    for (const auto& entry : changes_[i].entries) tied.insert(entry.directory.get());
  }
  std::vector<Change> kept;
  for (std::size_t i = 0; i < due.size(); ++i) {
    if (due[i]) {
      persist(changes_[i]);
    } else {
      kept.push_back(std::move(changes_[i]));
    }
  }
  changes_ = std::move(kept);
  return {};
}

void SimTree::lose_names(Random& random, bool in_order) {
  const std::vector<Change> changes = std::exchange(changes_, {});
  if (changes.empty()) return;
  const std::uint64_t kind = random.below(4);
  const std::size_t kept =
      kind == 0 ? changes.size() : (kind == 1 ? 0 : random.below(changes.size() + 1));
  const bool is_prefix = in_order || kind < 2;
  bool is_any_lost = false;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (is_prefix ? i < kept : random.below(2) == 0) {
      persist(changes[i]);
    } else {
      is_any_lost = true;
    }
  }
  if (is_any_lost) disk_.bitten(Fault::lost_entry, "a crash lost names");
}

void SimTree::reload(SimContents& directory, Random& random) {
  directory.entries.clear();
  for (const auto& [name, node] : directory.durable_entries) {
    directory.entries.emplace(name, node);
    if (node->is_directory) {
      reload(*node, random);
      continue;
    }
    const CrashMarks marks = node->crash(random);
    if (marks.lost) disk_.bitten(Fault::lost_write, name);
    if (marks.torn) disk_.bitten(Fault::torn_write, name);
  }
}

void SimTree::crash(Random& random, bool in_order) {
  lose_names(random, in_order);
  reload(static_cast<SimContents&>(*root()), random);
}

}  // namespace dohle::sim
