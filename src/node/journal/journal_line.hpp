#pragma once

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
  /// Counted from 1; 0: written by 0.1.0, which did not number lines.
  std::uint64_t number = 0;
  /// The last line that was known to be on disk when this one was written; 0: none.
  std::uint64_t durable = 0;
  /// Whoever does not know the kind may skip it.
  bool is_optional = false;
  std::string_view kind;
  std::vector<std::string_view> words;
  /// Where it begins in the file.
  std::uint64_t at = 0;

  [[nodiscard]] bool is_numbered() const { return number != 0; }
};

/// A line as it goes into the file: CRC, version, numbers, `body` (kind and words), newline.
[[nodiscard]] std::string sealed_line(std::uint64_t number, std::uint64_t durable,
                                      std::string_view body);

/// Reads a line without its newline; nothing if its CRC is wrong or its form is not a line's.
[[nodiscard]] std::optional<JournalLine> unsealed_line(std::string_view line);

/// What is known from elsewhere about how long the file has to be.
struct KnownSizes {
  /// As noted by the last run in the same boot: at least so long.
  std::optional<std::uint64_t> noted = std::nullopt;
  /// As the last clean stop left it: exactly so long.
  std::optional<std::uint64_t> marked = std::nullopt;
};

/// What a journal's file says.
struct JournalText {
  std::vector<JournalLine> lines;
  /// Where the last good line ends.
  std::uint64_t end = 0;
  /// Bytes behind it that a torn write left; they belong to nothing that anybody was told of.
  std::uint64_t dropped_bytes = 0;
};

/// Reads and judges the text of a journal's file. Returns what is damaged and where, in words to
/// which the caller adds file and remedy; nothing if the journal is good.
[[nodiscard]] std::optional<std::string> read_journal(std::string_view text,
                                                      const KnownSizes& sizes, JournalText& into);

}  // namespace dohle::node
