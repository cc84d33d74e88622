#include <algorithm>
#include <charconv>

#include "log/checkpoint.hpp"
#include "node/storage/topics.hpp"

// TopicTable: reads how the last run ended, and records how this one ends.

namespace dohle::node {

namespace {

std::string may_be_missing_under(const std::optional<Durability>& durability) {
  if (!durability) {
    return "the durability of the last run is unknown: unless it was fsync, acknowledged records "
           "may be missing";
  }
  switch (*durability) {
    case Durability::fsync:
      return "";
    case Durability::interval:
      return "the node ran with durability interval: records that were acknowledged in its last 50 "
             "ms may be missing";
    case Durability::os:
      break;
  }
  return "the node ran with durability os: acknowledged records that the system had not written "
         "yet "
         "may be missing";
}

}  // namespace

Result<AcceptedLoss> parse_accepted_loss(std::string_view text) {
  const auto at = text.rfind('@');
  AcceptedLoss loss;
  const char* const end = text.data() + text.size();
  const bool has_offset =
      at != text.npos && at > 0 &&
      std::from_chars(text.data() + at + 1, end, loss.offset.value).ptr == end &&
      at + 1 < text.size() && loss.offset.value >= 0;
  if (!has_offset || text.substr(0, at).find('-') == text.npos) {
    return fail(Error::configuration(
        "accept_loss is \"" + std::string(text) +
        "\"; allowed is TOPIC-PARTITION@OFFSET, as in the line that reported the damage"));
  }
  loss.partition = text.substr(0, at);
  return loss;
}

Result<void> TopicTable::read_last_stop(std::vector<Finding>& findings) {
  auto note = RunNote::open(*disk_, directory_);
  if (!note) return fail(note.error());
  run_note_ = *std::move(note);
  auto read = read_clean_stop(*disk_, directory_);
  if (!read) return fail(read.error());
  if (read->is_damaged) {
    findings.push_back({false, directory_ + "/" + std::string(CleanStop::file_name) +
                                   " is damaged: the node starts as after a crash"});
  }
  last_stop_ = std::move(read->mark);
  return {};
}

// After a power loss the noted size may be that of a longer file, before or after its rewrite. Only
// that the file was there, with a line, is certain.
KnownSizes TopicTable::known_sizes_of_users() const {
  const EarlierRun& earlier = run_note_->earlier();
  KnownSizes sizes{.noted = earlier.users_bytes, .marked = last_stop_.users_bytes};
  if (sizes.noted && !earlier.is_same_boot) sizes.noted = std::min<std::uint64_t>(*sizes.noted, 1);
  return sizes;
}

Result<void> TopicTable::open_users() {
  const KnownSizes sizes = known_sizes_of_users();
  // A start that ends before begin_run would leave the old sizes beside the new file.
  if (options_.users.begins_anew(sizes)) {
    if (auto removed = remove_clean_mark(); !removed) return removed;
    run_note_->forget_users_bytes();
  }
  return options_.users.open(sizes);
}

log::LastLife TopicTable::last_life_of(const NotedPartition& partition) const {
  log::LastLife life;
  const EarlierRun& earlier = run_note_->earlier();
  if (last_stop_.is_bare) life.end = log::LastLife::End::clean_old;
  if (const auto* marked = last_stop_.log_of(partition)) {
    life.marked = *marked;
    return life;
  }
  if (last_stop_.is_bare) return life;
  life.may_be_missing = may_be_missing_under(earlier.durability);
  const auto noted = earlier.end_of(partition);
  if (noted && earlier.is_same_boot) {
    life.end = log::LastLife::End::killed;
    life.noted_end = noted;
  } else if (noted && earlier.durability == Durability::fsync) {
    // The end was synced before it was noted.
    life.noted_end = noted;
  } else {
    life.told_end = noted;
  }
  return life;
}

// After this call a crash is not taken for a clean stop. A partition that refused to open keeps its
// end of the earlier run, so that the next start judges it by the same end.
Result<void> TopicTable::begin_run() {
  std::vector<std::pair<NotedPartition, Offset>> ends;
  for (const auto& [name, topic] : topics_) {
    for (const PartitionRef& partition : topic.partitions) {
      if (partition->log() != nullptr) {
        ends.emplace_back(partition->noted, partition->log()->end());
        continue;
      }
      const log::LastLife life = last_life_of(partition->noted);
      const Offset acknowledged = log::acknowledged_end(life, Offset{0});
      if (life.noted_end || life.marked) ends.emplace_back(partition->noted, acknowledged);
    }
  }
  run_note_->catalog_bytes(catalog_->journal().size());
  if (const auto bytes = options_.users.bytes()) run_note_->users_bytes(*bytes);
  if (auto begun = run_note_->begin(options_.durability, ends, options_.warn); !begun) return begun;
  return remove_clean_mark();
}

Result<void> TopicTable::remove_clean_mark() {
  auto removed = disk_->remove(directory_ + "/" + std::string(CleanStop::file_name));
  if (!removed && !removed.error().is(Errc::not_found)) return removed;
  return disk_->sync_directory(directory_);
}

Result<void> TopicTable::write_mark() const {
  CleanStop mark;
  mark.catalog_bytes = catalog_->journal().size();
  mark.users_bytes = options_.users.bytes();
  for (const auto& [name, topic] : topics_) {
    for (const PartitionRef& partition : topic.partitions) {
      if (partition->fault() == nullptr) mark.logs[partition->noted] = partition->log()->marked();
    }
  }
  return log::write_checkpoint(*disk_, directory_, CleanStop::file_name, mark.text());
}

}  // namespace dohle::node
