#include "disk/directory_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>

#include "base/fork_watch.hpp"
#include "disk/open_file.hpp"
#include "disk/system_error.hpp"

namespace dohle::disk {

namespace {

/// The process id in the lock file; 0 if there is none yet (its holder is about to write it).
long holder(int descriptor) {
  std::array<char, 24> text{};
  const ssize_t got = ::pread(descriptor, text.data(), text.size() - 1, 0);
  return got > 0 ? std::strtol(text.data(), nullptr, 10) : 0;
}

Error locked(const std::string& directory, long process) {
  std::string text = "lock " + directory + ": held by ";
  if (process == ::getpid()) {
    text += "this process";
  } else if (process > 0) {
    text += "process " + std::to_string(process);
  } else {
    text += "another process";
  }
  return Error::storage(Errc::locked, text);
}

Result<void> write_holder(int descriptor, const std::string& path) {
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(descriptor, 0) == 0 &&
      ::pwrite(descriptor, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) {
    return {};
  }
  // The process id is informational: a full disk must not prevent opening the data.
  if (errno == ENOSPC || errno == EDQUOT) return {};
  return fail(system_error(errno, "write", path));
}

/// Both locks of a directory, released together.
struct Held {
  Descriptor directory;
  Descriptor file;
  // A forked child would otherwise hold the locks until it ends.
  std::optional<ClosedInChild> directory_in_child;
  std::optional<ClosedInChild> file_in_child;
};

/// True for a file system that cannot lock directories (NFS), where only the lock file is locked.
bool cannot_lock_directories(int number) {
  return number == EBADF || number == EINVAL || number == ENOLCK || number == EOPNOTSUPP;
}

/// The process id in the lock file at `path`, 0 if there is no such file. Does not create it.
long holder_of(const std::string& path) {
  const Descriptor file(uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  return file.is_open() ? holder(file.number()) : 0;
}

}  // namespace

Result<Disk::DirectoryLock> lock_directory(const std::string& directory) {
  const std::string path = directory + "/.lock";
  auto held = std::make_shared<Held>();
  held->directory = Descriptor(
      uninterrupted([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!held->directory.is_open()) return fail(system_error(errno, "open directory", directory));
  if (uninterrupted([&] { return ::flock(held->directory.number(), LOCK_EX | LOCK_NB); }) == -1) {
    if (errno == EWOULDBLOCK) return fail(locked(directory, holder_of(path)));
    if (!cannot_lock_directories(errno)) return fail(system_error(errno, "lock", directory));
  }
  held->file = Descriptor(
      uninterrupted([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644); }));
  if (!held->file.is_open()) return fail(system_error(errno, "open", path));
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(held->file.number(), F_OFD_SETLK, &whole) == -1) {
    if (errno == EAGAIN || errno == EACCES) {
      return fail(locked(directory, holder(held->file.number())));
    }
    return fail(system_error(errno, "lock", path));
  }
  if (auto written = write_holder(held->file.number(), path); !written)
    return fail(written.error());
  held->directory_in_child.emplace(held->directory.number());
  held->file_in_child.emplace(held->file.number());
  return Disk::DirectoryLock(std::move(held));
}

}  // namespace dohle::disk
