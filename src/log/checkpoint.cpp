#include "log/checkpoint.hpp"

namespace dohle::log {

namespace {

std::string path_of(const std::string& directory, std::string_view name) {
  return directory + "/" + std::string(name);
}

}  // namespace

std::string parent_of(const std::string& directory) {
  const auto slash = directory.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : directory.substr(0, slash);
}

Result<void> write_checkpoint(Disk& disk, const std::string& directory, std::string_view name,
                              std::string_view text) {
  const std::string path = path_of(directory, name);
  const std::string temporary = path + ".tmp";
  auto file = disk.open(temporary, OpenMode::truncate);
  if (!file) return fail(file.error());
  const Bytes bytes = as_bytes(text);
  if (auto written = (*file)->write(0, {&bytes, 1}); !written) return written;
  if (auto synced = disk.sync_now(**file); !synced) return synced;
  if (auto renamed = disk.rename(temporary, path); !renamed) return renamed;
  return disk.sync_directory(directory);
}

Result<std::string> read_checkpoint(Disk& disk, const std::string& directory, std::string_view name,
                                    std::size_t max_bytes) {
  const std::string path = path_of(directory, name);
  auto file = disk.open(path, OpenMode::read);
  if (!file) return fail(file.error());
  if ((*file)->size() > max_bytes) {
    return fail(Error::storage(Errc::damaged, path + " is larger than a checkpoint can be"));
  }
  std::string text((*file)->size(), '\0');
  auto got = (*file)->read(0, std::as_writable_bytes(std::span(text)));
  if (!got) return fail(got.error());
  text.resize(*got);
  return text;
}

}  // namespace dohle::log
