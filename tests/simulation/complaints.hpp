#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dohle::simulation {

/// Faults found by a seed's checks: the first lines and their number.
class Complaints {
 public:
  void add(const std::string& line) {
    if (++count_ <= max_kept) lines_.push_back(line);
  }
  [[nodiscard]] std::size_t count() const { return count_; }
  /// The first lines.
  [[nodiscard]] std::string text() const {
    std::string text;
    for (std::size_t i = 0; i < std::min(lines_.size(), max_shown); ++i) {
      text += "  " + lines_[i] + "\n";
    }
    return text;
  }
  /// Whether a line contains these words. Planted bugs have to be found by their words.
  [[nodiscard]] bool name(std::string_view words) const {
    return std::ranges::any_of(lines_,
                               [&](const std::string& line) { return line.contains(words); });
  }

 private:
  static constexpr std::size_t max_shown = 10;
  static constexpr std::size_t max_kept = 10'000;
  std::size_t count_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace dohle::simulation
