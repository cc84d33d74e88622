#include "disk/open_file.hpp"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/assert.hpp"
#include "base/file_tree.hpp"
#include "disk/system_error.hpp"

namespace dohle::disk {

namespace {

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::read:
      return O_RDONLY | O_CLOEXEC;
    case OpenMode::read_write:
      return O_RDWR | O_CLOEXEC;
    case OpenMode::create:
      return O_RDWR | O_CREAT | O_CLOEXEC;
    case OpenMode::truncate:
      return O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC;
  }
  return O_RDONLY | O_CLOEXEC;
}

/// The rest of `pieces` after their first `done` bytes; the front piece is narrowed in place.
std::span<iovec> after(std::span<iovec> pieces, std::size_t done) {
  while (!pieces.empty() && done >= pieces.front().iov_len) {
    done -= pieces.front().iov_len;
    pieces = pieces.subspan(1);
  }
  DOHLE_ASSERT(done == 0 || !pieces.empty(), "more bytes were written than there are");
  if (done > 0) {
    pieces.front().iov_base = static_cast<std::byte*>(pieces.front().iov_base) + done;
    pieces.front().iov_len -= done;
  }
  return pieces;
}

/// The most pieces in one system call; below IOV_MAX, so that they fit on the stack.
constexpr std::size_t pieces_per_call = 64;

/// The next pieces as iovecs, without empty ones. Advances `pieces`.
std::span<iovec> gather(std::span<const Bytes>& pieces, std::array<iovec, pieces_per_call>& into) {
  std::size_t count = 0;
  for (; count < into.size() && !pieces.empty(); pieces = pieces.subspan(1)) {
    const Bytes piece = pieces.front();
    if (piece.empty()) continue;
    into[count++] = {const_cast<std::byte*>(piece.data()), piece.size()};
  }
  return std::span(into).first(count);
}

}  // namespace

Result<std::shared_ptr<OpenFile>> OpenFile::open(const std::string& path, OpenMode mode,
                                                 SystemCalls& calls) {
  Descriptor descriptor(uninterrupted([&] { return ::open(path.c_str(), flags_of(mode), 0600); }));
  if (!descriptor.is_open()) return fail(system_error(errno, "open", path));
  struct stat status{};
  if (::fstat(descriptor.number(), &status) == -1) return fail(system_error(errno, "stat", path));
  if (!S_ISREG(status.st_mode)) {
    return fail(file_error(Errc::io_error, "open", path, "Not a regular file"));
  }
  return std::make_shared<OpenFile>(path, std::move(descriptor),
                                    static_cast<std::uint64_t>(status.st_size),
                                    FileIdentity{status.st_dev, status.st_ino}, calls);
}

std::shared_ptr<OpenFile> OpenFile::names_in(const std::string& directory, SystemCalls& calls) {
  struct stat status{};
  FileIdentity identity;
  if (::stat(directory.c_str(), &status) == 0) identity = {status.st_dev, status.st_ino};
  auto names = std::make_shared<OpenFile>(directory, Descriptor(), 0, identity, calls);
  names->is_directory_ = true;
  return names;
}

Result<std::size_t> OpenFile::read(std::uint64_t offset, std::span<std::byte> into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = uninterrupted([&] {
      return calls_.read(descriptor_.number(), into.data() + done, into.size() - done,
                         static_cast<off_t>(offset + done));
    });
    if (got == -1) return fail(system_error(errno, "read", path_));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<std::size_t> OpenFile::write_some(std::uint64_t offset, std::span<const iovec> pieces) {
  const ssize_t wrote = uninterrupted([&] {
    return calls_.write(descriptor_.number(), pieces.data(), static_cast<int>(pieces.size()),
                        static_cast<off_t>(offset));
  });
  if (wrote == -1) return fail(system_error(errno, "write", path_));
  if (wrote == 0) return fail(file_error(Errc::io_error, "write", path_, "Nothing was written"));
  const auto bytes = static_cast<std::size_t>(wrote);
  size_.store(std::max(size(), offset + bytes), std::memory_order_relaxed);
  return bytes;
}

Result<void> OpenFile::write(std::uint64_t offset, std::span<const Bytes> pieces) {
  DOHLE_ASSERT(!is_directory_, "the names in a directory are written to as a file");
  std::array<iovec, pieces_per_call> storage;
  while (!pieces.empty()) {
    std::span<iovec> left = gather(pieces, storage);
    while (!left.empty()) {
      const auto wrote = write_some(offset, left);
      if (!wrote) return fail(wrote.error());
      offset += *wrote;
      left = after(left, *wrote);
    }
  }
  return {};
}

Result<void> OpenFile::reserve(std::uint64_t end) {
  return allocate(end, FALLOC_FL_KEEP_SIZE);
}

// The first sync after a write to a new block still updates metadata. A later small append into
// that block changes only data, so its sync does not wait for the file system's journal.
Result<void> OpenFile::extend(std::uint64_t end) {
  if (auto allocated = allocate(end, 0); !allocated) return allocated;
  if (can_reserve_) size_.store(std::max(size(), end), std::memory_order_relaxed);
  return {};
}

Result<void> OpenFile::allocate(std::uint64_t end, int mode) {
  const std::uint64_t from = std::max(reserved_, size());
  if (end <= from) return {};
  if (can_reserve_) {
    const int outcome = uninterrupted([&] {
      return calls_.allocate(descriptor_.number(), mode, static_cast<off_t>(from),
                             static_cast<off_t>(end - from));
    });
    if (outcome == 0) {
      reserved_ = end;
      return {};
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS) return fail(system_error(errno, "reserve", path_));
    can_reserve_ = false;
  }
  return check_free_space(end - from);
}

Result<void> OpenFile::check_free_space(std::uint64_t bytes) const {
  struct statvfs status{};
  if (::fstatvfs(descriptor_.number(), &status) == -1) {
    return fail(system_error(errno, "stat file system of", path_));
  }
  if (status.f_bavail * status.f_frsize < bytes)
    return fail(system_error(ENOSPC, "reserve", path_));
  return {};
}

std::optional<Timestamp> OpenFile::modified_at() const {
  struct stat status{};
  if (::fstat(descriptor_.number(), &status) == -1) return std::nullopt;
  return Timestamp{status.st_mtim.tv_sec * 1'000 + status.st_mtim.tv_nsec / 1'000'000};
}

Result<void> OpenFile::truncate(std::uint64_t size) {
  DOHLE_ASSERT(!is_directory_, "the names in a directory are cut as a file");
  const int outcome = uninterrupted(
      [&] { return calls_.truncate(descriptor_.number(), static_cast<off_t>(size)); });
  if (outcome == -1) return fail(system_error(errno, "truncate", path_));
  size_.store(size, std::memory_order_relaxed);
  reserved_ = 0;
  return {};
}

Result<void> OpenFile::health() const {
  const std::scoped_lock lock(health_mutex_);
  if (sync_error_) return fail(*sync_error_);
  return {};
}

Result<void> OpenFile::sync() {
  if (auto known = health(); !known) return known;
  auto synced = sync_once();
  if (synced) return {};
  const std::scoped_lock lock(health_mutex_);
  sync_error_ = synced.error();
  return synced;
}

Result<void> OpenFile::sync_once() {
  if (is_directory_) return sync_directory_at(path_, calls_);
  if (uninterrupted([&] { return calls_.sync_file(descriptor_.number()); }) == 0) return {};
  return fail(system_error(errno, "sync", path_));
}

Result<void> sync_directory_at(const std::string& path, SystemCalls& calls) {
  const Descriptor directory(
      uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!directory.is_open()) return fail(system_error(errno, "open directory", path));
  if (uninterrupted([&] { return calls.sync_directory(directory.number()); }) == 0) return {};
  return fail(system_error(errno, "sync directory", path));
}

}  // namespace dohle::disk
