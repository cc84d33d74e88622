#include "node/storage/run_note.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>
#include <utility>

#include "base/assert.hpp"
#include "wire/big_endian.hpp"
#include "wire/crc32c.hpp"

namespace dohle::node {

namespace {

constexpr std::uint64_t entries_at = 4'096;
constexpr std::size_t entry_bytes = 32;
constexpr std::size_t value_at = 20;
constexpr std::size_t crc_at = 28;
/// Entries whose space is reserved ahead, so that a full disk rarely ends the note.
constexpr std::uint64_t entries_ahead = 1'024;
/// Enough for more partitions than a node may have.
constexpr std::uint64_t max_note_bytes = entries_at + entry_bytes * 4'000'000;
// Entries of other files. A note of before the users' entry has a partition in its place.
constexpr NotedPartition the_catalog{{}, PartitionId{-1}};
constexpr NotedPartition the_users{{}, PartitionId{-2}};
constexpr std::uint32_t catalog_place = 0, users_place = 1, first_partition_place = 2;

using Entry = std::array<std::byte, entry_bytes>;

std::string_view word_of(Durability durability) {
  switch (durability) {
    case Durability::fsync:
      return "fsync";
    case Durability::interval:
      return "interval";
    case Durability::os:
      break;
  }
  return "os";
}

std::string first_line(const std::string& boot, const FileIdentity& identity,
                       std::string_view durability) {
  std::string line = "dohle-run 1 " + (boot.empty() ? "-" : boot) + " " +
                     std::to_string(identity.device) + " " + std::to_string(identity.number) + " " +
                     std::string(durability);
  std::array<char, 16> crc;
  std::snprintf(crc.data(), crc.size(), " %08x\n", wire::crc32c(0, as_bytes(line)));
  return line + crc.data();
}

Entry entry_of(const NotedPartition& partition, std::int64_t value) {
  Entry entry;
  std::ranges::copy(std::as_bytes(std::span(partition.topic.bytes)), entry.begin());
  wire::store_big_endian(entry.data() + partition.topic.bytes.size(), partition.partition.value);
  wire::store_big_endian(entry.data() + value_at, value);
  wire::store_big_endian(entry.data() + crc_at, wire::crc32c(0, Bytes(entry).first(crc_at)));
  return entry;
}

std::uint64_t end_of_place(std::uint64_t place) {
  return entries_at + (place + 1) * entry_bytes;
}

}  // namespace

RunNote::RunNote(Disk& disk, std::string directory)
    : disk_(&disk), directory_(std::move(directory)), next_place_(first_partition_place) {}

std::optional<Offset> EarlierRun::end_of(const NotedPartition& partition) const {
  const auto found = ends.find(partition);
  return found == ends.end() ? std::nullopt : std::optional(found->second);
}

Result<std::unique_ptr<RunNote>> RunNote::open(Disk& disk, const std::string& directory) {
  std::unique_ptr<RunNote> note(new RunNote(disk, directory));
  auto file = disk.open(note->path(), OpenMode::read_write);
  if (!file) {
    if (file.error().is(Errc::not_found)) return note;
    return fail(file.error());
  }
  if ((*file)->size() > max_note_bytes) return note;
  std::string text((*file)->size(), '\0');
  auto got = (*file)->read(0, std::as_writable_bytes(std::span(text)));
  if (!got) return fail(got.error());
  text.resize(*got);
  note->file_ = *std::move(file);
  note->read(text);
  // A note of another boot, or a copy, is not written to.
  if (!note->earlier_.is_same_boot) note->file_.reset();
  return note;
}

void RunNote::read(std::string_view text) {
  const auto newline = text.substr(0, entries_at).find('\n');
  if (newline == text.npos) return;
  const std::string line(text.substr(0, newline + 1));
  std::istringstream words(line);
  std::string name, version, boot, durability_word;
  FileIdentity identity;
  words >> name >> version >> boot >> identity.device >> identity.number >> durability_word;
  if (first_line(boot, identity, durability_word) != line || version != "1") return;
  const auto durability = parse_durability(durability_word);
  if (!durability) return;
  earlier_.durability = *durability;
  earlier_.is_own = identity == file_->identity();
  if (!earlier_.is_own) return;
  const std::string now = disk_->boot();
  earlier_.is_same_boot = !now.empty() && boot == now;
  for (std::uint64_t at = entries_at; at + entry_bytes <= text.size(); at += entry_bytes) {
    const Bytes entry = as_bytes(text.substr(at, entry_bytes));
    NotedPartition partition;
    std::ranges::copy(entry.first(partition.topic.bytes.size()),
                      std::as_writable_bytes(std::span(partition.topic.bytes)).begin());
    partition.partition.value =
        wire::load_big_endian<std::int32_t>(entry.data() + partition.topic.bytes.size());
    const auto value = wire::load_big_endian<std::int64_t>(entry.data() + value_at);
    if (wire::load_big_endian<std::uint32_t>(entry.data() + crc_at) !=
        wire::crc32c(0, entry.first(crc_at))) {
      continue;
    }
    if (partition == the_catalog) {
      earlier_.catalog_bytes = static_cast<std::uint64_t>(value);
    } else if (partition == the_users) {
      earlier_.users_bytes = static_cast<std::uint64_t>(value);
    } else {
      earlier_.ends[partition] = Offset{value};
    }
  }
}

void RunNote::catalog_bytes(std::uint64_t size) {
  catalog_bytes_ = size;
  write(catalog_place, the_catalog, static_cast<std::int64_t>(size));
}

void RunNote::users_bytes(std::uint64_t size) {
  users_bytes_ = size;
  if (has_begun_) write(users_place, the_users, static_cast<std::int64_t>(size));
}

void RunNote::forget_users_bytes() {
  DOHLE_ASSERT(!has_begun_, "a note is changed that was replaced");
  if (earlier_.users_bytes) write(users_place, the_users, 0);
}

Result<void> RunNote::begin(Durability durability,
                            const std::vector<std::pair<NotedPartition, Offset>>& ends,
                            std::function<void(std::string_view)> warn) {
  DOHLE_ASSERT(!has_begun_, "the note of a run begins twice");
  warn_ = std::move(warn);
  file_.reset();
  has_begun_ = true;
  const std::string temporary = path() + ".tmp";
  auto file = disk_->open(temporary, OpenMode::truncate);
  if (!file) return fail(file.error());
  std::string text = first_line(disk_->boot(), (*file)->identity(), word_of(durability));
  text.resize(entries_at);
  const auto add = [&text](const NotedPartition& partition, std::int64_t value) {
    const Entry entry = entry_of(partition, value);
    text += as_text(Bytes(entry));
  };
  add(the_catalog, static_cast<std::int64_t>(catalog_bytes_));
  if (users_bytes_) {
    add(the_users, static_cast<std::int64_t>(*users_bytes_));
  } else {
    text.resize(text.size() + entry_bytes);
  }
  for (const auto& [partition, end] : ends) {
    places_[partition] = next_place_++;
    add(partition, end.value);
  }
  reserved_ = end_of_place(next_place_ + entries_ahead);
  const Bytes bytes = as_bytes(text);
  auto written = (*file)->reserve(reserved_);
  if (written) written = (*file)->write(0, {&bytes, 1});
  if (written) written = disk_->sync_now(**file);
  if (written) written = disk_->rename(temporary, path());
  if (written) {
    file_ = *std::move(file);
    return {};
  }
  (void)disk_->remove(temporary);
  if (!written.error().is(Errc::disk_full)) return written;
  give_up(written.error());
  return {};
}

std::uint32_t RunNote::place_of(const NotedPartition& partition) {
  const auto [at, is_new] = places_.try_emplace(partition, next_place_);
  if (!is_new) return at->second;
  if (free_places_.empty()) {
    ++next_place_;
  } else {
    at->second = free_places_.back();
    free_places_.pop_back();
  }
  DOHLE_ASSERT(places_.size() + free_places_.size() + first_partition_place == next_place_,
               "a place of the run's note is neither in use nor free");
  return at->second;
}

void RunNote::acknowledged(const NotedPartition& partition, Place& place, Offset end) {
  if (place.value == Place::none) place.value = place_of(partition);
  write(place.value, partition, end.value);
}

void RunNote::forget(const NotedPartition& partition) {
  const auto found = places_.find(partition);
  if (found == places_.end()) return;
  DOHLE_ASSERT(found->second >= first_partition_place && found->second < next_place_,
               "the note has no such place");
  free_places_.push_back(found->second);
  places_.erase(found);
}

void RunNote::write(std::uint32_t place, const NotedPartition& partition, std::int64_t value) {
  if (file_ == nullptr) return;
  const Entry entry = entry_of(partition, value);
  const Bytes bytes(entry);
  if (has_begun_ && end_of_place(place) > reserved_) {
    const std::uint64_t more = end_of_place(place + entries_ahead);
    if (auto reserved = file_->reserve(more); !reserved) return give_up(reserved.error());
    reserved_ = more;
  }
  if (auto written = file_->write(entries_at + place * entry_bytes, {&bytes, 1}); !written) {
    give_up(written.error());
  }
}

// With an outdated note the next start would treat acknowledged records as unacknowledged ones.
void RunNote::give_up(const Error& why) {
  file_.reset();
  const auto removed = disk_->remove(path());
  const bool is_gone = removed || removed.error().is(Errc::not_found);
  if (!warn_) return;
  warn_(path() + " cannot be written: until the next start there is no note of the " +
        "acknowledged records, so damage after a crash is judged as after a power failure (" +
        std::string(why.message()) + ")" +
        (is_gone ? "" : "; it could not be removed either: remove it by hand"));
}

}  // namespace dohle::node
