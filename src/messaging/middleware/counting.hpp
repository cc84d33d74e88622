#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/simulated_thread.hpp"
#include "base/time.hpp"
#include "dohle/broker.hpp"
#include "dohle/event.hpp"
#include "messaging/events/batch_call.hpp"
#include "telemetry/registry.hpp"

namespace dohle::messaging {

/// The labels `topic` and, unless it is empty, `group`.
[[nodiscard]] telemetry::MetricLabels labels_of(const std::string& topic,
                                                const std::string& group_id);

/// Counts publishes. A lock-free addition for a refused one, two clock reads for one call in 64 on
/// each thread. Thread safety: any thread.
class PublishCounters {
 public:
  explicit PublishCounters(std::shared_ptr<telemetry::Registry> registry);

  /// Calls `publish` and counts its result.
  template <class Publish>
  auto count(const Publish& publish) {
    const TimePoint started = begin();
    auto sent = publish();
    end(started, sent.has_value());
    return sent;
  }
  /// Messages that were refused outside of `count`, or after it.
  void add_refused(std::size_t count) { refused_.add(count); }

 private:
  struct Publishing {};

  // Here, since they do nothing for most publishes. A plain number, since a processor waits before
  // it copies an optional that was just written.

  /// `never` for a publish whose time is not measured.
  [[nodiscard]] static TimePoint begin() {
    return telemetry::is_sampled<Publishing>() ? thread_now() : never;
  }
  void end(TimePoint started, bool is_sent) {
    if (started != never) time_.add(thread_now() - started);
    if (!is_sent) refused_.add();
  }

  const std::shared_ptr<telemetry::Registry> registry_;
  telemetry::Histogram& time_;
  telemetry::Counter& refused_;
};

[[nodiscard]] PublishMiddleware count_publishes(std::shared_ptr<telemetry::Registry> registry);

/// Counts the calls of a subscription's handler. `topic` and `group_id` are labels; an empty topic
/// is each event's own, without a group, and an empty group is no label.
[[nodiscard]] SubscribeMiddleware count_handling(std::shared_ptr<telemetry::Registry> registry,
                                                 std::string topic, std::string group_id);

/// The same for batches: each message counts, and the time is that of the batch.
[[nodiscard]] BatchMiddleware count_batches(std::shared_ptr<telemetry::Registry> registry,
                                            std::string topic, std::string group_id);

}  // namespace dohle::messaging
