#include <algorithm>
#include <utility>
#include <vector>

#include "base/units.hpp"
#include "log/partition_log.hpp"

// The writes of a recovery, at the start or once there is space. On a retry the steps before the
// one that found no space are done again or skipped.

namespace dohle::log {

namespace {

constexpr std::size_t copy_bytes = 1_MiB;

/// Copies [from, to) to the beginning of the other file.
Result<void> copy(const File& file, std::uint64_t from, std::uint64_t to, File& into) {
  std::vector<std::byte> bytes(std::min<std::uint64_t>(copy_bytes, to - from));
  for (std::uint64_t at = from; at < to;) {
    const std::uint64_t most = std::min<std::uint64_t>(bytes.size(), to - at);
    auto got = file.read(at, std::span(bytes).first(most));
    if (!got) return fail(got.error());
    if (*got == 0) break;
    const Bytes piece(bytes.data(), *got);
    if (auto written = into.write(at - from, {&piece, 1}); !written) return written;
    at += *got;
  }
  return {};
}

}  // namespace

/// Copies the bytes after the end into a file beside the log, then cuts them. Uses files that the
/// owner has opened and does not touch meanwhile: the directory may belong to another topic by now.
struct PartitionLog::KeptTail {
  std::shared_ptr<File> file;
  std::shared_ptr<File> kept;
  std::shared_ptr<File> names;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  Result<void> outcome = {};
  /// A failed sync is never repeated: it leaves an unknown state.
  bool is_sync = false;

  [[nodiscard]] Result<void> write_copy() { return copy(*file, begin, end, *kept); }

  void run(Disk& disk) {
    outcome = write_copy();
    sync(disk, *kept);
    sync(disk, *names);
    if (!outcome) return;
    outcome = file->truncate(begin);
    sync(disk, *file);
  }

 private:
  void sync(Disk& disk, File& of) {
    if (!outcome) return;
    outcome = disk.sync_now(of);
    is_sync = !outcome;
  }
};

// On the owner's thread, while the log is opened, in steps between which the caller syncs.

Result<void> PartitionLog::begin_writing(RecoveryReport& report) {
  if (!unwritten_) return {};
  if (unwritten_->is_new) {
    auto written = write_new();
    if (written) {
      unwritten_.reset();
    } else if (written.error().is(Errc::disk_full)) {
      report.unwritten = unwritten_->why = written.error();
    } else {
      return written;
    }
    return {};
  }
  step_ = Step::segments;
  if (auto begun = begin_to_sync_segments(); !begun) return begun;
  // Bytes are cut, and segments put aside, once all that stays is durable.
  const bool is_cut = unwritten_->tail_end > 0 || !unwritten_->aside.empty();
  auto written = is_cut ? begin_to_keep_tail() : write_rest();
  if (written || !written.error().is(Errc::disk_full)) return written;
  report.unwritten = unwritten_->why = written.error();
  return {};
}

Result<void> PartitionLog::begin_to_keep_tail() {
  if (unwritten_->tail_end == 0) return {};
  auto tail = begin_tail();
  if (!tail) return fail(tail.error());
  if (auto copied = tail->write_copy(); !copied) {
    // A partial copy would only take up space.
    (void)disk_->remove(unwritten_->tail_path);
    return copied;
  }
  unsynced_.push_back(tail->kept);
  tail_ = std::make_shared<KeptTail>(*std::move(tail));
  return {};
}

Result<void> PartitionLog::recover_on(RecoveryReport& report) {
  unsynced_.clear();
  if (report.unwritten) return {};
  auto written = write_next();
  if (written) return {};
  unsynced_.clear();
  tail_.reset();
  if (!written.error().is(Errc::disk_full)) {
    return fail(written.error().within("partition " + directory_));
  }
  // Without its recovery point the log is open: the old point is still valid, and the next
  // checkpoint tries again.
  if (unwritten_) report.unwritten = unwritten_->why = written.error();
  return {};
}

Result<void> PartitionLog::write_next() {
  switch (step_) {
    case Step::segments:
      return write_rest();
    case Step::rest: {
      end_recovered();
      auto file = state_file_.write(state());
      if (!file) return fail(file.error());
      unsynced_.push_back(*std::move(file));
      step_ = Step::point;
      return {};
    }
    case Step::point:
      checkpointed(++checkpoint_number_, state(), {});
      step_ = Step::none;
      return {};
    case Step::none:
      break;
  }
  return {};
}

Result<void> PartitionLog::write_rest() {
  if (tail_ != nullptr) {
    if (auto cut = tail_->file->truncate(tail_->begin); !cut) return cut;
    to_sync_.push_back({std::move(tail_->file), end_ + 1});
    tail_.reset();
    unwritten_->tail_end = 0;
  }
  if (auto written = write_recovered(); !written) return written;
  unsynced_.push_back(disk_->names_in(directory_));
  for (ToSync& extra : std::exchange(to_sync_, {})) unsynced_.push_back(std::move(extra.file));
  step_ = Step::rest;
  return {};
}

// On the owner's thread, while the log is closed.

Result<void> PartitionLog::finish_recovery_now() {
  if (offline_) return fail(*offline_);
  if (!unwritten_) return {};
  const bool is_new = unwritten_->is_new;
  if (auto written = is_new ? write_new() : write_recovered(); !written) return written;
  if (is_new) {
    unwritten_.reset();
    return {};
  }
  for (const ToSync& extra : std::exchange(to_sync_, {})) {
    auto synced = disk_->sync_now(*extra.file);
    if (!synced) go_offline(synced.error());
    if (!synced) return synced;
  }
  if (auto synced = disk_->sync_directory(directory_); !synced) {
    go_offline(synced.error());
    return synced;
  }
  end_recovered();
  auto pointed = write_recovery_point();
  // The old point is still valid, and the next checkpoint tries again.
  if (!pointed && !offline_ && pointed.error().is(Errc::disk_full)) return {};
  return pointed;
}

Result<void> PartitionLog::write_new() {
  if (auto created = active().create(); !created) return created;
  if (auto made = state_file_.make(); !made) return made;
  // Names the log from the start, although no sync covers it yet.
  if (auto file =
          state_file_.write(LogState{log_start_, log_start_, log_start_, 0, log_start_, {}});
      !file)
    return fail(file.error());
  return write_metadata();
}

Result<void> PartitionLog::write_recovered() {
  if (auto kept = keep_tail(); !kept) return kept;
  if (auto aside = set_aside(); !aside) return aside;
  if (auto forgotten = forget_snapshots_behind_the_end(); !forgotten) return forgotten;
  if (auto restored = restore_metadata(); !restored) return restored;
  if (auto noted = note_metadata(); !noted) return noted;
  if (auto written = restore_epochs(); !written) return written;
  return state_file_.make();
}

// Called once all writes are synced. The state that was read may never have been synced.
void PartitionLog::end_recovered() {
  durable_state_.reset();
  unwritten_.reset();
}

Result<PartitionLog::KeptTail> PartitionLog::begin_tail() {
  auto file = active().file();
  if (!file) return fail(file.error());
  auto kept = disk_->open(unwritten_->tail_path, OpenMode::truncate);
  if (!kept) return fail(kept.error());
  return KeptTail{*std::move(file), *std::move(kept), disk_->names_in(directory_), active().size(),
                  unwritten_->tail_end};
}

Result<void> PartitionLog::keep_tail() {
  if (unwritten_->tail_end == 0) return {};
  auto tail = begin_tail();
  if (!tail) return fail(tail.error());
  tail->run(*disk_);
  end_tail(*tail);
  return tail->outcome;
}

void PartitionLog::end_tail(const KeptTail& kept) {
  if (kept.outcome) {
    unwritten_->tail_end = 0;
  } else if (kept.is_sync) {
    go_offline(kept.outcome.error());
  } else {
    // A partial copy would only take up space.
    (void)disk_->remove(unwritten_->tail_path);
  }
}

// On disk threads, once there may be space. Appends fail until the recovery is finished.

void PartitionLog::finish_recovery(Disk::Synced done) {
  if (offline_ || !unwritten_) {
    if (done) done(offline_ ? Result<void>(fail(*offline_)) : Result<void>());
    return;
  }
  if (done) when_finished_.push_back(std::move(done));
  if (std::exchange(is_finishing_, true)) return;
  if (unwritten_->is_new) {
    // Writes only a few small files.
    auto written = write_new();
    if (written) unwritten_.reset();
    return finished(std::move(written));
  }
  if (unwritten_->tail_end > 0) return keep_tail_beside();
  write_recovered_beside();
}

void PartitionLog::keep_tail_beside() {
  auto tail = begin_tail();
  if (!tail) return finished(fail(tail.error()));
  auto work = std::make_shared<KeptTail>(*std::move(tail));
  disk_->run([work, disk = disk_] { work->run(*disk); },
             [self = std::weak_ptr(self_), work] {
               const auto log = self.lock();
               if (!log) return;
               (*log)->end_tail(*work);
               if (!work->outcome) return (*log)->finished(work->outcome);
               (*log)->write_recovered_beside();
             });
}

void PartitionLog::write_recovered_beside() {
  if (auto written = write_recovered(); !written) return finished(std::move(written));
  std::vector<std::shared_ptr<File>> files{disk_->names_in(directory_)};
  for (ToSync& extra : std::exchange(to_sync_, {})) files.push_back(std::move(extra.file));
  disk_->sync(std::move(files), [self = std::weak_ptr(self_)](Result<void> outcome) {
    const auto log = self.lock();
    if (!log) return;
    if (outcome) {
      (*log)->end_recovered();
      // A state that is being written was made before the recovery ended: ignore its outcome.
      ++(*log)->checkpoint_number_;
      (*log)->is_checkpointing_ = false;
      (*log)->checkpoint();
    } else {
      (*log)->go_offline(outcome.error());
    }
    (*log)->finished(std::move(outcome));
  });
}

void PartitionLog::finished(Result<void> outcome) {
  is_finishing_ = false;
  if (!outcome && unwritten_) unwritten_->why = outcome.error();
  for (Disk::Synced& done : std::exchange(when_finished_, {})) done(outcome);
}

// Steps.

Result<void> PartitionLog::set_aside() {
  for (auto& aside = unwritten_->aside; !aside.empty(); aside.pop_back()) {
    const std::string path = aside.back()->path();
    if (auto renamed = disk_->rename(path, path + ".cut"); !renamed) return renamed;
    for (const std::string_view suffix : {".index", ".timeindex"}) {
      const auto removed =
          disk_->remove(directory_ + "/" + Segment::file_name(aside.back()->base_offset(), suffix));
      if (!removed && !removed.error().is(Errc::not_found)) return removed;
    }
  }
  return {};
}

Result<void> PartitionLog::forget_snapshots_behind_the_end() {
  while (!snapshots_.empty() && snapshots_.back() > end_) {
    const auto removed =
        disk_->remove(directory_ + "/" + Segment::file_name(snapshots_.back(), ".snapshot"));
    if (!removed && !removed.error().is(Errc::not_found)) return removed;
    snapshots_.pop_back();
  }
  return {};
}

}  // namespace dohle::log
