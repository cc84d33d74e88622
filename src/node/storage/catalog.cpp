#include "node/storage/catalog.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "base/units.hpp"
#include "wire/crc32c.hpp"

namespace dohle::node {

namespace {

constexpr std::size_t crc_digits = 8;
constexpr std::size_t min_history_lines = 1'000;
constexpr std::uint64_t reserved_bytes = 16_KiB;

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const auto end = std::min(line.find(' '), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

template <class Number>
bool read_number(std::string_view text, Number& into) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), into);
  return code == std::errc{} && end == text.data() + text.size();
}

std::string sealed(std::string_view line) {
  std::array<char, crc_digits + 1> digits;
  std::snprintf(digits.data(), digits.size(), "%08x", wire::crc32c(0, as_bytes(line)));
  return std::string(digits.data()) + " " + std::string(line) + "\n";
}

// The line without its seal; nothing when it is damaged.
std::optional<std::string_view> unsealed(std::string_view line) {
  if (line.size() <= crc_digits || line[crc_digits] != ' ') return std::nullopt;
  std::uint32_t crc = 0;
  const auto [end, code] = std::from_chars(line.data(), line.data() + crc_digits, crc, 16);
  if (code != std::errc{} || end != line.data() + crc_digits) return std::nullopt;
  line.remove_prefix(crc_digits + 1);
  return wire::crc32c(0, as_bytes(line)) == crc ? std::optional(line) : std::nullopt;
}

std::string topic_line(const std::string& name, const CatalogTopic& topic) {
  std::string line =
      "topic " + name + " " + topic.id.to_string() + " " + std::to_string(topic.partitions);
  for (const auto& [key, value] : topic.config) line += " " + key + "=" + value;
  return line;
}

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::open(Disk& disk, std::string directory) {
  std::unique_ptr<Catalog> catalog(new Catalog(disk, std::move(directory)));
  if (auto loaded = catalog->load(); !loaded) return fail(loaded.error());
  return catalog;
}

Result<void> Catalog::load() {
  const bool is_new = !disk_->exists(path());
  auto file = disk_->open(path(), OpenMode::create);
  if (!file) return fail(file.error());
  file_ = *std::move(file);
  if (is_new) return disk_->sync_directory(directory_);
  std::string text(file_->size(), '\0');
  auto got = file_->read(0, std::as_writable_bytes(std::span(text)));
  if (!got) return fail(got.error());
  text.resize(*got);
  auto good = replay(text);
  if (!good) return fail(good.error());
  size_ = *good;
  if (*good == text.size()) return {};
  if (auto cut = file_->truncate(size_); !cut) return cut;
  return disk_->sync_now(*file_);
}

// Returns how many bytes are whole lines.
Result<std::size_t> Catalog::replay(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    const auto line = unsealed(text.substr(at, end - at));
    if (end != text.npos && line && apply(*line)) {
      at = end + 1;
      ++lines_;
      continue;
    }
    const bool is_last = end == text.npos || text.find('\n', end + 1) == text.npos;
    if (is_last) return at;
    return fail(Error::storage(
        Errc::damaged, path() + " at byte " + std::to_string(at) +
                           ": a line is damaged and others follow it: restore it from a copy"));
  }
  return text.size();
}

// False when the line makes no sense.
bool Catalog::apply(std::string_view line) {
  const auto words = words_of(line);
  if (words.size() == 2 && words[0] == "cluster") {
    cluster_id_ = words[1];
    return true;
  }
  if (words.size() == 2 && words[0] == "producer-ids") {
    return read_number(words[1], free_producer_id_);
  }
  if (words.size() == 3 && words[0] == "deleted") {
    return topics_.erase(std::string(words[1])) == 1;
  }
  if (words.size() < 4 || words[0] != "topic") return false;
  CatalogTopic topic;
  const auto id = TopicId::parse(words[2]);
  if (!id || !read_number(words[3], topic.partitions) || topic.partitions < 1) return false;
  topic.id = *id;
  for (std::size_t i = 4; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    if (equals == words[i].npos) return false;
    topic.config.emplace(words[i].substr(0, equals), words[i].substr(equals + 1));
  }
  topics_[std::string(words[1])] = std::move(topic);
  return true;
}

Result<void> Catalog::set_cluster_id(std::string id) {
  auto stored = append("cluster " + id, Reserve::is_kept);
  if (stored) cluster_id_ = std::move(id);
  return stored;
}

Result<void> Catalog::add(const std::string& name, CatalogTopic topic) {
  auto stored = append(topic_line(name, topic), Reserve::is_kept);
  if (stored) topics_[name] = std::move(topic);
  return stored;
}

Result<void> Catalog::remove(const std::string& name) {
  const auto found = topics_.find(name);
  auto stored =
      append("deleted " + name + " " + found->second.id.to_string(), Reserve::may_be_used);
  if (stored) topics_.erase(found);
  return stored;
}

Result<void> Catalog::set_free_producer_id(std::int64_t id) {
  auto stored = append("producer-ids " + std::to_string(id), Reserve::may_be_used);
  if (stored) free_producer_id_ = id;
  return stored;
}

Result<void> Catalog::append(const std::string& line, Reserve reserve) {
  if (broken_) return fail(*broken_);
  if (auto rewritten = rewrite_if_due(); !rewritten) return rewritten;
  const std::string text = sealed(line);
  auto reserved = file_->reserve(size_ + text.size() + reserved_bytes);
  if (!reserved && reserve == Reserve::is_kept) return reserved;
  const Bytes bytes = as_bytes(text);
  if (auto written = file_->write(size_, {&bytes, 1}); !written) {
    // What a partial write left is cut, now or at the next start.
    if (auto cut = file_->truncate(size_); !cut) broken_ = cut.error();
    return written;
  }
  if (auto synced = disk_->sync_now(*file_); !synced) {
    broken_ = synced.error();
    return synced;
  }
  size_ += text.size();
  ++lines_;
  return {};
}

Result<void> Catalog::rewrite_if_due() {
  if (lines_ <= min_history_lines + 2 * live_lines()) return {};
  auto rewritten = rewrite();
  // The file as it is goes on.
  if (!rewritten && !broken_ && rewritten.error().is(Errc::disk_full)) return {};
  return rewritten;
}

Result<void> Catalog::rewrite() {
  std::string text = sealed("cluster " + cluster_id_) +
                     sealed("producer-ids " + std::to_string(free_producer_id_));
  for (const auto& [name, topic] : topics_) text += sealed(topic_line(name, topic));
  const std::string temporary = path() + ".tmp";
  auto file = disk_->open(temporary, OpenMode::truncate);
  if (!file) return fail(file.error());
  const Bytes bytes = as_bytes(text);
  if (auto written = (*file)->write(0, {&bytes, 1}); !written) return written;
  if (auto synced = disk_->sync_now(**file); !synced) return synced;
  if (auto renamed = disk_->rename(temporary, path()); !renamed) return renamed;
  file_ = *std::move(file);
  size_ = text.size();
  lines_ = live_lines();
  if (auto synced = disk_->sync_directory(directory_); !synced) {
    broken_ = synced.error();
    return synced;
  }
  return {};
}

}  // namespace dohle::node
