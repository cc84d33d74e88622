#include "telemetry/otlp_spans.hpp"

#include <cstdint>
#include <type_traits>
#include <variant>

#include "base/utf8.hpp"
#include "telemetry/messaging_conventions.hpp"
#include "telemetry/protobuf_writer.hpp"

namespace dohle::telemetry {

namespace {

constexpr std::string_view scope_name = "dohle";
/// The bits of the field flags that hold the flags of traceparent.
constexpr std::uint32_t trace_flags = 0xff;

std::string_view raw(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint64_t nanoseconds(std::chrono::system_clock::time_point at) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count());
}

/// Bytes that are no UTF-8 become U+FFFD: a receiver refuses a whole request for one of them, and
/// the texts of errors and the program's attributes may have any bytes.
void write_text(ProtobufWriter& to, std::uint32_t field, std::string_view text) {
  if (is_utf8(text)) return to.bytes(field, text);
  to.bytes(field, with_valid_utf8(text));
}

void write_value(ProtobufWriter& to, const AttributeValue& value) {
  std::visit(
      [&](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::string>) {
          write_text(to, 1, held);
        } else if constexpr (std::is_same_v<Held, bool>) {
          to.varint(2, held ? 1 : 0);
        } else if constexpr (std::is_same_v<Held, std::int64_t>) {
          to.varint(3, static_cast<std::uint64_t>(held));
        } else {
          to.number(4, held);
        }
      },
      value);
}

void write_attribute(ProtobufWriter& to, std::uint32_t field, std::string_view name,
                     const AttributeValue& value) {
  to.message(field, [&] {
    write_text(to, 1, name);
    to.message(2, [&] { write_value(to, value); });
  });
}

void write_resource(ProtobufWriter& to, const Resource& resource) {
  to.message(1, [&] {
    write_attribute(to, 1, conventions::service_name, resource.service_name);
    if (!resource.service_instance_id.empty()) {
      write_attribute(to, 1, conventions::service_instance_id, resource.service_instance_id);
    }
    if (!resource.service_version.empty()) {
      write_attribute(to, 1, conventions::service_version, resource.service_version);
    }
    for (const ResourceAttribute& each : resource.attributes) {
      write_attribute(to, 1, each.name, each.value);
    }
  });
}

void write_link(ProtobufWriter& to, const TraceContext& link) {
  to.message(13, [&] {
    to.bytes(1, raw(link.trace_id.bytes));
    to.bytes(2, raw(link.span_id.bytes));
    if (!link.state.empty()) write_text(to, 3, link.state);
    to.fixed32(6, link.flags & trace_flags);
  });
}

void write_status(ProtobufWriter& to, const FinishedSpan& span) {
  if (span.status == SpanStatus::unset) return;
  to.message(15, [&] {
    if (!span.description.empty()) write_text(to, 2, span.description);
    to.varint(3, static_cast<std::uint64_t>(span.status));
  });
}

void write_span(ProtobufWriter& to, const FinishedSpan& span) {
  to.message(2, [&] {
    to.bytes(1, raw(span.context.trace_id.bytes));
    to.bytes(2, raw(span.context.span_id.bytes));
    if (!span.context.state.empty()) write_text(to, 3, span.context.state);
    if (span.parent.is_valid()) to.bytes(4, raw(span.parent.bytes));
    write_text(to, 5, span.name);
    to.varint(6, static_cast<std::uint64_t>(span.kind));
    to.fixed64(7, nanoseconds(span.started));
    to.fixed64(8, nanoseconds(span.ended));
    for (const SpanAttribute& each : span.attributes) {
      write_attribute(to, 9, each.name, each.value);
    }
    if (span.dropped_attributes != 0) to.varint(10, span.dropped_attributes);
    for (const TraceContext& link : span.links) write_link(to, link);
    if (span.dropped_links != 0) to.varint(14, span.dropped_links);
    write_status(to, span);
    to.fixed32(16, span.context.flags & trace_flags);
  });
}

}  // namespace

std::optional<std::string> encode_spans(std::span<const FinishedSpan> spans,
                                        std::size_t max_bytes) {
  ProtobufWriter to(max_bytes);
  for (std::size_t begin = 0; begin < spans.size();) {
    const auto& resource = spans[begin].resource;
    std::size_t end = begin + 1;
    while (end < spans.size() && spans[end].resource == resource) ++end;
    to.message(1, [&] {
      write_resource(to, *resource);
      to.message(2, [&] {
        to.message(1, [&] { to.bytes(1, scope_name); });
        for (const FinishedSpan& span : spans.subspan(begin, end - begin)) write_span(to, span);
        to.bytes(3, conventions::schema_url);
      });
    });
    begin = end;
  }
  if (to.is_too_large()) return std::nullopt;
  return to.take();
}

}  // namespace dohle::telemetry
