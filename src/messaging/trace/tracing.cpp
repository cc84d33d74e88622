#include "messaging/trace/tracing.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/utf8.hpp"
#include "messaging/trace/context_headers.hpp"
#include "messaging/trace/handling_span.hpp"
#include "messaging/trace/publish_observer.hpp"
#include "telemetry/messaging_conventions.hpp"

namespace dohle::messaging {

namespace names = telemetry::conventions;

namespace {

/// Longer keys, and those that are no text, are left out.
constexpr std::size_t max_key_bytes = 256;

void note_key(std::vector<SpanAttribute>& attributes, std::optional<std::string_view> key) {
  if (!key || key->size() > max_key_bytes || !is_utf8(*key)) return;
  attributes.push_back({names::kafka_key, std::string(*key)});
}

/// A `send` span. The thread that publishes and the client's may both hear how it ended; the first
/// one ends it.
class SendSpan {
 public:
  explicit SendSpan(std::unique_ptr<Span> span)
      : span_(std::move(span)), told_([this](const Result<Receipt>& outcome) { end(outcome); }) {}
  ~SendSpan() {
    end([](Span& span) {
      mark_failed(span, Error::client(Errc::cancelled, "the message has no outcome"));
    });
  }
  SendSpan(const SendSpan&) = delete;
  SendSpan& operator=(const SendSpan&) = delete;

  [[nodiscard]] const TraceContext& context() const { return span_->context(); }
  /// Ends the span, which it keeps.
  [[nodiscard]] static PublishObserver::Told told(const std::shared_ptr<SendSpan>& span) {
    return {span, &span->told_};
  }
  void end(const Result<Receipt>& outcome) {
    end([&](Span& span) {
      if (!outcome) return mark_failed(span, outcome.error());
      span.set(names::partition_id, std::to_string(outcome->partition.value));
      if (!outcome->offset.is_none()) span.set(names::kafka_offset, outcome->offset.value);
    });
  }
  void end(const Error& why) {
    end([&](Span& span) { mark_failed(span, why); });
  }
  /// Ends the span without an outcome.
  void end() {
    end([](Span&) {});
  }

 private:
  template <class Mark>
  void end(Mark mark) {
    if (has_ended_.exchange(true)) return;
    mark(*span_);
    span_->end();
  }

  const std::unique_ptr<Span> span_;
  DeliveryCallback told_;
  std::atomic<bool> has_ended_{false};
};

SpanStart start_of_send(const Tracing& tracing, std::string_view topic, const Message& message) {
  SpanStart start = begin_span(tracing, "send", names::type_send, SpanKind::producer, topic);
  start.parent = current_trace_context();
  if (!start.parent.is_valid()) {
    // A current context without a trace may have a baggage.
    TraceContext carried = extract(message);
    if (carried.is_valid() || start.parent.baggage.empty()) start.parent = std::move(carried);
  }
  if (!message.partition().is_none()) {
    start.attributes.push_back({names::partition_id, std::to_string(message.partition().value)});
  }
  note_key(start.attributes, message.key());
  if (!message.body()) start.attributes.push_back({names::kafka_tombstone, true});
  return start;
}

SpanStart start_of_process(const Tracing& tracing, const RawEvent& event) {
  SpanStart start =
      begin_span(tracing, "process", names::type_process, SpanKind::consumer, event.topic());
  start.parent = extract(event);
  if (start.parent.is_valid()) start.links.push_back(start.parent);
  start.attributes.push_back({names::partition_id, std::to_string(event.partition().value)});
  start.attributes.push_back({names::kafka_offset, event.offset().value});
  note_key(start.attributes, event.key());
  if (!event.body()) start.attributes.push_back({names::kafka_tombstone, true});
  if (event.attempt() > 1) {
    start.attributes.push_back({names::attempt, std::int64_t{event.attempt()}});
  }
  return start;
}

SpanStart start_of_batch(const Tracing& tracing, const std::string& topic,
                         std::span<const RawEvent> events) {
  SpanStart start = begin_span(tracing, "process", names::type_process, SpanKind::consumer, topic);
  start.attributes.push_back({names::batch_count, static_cast<std::int64_t>(events.size())});
  for (const RawEvent& event : events) {
    if (const TraceContext sent = extract(event); sent.is_valid()) start.links.push_back(sent);
  }
  return start;
}

}  // namespace

SpanStart begin_span(const Tracing& tracing, std::string_view name, std::string_view type,
                     SpanKind kind, std::string_view topic) {
  SpanStart start;
  start.name.reserve(name.size() + 1 + topic.size());
  start.name.append(name).append(" ").append(topic);
  start.kind = kind;
  start.attributes.reserve(10);
  start.attributes.push_back({names::system, std::string(names::kafka)});
  start.attributes.push_back({names::operation_name, std::string(name)});
  start.attributes.push_back({names::operation_type, std::string(type)});
  start.attributes.push_back({names::destination_name, std::string(topic)});
  if (!tracing.client_id.empty()) start.attributes.push_back({names::client_id, tracing.client_id});
  if (!tracing.group_id.empty()) {
    start.attributes.push_back({names::consumer_group, tracing.group_id});
  }
  return start;
}

void mark_failed(Span& span, const Error& why) {
  if (!span.is_recording()) return;
  span.set(names::error_type, std::string(why.name()));
  span.set_status(SpanStatus::error, why.message());
}

Result<Delivery> trace_publish(const Tracing& tracing, bool injects, std::string_view topic,
                               Message& message, const PublishHandler& next) {
  const auto span =
      std::make_shared<SendSpan>(tracing.tracer->start(start_of_send(tracing, topic, message)));
  if (injects) inject(span->context(), message);
  PublishObserver observer(SendSpan::told(span));
  auto sent = next(topic, message);
  if (!sent) {
    span->end(sent.error());
  } else if (!observer.was_taken()) {
    span->end();
  }
  return sent;
}

PublishMiddleware trace_publishes(Tracing tracing, bool injects) {
  const auto shared = std::make_shared<const Tracing>(std::move(tracing));
  return [shared, injects](PublishHandler next) -> PublishHandler {
    return [shared, injects, next = std::move(next)](std::string_view topic, Message& message) {
      return trace_publish(*shared, injects, topic, message, next);
    };
  };
}

SubscribeMiddleware trace_handling(Tracing tracing) {
  const auto shared = std::make_shared<const Tracing>(std::move(tracing));
  return [shared](SubscribeHandler next) -> SubscribeHandler {
    return [shared, next = std::move(next)](RawEvent& event) -> Result<void> {
      const auto span = shared->tracer->start(start_of_process(*shared, event));
      const TraceScope scope(span->context());
      const HandlingSpan handling(*span);
      auto handled = next(event);
      if (!handled) mark_failed(*span, handled.error());
      span->end();
      return handled;
    };
  };
}

BatchMiddleware trace_batches(Tracing tracing, std::string topic) {
  const auto shared = std::make_shared<const Tracing>(std::move(tracing));
  return [shared, topic = std::move(topic)](BatchHandler next) -> BatchHandler {
    return [shared, topic, next = std::move(next)](
               std::span<RawEvent> events, std::vector<BatchFailure>& failed) -> Result<void> {
      const auto span = shared->tracer->start(start_of_batch(*shared, topic, events));
      const TraceScope scope(span->context());
      auto handled = next(events, failed);
      if (!handled) mark_failed(*span, handled.error());
      span->end();
      return handled;
    };
  };
}

}  // namespace dohle::messaging
