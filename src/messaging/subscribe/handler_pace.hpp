#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "base/time.hpp"

namespace dohle::messaging {

/// Decides whether the handler of a subscription is quick. While it is, waking another thread for a
/// message costs more than handling it, so the polling thread handles the messages that it has
/// read. Reads no clock. Not thread safe.
class HandlerPace {
 public:
  explicit HandlerPace(std::size_t concurrency)
      : quick_(concurrency == 1 ? quick_alone : quick_beside_others) {}

  /// The handler took `took` for one message, or on average for a few.
  void on_handled(Duration took) {
    const Duration counted = std::clamp(took, Duration(0), longest_counted);
    mean_ += (counted - mean_) / weight;
  }
  /// Whether the handler has been quick lately. True before the first message.
  [[nodiscard]] bool is_quick() const { return mean_ <= quick_; }

 private:
  /// A weighted mean of the last times: each counts an eighth, and less with each later one.
  static constexpr int weight = 8;
  /// One such time makes the handler slow for about 70 quick ones.
  static constexpr Duration longest_counted = std::chrono::milliseconds(100);
  /// No other handler could run meanwhile.
  static constexpr Duration quick_alone = std::chrono::microseconds(20);
  /// Two handlers at a time save about as much as handing messages to another thread costs.
  static constexpr Duration quick_beside_others = std::chrono::microseconds(1);

  const Duration quick_;
  Duration mean_{0};
};

}  // namespace dohle::messaging
