#include "disk/memory_disk.hpp"

#include <map>
#include <utility>

#include "base/file_tree.hpp"
#include "disk/memory_file.hpp"

namespace dohle::disk {

namespace {

/// An open file of the memory disk; several may share their contents.
class MemoryFile final : public File {
 public:
  MemoryFile(std::string path, std::shared_ptr<MemoryContents> contents,
             std::shared_ptr<MemoryAccount> account)
      : path_(std::move(path)), contents_(std::move(contents)), account_(std::move(account)) {}

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] FileIdentity identity() const override { return contents_->identity(); }
  [[nodiscard]] std::uint64_t size() const override { return contents_->size(); }
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override {
    return contents_->read(offset, into);
  }
  Result<void> write(std::uint64_t offset, std::span<const Bytes> pieces) override {
    return unless_full(contents_->write(offset, pieces), "write");
  }
  Result<void> reserve(std::uint64_t end) override {
    return unless_full(contents_->reserve(end), "reserve");
  }
  Result<void> truncate(std::uint64_t size) override {
    return unless_full(contents_->truncate(size), "truncate");
  }
  [[nodiscard]] bool view(std::uint64_t offset, std::size_t size, Chain& out) const override {
    contents_->view(offset, size, out);
    return true;
  }

 private:
  [[nodiscard]] Result<void> unless_full(bool fits, std::string_view what) const {
    if (fits) return {};
    return fail(file_error(
        Errc::disk_full, what, path_,
        "the memory disk's limit of " + std::to_string(account_->max_bytes()) + " bytes"));
  }

  std::string path_;
  std::shared_ptr<MemoryContents> contents_;
  std::shared_ptr<MemoryAccount> account_;
};

class MemoryTree final : public FileTree {
 public:
  explicit MemoryTree(std::shared_ptr<MemoryAccount> account)
      : FileTree(std::make_shared<MemoryContents>(true, account)), account_(std::move(account)) {}

 private:
  std::shared_ptr<FileNode> make_node(bool directory) override {
    return std::make_shared<MemoryContents>(directory, account_);
  }

  std::shared_ptr<MemoryAccount> account_;
};

}  // namespace

struct MemoryDisk::Parts {
  Parts(Executor& executor, const MemoryDiskOptions& options)
      : loop(executor),
        account(std::make_shared<MemoryAccount>(options.max_bytes)),
        tree(account) {}

  Executor& loop;
  std::shared_ptr<MemoryAccount> account;
  MemoryTree tree;
  std::map<std::string, std::weak_ptr<void>> locks;
};

MemoryDisk::MemoryDisk(Executor& loop, MemoryDiskOptions options)
    : parts_(std::make_unique<Parts>(loop, options)) {}

MemoryDisk::~MemoryDisk() = default;

Result<std::shared_ptr<File>> MemoryDisk::open(const std::string& path, OpenMode mode) {
  auto node = parts_->tree.open(path, mode);
  if (!node) return fail(node.error());
  auto contents = std::static_pointer_cast<MemoryContents>(std::move(*node));
  auto file = std::make_shared<MemoryFile>(path, std::move(contents), parts_->account);
  if (mode == OpenMode::truncate) {
    if (auto emptied = file->truncate(0); !emptied) return fail(emptied.error());
  }
  return std::shared_ptr<File>(std::move(file));
}

bool MemoryDisk::exists(const std::string& path) const {
  return parts_->tree.find(path) != nullptr;
}

Result<void> MemoryDisk::make_directories(const std::string& path) {
  return parts_->tree.make_directories(path);
}

Result<std::vector<DirectoryEntry>> MemoryDisk::list(const std::string& path) const {
  return parts_->tree.list(path);
}

Result<void> MemoryDisk::rename(const std::string& from, const std::string& to) {
  return parts_->tree.rename(from, to);
}

Result<void> MemoryDisk::remove(const std::string& path) {
  return parts_->tree.remove(path);
}

Result<void> MemoryDisk::remove_all(const std::string& path) {
  return parts_->tree.remove_all(path);
}

Result<void> MemoryDisk::sync_directory(const std::string& path) {
  if (exists(path)) return {};
  return fail(file_error(Errc::not_found, "sync directory", path, "No such file or directory"));
}

std::shared_ptr<File> MemoryDisk::names_in(const std::string& directory) const {
  auto node = parts_->tree.find(directory);
  if (node == nullptr) node = std::make_shared<MemoryContents>(true, parts_->account);
  return std::make_shared<MemoryFile>(
      directory, std::static_pointer_cast<MemoryContents>(std::move(node)), parts_->account);
}

Result<std::optional<FileIdentity>> MemoryDisk::identity_of(const std::string& path) const {
  const auto node = parts_->tree.find(path);
  return node == nullptr ? std::nullopt : std::optional(node->identity());
}

Result<void> MemoryDisk::sync_now(File&) {
  return {};
}

void MemoryDisk::sync(std::vector<std::shared_ptr<File>>, Synced done) {
  parts_->loop.post([done = std::move(done)]() mutable { done({}); });
}

void MemoryDisk::run(Task job, Task done) {
  // Two turns, as with threads: the caller's code after `run` runs before `done`.
  parts_->loop.post([&loop = parts_->loop, job = std::move(job), done = std::move(done)]() mutable {
    job();
    if (done) loop.post(std::move(done));
  });
}

Result<Disk::DirectoryLock> MemoryDisk::lock(const std::string& directory) {
  if (!exists(directory)) {
    return fail(file_error(Errc::not_found, "lock", directory, "No such file or directory"));
  }
  std::weak_ptr<void>& held = parts_->locks[directory];
  if (!held.expired()) {
    return fail(file_error(Errc::locked, "lock", directory, "held by this process"));
  }
  auto lock = std::make_shared<char>();
  held = lock;
  return DirectoryLock(std::move(lock));
}

std::string MemoryDisk::boot() const {
  return "memory";
}

std::size_t MemoryDisk::bytes_used() const {
  return parts_->account->used();
}

}  // namespace dohle::disk
