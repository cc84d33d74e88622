#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dohle::node {

/// One line of a journal (docs/formats.md, "The catalog"), without its CRC. Views refer to the text
/// that it was read from.
struct JournalLine {
  /// The version of Dohle that wrote it.
  std::string_view version;
  /// Counted from 1. 0 for lines of 0.1.0, which have no numbers.
  std::uint64_t number = 0;
  /// Number of the last line that was known to be durable when this one was written. 0: none.
  std::uint64_t durable = 0;
  /// A reader that does not know the kind may skip the line.
  bool is_optional = false;
  std::string_view kind;
  std::vector<std::string_view> words;
  /// Offset of the line in the file.
  std::uint64_t at = 0;

  [[nodiscard]] bool is_numbered() const { return number != 0; }
};

/// Reads a word that is a decimal number. False if it is not one, or does not fit.
template <std::integral Number>
[[nodiscard]] bool read_number(std::string_view text, Number& into) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), into);
  return code == std::errc{} && end == text.data() + text.size();
}

/// A line as stored in the file: CRC, version, numbers, `body` (kind and words), newline.
[[nodiscard]] std::string sealed_line(std::uint64_t number, std::uint64_t durable,
                                      std::string_view body);

/// Reads a line without its newline. None if the CRC or the form is wrong.
[[nodiscard]] std::optional<JournalLine> unsealed_line(std::string_view line);

/// The size of the file, as known from other files.
struct KnownSizes {
  /// The minimum, noted by the last run in the same boot.
  std::optional<std::uint64_t> noted = std::nullopt;
  /// The exact size, left by the last clean stop.
  std::optional<std::uint64_t> marked = std::nullopt;
};

/// The content of a journal's file.
struct JournalText {
  std::vector<JournalLine> lines;
  /// End of the last good line.
  std::uint64_t end = 0;
  /// Bytes after it that a torn write left. They belong to no acknowledged change.
  std::uint64_t dropped_bytes = 0;
};

/// Reads and checks the text of a journal's file. Returns the damage and its place, to which the
/// caller adds file and remedy. None if the journal is good.
[[nodiscard]] std::optional<std::string> read_journal(std::string_view text,
                                                      const KnownSizes& sizes, JournalText& into);

}  // namespace dohle::node
