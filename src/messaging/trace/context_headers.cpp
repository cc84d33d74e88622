#include "messaging/trace/context_headers.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace dohle::messaging {

namespace {

constexpr std::string_view traceparent = "traceparent";
constexpr std::string_view tracestate = "tracestate";
constexpr std::string_view baggage = "baggage";

/// `value` gives the first value of a header.
template <class Value>
TraceContext extract_by(Value value) {
  TraceContext context;
  if (const auto parent = value(traceparent)) {
    if (auto read = parse_traceparent(*parent)) context = *std::move(read);
  }
  if (context.is_valid()) {
    if (const auto state = value(tracestate)) {
      if (auto read = parse_tracestate(*state)) context.state = *std::move(read);
    }
  }
  if (const auto carried = value(baggage)) {
    if (parse_baggage(*carried)) context.baggage = *carried;
  }
  return context;
}

}  // namespace

TraceContext extract(const Message& message) {
  if (message.headers().empty()) return {};
  return extract_by([&](std::string_view name) -> std::optional<std::string_view> {
    const Header* const header = message.find_header(name);
    if (header == nullptr || !header->value) return std::nullopt;
    return *header->value;
  });
}

TraceContext extract(const HeaderRange& headers) {
  if (headers.empty()) return {};
  return extract_by([&](std::string_view name) -> std::optional<std::string_view> {
    const auto value = headers.first(name);
    if (!value) return std::nullopt;
    return as_text(*value);
  });
}

TraceContext extract(const RawEvent& event) {
  return extract(event.headers());
}

void inject(const TraceContext& context, Message& message) {
  std::vector<Header> headers;
  headers.reserve(message.headers().size() + 1 + (context.state.empty() ? 0 : 1) +
                  (context.baggage.empty() ? 0 : 1));
  std::ranges::copy_if(message.headers(), std::back_inserter(headers), [](const Header& header) {
    return header.name != traceparent && header.name != tracestate && header.name != baggage;
  });
  if (context.is_valid()) {
    headers.push_back({std::string(traceparent), format_traceparent(context)});
    if (!context.state.empty()) headers.push_back({std::string(tracestate), context.state});
  }
  if (!context.baggage.empty()) headers.push_back({std::string(baggage), context.baggage});
  message.with_headers(std::move(headers));
}

}  // namespace dohle::messaging
