#include "messaging/middleware/counting.hpp"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "base/simulated_thread.hpp"
#include "messaging/middleware/values_by_topic.hpp"

namespace dohle::messaging {

namespace {

struct Handling {};

/// The series of one topic.
class HandlingCounters {
 public:
  HandlingCounters(telemetry::Registry& registry, const std::string& topic,
                   const std::string& group_id)
      : succeeded_(handled(registry, topic, group_id, "ok")),
        failed_(handled(registry, topic, group_id, "error")),
        retried_(registry.counter(
            {"dohle_retried_messages_total", "Calls of a handler again for a message that failed."},
            labels_of(topic, group_id))),
        time_(registry.histogram(
            {"dohle_handle_seconds",
             "Time of a call of a handler; one in 64 on each thread is measured.", "seconds"},
            labels_of(topic, group_id))) {}

  Result<void> count(RawEvent& event, const SubscribeHandler& next) {
    if (event.attempt() > 1) retried_.add();
    if (!telemetry::is_sampled<Handling>()) return note(next(event));
    const TimePoint started = thread_now();
    auto handled = note(next(event));
    time_.add(thread_now() - started);
    return handled;
  }

  Result<void> count(std::span<RawEvent> events, std::vector<BatchFailure>& failed,
                     const BatchHandler& next) {
    // The handler may move them.
    const std::size_t size = events.size();
    const auto retries =
        std::ranges::count_if(events, [](const RawEvent& event) { return event.attempt() > 1; });
    if (retries > 0) retried_.add(static_cast<std::uint64_t>(retries));
    const bool is_timed = telemetry::is_sampled<Handling>();
    const TimePoint started = is_timed ? thread_now() : TimePoint{};
    auto handled = next(events, failed);
    if (is_timed) time_.add(thread_now() - started);
    failed_.add(handled ? failed.size() : size);
    if (handled) succeeded_.add(size - failed.size());
    return handled;
  }

 private:
  static telemetry::Counter& handled(telemetry::Registry& registry, const std::string& topic,
                                     const std::string& group_id, const char* outcome) {
    telemetry::MetricLabels labels = labels_of(topic, group_id);
    labels.push_back({"outcome", outcome});
    return registry.counter(
        {"dohle_handled_messages_total", "Calls of handlers, by their outcome."},
        std::move(labels));
  }
  Result<void> note(Result<void> handled) {
    (handled ? succeeded_ : failed_).add();
    return handled;
  }

  telemetry::Counter& succeeded_;
  telemetry::Counter& failed_;
  telemetry::Counter& retried_;
  telemetry::Histogram& time_;
};

/// The series of the topics that one subscription reads. Any thread; no lock once a topic is known.
class CountersByTopic {
 public:
  explicit CountersByTopic(std::shared_ptr<telemetry::Registry> registry)
      : registry_(std::move(registry)) {}

  HandlingCounters& of(std::string_view topic) {
    // Counters of the same topic use the same series.
    return table_.of(
        topic, [this](const std::string& name) { return HandlingCounters(*registry_, name, {}); });
  }

 private:
  const std::shared_ptr<telemetry::Registry> registry_;
  ValuesByTopic<HandlingCounters> table_;
};

}  // namespace

telemetry::MetricLabels labels_of(const std::string& topic, const std::string& group_id) {
  telemetry::MetricLabels labels{{"topic", topic}};
  if (!group_id.empty()) labels.push_back({"group", group_id});
  return labels;
}

PublishCounters::PublishCounters(std::shared_ptr<telemetry::Registry> registry)
    : registry_(std::move(registry)),
      time_(registry_->histogram(
          {"dohle_publish_seconds",
           "Time of a call of publish; one in 64 on each thread is measured.", "seconds"})),
      refused_(registry_->counter(
          {"dohle_refused_publishes_total", "Calls of publish that returned an error."})) {}

PublishMiddleware count_publishes(std::shared_ptr<telemetry::Registry> registry) {
  const auto counters = std::make_shared<PublishCounters>(std::move(registry));
  return [counters](PublishHandler next) -> PublishHandler {
    return [counters, next = std::move(next)](std::string_view topic, Message& message) {
      return counters->count([&] { return next(topic, message); });
    };
  };
}

SubscribeMiddleware count_handling(std::shared_ptr<telemetry::Registry> registry, std::string topic,
                                   std::string group_id) {
  return [registry = std::move(registry), topic = std::move(topic),
          group_id = std::move(group_id)](SubscribeHandler next) -> SubscribeHandler {
    if (!topic.empty()) {
      const auto counters = std::make_shared<HandlingCounters>(*registry, topic, group_id);
      return [registry, counters, next = std::move(next)](RawEvent& event) {
        return counters->count(event, next);
      };
    }
    return [counters = std::make_shared<CountersByTopic>(registry), next = std::move(next)](
               RawEvent& event) { return counters->of(event.topic()).count(event, next); };
  };
}

BatchMiddleware count_batches(std::shared_ptr<telemetry::Registry> registry, std::string topic,
                              std::string group_id) {
  const auto counters = std::make_shared<HandlingCounters>(*registry, topic, group_id);
  return [registry = std::move(registry), counters](BatchHandler next) -> BatchHandler {
    return [registry, counters, next = std::move(next)](std::span<RawEvent> events,
                                                        std::vector<BatchFailure>& failed) {
      return counters->count(events, failed, next);
    };
  };
}

}  // namespace dohle::messaging
