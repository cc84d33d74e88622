#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/time.hpp"

namespace dohle {

/// Limits repeats of a log line to one per `quiet` period. It counts the suppressed lines, so that
/// the next line, or the last, can report their number. Not thread safe.
class Repeats {
 public:
  explicit Repeats(Duration quiet) : quiet_(quiet) {}

  /// Absent: suppress this line. Otherwise log it; the value is the number of lines suppressed
  /// before it.
  [[nodiscard]] std::optional<std::uint64_t> admit(TimePoint now) {
    if (now < quiet_until_) {
      ++held_back_;
      return std::nullopt;
    }
    quiet_until_ = now + quiet_;
    return take_held_back();
  }
  /// The number of lines suppressed since the last one; resets it. For the end.
  [[nodiscard]] std::uint64_t take_held_back() { return std::exchange(held_back_, 0); }

 private:
  Duration quiet_;
  TimePoint quiet_until_{};
  std::uint64_t held_back_ = 0;
};

/// The end of a line: "" or " (3 more since the last line)".
[[nodiscard]] inline std::string more_since(std::uint64_t held_back) {
  if (held_back == 0) return {};
  return " (" + std::to_string(held_back) + " more since the last line)";
}

}  // namespace dohle
