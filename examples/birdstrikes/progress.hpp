#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace birdstrikes {

/// What a line of progress says.
struct Figures {
  std::size_t rows = 0, published = 0, acknowledged = 0, summed_up = 0, noteworthy = 0;
};

/// "1,234,567".
[[nodiscard]] std::string grouped(std::int64_t number);
/// Columns of the terminal on standard output; 80 where there is none.
[[nodiscard]] std::size_t output_width();

/// Shows how far the demo is, on standard output: on a terminal one line that is redrawn, otherwise
/// a plain line every two seconds. One thread.
class Progress {
 public:
  Progress();
  void show(const Figures& figures);
  /// A line that stays.
  void say(std::string_view line);

 private:
  [[nodiscard]] std::string line_of(const Figures& figures) const;
  [[nodiscard]] double seconds() const;

  bool on_terminal_;
  std::chrono::steady_clock::time_point start_, shown_;
};

}  // namespace birdstrikes
