#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/option_checks.hpp"
#include "base/wait_point.hpp"
#include "dohle/middleware.hpp"
#include "messaging/middleware/token_bucket.hpp"

namespace dohle {
inline namespace v0 {
namespace middleware {

namespace {

/// Lets messages of several threads pass in turn.
class Gate {
 public:
  explicit Gate(const RateLimit& limit) : limit_(limit), bucket_(limit.per_second, limit.burst) {}

  /// Waits until it is the caller's turn. Errors: limit_reached.
  Result<void> pass() {
    std::unique_lock lock(mutex_);
    const TimePoint now = thread_now();
    const auto turn = bucket_.take(now, now + Duration(limit_.max_wait));
    if (!turn) return fail(over_the_rate());
    // No thread notifies it: it waits for its time.
    while (thread_now() < *turn) turns_.wait_until(lock, *turn);
    return {};
  }

 private:
  [[nodiscard]] Error over_the_rate() const {
    return Error::client(Errc::limit_reached, "more than " + std::to_string(limit_.per_second) +
                                                  " messages per second (per_second) and " +
                                                  std::to_string(limit_.burst) +
                                                  " at once (burst), and the turn is in "
                                                  "more than " +
                                                  std::to_string(limit_.max_wait.count()) +
                                                  " ms (max_wait)")
        .with_retriable(true);
  }

  const RateLimit limit_;
  std::mutex mutex_;
  WaitPoint turns_;
  messaging::TokenBucket bucket_;
};

Result<std::shared_ptr<Gate>> make_gate(const RateLimit& limit) {
  // NaN is outside, too.
  const bool is_in_range = limit.per_second >= 0.001 && limit.per_second <= 1e9;
  if (!is_in_range) {
    return fail(Error::configuration("per_second is " + std::to_string(limit.per_second) +
                                     "; allowed are 0.001 to 1e9"));
  }
  auto checked = check_options({{"burst", as_value(limit.burst), 1, 1'000'000},
                                {"max_wait", limit.max_wait.count(), 0, 60'000, "ms"}});
  if (!checked) return fail(checked.error());
  return std::make_shared<Gate>(limit);
}

}  // namespace

Result<PublishMiddleware> limit_publishes(RateLimit limit) {
  auto gate = make_gate(limit);
  if (!gate) return fail(gate.error());
  return PublishMiddleware([gate = *gate](PublishHandler next) -> PublishHandler {
    return [gate, next = std::move(next)](std::string_view topic,
                                          Message& message) -> Result<Delivery> {
      if (auto passed = gate->pass(); !passed) return fail(passed.error());
      return next(topic, message);
    };
  });
}

Result<SubscribeMiddleware> limit_handling(RateLimit limit) {
  auto gate = make_gate(limit);
  if (!gate) return fail(gate.error());
  return SubscribeMiddleware([gate = *gate](SubscribeHandler next) -> SubscribeHandler {
    return [gate, next = std::move(next)](RawEvent& event) -> Result<void> {
      if (auto passed = gate->pass(); !passed) return passed;
      return next(event);
    };
  });
}

}  // namespace middleware
}  // namespace v0
}  // namespace dohle
