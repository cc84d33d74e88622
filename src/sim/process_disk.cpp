#include "sim/process_disk.hpp"

#include <algorithm>
#include <utility>

#include "sim/machine.hpp"
#include "sim/tree.hpp"
#include "sim/world.hpp"

namespace dohle::sim {

namespace {

Error dead(std::string_view what, const std::string& path) {
  return file_error(Errc::closed, what, path, "The process has ended");
}

Error full(std::string_view what, const std::string& path) {
  return file_error(Errc::disk_full, what, path, "No space left on device");
}

}  // namespace

// Files.

Result<void> SimFile::check_alive(std::string_view what) const {
  if (loop_.is_alive()) return {};
  return fail(dead(what, path_));
}

Result<std::size_t> SimFile::read(std::uint64_t offset, std::span<std::byte> into) const {
  if (auto alive = check_alive("read"); !alive) return fail(alive.error());
  const auto bytes = contents_->cached();
  if (offset >= bytes.size()) return std::size_t{0};
  const std::size_t count = std::min<std::size_t>(into.size(), bytes.size() - offset);
  std::ranges::copy(bytes.subspan(offset, count), into.begin());
  return count;
}

Result<void> SimFile::write(std::uint64_t offset, std::span<const Bytes> pieces) {
  if (auto alive = check_alive("write"); !alive) return alive;
  std::vector<std::byte> bytes;
  for (const Bytes piece : pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
  const std::uint64_t more = contents_->missing_space(offset + bytes.size());
  const bool fits = more == 0 || disk_.has_room(more);
  if (!fits) {
    const std::uint64_t room =
        contents_->allocated() > offset ? contents_->allocated() - offset : 0;
    bytes.resize(disk_.random_.below(std::min<std::uint64_t>(room, bytes.size()) + 1));
  }
  const bool breaks = fits && disk_.write_fails(path_);
  if (breaks) bytes.resize(disk_.random_.below(bytes.size() + 1));
  disk_.machine_.world().mark(offset, Bytes(bytes));
  contents_->write(offset, bytes);
  if (!fits) return fail(full("write", path_));
  if (breaks) return fail(file_error(Errc::io_error, "write", path_, "Input/output error"));
  return changed("write");
}

Result<void> SimFile::reserve(std::uint64_t end) {
  if (auto alive = check_alive("reserve"); !alive) return alive;
  const std::uint64_t more = contents_->missing_space(end);
  if (more != 0 && !disk_.has_room(more)) return fail(full("reserve", path_));
  contents_->reserve(end);
  return {};
}

Result<void> SimFile::extend(std::uint64_t end) {
  if (auto reserved = reserve(end); !reserved) return reserved;
  if (end <= contents_->bytes()) return {};
  contents_->truncate(end);
  return changed("extend");
}

Result<void> SimFile::truncate(std::uint64_t size) {
  if (auto alive = check_alive("truncate"); !alive) return alive;
  contents_->truncate(size);
  return changed("truncate");
}

/// Reports a change. The process may end by it.
Result<void> SimFile::changed(std::string_view what) const {
  disk_.changed(SimDisk::Change::any);
  return check_alive(what);
}

Result<void> SimFile::sync(std::uint64_t mark) {
  if (auto alive = check_alive("sync"); !alive) return alive;
  if (sync_error_) return fail(*sync_error_);
  if (directory_) return sync_names();
  if (!disk_.sync_fails(path_)) {
    contents_->persist(mark);
    return {};
  }
  sync_error_ = file_error(Errc::io_error, "sync", path_, "Input/output error");
  if (!disk_.options_.failed_sync_is_repeatable) {
    (void)contents_->persist_some(mark, disk_.random_);
  }
  return fail(*sync_error_);
}

Result<void> SimFile::sync_names() {
  auto synced =
      disk_.sync_fails(path_)
          ? Result<void>(fail(file_error(Errc::io_error, "sync", path_, "Input/output error")))
          : disk_.tree_->sync_directory(path_);
  if (!synced) sync_error_ = synced.error();
  return synced;
}

// Names.

Result<void> ProcessDisk::check_alive(std::string_view what, const std::string& path) const {
  if (loop_.is_alive()) return {};
  return fail(dead(what, path));
}

/// Reports a change of names and returns its outcome. The process may end by it.
Result<void> ProcessDisk::changed(Result<void> outcome, std::string_view what,
                                  const std::string& path) {
  if (outcome) disk_.changed(SimDisk::Change::of_names);
  if (auto alive = check_alive(what, path); !alive) return alive;
  return outcome;
}

Result<std::shared_ptr<File>> ProcessDisk::open(const std::string& path, OpenMode mode) {
  if (auto alive = check_alive("open", path); !alive) return fail(alive.error());
  const bool is_new = !exists(path);
  auto node = disk_.tree_->open(path, mode);
  if (!node) return fail(node.error());
  if (is_new) {
    if (auto made = changed({}, "open", path); !made) return fail(made.error());
  }
  auto contents = std::static_pointer_cast<SimContents>(std::move(*node));
  if (mode == OpenMode::truncate) contents->truncate(0);
  return std::shared_ptr<File>(std::make_shared<SimFile>(disk_, loop_, path, std::move(contents)));
}

bool ProcessDisk::exists(const std::string& path) const {
  return disk_.tree_->find(path) != nullptr;
}

Result<void> ProcessDisk::make_directories(const std::string& path) {
  if (auto alive = check_alive("make directory", path); !alive) return alive;
  if (exists(path)) return disk_.tree_->make_directories(path);
  return changed(disk_.tree_->make_directories(path), "make directory", path);
}

Result<std::vector<DirectoryEntry>> ProcessDisk::list(const std::string& path) const {
  return disk_.tree_->list(path);
}

Result<void> ProcessDisk::rename(const std::string& from, const std::string& to) {
  if (auto alive = check_alive("rename", from); !alive) return alive;
  return changed(disk_.tree_->rename(from, to), "rename", from);
}

Result<void> ProcessDisk::remove(const std::string& path) {
  if (auto alive = check_alive("remove", path); !alive) return alive;
  return changed(disk_.tree_->remove(path), "remove", path);
}

Result<void> ProcessDisk::remove_all(const std::string& path) {
  if (auto alive = check_alive("remove", path); !alive) return alive;
  return changed(disk_.tree_->remove_all(path), "remove", path);
}

Result<void> ProcessDisk::sync_directory(const std::string& path) {
  if (auto alive = check_alive("sync directory", path); !alive) return alive;
  return disk_.tree_->sync_directory(path);
}

std::shared_ptr<File> ProcessDisk::names_in(const std::string& directory) const {
  const auto node = disk_.tree_->find(directory);
  return std::make_shared<SimFile>(disk_, loop_, directory,
                                   node == nullptr ? FileIdentity() : node->identity());
}

Result<std::optional<FileIdentity>> ProcessDisk::identity_of(const std::string& path) const {
  const auto node = disk_.tree_->find(path);
  return node == nullptr ? std::nullopt : std::optional(node->identity());
}

std::string ProcessDisk::boot() const {
  return "boot-" + std::to_string(disk_.boots_);
}

Result<void> ProcessDisk::sync_now(File& file) {
  auto& mine = static_cast<SimFile&>(file);
  return mine.sync(mine.change_mark());
}

Result<Disk::DirectoryLock> ProcessDisk::lock(const std::string& directory) {
  if (auto alive = check_alive("lock", directory); !alive) return fail(alive.error());
  if (!exists(directory)) {
    return fail(file_error(Errc::not_found, "lock", directory, "No such file or directory"));
  }
  SimDisk::Lock& lock = disk_.locks_[directory];
  if (!lock.object.expired() && lock.holder->is_alive()) {
    return fail(file_error(Errc::locked, "lock", directory, "held by " + lock.holder->name()));
  }
  auto object = std::make_shared<char>();
  lock = {&loop_, object};
  return DirectoryLock(std::move(object));
}

// Syncs and jobs.

void ProcessDisk::sync(std::vector<std::shared_ptr<File>> files, Synced done) {
  if (!loop_.is_alive()) return;
  Call call{{}, std::move(done)};
  for (auto& file : files) call.files.push_back(std::static_pointer_cast<SimFile>(std::move(file)));
  forming_.push_back(std::move(call));
  if (syncing_.empty()) start_group();
}

void ProcessDisk::start_group() {
  syncing_ = std::exchange(forming_, {});
  if (syncing_.empty()) return;
  std::map<SimFile*, std::uint64_t> marks;
  for (const Call& call : syncing_) {
    for (const auto& file : call.files) marks.emplace(file.get(), file->change_mark());
  }
  loop_.world().after(disk_.sync_time(), [this, marks = std::move(marks)] {
    if (loop_.is_alive()) finish_group(marks);
  });
}

void ProcessDisk::finish_group(const std::map<SimFile*, std::uint64_t>& marks) {
  std::map<const SimFile*, Result<void>> outcomes;
  // In the order of the calls: the map is ordered by addresses, which differ between runs.
  for (const Call& call : syncing_) {
    for (const auto& file : call.files) {
      if (!outcomes.contains(file.get())) {
        outcomes.emplace(file.get(), file->sync(marks.at(file.get())));
      }
    }
  }
  for (Call& call : std::exchange(syncing_, {})) {
    Result<void> outcome;
    for (const auto& file : call.files) {
      if (outcome) outcome = outcomes.at(file.get());
    }
    loop_.post([done = std::move(call.done), outcome = std::move(outcome)]() mutable {
      done(std::move(outcome));
    });
  }
  start_group();
}

void ProcessDisk::run(Task job, Task done) {
  if (!loop_.is_alive()) return;
  const std::uint64_t id = ++last_job_;
  jobs_.emplace(id, Job{std::move(job), std::move(done)});
  const Duration delay(20'000 + random_.below(480'000));
  loop_.world().after(delay, [this, id] { finish_job(id); });
}

void ProcessDisk::finish_job(std::uint64_t id) {
  auto node = jobs_.extract(id);
  if (node.empty()) return;
  Job& job = node.mapped();
  loop_.run_beside(job.job);
  job.job = nullptr;
  if (job.done) loop_.post(std::move(job.done));
}

void ProcessDisk::clear() {
  const auto forming = std::exchange(forming_, {});
  const auto syncing = std::exchange(syncing_, {});
  const auto jobs = std::exchange(jobs_, {});
}

}  // namespace dohle::sim
