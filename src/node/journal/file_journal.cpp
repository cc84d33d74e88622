#include "node/journal/file_journal.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/units.hpp"

namespace dohle::node {

namespace {

constexpr std::uint64_t reserved_bytes = 16_KiB;
constexpr std::uint64_t min_history_lines = 1'000;

// Writes to a file that is no longer at its path are lost.
Result<void> check_place(Disk& disk, const std::string& path, const File& file) {
  const auto there = disk.identity_of(path);
  if (!there || *there == file.identity()) return {};
  return fail(Error::storage(Errc::io_error,
                             path + " was removed or replaced while the node runs: put it back, or "
                                    "restore it from a copy, and restart the node"));
}

}  // namespace

/// Lines that are written and synced together. Used by the disk thread.
struct FileJournal::Round {
  Disk* disk;
  std::string path;
  At at;
  std::vector<Line> lines;
  std::vector<Result<void>> outcomes;
  std::optional<Error> broken;

  void run() {
    outcomes.resize(lines.size());
    if (!broken) write_lines();
    if (broken) std::ranges::fill(outcomes, Result<void>(fail(*broken)));
  }

 private:
  void write_lines() {
    if (const auto there = check_place(*disk, path, *at.file); !there) {
      std::ranges::fill(outcomes, there);
      return;
    }
    for (std::size_t i = 0; i < lines.size() && !broken; ++i) outcomes[i] = write(lines[i]);
    if (broken || at.durable == at.lines) return;
    if (auto synced = disk->sync_now(*at.file); !synced) {
      broken = synced.error();
    } else {
      at.durable = at.lines;
    }
  }

  Result<void> write(const Line& line) {
    const std::string text = sealed_line(at.lines + 1, at.durable, line.body);
    auto reserved = at.file->reserve(at.size + text.size() + reserved_bytes);
    if (!reserved && line.reserve == Reserve::is_kept) return reserved;
    const Bytes bytes = as_bytes(text);
    if (auto written = at.file->write(at.size, {&bytes, 1}); !written) {
      // A partial write is cut off, now or at the next start.
      if (auto cut = at.file->truncate(at.size); !cut) broken = cut.error();
      return written;
    }
    at.size += text.size();
    ++at.lines;
    return {};
  }
};

/// A new file that replaces the old one.
struct FileJournal::Rewriting {
  Disk* disk;
  Compact compact;
  Done done;
  std::string path;
  std::string directory;
  At from;
  At to;
  Result<void> outcome;
  std::optional<Error> broken;

  void make() { outcome = write(); }
  void put_in_place() {
    outcome = disk->rename(temporary(), path);
    if (!outcome) return;
    outcome = disk->sync_directory(directory);
    if (!outcome) broken = outcome.error();
  }

 private:
  [[nodiscard]] std::string temporary() const { return path + ".tmp"; }

  Result<void> write() {
    auto text = compacted();
    if (!text) return fail(text.error());
    auto file = disk->open(temporary(), OpenMode::truncate);
    if (!file) return fail(file.error());
    const Bytes bytes = as_bytes(*text);
    if (auto written = (*file)->write(0, {&bytes, 1}); !written) return written;
    to.file = *std::move(file);
    to.size = text->size();
    return disk->sync_now(*to.file);
  }

  Result<std::string> compacted() {
    std::string old(from.size, '\0');
    auto got = from.file->read(0, std::as_writable_bytes(std::span(old)));
    if (!got) return fail(got.error());
    old.resize(*got);
    JournalText read;
    const auto damage = read_journal(old, {}, read);
    if (damage || read.lines.size() != from.lines) {
      return fail(
          Error::storage(Errc::damaged, path + " does not contain the lines that were written: " +
                                            damage.value_or("its last lines are missing")));
    }
    std::string text;
    for (const std::string& body : compact(read.lines)) {
      text += sealed_line(to.lines + 1, to.lines, body);
      ++to.lines;
    }
    to.durable = to.lines;
    return text;
  }
};

FileJournal::FileJournal(Disk& disk, Options options)
    : disk_(&disk), options_(std::move(options)), path_(options_.directory + "/" + options_.name) {}

Result<std::unique_ptr<FileJournal>> FileJournal::open(Disk& disk, Options options,
                                                       const Take& take) {
  std::unique_ptr<FileJournal> journal(new FileJournal(disk, std::move(options)));
  if (auto loaded = journal->load(take); !loaded) return fail(loaded.error());
  return journal;
}

Error FileJournal::damaged(const std::string& what) const {
  return Error::storage(Errc::damaged, path_ + ": " + what + ": " + options_.remedy);
}

Result<void> FileJournal::load(const Take& take) {
  const bool is_new = !disk_->exists(path_);
  std::string text;
  if (!is_new) {
    auto file = disk_->open(path_, OpenMode::read_write);
    if (!file) return fail(file.error());
    at_.file = *std::move(file);
    text.resize(at_.file->size());
    auto got = at_.file->read(0, std::as_writable_bytes(std::span(text)));
    if (!got) return fail(got.error());
    text.resize(*got);
  }
  JournalText read;
  if (const auto damage = read_journal(text, options_.sizes, read)) return fail(damaged(*damage));
  if (is_new) {
    auto file = disk_->open(path_, OpenMode::create);
    if (!file) return fail(file.error());
    at_.file = *std::move(file);
    return disk_->sync_directory(options_.directory);
  }
  if (auto taken = take_lines(read, take); !taken) return taken;
  dropped_bytes_ = read.dropped_bytes;
  if (options_.sizes.marked) return {};
  return make_durable(std::string_view(text).substr(0, read.end));
}

Result<void> FileJournal::take_lines(const JournalText& text, const Take& take) {
  for (const JournalLine& line : text.lines) {
    const JournalPlace place{path_ + ": the line at byte " + std::to_string(line.at), line.kind,
                             line.version, line.is_optional};
    if (auto judged = judge(take(line), place, options_.remedy); !judged) return judged;
    has_unnumbered_lines_ |= !line.is_numbered();
  }
  at_.lines = at_.durable = text.lines.size();
  at_.size = text.end;
  return {};
}

// The lines may be in the page cache only, after a process that died before its sync or whose sync
// failed. They have to be durable before they are used.
Result<void> FileJournal::make_durable(std::string_view text) {
  if (dropped_bytes_ > 0) {
    if (auto cut = at_.file->truncate(at_.size); !cut) return cut;
  }
  const Bytes bytes = as_bytes(text);
  auto written = at_.file->write(0, {&bytes, 1});
  if (!written && !written.error().is(Errc::disk_full)) return written;
  return disk_->sync_now(*at_.file);
}

// --- rounds

void FileJournal::check_invariants() const {
  DOHLE_ASSERT(at_.file != nullptr, "a journal has no file");
  DOHLE_ASSERT(at_.durable <= at_.lines, "more lines are durable than there are");
  DOHLE_ASSERT(waiting_.empty() || is_running_, "lines wait and no round runs");
  DOHLE_ASSERT(rewriting_ == nullptr || is_running_, "a rewrite waits and no round runs");
  DOHLE_ASSERT(when_idle_.empty() || is_running_,
               "callers wait for an idle journal and no round runs");
}

void FileJournal::append(std::string body, Reserve reserve, Done done) {
  waiting_.push_back({std::move(body), reserve, std::move(done)});
  start_next();
}

void FileJournal::rewrite_if_due(std::uint64_t live, Compact compact,
                                 std::move_only_function<void(const std::string&)> warn) {
  const bool is_due = is_mostly_history(lines(), live, min_history_lines);
  if (!is_due || lines() < rewrite_from_lines_ || std::exchange(is_due_rewrite_running_, true)) {
    return;
  }
  rewrite(std::move(compact), [this, warn = std::move(warn)](const Result<void>& outcome) mutable {
    is_due_rewrite_running_ = false;
    rewrite_from_lines_ = outcome ? 0 : lines() + min_history_lines;
    // The old file stays in use.
    if (outcome || outcome.error().is(Errc::disk_full)) return;
    warn(path() + " keeps its history: " + std::string(outcome.error().message()));
  });
}

void FileJournal::when_idle(Task idle) {
  when_idle_.push_back(std::move(idle));
  start_next();
}

void FileJournal::run(Task job, Task done) {
  is_running_ = true;
  if (!is_beside_) {
    job();
    return done();
  }
  disk_->run(std::move(job), [alive = is_alive_, done = std::move(done)]() mutable {
    if (*alive) done();
  });
}

void FileJournal::start_next() {
  if (is_running_) return;
  if (rewriting_ != nullptr) return start_rewriting();
  if (!waiting_.empty()) return start_round();
  for (Task& idle : std::exchange(when_idle_, {})) idle();
}

void FileJournal::start_round() {
  auto round =
      std::make_shared<Round>(Round{disk_, path_, at_, std::exchange(waiting_, {}), {}, broken_});
  run([round] { round->run(); }, [this, round] { end_round(*round); });
}

void FileJournal::end_round(Round& round) {
  DOHLE_ASSERT(is_running_, "a round ends that was not started");
  DOHLE_ASSERT(round.outcomes.size() == round.lines.size(), "a line has no outcome");
  DOHLE_ASSERT(round.at.lines >= at_.lines && round.at.size >= at_.size,
               "a round ends with fewer lines than before");
  is_running_ = false;
  const bool is_longer = round.at.durable > at_.durable;
  at_ = std::move(round.at);
  broken_ = round.broken;
  if (is_longer) options_.note(at_.size);
  // The next round starts before the callbacks of this one.
  if (!waiting_.empty()) start_next();
  for (std::size_t i = 0; i < round.lines.size(); ++i) {
    round.lines[i].done(std::move(round.outcomes[i]));
  }
  start_next();
}

// --- rewriting

void FileJournal::rewrite(Compact compact, Done done) {
  DOHLE_ASSERT(rewriting_ == nullptr, "two rewrites at a time");
  rewriting_ = std::make_shared<Rewriting>(Rewriting{
      disk_, std::move(compact), std::move(done), path_, options_.directory, {}, {}, {}, {}});
  start_next();
}

void FileJournal::start_rewriting() {
  auto rewriting = std::exchange(rewriting_, nullptr);
  rewriting->from = at_;
  run([rewriting] { rewriting->make(); }, [this, rewriting] { put_in_place(rewriting); });
}

void FileJournal::put_in_place(const std::shared_ptr<Rewriting>& rewriting) {
  if (rewriting->outcome && broken_) rewriting->outcome = fail(*broken_);
  if (!rewriting->outcome) return end_rewriting(*rewriting);
  // The next start may find either file.
  options_.note(std::min(at_.size, rewriting->to.size));
  run([rewriting] { rewriting->put_in_place(); }, [this, rewriting] { end_rewriting(*rewriting); });
}

void FileJournal::end_rewriting(Rewriting& rewriting) {
  is_running_ = false;
  if (rewriting.broken) broken_ = rewriting.broken;
  if (rewriting.outcome) {
    at_ = std::move(rewriting.to);
    has_unnumbered_lines_ = false;
    options_.note(at_.size);
  }
  rewriting.done(std::move(rewriting.outcome));
  start_next();
}

}  // namespace dohle::node
