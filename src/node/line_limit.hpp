#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.hpp"
#include "node/limits.hpp"

namespace dohle::node {

/// Lets some lines of one kind pass per period and counts the others, so that no client can fill a
/// log.
class LineLimit {
 public:
  /// The line as it may be written, with how many were left out before it; nothing: leave it out.
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
