#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/repeats.hpp"
#include "base/simulated_thread.hpp"
#include "dohle/middleware.hpp"
#include "messaging/events/event_state.hpp"

namespace dohle {
inline namespace v0 {
namespace middleware {

namespace {

constexpr std::string_view subject = "middleware";

/// Writes the lines of one middleware.
class Lines {
 public:
  explicit Lines(std::shared_ptr<Logger> logger)
      : logger_(logger ? std::move(logger) : silent_logger()) {}
  ~Lines() {
    const std::uint64_t suppressed = repeats_.take_held_back();
    if (suppressed == 0 || logger_->level() > LogLevel::warning) return;
    logger_->log(LogLevel::warning, subject,
                 std::to_string(suppressed) + " failures were not logged");
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  [[nodiscard]] bool is_verbose() const { return logger_->level() <= LogLevel::debug; }
  void say(const std::string& what, Duration time) {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    logger_->log(LogLevel::debug, subject, what + " in " + std::to_string(took) + " us");
  }
  void warn(const std::string& what, const Error& why) {
    if (logger_->level() > LogLevel::warning) return;
    std::optional<std::uint64_t> earlier;
    {
      const std::lock_guard lock(mutex_);
      earlier = repeats_.admit(thread_now());
    }
    if (!earlier) return;
    logger_->log(LogLevel::warning, subject, what + ": " + why.to_string() + more_since(*earlier));
  }

 private:
  const std::shared_ptr<Logger> logger_;
  std::mutex mutex_;
  Repeats repeats_{std::chrono::seconds(1)};
};

std::string place_of(const RawEvent& event) {
  return messaging::place_of(event.topic(), event.partition(), event.offset()) + ", attempt " +
         std::to_string(event.attempt());
}

}  // namespace

PublishMiddleware log_publishes(std::shared_ptr<Logger> logger) {
  const auto lines = std::make_shared<Lines>(std::move(logger));
  return [lines](PublishHandler next) -> PublishHandler {
    return [lines, next = std::move(next)](std::string_view topic, Message& message) {
      // A middleware inside may move the text behind the view.
      const std::string what = "publish to " + std::string(topic);
      const bool is_verbose = lines->is_verbose();
      const TimePoint started = is_verbose ? thread_now() : TimePoint{};
      auto sent = next(topic, message);
      if (!sent) {
        lines->warn(what, sent.error());
      } else if (is_verbose) {
        lines->say(what, thread_now() - started);
      }
      return sent;
    };
  };
}

SubscribeMiddleware log_handling(std::shared_ptr<Logger> logger) {
  const auto lines = std::make_shared<Lines>(std::move(logger));
  return [lines](SubscribeHandler next) -> SubscribeHandler {
    return [lines, next = std::move(next)](RawEvent& event) {
      const bool is_verbose = lines->is_verbose();
      const TimePoint started = is_verbose ? thread_now() : TimePoint{};
      auto handled = next(event);
      if (!handled) {
        lines->warn("handle " + place_of(event), handled.error());
      } else if (is_verbose) {
        lines->say("handle " + place_of(event), thread_now() - started);
      }
      return handled;
    };
  };
}

}  // namespace middleware
}  // namespace v0
}  // namespace dohle
