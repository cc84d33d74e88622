#include "dohle/middleware.hpp"

#include <utility>

#include "messaging/middleware/counting.hpp"
#include "messaging/trace/tracing.hpp"

namespace dohle {
inline namespace v0 {
namespace middleware {

PublishMiddleware count_publishes(const std::shared_ptr<Metrics>& metrics) {
  return messaging::count_publishes(telemetry::MetricsAccess::registry(*metrics));
}

SubscribeMiddleware count_handling(const std::shared_ptr<Metrics>& metrics) {
  return messaging::count_handling(telemetry::MetricsAccess::registry(*metrics), {}, {});
}

PublishMiddleware trace_publishes(std::shared_ptr<Tracer> tracer) {
  return messaging::trace_publishes({.tracer = std::move(tracer)}, true);
}

SubscribeMiddleware trace_handling(std::shared_ptr<Tracer> tracer) {
  return messaging::trace_handling({.tracer = std::move(tracer)});
}

}  // namespace middleware
}  // namespace v0
}  // namespace dohle
