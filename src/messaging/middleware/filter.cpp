#include "messaging/middleware/filter.hpp"

#include <utility>

#include "messaging/middleware/counting.hpp"
#include "messaging/reports/thrown_by.hpp"

namespace dohle::messaging {

namespace {

Result<bool> is_wanted(const EventFilter& filter, const RawEvent& event) {
  try {
    return filter(event);
  } catch (...) {
    return fail(thrown_by("the filter"));
  }
}

}  // namespace

SubscribeMiddleware filter_events(EventFilter filter, std::shared_ptr<telemetry::Registry> registry,
                                  const std::string& topic, const std::string& group_id) {
  telemetry::Counter* filtered = nullptr;
  if (registry) {
    filtered = &registry->counter(
        {"dohle_filtered_messages_total", "Messages that the filter kept from the handler."},
        labels_of(topic, group_id));
  }
  return [filter = std::move(filter), registry = std::move(registry),
          filtered](SubscribeHandler next) -> SubscribeHandler {
    return [filter, registry, filtered, next = std::move(next)](RawEvent& event) -> Result<void> {
      const auto wanted = is_wanted(filter, event);
      if (!wanted) return fail(wanted.error());
      if (*wanted) return next(event);
      if (filtered != nullptr) filtered->add();
      return event.ack();
    };
  };
}

}  // namespace dohle::messaging
