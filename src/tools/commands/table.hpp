#pragma once

#include <string>
#include <vector>

namespace dohle::tools {

/// Columns of text, aligned under their headings with two spaces between them; the last column is
/// not padded. Control characters in cells are shown as \xHH, to protect the terminal.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);
  /// Adds a row with as many cells as there are headings.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.size() == 1; }
  /// The lines, each with its newline.
  [[nodiscard]] std::string to_string() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// `text` with control characters as \xHH.
std::string printable(std::string_view text);

}  // namespace dohle::tools
