#pragma once

#include <optional>
#include <utility>

#include "base/time.hpp"
#include "node/limits.hpp"

namespace dohle::node {

/// Lets some lines of one kind pass per period and counts the others, so that no client can fill a
/// log.
class LineLimit {
 public:
  /// How many lines were left out since the last one that passed; nothing: leave this one out too.
  [[nodiscard]] std::optional<unsigned> pass(TimePoint now) {
    if (now >= period_end_) {
      period_end_ = now + limits::log_lines_period;
      passed_ = 0;
    }
    if (passed_ == limits::log_lines_max) {
      ++left_out_;
      return std::nullopt;
    }
    ++passed_;
    return std::exchange(left_out_, 0);
  }

 private:
  TimePoint period_end_{};
  unsigned passed_ = 0;
  unsigned left_out_ = 0;
};

}  // namespace dohle::node
