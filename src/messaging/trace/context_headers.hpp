#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "dohle/event.hpp"
#include "dohle/message.hpp"
#include "dohle/record.hpp"
#include "dohle/trace_context.hpp"

namespace dohle::messaging {

// The headers traceparent, tracestate and baggage. A header that cannot be read counts as absent,
// as W3C has it; without traceparent there is no tracestate.

[[nodiscard]] TraceContext extract(const Message& message);
[[nodiscard]] TraceContext extract(const RawEvent& event);
[[nodiscard]] TraceContext extract(const HeaderRange& headers);

/// Replaces the three headers: removes all of them and appends those that the context has.
void inject(const TraceContext& context, Message& message);

}  // namespace dohle::messaging
