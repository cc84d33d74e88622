#include "node/storage/clean_stop.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <sstream>

#include "log/checkpoint.hpp"
#include "wire/crc32c.hpp"

namespace dohle::node {

namespace {

constexpr std::string_view first_line = "dohle-clean-stop 2";
constexpr std::string_view bare_text = "1\n";
constexpr std::size_t max_mark_bytes = std::size_t{1} << 30;

std::string hexadecimal(std::uint32_t crc) {
  std::array<char, 9> digits;
  std::snprintf(digits.data(), digits.size(), "%08x", crc);
  return digits.data();
}

std::optional<std::uint32_t> parse_hexadecimal(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

const log::MarkedLog* CleanStop::log_of(const NotedPartition& partition) const {
  const auto found = logs.find(partition);
  return found == logs.end() ? nullptr : &found->second;
}

std::string CleanStop::text() const {
  std::string text(first_line);
  text += "\ncatalog " + std::to_string(catalog_bytes.value_or(0)) + "\n";
  if (users_bytes) text += "users " + std::to_string(*users_bytes) + "\n";
  for (const auto& [partition, log] : logs) {
    text += "partition " + partition.topic.to_string() + " " +
            std::to_string(partition.partition.value) + " " + std::to_string(log.log_start.value) +
            " " + std::to_string(log.end.value) + " " + std::to_string(log.active_since.value) +
            "\n";
    for (const log::MarkedSegment& segment : log.segments) {
      text += "segment " + std::to_string(segment.base.value) + " " +
              std::to_string(segment.bytes) + " " +
              (segment.last_crc ? hexadecimal(*segment.last_crc) : "-") + "\n";
    }
  }
  return text + "end " + hexadecimal(wire::crc32c(0, as_bytes(text))) + "\n";
}

namespace {

/// The text of a mark before its last line. None if the checksum in that line differs.
std::optional<std::string_view> covered_by_checksum(std::string_view text) {
  const auto last = text.rfind("\nend ");
  if (last == text.npos || !text.ends_with('\n')) return std::nullopt;
  const std::string_view covered = text.substr(0, last + 1);
  const auto crc = parse_hexadecimal(text.substr(last + 5, text.size() - last - 6));
  if (!crc || *crc != wire::crc32c(0, as_bytes(covered))) return std::nullopt;
  return covered;
}

}  // namespace

std::optional<CleanStop> CleanStop::parse(std::string_view text) {
  CleanStop mark;
  mark.is_clean = true;
  if (text == bare_text) {
    mark.is_bare = true;
    return mark;
  }
  const auto covered = covered_by_checksum(text);
  if (!covered) return std::nullopt;
  std::istringstream lines{std::string(*covered)};
  std::string line;
  if (!std::getline(lines, line) || line != first_line) return std::nullopt;
  log::MarkedLog* log = nullptr;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string kind, word;
    words >> kind;
    if (kind == "catalog" || kind == "users") {
      std::uint64_t bytes = 0;
      words >> bytes;
      (kind == "catalog" ? mark.catalog_bytes : mark.users_bytes) = bytes;
    } else if (kind == "partition") {
      NotedPartition partition;
      log::MarkedLog made;
      words >> word >> partition.partition.value >> made.log_start.value >> made.end.value >>
          made.active_since.value;
      const auto id = TopicId::parse(word);
      if (!words || !id) return std::nullopt;
      partition.topic = *id;
      log = &(mark.logs[partition] = std::move(made));
    } else if (kind == "segment" && log != nullptr) {
      log::MarkedSegment segment;
      words >> segment.base.value >> segment.bytes >> word;
      if (word != "-") segment.last_crc = parse_hexadecimal(word);
      log->segments.push_back(segment);
    } else {
      return std::nullopt;
    }
    if (!words) return std::nullopt;
  }
  return mark;
}

Result<ReadCleanStop> read_clean_stop(Disk& disk, const std::string& directory) {
  ReadCleanStop read;
  auto text = log::read_checkpoint(disk, directory, CleanStop::file_name, max_mark_bytes);
  if (!text && text.error().is(Errc::not_found)) return read;
  if (!text) return fail(text.error());
  read.exists = true;
  if (auto mark = CleanStop::parse(*text)) {
    read.mark = *std::move(mark);
  } else {
    read.is_damaged = true;
  }
  return read;
}

}  // namespace dohle::node
