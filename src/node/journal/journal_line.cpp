#include "node/journal/journal_line.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "base/slice.hpp"
#include "node/journal/journal.hpp"
#include "wire/crc32c.hpp"

namespace dohle::node {

namespace {

constexpr std::size_t crc_digits = 8;
constexpr std::uint64_t sector_bytes = 512;
constexpr std::string_view unnumbered_version = "0.1.0";

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const auto end = std::min(line.find(' '), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The text after the CRC. None if the CRC is wrong.
std::optional<std::string_view> body_of(std::string_view line) {
  if (line.size() <= crc_digits || line[crc_digits] != ' ') return std::nullopt;
  std::uint32_t crc = 0;
  const auto [end, code] = std::from_chars(line.data(), line.data() + crc_digits, crc, 16);
  if (code != std::errc{} || end != line.data() + crc_digits) return std::nullopt;
  line.remove_prefix(crc_digits + 1);
  return wire::crc32c(0, as_bytes(line)) == crc ? std::optional(line) : std::nullopt;
}

std::string at_byte(std::uint64_t at) {
  return "the line at byte " + std::to_string(at);
}

/// Whether `rest` has a good line that was written after line `number` was durable.
bool proves_durable(std::string_view rest, std::uint64_t number) {
  for (std::size_t at = 0; at < rest.size();) {
    const std::size_t end = std::min(rest.find('\n', at), rest.size());
    std::string_view piece = rest.substr(at, end - at);
    // A lost page ends before a line or inside one.
    if (const auto zero = piece.rfind('\0'); zero != piece.npos) piece.remove_prefix(zero + 1);
    const auto line = unsealed_line(piece);
    // 0.1.0 synced each line before it wrote the next.
    if (line && (!line->is_numbered() || line->durable >= number)) return true;
    at = end + 1;
  }
  return false;
}

/// Whether `rest` has a sector that was lost in a crash. Such a sector reads as zeros, up to its
/// end or that of the file.
bool has_lost_sector(std::string_view rest, std::uint64_t at) {
  for (std::size_t i = rest.find('\0'); i != rest.npos; i = rest.find('\0', i + 1)) {
    if (i + 1 == rest.size() || (at + i + 1) % sector_bytes == 0) return true;
  }
  return false;
}

bool may_be_torn(std::string_view rest, std::uint64_t at) {
  return rest.find('\n') == rest.npos || has_lost_sector(rest, at);
}

std::optional<std::string> judge_size(std::uint64_t size, const KnownSizes& sizes) {
  const auto bytes = [](std::uint64_t count) { return std::to_string(count) + " bytes"; };
  if (sizes.marked && size != *sizes.marked) {
    return "it has " + bytes(size) + ", and the last clean stop left " + bytes(*sizes.marked);
  }
  if (sizes.noted && size < *sizes.noted) {
    return "it has " + bytes(size) + ", and the node had written " + bytes(*sizes.noted);
  }
  return std::nullopt;
}

/// `rest` begins with the first bad line, whose number should be `number`. Returns the damage. None
/// if a torn write explains the line.
std::optional<std::string> judge_rest(std::string_view rest, std::uint64_t at, std::uint64_t number,
                                      const KnownSizes& sizes) {
  const std::uint64_t known = std::max(sizes.marked.value_or(0), sizes.noted.value_or(0));
  if (at < known) {
    return at_byte(at) + " is damaged, and the file was whole up to byte " + std::to_string(known);
  }
  if (proves_durable(rest, number)) {
    return at_byte(at) + " is damaged, and later lines are whole";
  }
  if (!may_be_torn(rest, at)) {
    return at_byte(at) + " is whole, and its CRC is wrong";
  }
  return std::nullopt;
}

}  // namespace

std::string sealed_line(std::uint64_t number, std::uint64_t durable, std::string_view body) {
  const std::string text = std::string(journal_version()) + " " + std::to_string(number) + " " +
                           std::to_string(durable) + " " + std::string(body);
  std::array<char, crc_digits + 1> digits;
  std::snprintf(digits.data(), digits.size(), "%08x", wire::crc32c(0, as_bytes(text)));
  return std::string(digits.data()) + " " + text + "\n";
}

std::optional<JournalLine> unsealed_line(std::string_view line) {
  const auto body = body_of(line);
  if (!body || body->empty()) return std::nullopt;
  JournalLine read;
  read.words = words_of(*body);
  if (!is_digit(body->front())) {
    read.version = unnumbered_version;
    read.kind = read.words.front();
    read.words.erase(read.words.begin());
    return read;
  }
  if (read.words.size() < 4 || !read_number(read.words[1], read.number) || read.number == 0 ||
      !read_number(read.words[2], read.durable)) {
    return std::nullopt;
  }
  read.version = read.words[0];
  read.kind = read.words[3];
  read.is_optional = read.kind.starts_with('?');
  if (read.is_optional) read.kind.remove_prefix(1);
  read.words.erase(read.words.begin(), read.words.begin() + 4);
  return read;
}

std::optional<std::string> read_journal(std::string_view text, const KnownSizes& sizes,
                                        JournalText& into) {
  if (auto damage = judge_size(text.size(), sizes)) return damage;
  for (std::size_t at = 0; at < text.size();) {
    const std::uint64_t number = into.lines.size() + 1;
    const auto end = text.find('\n', at);
    auto line = end == text.npos ? std::nullopt : unsealed_line(text.substr(at, end - at));
    if (!line) {
      into.dropped_bytes = text.size() - at;
      return judge_rest(text.substr(at), at, number, sizes);
    }
    if (line->is_numbered() && line->number != number) {
      return at_byte(at) + " has number " + std::to_string(line->number) + " and not " +
             std::to_string(number) + ", so lines are missing";
    }
    line->at = at;
    into.lines.push_back(*std::move(line));
    into.end = at = end + 1;
  }
  return std::nullopt;
}

}  // namespace dohle::node
