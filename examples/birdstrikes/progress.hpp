#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace birdstrikes {

/// The figures of a progress line.
struct Figures {
  std::size_t rows = 0, published = 0, acknowledged = 0, summed_up = 0, noteworthy = 0;
};

/// "1,234,567".
[[nodiscard]] std::string grouped(std::int64_t number);
/// Columns of the terminal on standard output; 80 without a terminal.
[[nodiscard]] std::size_t output_width();

/// Shows the progress on standard output: on a terminal one line that is redrawn, otherwise a plain
/// line every two seconds. For one thread.
class Progress {
 public:
  Progress();
  void show(const Figures& figures);
  /// Prints a line that is not overwritten.
  void say(std::string_view line);

 private:
  [[nodiscard]] std::string line_of(const Figures& figures) const;
  [[nodiscard]] double seconds() const;

  bool on_terminal_;
  std::chrono::steady_clock::time_point start_, shown_;
};

}  // namespace birdstrikes
