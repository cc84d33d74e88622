#include "node/journal/file_journal.hpp"

#include <algorithm>
#include <utility>

#include "base/units.hpp"

namespace dohle::node {

namespace {

constexpr std::uint64_t reserved_bytes = 16_KiB;

}  // namespace

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
    file_ = *std::move(file);
    text.resize(file_->size());
    auto got = file_->read(0, std::as_writable_bytes(std::span(text)));
    if (!got) return fail(got.error());
    text.resize(*got);
  }
  JournalText read;
  if (const auto damage = read_journal(text, options_.sizes, read)) return fail(damaged(*damage));
  if (is_new) {
    auto file = disk_->open(path_, OpenMode::create);
    if (!file) return fail(file.error());
    file_ = *std::move(file);
    return disk_->sync_directory(options_.directory);
  }
  if (auto taken = take_lines(read, take); !taken) return taken;
  dropped_bytes_ = read.dropped_bytes;
  if (options_.sizes.marked) return {};
  return make_durable(std::string_view(text).substr(0, read.end));
}

Result<void> FileJournal::take_lines(const JournalText& text, const Take& take) {
  for (const JournalLine& line : text.lines) {
    const std::string where = "the line at byte " + std::to_string(line.at) +
                              ", written by Dohle " + std::string(line.version) + ",";
    switch (take(line)) {
      case Taken::taken:
        break;
      case Taken::senseless:
        return fail(damaged(where + " makes no sense behind those before it"));
      case Taken::unknown_kind:
        if (line.is_optional) break;
        return fail(Error::storage(Errc::unsupported_version,
                                   path_ + ": " + where + " is of the kind " +
                                       std::string(line.kind) + ", which Dohle " +
                                       std::string(journal_version()) +
                                       " does not know: run that version or a later one"));
    }
    has_unnumbered_lines_ |= !line.is_numbered();
  }
  lines_ = durable_ = text.lines.size();
  size_ = text.end;
  return {};
}

// What was read may be known to the page cache alone, of a process that died before its sync or
// after one that failed: whoever sees it from now on relies on it.
Result<void> FileJournal::make_durable(std::string_view text) {
  if (dropped_bytes_ > 0) {
    if (auto cut = file_->truncate(size_); !cut) return cut;
  }
  const Bytes bytes = as_bytes(text);
  auto written = file_->write(0, {&bytes, 1});
  if (!written && !written.error().is(Errc::disk_full)) return written;
  return disk_->sync_now(*file_);
}

// Whoever writes to a file that is not at its path any more writes to nobody.
Result<void> FileJournal::check_place() const {
  const auto there = disk_->identity_of(path_);
  if (!there || *there == file_->identity()) return {};
  return fail(Error::storage(
      Errc::io_error, path_ + " was removed or replaced while the node runs: put it back, or "
                              "restore it from a copy, and restart the node"));
}

Result<void> FileJournal::append(std::string_view body, Reserve reserve) {
  if (broken_) return fail(*broken_);
  if (auto there = check_place(); !there) return there;
  const std::string text = sealed_line(lines_ + 1, durable_, body);
  auto reserved = file_->reserve(size_ + text.size() + reserved_bytes);
  if (!reserved && reserve == Reserve::is_kept) return reserved;
  const Bytes bytes = as_bytes(text);
  if (auto written = file_->write(size_, {&bytes, 1}); !written) {
    // What a partial write left is cut, now or at the next start.
    if (auto cut = file_->truncate(size_); !cut) broken_ = cut.error();
    return written;
  }
  size_ += text.size();
  ++lines_;
  return {};
}

Result<void> FileJournal::settle() {
  if (broken_) return fail(*broken_);
  if (!is_owed()) return {};
  if (auto synced = disk_->sync_now(*file_); !synced) {
    broken_ = synced.error();
    return synced;
  }
  durable_ = lines_;
  options_.note(size_);
  return {};
}

Result<void> FileJournal::rewrite(const std::vector<std::string>& bodies) {
  if (broken_) return fail(*broken_);
  std::string text;
  std::uint64_t number = 0;
  for (const std::string& body : bodies) {
    text += sealed_line(number + 1, number, body);
    ++number;
  }
  const std::string temporary = path_ + ".tmp";
  auto file = disk_->open(temporary, OpenMode::truncate);
  if (!file) return fail(file.error());
  const Bytes bytes = as_bytes(text);
  if (auto written = (*file)->write(0, {&bytes, 1}); !written) return written;
  if (auto synced = disk_->sync_now(**file); !synced) return synced;
  // Either file may be the one that the next start finds.
  options_.note(std::min<std::uint64_t>(size_, text.size()));
  if (auto renamed = disk_->rename(temporary, path_); !renamed) return renamed;
  file_ = *std::move(file);
  size_ = text.size();
  lines_ = durable_ = number;
  has_unnumbered_lines_ = false;
  if (auto synced = disk_->sync_directory(options_.directory); !synced) {
    broken_ = synced.error();
    return synced;
  }
  options_.note(size_);
  return {};
}

}  // namespace dohle::node
