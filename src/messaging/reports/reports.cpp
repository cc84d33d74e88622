#include "messaging/reports/reports.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/simulated_thread.hpp"
#include "base/topic_name.hpp"
#include "base/watched_thread.hpp"
#include "messaging/reports/thrown_by.hpp"

namespace dohle::messaging {

namespace {

std::string place_of(const Failure& failure) {
  std::string place = failure.partition.is_none()
                          ? std::string(failure.topic)
                          : partition_name(failure.topic, failure.partition);
  if (!failure.offset.is_none()) place += " at offset " + std::to_string(failure.offset.value);
  return place;
}

}  // namespace

TimePoint monotonic_now() {
  return thread_now();
}

std::chrono::milliseconds left_until(TimePoint deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now());
  return std::max(left, std::chrono::milliseconds(0));
}

FailureCounters::FailureCounters(telemetry::Registry& registry)
    : dead_letters(registry.counter(
          {"dohle_dead_letters_total", "Messages that were stored in a dead-letter topic."})),
      sent_to_retry(registry.counter(
          {"dohle_sent_to_retry_total", "Messages that were stored in a retry topic."})) {
  constexpr std::array kinds{"decode", "handler", "delivery", "subscription", "held", "redirect"};
  static_assert(kinds.size() == std::tuple_size_v<decltype(reported_)>);
  static_assert(kinds.size() == static_cast<std::size_t>(Failure::Kind::redirect) + 1);
  for (std::size_t i = 0; i < reported_.size(); ++i) {
    reported_.at(i) = &registry.counter(
        {"dohle_failures_total", "Failures that the error handler or the logger got, by kind."},
        {{"kind", kinds.at(i)}});
  }
}

void Reports::report(const Failure& failure) {
  counters_.add_report(failure.kind);
  if (!handler_) return log(failure);
  const UserCall call([&] { return "the error handler, told of " + place_of(failure); });
  try {
    handler_(failure);
  } catch (...) {
    logger_->log(LogLevel::error, "messaging", thrown_by("the error handler").message());
    log(failure);
  }
}

void Reports::log(const Failure& failure) {
  std::optional<std::string> earlier;
  {
    const std::lock_guard lock(mutex_);
    earlier = lines_.admit(failure, monotonic_now());
  }
  if (!earlier) return;
  std::string line = place_of(failure);
  if (!line.empty()) line += ": ";
  logger_->log(LogLevel::error, "messaging", line + failure.error.to_string() + *earlier);
}

void Reports::say_left_out(TimePoint now) {
  std::vector<std::string> lines;
  {
    const std::lock_guard lock(mutex_);
    lines = lines_.take_left_out(now);
  }
  for (const std::string& line : lines) logger_->log(LogLevel::error, "messaging", line);
}

}  // namespace dohle::messaging
