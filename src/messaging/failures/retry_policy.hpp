#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <variant>
#include <vector>

#include "base/random.hpp"
#include "dohle/broker.hpp"

namespace dohle::messaging {

/// Decides how a message whose handling failed is treated: a retry in place, a retry topic, or the
/// failure policy. Retries in place come first, then the retry topics in the order of their delays.
/// A message of a retry topic is not retried in place.
class RetryPolicy {
 public:
  struct Settings {
    int max_retries = 3;
    std::chrono::milliseconds retry_delay{100};
    std::chrono::milliseconds max_retry_delay{1'000};
    FailurePolicy failure_policy = FailurePolicy::hold;
    /// The delays of the retry topics, each longer than the one before.
    std::vector<std::chrono::milliseconds> topic_delays = {};
    /// Whether there is a topic for dead letters. Without one, dead_letter is failure_policy.
    bool has_dead_letters = false;
    std::uint64_t seed = 0;
  };

  struct Failed {
    const Error& why;
    /// Attempts of this delivery, from 1.
    int attempt = 1;
    /// 0 for the source, 1 for the first retry topic, and so on.
    std::size_t level = 0;
    /// The answer of the program's failure_decision.
    FailureAction asked = FailureAction::retry;
    /// The level that the handler asked for. Not used for a permanent error.
    std::size_t wanted_level = 0;
  };
  /// Handle it again after `wait`; later messages of its key wait.
  struct RetryInPlace {
    std::chrono::nanoseconds wait;
    friend bool operator==(const RetryInPlace&, const RetryInPlace&) = default;
  };
  /// Store it in the retry topic of this level.
  struct UseRetryTopic {
    std::size_t level;
    friend bool operator==(const UseRetryTopic&, const UseRetryTopic&) = default;
  };
  /// No retry is left.
  struct GiveUp {
    FailurePolicy policy;
    friend bool operator==(const GiveUp&, const GiveUp&) = default;
  };
  using Decision = std::variant<RetryInPlace, UseRetryTopic, GiveUp>;

  explicit RetryPolicy(Settings settings)
      : settings_(std::move(settings)), random_(settings_.seed) {}

  [[nodiscard]] Decision decide(const Failed& failed);
  /// The first level above `level` whose delay is at least `least`. Absent if there is none.
  [[nodiscard]] std::optional<std::size_t> level_after(std::size_t level,
                                                       std::chrono::milliseconds least) const;
  /// The delay of a retry topic.
  [[nodiscard]] std::chrono::milliseconds delay_of(std::size_t level) const {
    return settings_.topic_delays.at(level - 1);
  }

 private:
  [[nodiscard]] std::chrono::nanoseconds wait_before(int retry);
  [[nodiscard]] GiveUp give_up(FailurePolicy policy) const;

  Settings settings_;
  SeededRandom random_;
};

/// The wait after one more failure in a row: doubled from `min` to `max`; `last` is 0 after the
/// first.
[[nodiscard]] inline std::chrono::milliseconds longer_wait(std::chrono::milliseconds last,
                                                           std::chrono::milliseconds min,
                                                           std::chrono::milliseconds max) {
  return last.count() == 0 ? min : std::min(last * 2, max);
}

/// True for failures that no retry can mend: of decoding, and those marked as permanent.
[[nodiscard]] bool is_permanent(const Error& why);

}  // namespace dohle::messaging
