#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "dohle/broker.hpp"
#include "dohle/error.hpp"
#include "dohle/event.hpp"
#include "dohle/tracer.hpp"
#include "messaging/events/batch_call.hpp"

namespace dohle::messaging {

/// The state that the spans of a Broker share.
struct Tracing {
  std::shared_ptr<Tracer> tracer;
  /// messaging.client.id; empty: not set.
  std::string client_id = {};
  /// messaging.consumer.group.name; empty without a group.
  std::string group_id = {};
};

/// A `send` span around each publish; it ends with the message's outcome, once. The context goes
/// into the message's headers if `injects`. Its parent is the current context; without one that in
/// the message's headers.
[[nodiscard]] PublishMiddleware trace_publishes(Tracing tracing, bool injects);
/// Makes such a span around one publish, `next`.
Result<Delivery> trace_publish(const Tracing& tracing, bool injects, std::string_view topic,
                               Message& message, const PublishHandler& next);
/// A `process` span around each call of the handler, as child of the message's `send` span and
/// linked to it. It is the current context meanwhile.
[[nodiscard]] SubscribeMiddleware trace_handling(Tracing tracing);

/// A `process` span around each batch, linked to the `send` spans of its messages. It is the
/// current context meanwhile.
[[nodiscard]] BatchMiddleware trace_batches(Tracing tracing, std::string topic);

/// The start of a span of the operation `name`, with the attributes that each has.
[[nodiscard]] SpanStart begin_span(const Tracing& tracing, std::string_view name,
                                   std::string_view type, SpanKind kind, std::string_view topic);
/// Sets status and error.type. Does not end it.
void mark_failed(Span& span, const Error& why);

}  // namespace dohle::messaging
