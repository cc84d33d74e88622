#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/option_checks.hpp"
#include "dohle/middleware.hpp"
#include "telemetry/wall_time.hpp"

namespace dohle {
inline namespace v0 {
namespace middleware {

namespace {

constexpr std::int64_t most_ms = std::int64_t{365} * 24 * 60 * 60 * 1'000;

std::int64_t now_ms() {
  return to_timestamp(telemetry::wall_now()).value;
}

/// The deadline; absent if the text is no number.
std::optional<std::int64_t> read_deadline(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  std::int64_t at = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), at);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return at;
}

}  // namespace

Result<PublishMiddleware> set_deadline(std::chrono::milliseconds time) {
  if (auto checked = check_options({{"time", time.count(), 1, most_ms, "ms"}}); !checked) {
    return fail(checked.error());
  }
  return PublishMiddleware([time](PublishHandler next) -> PublishHandler {
    return [time, next = std::move(next)](std::string_view topic,
                                          Message& message) -> Result<Delivery> {
      const Header* const given = message.find_header(deadline_header);
      if (given == nullptr) {
        message.with_header(std::string(deadline_header), std::to_string(now_ms() + time.count()));
        return next(topic, message);
      }
      const auto at = read_deadline(given->value);
      if (at && *at <= now_ms()) {
        return fail(Error::client(Errc::timed_out, "publish to " + std::string(topic) +
                                                       ": the message's deadline has passed"));
      }
      return next(topic, message);
    };
  });
}

SubscribeMiddleware skip_expired(std::function<void(const RawEvent&)> on_expired) {
  return [on_expired = std::move(on_expired)](SubscribeHandler next) -> SubscribeHandler {
    return [on_expired, next = std::move(next)](RawEvent& event) -> Result<void> {
      const auto at = read_deadline(event.header(deadline_header));
      if (!at || *at > now_ms()) return next(event);
      if (on_expired) on_expired(event);
      return event.ack();
    };
  };
}

}  // namespace middleware
}  // namespace v0
}  // namespace dohle
