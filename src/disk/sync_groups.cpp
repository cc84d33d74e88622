#include "disk/sync_groups.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <utility>

#include "base/assert.hpp"
#include "disk/system_error.hpp"

namespace dohle::disk {

namespace {

constexpr decltype(std::declval<struct statfs>().f_type) xfs_magic = 0x58465342;

/// syncfs reports write-back errors from Linux 5.8 on.
bool kernel_reports() {
  utsname name{};
  int major = 0, minor = 0;
  if (::uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 8);
}

bool file_system_reports(int descriptor) {
  struct statfs status{};
  if (::fstatfs(descriptor, &status) == -1) return false;
  return status.f_type == EXT4_SUPER_MAGIC || status.f_type == xfs_magic ||
         status.f_type == BTRFS_SUPER_MAGIC;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

bool reports_write_back(int descriptor) {
  return kernel_reports() && file_system_reports(descriptor);
}

void SyncGroups::watch(const OpenFile& file) {
  const std::scoped_lock lock(mutex_);
  if (options_.min_whole_file_system_files == 0 || file_systems_.contains(file.device())) return;
  Descriptor descriptor;
  if (reports_write_back(file.descriptor())) {
    descriptor = Descriptor(::open(directory_of(file.path()).c_str(), O_RDONLY | O_CLOEXEC));
  }
  file_systems_.emplace(file.device(), std::move(descriptor));
}

void SyncGroups::sync(Files files, Disk::Synced done) {
  add({std::move(files), std::move(done)});
}

Result<void> SyncGroups::sync_now(Files files) {
  // Shared: the thread may still use it when this one continues.
  const auto outcome = std::make_shared<std::promise<Result<void>>>();
  auto synced = outcome->get_future();
  add({std::move(files), [outcome](Result<void> answer) { outcome->set_value(std::move(answer)); },
       true});
  return synced.get();
}

void SyncGroups::add(Call call) {
  {
    const std::scoped_lock lock(mutex_);
    forming_.push_back(std::move(call));
    if (running_) return;
    running_ = true;
  }
  threads_.run([this] { drive(next_group()); });
}

/// Takes the waiting calls as a group. If there are none, clears running_ and returns null.
std::shared_ptr<SyncGroups::Group> SyncGroups::next_group() {
  auto group = std::make_shared<Group>();
  {
    const std::scoped_lock lock(mutex_);
    DOHLE_ASSERT(running_, "two threads drive groups");
    if (forming_.empty()) {
      running_ = false;
      return nullptr;
    }
    group->calls.swap(forming_);
  }
  for (const Call& call : group->calls) {
    for (const auto& file : call.files) group->files.push_back(file.get());
  }
  std::ranges::sort(group->files);
  const auto rest = std::ranges::unique(group->files);
  group->files.erase(rest.begin(), rest.end());
  group->left = group->files.size();
  return group;
}

void SyncGroups::drive(std::shared_ptr<Group> group) {
  while (group != nullptr) {
    group->started = std::chrono::steady_clock::now();
    if (!group->files.empty() && !sync_whole(*group)) {
      call_threads(group, std::min(group->files.size(), options_.max_sync_threads) - 1);
      if (!sync_files(*group)) return;
      learn_file_time(*group);
    }
    answer(*group);
    group = next_group();
  }
}

void SyncGroups::call_threads(const std::shared_ptr<Group>& group, std::size_t threads) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.run([this, group] {
      if (!sync_files(*group)) return;
      learn_file_time(*group);
      answer(*group);
      drive(next_group());
    });
  }
}

/// Syncs files of the group until all are taken. True on the thread that completed the last one.
bool SyncGroups::sync_files(Group& group) {
  bool ended = false;
  for (;;) {
    const std::size_t taken = group.next.fetch_add(1, std::memory_order_relaxed);
    if (taken >= group.files.size()) return ended;
    // The file keeps the error, and `answer` reads it.
    (void)group.files[taken]->sync();
    ended = group.left.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
}

/// A start waits for thousands of files: then no other thread writes, and the pause of syncfs
/// would cost much more than other programs' writes do.
bool SyncGroups::is_waited_for(const Group& group) {
  return std::ranges::any_of(group.calls, &Call::is_waited_for);
}

/// The descriptor to syncfs for this group, or -1.
int SyncGroups::whole_file_system(const Group& group) {
  if (options_.min_whole_file_system_files == 0 || !whole_works_ ||
      group.files.size() < options_.min_whole_file_system_files) {
    return -1;
  }
  const std::uint64_t device = group.files.front()->device();
  const bool one_device = std::ranges::all_of(
      group.files, [device](const OpenFile* file) { return file->device() == device; });
  const bool is_paused = !is_waited_for(group) && std::chrono::steady_clock::now() < whole_again_;
  if (!one_device || is_paused) return -1;
  const std::scoped_lock lock(mutex_);
  const auto at = file_systems_.find(device);
  return at == file_systems_.end() ? -1 : at->second.number();
}

bool SyncGroups::sync_whole(const Group& group) {
  const int descriptor = whole_file_system(group);
  if (descriptor == -1) return false;
  if (uninterrupted([&] { return options_.calls->sync_file_system(descriptor); }) == -1) {
    whole_works_ = false;
    return false;
  }
  const auto end = std::chrono::steady_clock::now();
  const auto files = static_cast<std::chrono::nanoseconds::rep>(group.files.size());
  if (!is_waited_for(group) && end - group.started > file_time_ * files) {
    whole_again_ = end + options_.whole_file_system_pause;
  }
  return true;
}

void SyncGroups::learn_file_time(const Group& group) {
  if (group.files.size() < options_.min_whole_file_system_files) return;
  const auto files = static_cast<std::chrono::nanoseconds::rep>(group.files.size());
  file_time_ = (std::chrono::steady_clock::now() - group.started) / files;
}

void SyncGroups::answer(Group& group) {
  // A sync of the whole file system takes no file of the group.
  DOHLE_ASSERT(group.left == 0 || group.left == group.files.size(),
               "a group is answered while files of it are synced");
  std::vector<std::pair<Disk::Synced, Result<void>>> answers;
  answers.reserve(group.calls.size());
  for (Call& call : group.calls) {
    Result<void> outcome;
    for (const auto& file : call.files) {
      if (outcome) outcome = file->health();
    }
    if (call.is_waited_for) {
      call.done(std::move(outcome));
    } else {
      answers.emplace_back(std::move(call.done), std::move(outcome));
    }
  }
  if (answers.empty()) return;
  loop_.post([answers = std::move(answers)]() mutable {
    for (auto& [done, outcome] : answers) done(std::move(outcome));
  });
}

}  // namespace dohle::disk
