#pragma once

// Ready-made middlewares. Give them to a Broker or to one call: with_publish_middlewares,
// with_subscribe_middlewares. What they are given outlives them, since they hold it.

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

/// Logs each publish at debug level, and each failed one as a warning, with its topic, its time and
/// the error. Of warnings at most one a second, which has the number of the suppressed ones. A null
/// logger logs nothing.
[[nodiscard]] DOHLE_API PublishMiddleware log_publishes(std::shared_ptr<Logger> logger);
/// The same of handled messages, with their partition, offset and attempt.
[[nodiscard]] DOHLE_API SubscribeMiddleware log_handling(std::shared_ptr<Logger> logger);

/// Counts publishes in `metrics`, which must not be null: `dohle_publish_seconds`, of one call in
/// 64 on each thread, and `dohle_refused_publishes_total`. A Broker counts by itself
/// (`BrokerOptions::metrics`); this is for counts of a part of its calls.
[[nodiscard]] DOHLE_API PublishMiddleware count_publishes(const std::shared_ptr<Metrics>& metrics);
/// Counts handled messages in `metrics`, which must not be null: `dohle_handled_messages_total`,
/// `dohle_retried_messages_total` and `dohle_handle_seconds`, by topic.
[[nodiscard]] DOHLE_API SubscribeMiddleware count_handling(const std::shared_ptr<Metrics>& metrics);

/// Makes a `send` span for each message, and sends its context along, as a Broker with a tracer
/// does. `tracer` must not be null.
[[nodiscard]] DOHLE_API PublishMiddleware trace_publishes(std::shared_ptr<Tracer> tracer);
/// Makes a `process` span for each call of the handler, as a Broker with a tracer does. `tracer`
/// must not be null.
[[nodiscard]] DOHLE_API SubscribeMiddleware trace_handling(std::shared_ptr<Tracer> tracer);

/// How many messages may pass.
struct RateLimit {
  /// Default: 1,000. 0.001 to 1e9. Messages per second, over time.
  double per_second = 1'000;
  /// Default: 100. 1 to 1,000,000. Messages that may pass at once after a pause.
  std::size_t burst = 100;
  /// Default: 0, a message above the rate is refused at once. 0 to 1 min. The most that a message
  /// waits for its turn, on the thread that publishes or handles it. It is refused at once if its
  /// turn comes later.
  std::chrono::milliseconds max_wait{0};
};

/// Bounds the rate of publishes, of all that share this middleware together. A refused publish
/// fails with limit_reached, which is retriable. On the client's own thread, set no max_wait.
/// Errors: configuration; names the field, its value and the allowed values.
[[nodiscard]] DOHLE_API Result<PublishMiddleware> limit_publishes(RateLimit limit);
/// The same of handled messages: a refused one failed, and is retried as after an error of its
/// handler. Set a max_wait, so that messages wait in place of failing. Errors: as limit_publishes.
[[nodiscard]] DOHLE_API Result<SubscribeMiddleware> limit_handling(RateLimit limit);

/// The header with the time at which a message expires: milliseconds since 1970, as decimal digits.
inline constexpr std::string_view deadline_header = "dohle-deadline";

/// Gives each message a deadline, `time` after its publish, in the header dohle-deadline. A message
/// that has one keeps it, and a publish after it fails with timed_out. Errors: configuration
/// (`time` is not 1 ms to 365 days).
[[nodiscard]] DOHLE_API Result<PublishMiddleware> set_deadline(std::chrono::milliseconds time);
/// Does not hand out messages whose deadline has passed: they count as handled. `on_expired`, if it
/// is not empty, is called with each of them on the thread that would have handled it; an exception
/// of it is a failure of the message. Messages without a deadline, or with one that is no number,
/// are handed out.
[[nodiscard]] DOHLE_API SubscribeMiddleware
skip_expired(std::function<void(const RawEvent&)> on_expired = nullptr);

}  // namespace middleware
}  // namespace v0
}  // namespace dohle
