#include "node/storage/strays.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "base/units.hpp"
#include "log/state_file.hpp"

namespace dohle::node {

namespace {

constexpr std::string_view metadata_file = "partition.metadata";
constexpr std::string_view id_word = "topic_id: ";
constexpr std::size_t max_metadata_bytes = 4'096;
constexpr std::size_t max_named = 10;

bool is_segment(std::string_view name) {
  return name.ends_with(".log");
}

bool is_cut_off(std::string_view name) {
  return name.ends_with(".cut") || name.find(".cut-") != name.npos;
}

/// A segment without batches is empty, or consists of the zeros that it was extended by.
Result<bool> has_content(Disk& disk, const std::string& path) {
  auto file = disk.open(path, OpenMode::read);
  if (!file) return fail(file.error());
  std::vector<std::byte> window(64_KiB);
  for (std::uint64_t at = 0; at < (*file)->size(); at += window.size()) {
    auto got = (*file)->read(at, window);
    if (!got) return fail(got.error());
    const auto bytes = std::span(window).first(*got);
    if (std::ranges::any_of(bytes, [](std::byte b) { return b != std::byte{0}; })) return true;
  }
  return false;
}

Result<std::optional<TopicId>> id_in(Disk& disk, const std::string& path) {
  auto file = disk.open(path, OpenMode::read);
  if (!file) return fail(file.error());
  std::string text(std::min<std::uint64_t>((*file)->size(), max_metadata_bytes), '\0');
  auto got = (*file)->read(0, std::as_writable_bytes(std::span(text)));
  if (!got) return fail(got.error());
  text.resize(*got);
  const auto at = text.find(id_word);
  if (at == text.npos) return std::nullopt;
  const std::string_view id = std::string_view(text).substr(at + id_word.size());
  return TopicId::parse(id.substr(0, id.find_first_of("\n\r ")));
}

std::string names_of(const std::vector<Stray>& strays) {
  std::string text;
  for (std::size_t i = 0; i < std::min(strays.size(), max_named); ++i) {
    text += (i == 0 ? "" : ", ") + strays[i].name();
  }
  if (strays.size() > max_named) {
    text += " and " + std::to_string(strays.size() - max_named) + " more";
  }
  return text;
}

Error cannot_adopt(std::string_view topic, const std::string& why) {
  return Error::configuration("adopt: topic " + std::string(topic) + ": " + why);
}

}  // namespace

std::optional<PartitionDirectory> parse_partition_directory(std::string_view name) {
  const auto dash = name.rfind('-');
  if (dash == name.npos || dash == 0) return std::nullopt;
  const std::string_view digits = name.substr(dash + 1);
  PartitionDirectory parsed{std::string(name.substr(0, dash)), 0};
  const auto [end, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), parsed.partition);
  const bool is_number = code == std::errc{} && end == digits.data() + digits.size() &&
                         std::to_string(parsed.partition) == digits;
  return is_number && parsed.partition >= 0 ? std::optional(std::move(parsed)) : std::nullopt;
}

Result<std::optional<Stray>> look_at_directory(Disk& disk, const std::string& parent,
                                               const PartitionDirectory& name) {
  Stray stray{name.topic, name.partition};
  const std::string directory = parent + "/" + stray.name();
  auto entries = disk.list(directory);
  if (!entries) return fail(entries.error());
  bool is_partition = false;
  for (const DirectoryEntry& entry : *entries) {
    const std::string path = directory + "/" + entry.name;
    if (entry.name == metadata_file) {
      auto id = id_in(disk, path);
      if (!id) return fail(id.error());
      stray.id = *id;
    } else if (is_cut_off(entry.name)) {
      stray.has_records |= entry.size > 0;
    } else if (is_segment(entry.name)) {
      if (stray.has_records) continue;
      auto content = has_content(disk, path);
      if (!content) return fail(content.error());
      stray.has_records = *content;
    } else if (entry.name != log::StateFile::name) {
      continue;
    }
    is_partition = true;
  }
  return is_partition ? std::optional(std::move(stray)) : std::nullopt;
}

bool may_be_removed(const Stray& stray, const Catalog& catalog) {
  return !stray.has_records || (stray.id && catalog.is_deleted(*stray.id));
}

Result<CatalogTopic> adopted_topic(std::string_view name, const std::vector<Stray>& strays,
                                   const TopicId& fresh) {
  std::set<std::int32_t> partitions;
  std::set<TopicId> ids;
  for (const Stray& stray : strays) {
    partitions.insert(stray.partition);
    if (stray.id) ids.insert(*stray.id);
  }
  if (partitions.empty()) {
    return fail(cannot_adopt(name, "the data directory has no partition of it"));
  }
  std::int32_t next = 0;
  for (const std::int32_t partition : partitions) {
    if (partition != next) {
      return fail(
          cannot_adopt(name, "the directory " + partition_name(name, next) + " is missing"));
    }
    ++next;
  }
  if (ids.size() > 1) {
    return fail(cannot_adopt(name, "its directories belong to " + std::to_string(ids.size()) +
                                       " different topics (partition.metadata)"));
  }
  return CatalogTopic{ids.empty() ? fresh : *ids.begin(), next, {}, true};
}

std::int32_t partitions_with(const CatalogTopic& listed, const std::vector<Stray>& strays) {
  std::map<std::int32_t, bool> have_records;
  for (const Stray& stray : strays) {
    if (stray.id == listed.id) have_records[stray.partition] = stray.has_records;
  }
  std::int32_t total = listed.partitions;
  bool has_records = false;
  for (auto next = have_records.find(total); next != have_records.end();
       next = have_records.find(++total)) {
    has_records |= next->second;
  }
  return has_records ? total : listed.partitions;
}

std::optional<std::string> line_about_strays(const std::string& parent,
                                             const std::vector<Stray>& kept,
                                             const std::vector<Stray>& removed) {
  std::string text;
  if (!kept.empty()) {
    text =
        std::to_string(kept.size()) + " partition directories in " + parent +
        " hold records of topics or partitions that the catalog does not list, and are kept (" +
        names_of(kept) +
        "): --adopt TOPIC lists them again; until then the topic cannot be created, or get these "
        "partitions";
  }
  if (!removed.empty()) {
    text += (text.empty() ? "" : "; ") + std::to_string(removed.size()) + " partition directories" +
            (kept.empty() ? " in " + parent : "") +
            " without records or of deleted topics are removed (" + names_of(removed) + ")";
  }
  return text.empty() ? std::nullopt : std::optional(std::move(text));
}

}  // namespace dohle::node
