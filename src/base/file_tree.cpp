#include "base/file_tree.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace dohle {

Error file_error(Errc code, std::string_view what, std::string_view path, std::string_view why) {
  std::string text;
  text.reserve(what.size() + path.size() + why.size() + 3);
  text.append(what).append(" ").append(path).append(": ").append(why);
  return Error::storage(code, text);
}

namespace {

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    const std::string_view part = path.substr(0, end);
    if (!part.empty() && part != ".") parts.push_back(part);
    if (end == std::string_view::npos) break;
    path.remove_prefix(end + 1);
  }
  return parts;
}

Error missing(std::string_view what, std::string_view path) {
  return file_error(Errc::not_found, what, path, "No such file or directory");
}

std::shared_ptr<FileNode> child(const FileNode& directory, std::string_view name) {
  const auto at = directory.entries.find(name);
  return at == directory.entries.end() ? nullptr : at->second;
}

bool is_within(std::string_view path, std::string_view directory) {
  const auto inner = parts_of(path);
  const auto outer = parts_of(directory);
  return inner.size() > outer.size() && std::equal(outer.begin(), outer.end(), inner.begin());
}

}  // namespace

/// A directory and a name in it; `node` is null if nothing has that name.
struct FileTree::Place {
  std::shared_ptr<FileNode> directory;
  std::string name;
  std::shared_ptr<FileNode> node;
};

std::shared_ptr<FileNode> FileTree::find(std::string_view path) const {
  std::shared_ptr<FileNode> node = root_;
  for (const std::string_view part : parts_of(path)) {
    if (!node->is_directory) return nullptr;
    node = child(*node, part);
    if (node == nullptr) return nullptr;
  }
  return node;
}

Result<FileTree::Place> FileTree::place_of(std::string_view what, const std::string& path) const {
  const auto parts = parts_of(path);
  if (parts.empty()) return fail(file_error(Errc::invalid_argument, what, path, "Is the root"));
  std::shared_ptr<FileNode> directory = root_;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "..") {
      return fail(file_error(Errc::invalid_argument, what, path, "Has a part \"..\""));
    }
    if (!directory->is_directory) {
      return fail(file_error(Errc::io_error, what, path, "Not a directory"));
    }
    if (i + 1 == parts.size()) break;
    directory = child(*directory, parts[i]);
    if (directory == nullptr) return fail(missing(what, path));
  }
  std::shared_ptr<FileNode> node = child(*directory, parts.back());
  return Place{std::move(directory), std::string(parts.back()), std::move(node)};
}

void FileTree::set(const std::shared_ptr<FileNode>& directory, const std::string& name,
                   std::shared_ptr<FileNode> node, bool part_of_rename) {
  DOHLE_ASSERT(directory->is_directory, "a name is set in a file");
  changed(directory, name, node, part_of_rename);
  if (node == nullptr) {
    directory->entries.erase(name);
  } else {
    directory->entries.insert_or_assign(name, std::move(node));
  }
}

Result<std::shared_ptr<FileNode>> FileTree::open(const std::string& path, OpenMode mode) {
  auto place = place_of("open", path);
  if (!place) return fail(place.error());
  if (place->node == nullptr) {
    if (mode == OpenMode::read || mode == OpenMode::read_write) return fail(missing("open", path));
    place->node = numbered(make_node(false));
    set(place->directory, place->name, place->node);
  }
  if (place->node->is_directory) {
    return fail(file_error(Errc::io_error, "open", path, "Is a directory"));
  }
  return place->node;
}

Result<void> FileTree::make_directories(const std::string& path) {
  std::shared_ptr<FileNode> directory = root_;
  for (const std::string_view part : parts_of(path)) {
    std::shared_ptr<FileNode> next = child(*directory, part);
    if (next == nullptr) {
      next = numbered(make_node(true));
      set(directory, std::string(part), next);
    }
    if (!next->is_directory) {
      return fail(file_error(Errc::already_exists, "make directory", path, "File exists"));
    }
    directory = std::move(next);
  }
  return {};
}

Result<std::vector<DirectoryEntry>> FileTree::list(const std::string& path) const {
  const auto node = find(path);
  if (node == nullptr) return fail(missing("list", path));
  if (!node->is_directory) return fail(file_error(Errc::io_error, "list", path, "Not a directory"));
  std::vector<DirectoryEntry> entries;
  entries.reserve(node->entries.size());
  for (const auto& [name, entry] : node->entries) {
    entries.push_back({name, entry->is_directory, entry->bytes()});
  }
  return entries;
}

Result<void> FileTree::rename(const std::string& from, const std::string& to) {
  auto source = place_of("rename", from);
  if (!source) return fail(source.error());
  if (source->node == nullptr) return fail(missing("rename", from));
  auto target = place_of("rename to", to);
  if (!target) return fail(target.error());
  if (target->node == source->node) return {};
  if (is_within(to, from)) {
    return fail(file_error(Errc::invalid_argument, "rename to", to, "Is within " + from));
  }
  if (target->node != nullptr) {
    if (target->node->is_directory != source->node->is_directory ||
        !target->node->entries.empty()) {
      return fail(file_error(Errc::already_exists, "rename to", to, "File exists"));
    }
  }
  set(source->directory, source->name, nullptr, true);
  set(target->directory, target->name, source->node);
  return {};
}

Result<void> FileTree::remove(const std::string& path) {
  auto place = place_of("remove", path);
  if (!place) return fail(place.error());
  if (place->node == nullptr) return fail(missing("remove", path));
  if (!place->node->entries.empty()) {
    return fail(file_error(Errc::io_error, "remove", path, "Directory not empty"));
  }
  set(place->directory, place->name, nullptr);
  return {};
}

Result<void> FileTree::remove_all(const std::string& path) {
  const auto node = find(path);
  if (node == nullptr) return {};
  auto place = place_of("remove", path);
  if (!place) return fail(place.error());
  remove_entries(node);
  set(place->directory, place->name, nullptr);
  return {};
}

void FileTree::remove_entries(const std::shared_ptr<FileNode>& directory) {
  while (!directory->entries.empty()) {
    const auto [name, node] = *directory->entries.begin();
    remove_entries(node);
    set(directory, name, nullptr);
  }
}

}  // namespace dohle
