#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/time.hpp"

namespace dohle {

/// Lets one line of a kind through in a time of quiet, and counts the lines that it holds back, so
/// that the next one, or the end, can say how many there were. Not thread safe.
class Repeats {
 public:
  explicit Repeats(Duration quiet) : quiet_(quiet) {}

  /// Nothing: hold this line back. Otherwise let it through: so many were held back before it.
  [[nodiscard]] std::optional<std::uint64_t> admit(TimePoint now) {
    if (now < quiet_until_) {
      ++held_back_;
      return std::nullopt;
    }
    quiet_until_ = now + quiet_;
    return take_held_back();
  }
  /// For the end: how many were held back since the last line.
  [[nodiscard]] std::uint64_t take_held_back() { return std::exchange(held_back_, 0); }

 private:
  Duration quiet_;
  TimePoint quiet_until_{};
  std::uint64_t held_back_ = 0;
};

/// For the end of a line: "" or " (3 more since the last line)".
[[nodiscard]] inline std::string more_since(std::uint64_t held_back) {
  if (held_back == 0) return {};
  return " (" + std::to_string(held_back) + " more since the last line)";
}

}  // namespace dohle
