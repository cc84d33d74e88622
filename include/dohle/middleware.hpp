#pragma once

// Ready-made middlewares. Give them to a Broker or to one call: with_publish_middlewares,
// with_subscribe_middlewares. They share the ownership of their loggers, metrics and tracers.
// Thread safety: any thread.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "dohle/broker.hpp"
#include "dohle/error.hpp"
#include "dohle/event.hpp"
#include "dohle/export.hpp"
#include "dohle/logger.hpp"
#include "dohle/metrics.hpp"
#include "dohle/tracer.hpp"

namespace dohle {
inline namespace v0 {
namespace middleware {

/// Logs each publish at level debug, and each failed publish as a warning, with its topic, its
/// duration and the error. Logs at most one warning per second, with the number of suppressed ones.
/// Logs nothing if `logger` is null.
[[nodiscard]] DOHLE_API PublishMiddleware log_publishes(std::shared_ptr<Logger> logger);
/// The same for handled messages, with their partition, offset and attempt.
[[nodiscard]] DOHLE_API SubscribeMiddleware log_handling(std::shared_ptr<Logger> logger);

/// Counts publishes in `metrics`, which must not be null: `dohle_publish_seconds`, measured for one
/// call in 64 on each thread, and `dohle_refused_publishes_total`. A Broker has its own counts
/// (`BrokerOptions::metrics`). Use this middleware to count only some of its calls.
[[nodiscard]] DOHLE_API PublishMiddleware count_publishes(const std::shared_ptr<Metrics>& metrics);
/// Counts handled messages in `metrics`, which must not be null: `dohle_handled_messages_total`,
/// `dohle_retried_messages_total` and `dohle_handle_seconds`, by topic.
[[nodiscard]] DOHLE_API SubscribeMiddleware count_handling(const std::shared_ptr<Metrics>& metrics);

/// Makes a `send` span for each message, and puts its context into the message's headers, as a
/// Broker with a tracer does. `tracer` must not be null.
[[nodiscard]] DOHLE_API PublishMiddleware trace_publishes(std::shared_ptr<Tracer> tracer);
/// Makes a `process` span for each call of the handler, as a Broker with a tracer does. `tracer`
/// must not be null.
[[nodiscard]] DOHLE_API SubscribeMiddleware trace_handling(std::shared_ptr<Tracer> tracer);

/// The rate at which messages may pass.
struct RateLimit {
  /// Default: 1,000. 0.001 to 1e9. Messages per second on average.
  double per_second = 1'000;
  /// Default: 100. 1 to 1,000,000. Messages that may pass at once after a pause.
  std::size_t burst = 100;
  /// Default: 0, a message above the rate is refused at once. 0 to 1 min. The longest time that a
  /// message waits for its turn, on the thread that publishes or handles it. A message whose turn
  /// would come later is refused at once.
  std::chrono::milliseconds max_wait{0};
};

/// Limits the rate of publishes. All publishes that share this middleware count together. A refused
/// publish fails with limit_reached, which is retriable. For publishes on the client's own thread
/// max_wait should be 0. Errors: configuration, with the field, its value and the allowed values.
[[nodiscard]] DOHLE_API Result<PublishMiddleware> limit_publishes(RateLimit limit);
/// The same for handled messages. A refused message has failed, and is retried as after an error of
/// its handler. Set max_wait, so that messages wait instead of failing. Errors: as limit_publishes.
[[nodiscard]] DOHLE_API Result<SubscribeMiddleware> limit_handling(RateLimit limit);

/// The header with the time at which a message expires: milliseconds since 1970-01-01 UTC, as
/// decimal digits.
inline constexpr std::string_view deadline_header = "dohle-deadline";

/// Gives each message a deadline, `time` after its publish, in the header dohle-deadline. A message
/// that already has a deadline keeps it; if that has passed, the publish fails with timed_out.
/// `time` is 1 ms to 365 days. Errors: configuration for another `time`.
[[nodiscard]] DOHLE_API Result<PublishMiddleware> set_deadline(std::chrono::milliseconds time);
/// Does not pass messages whose deadline has passed to the handler; they count as handled.
/// `on_expired`, if it is not empty, is called with each of them on the thread that would have
/// handled it. An exception that it throws is a failure of the message. Messages without a
/// deadline, or with one that is not a number, are passed to the handler.
[[nodiscard]] DOHLE_API SubscribeMiddleware
skip_expired(std::function<void(const RawEvent&)> on_expired = nullptr);

}  // namespace middleware
}  // namespace v0
}  // namespace dohle
