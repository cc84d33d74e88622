#include "disk/file_disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "base/file_tree.hpp"
#include "disk/directory_lock.hpp"
#include "disk/disk_threads.hpp"
#include "disk/open_file.hpp"
#include "disk/sync_groups.hpp"
#include "disk/system_error.hpp"

namespace dohle::disk {

namespace {

FileDiskOptions checked(FileDiskOptions options) {
  options.max_sync_threads = std::max<std::size_t>(options.max_sync_threads, 1);
  options.max_job_threads = std::max<std::size_t>(options.max_job_threads, 1);
  return options;
}

// Records and password verifiers are for the owner alone.
constexpr mode_t owner_only = 0700;

Result<void> make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return {};
  const int number = errno;
  struct stat status{};
  if (number == EEXIST && ::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return {};
    return fail(file_error(Errc::already_exists, "make directory", path, "A file has that name"));
  }
  return fail(system_error(number, "make directory", path));
}

Result<Descriptor> open_directory(const std::string& path) {
  Descriptor directory(
      uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!directory.is_open()) return fail(system_error(errno, "open directory", path));
  return directory;
}

SyncGroups::Files open_files(std::span<const std::shared_ptr<File>> files) {
  SyncGroups::Files open;
  open.reserve(files.size());
  for (const auto& file : files) open.push_back(std::static_pointer_cast<OpenFile>(file));
  return open;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

/// Appends nothing if the entry was removed meanwhile. A call per entry is most of the time of a
/// listing, so it is made only where the size or the type is needed.
void append_entry(DIR* directory, const dirent& entry, std::string_view sized_suffix,
                  std::vector<DirectoryEntry>& out) {
  const std::string_view name = entry.d_name;
  if (name == "." || name == "..") return;
  const bool is_known_directory = entry.d_type == DT_DIR;
  if (is_known_directory || (entry.d_type == DT_REG && !name.ends_with(sized_suffix))) {
    out.push_back({std::string(name), is_known_directory, 0});
    return;
  }
  struct stat status{};
  if (::fstatat(::dirfd(directory), entry.d_name, &status, 0) == -1) return;
  out.push_back({std::string(name), S_ISDIR(status.st_mode),
                 S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0});
}

}  // namespace

struct FileDisk::Parts {
  Parts(Executor& executor, const FileDiskOptions& given)
      : loop(executor), options(given), syncs(executor, given), jobs(given.max_job_threads) {}

  Executor& loop;
  FileDiskOptions options;
  SyncGroups syncs;
  DiskThreads jobs;
};

FileDisk::FileDisk(Executor& loop, FileDiskOptions options)
    : parts_(std::make_unique<Parts>(loop, checked(options))) {}

FileDisk::~FileDisk() = default;

Result<std::shared_ptr<File>> FileDisk::open(const std::string& path, OpenMode mode) {
  auto file = OpenFile::open(path, mode, *parts_->options.calls);
  if (!file) return fail(file.error());
  if (mode != OpenMode::read) parts_->syncs.watch(**file);
  return std::shared_ptr<File>(std::move(*file));
}

bool FileDisk::exists(const std::string& path) const {
  return ::access(path.c_str(), F_OK) == 0;
}

Result<void> FileDisk::make_directories(const std::string& path) {
  // Its parents are usually there.
  if (::mkdir(path.c_str(), owner_only) == 0) return {};
  for (std::size_t end = path.find('/', 1); end != std::string::npos;
       end = path.find('/', end + 1)) {
    if (auto made = make_directory(path.substr(0, end), 0755); !made) return made;
  }
  return make_directory(path, owner_only);
}

Result<std::vector<DirectoryEntry>> FileDisk::list(const std::string& path) const {
  return list_with_sizes_of(path, {});
}

Result<std::vector<DirectoryEntry>> FileDisk::list_with_sizes_of(const std::string& path,
                                                                 std::string_view suffix) const {
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
  if (directory == nullptr) return fail(system_error(errno, "list", path));
  std::vector<DirectoryEntry> entries;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    append_entry(directory.get(), *entry, suffix, entries);
  }
  if (errno != 0) return fail(system_error(errno, "list", path));
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  return entries;
}

Result<void> FileDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return fail(system_error(errno, "rename", from + " to " + to));
}

Result<void> FileDisk::remove(const std::string& path) {
  if (::remove(path.c_str()) == 0) return {};
  return fail(system_error(errno, "remove", path));
}

Result<void> FileDisk::remove_all(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return fail(system_error(error.value(), "remove", path));
  return {};
}

Result<void> FileDisk::sync_directory(const std::string& path) {
  return sync_directory_at(path, *parts_->options.calls);
}

std::shared_ptr<File> FileDisk::names_in(const std::string& directory) const {
  return OpenFile::names_in(directory, *parts_->options.calls);
}

Result<void> FileDisk::sync_directories(std::span<const std::string> paths) {
  const std::size_t many = parts_->options.min_whole_file_system_files;
  if (many == 0 || paths.size() < many) return Disk::sync_directories(paths);
  auto directory = open_directory(paths.back());
  if (!directory) return fail(directory.error());
  if (!reports_write_back(directory->number())) return Disk::sync_directories(paths);
  const int outcome =
      uninterrupted([&] { return parts_->options.calls->sync_file_system(directory->number()); });
  if (outcome == -1) return Disk::sync_directories(paths);
  return {};
}

Result<std::optional<FileIdentity>> FileDisk::identity_of(const std::string& path) const {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) return FileIdentity{status.st_dev, status.st_ino};
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  return fail(system_error(errno, "stat", path));
}

Result<void> FileDisk::sync_now(File& file) {
  return static_cast<OpenFile&>(file).sync();
}

Result<void> FileDisk::sync_all_now(std::span<const std::shared_ptr<File>> files) {
  return parts_->syncs.sync_now(open_files(files));
}

void FileDisk::sync(std::vector<std::shared_ptr<File>> files, Synced done) {
  parts_->syncs.sync(open_files(files), std::move(done));
}

void FileDisk::run(Task job, Task done) {
  parts_->jobs.run([&loop = parts_->loop, job = std::move(job), done = std::move(done)]() mutable {
    job();
    job = nullptr;
    if (done) loop.post(std::move(done));
  });
}

Result<Disk::DirectoryLock> FileDisk::lock(const std::string& directory) {
  return lock_directory(directory);
}

std::string FileDisk::boot() const {
  std::string id;
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::getline(file, id);
  return id;
}

}  // namespace dohle::disk
