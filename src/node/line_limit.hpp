#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.hpp"
#include "node/limits.hpp"

namespace dohle::node {

/// Limits the lines of one kind per period and counts the omitted ones, so that no client can fill
/// a log.
class LineLimit {
 public:
  /// The line to write, with the number of lines omitted before it. Absent if it is to be omitted.
  [[nodiscard]] std::optional<std::string> pass(std::string_view line, TimePoint now) {
    if (now >= period_end_) {
      period_end_ = now + limits::log_lines_period;
      passed_ = 0;
    }
    if (passed_ == limits::max_log_lines) {
      ++left_out_;
      return std::nullopt;
    }
    ++passed_;
    std::string text(line);
    if (const unsigned left_out = std::exchange(left_out_, 0)) {
      text += " (" + std::to_string(left_out) + " similar lines left out)";
    }
    return text;
  }

 private:
  TimePoint period_end_{};
  unsigned passed_ = 0;
  unsigned left_out_ = 0;
};

}  // namespace dohle::node
