#pragma once

#include <memory>
#include <string>

#include "dohle/broker.hpp"
#include "dohle/event.hpp"
#include "telemetry/registry.hpp"

namespace dohle::messaging {

/// Acknowledges the messages that `filter` does not want, and counts them in `registry` unless that
/// is null. `topic` and `group_id` are labels; an empty group is none.
[[nodiscard]] SubscribeMiddleware filter_events(EventFilter filter,
                                                std::shared_ptr<telemetry::Registry> registry,
                                                const std::string& topic,
                                                const std::string& group_id);

}  // namespace dohle::messaging
