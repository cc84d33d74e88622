#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "dohle/tracer.hpp"

namespace dohle::telemetry {

/// An ExportTraceServiceRequest with these spans, in the order of their resources. Absent if it
/// would have more than `max_bytes`. Source: opentelemetry-proto,
/// opentelemetry/proto/{collector/trace,trace,common,resource}/v1.
[[nodiscard]] std::optional<std::string> encode_spans(std::span<const FinishedSpan> spans,
                                                      std::size_t max_bytes);

}  // namespace dohle::telemetry
