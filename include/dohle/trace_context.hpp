#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/export.hpp"

namespace dohle {
inline namespace v0 {

/// The id of a trace: 16 bytes. All zero means none.
struct DOHLE_API TraceId {
  /// The bytes as they are sent.
  std::array<std::uint8_t, 16> bytes{};
  /// False if all bytes are zero.
  [[nodiscard]] bool is_valid() const { return *this != TraceId{}; }
  /// 32 lower-case hexadecimal digits.
  [[nodiscard]] std::string to_hex() const;
  friend bool operator==(const TraceId&, const TraceId&) = default;
};

/// The id of a span within its trace: 8 bytes. All zero means none.
struct DOHLE_API SpanId {
  /// The bytes as they are sent.
  std::array<std::uint8_t, 8> bytes{};
  /// False if all bytes are zero.
  [[nodiscard]] bool is_valid() const { return *this != SpanId{}; }
  /// 16 lower-case hexadecimal digits.
  [[nodiscard]] std::string to_hex() const;
  friend bool operator==(const SpanId&, const SpanId&) = default;
};

/// Identifies a span in its trace; carried in headers. Default: no trace and no span. Source: W3C
/// Trace Context Level 2 and W3C Baggage.
struct TraceContext {
  /// The trace.
  TraceId trace_id = {};
  /// The span, which is the parent of the spans that follow.
  SpanId span_id = {};
  /// Bit 0: the trace is sampled. Bit 1: the trace id is random. Other bits are zero.
  std::uint8_t flags = 0;
  /// The value of the header tracestate. Empty if there is none.
  std::string state = {};
  /// The value of the header baggage. Empty if there is none.
  std::string baggage = {};

  /// See flags.
  static constexpr std::uint8_t sampled_flag = 1;
  /// See flags.
  static constexpr std::uint8_t random_flag = 2;
  /// True if it names a trace and a span.
  [[nodiscard]] bool is_valid() const { return trace_id.is_valid() && span_id.is_valid(); }
  /// True if the trace is sampled.
  [[nodiscard]] bool is_sampled() const { return (flags & sampled_flag) != 0; }
  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

/// Parses a value of the header traceparent: "00-" TRACE "-" SPAN "-" FLAGS, in lower-case
/// hexadecimal digits. A later version may have further text after that. Errors: malformed.
[[nodiscard]] DOHLE_API Result<TraceContext> parse_traceparent(std::string_view text);
/// Returns the value of the header traceparent for a valid context, in version 00.
[[nodiscard]] DOHLE_API std::string format_traceparent(const TraceContext& context);

/// Checks a value of the header tracestate, and returns the value to send: without blanks and empty
/// members, and at most 512 bytes. From a longer value it removes the members above 128 bytes
/// first, then members at the end. Errors: malformed, also for more than 32 members and for a
/// repeated key.
[[nodiscard]] DOHLE_API Result<std::string> parse_tracestate(std::string_view text);

/// One entry of a baggage.
struct BaggageEntry {
  /// Its name: letters, digits and !#$%&'*+-.^_`|~.
  std::string name;
  /// Its value, any UTF-8. It is percent-encoded when it is sent.
  std::string value;
  /// Its properties as they are sent, without the first semicolon. Usually empty.
  std::string properties = {};
  friend bool operator==(const BaggageEntry&, const BaggageEntry&) = default;
};

/// The most bytes in a header baggage.
inline constexpr std::size_t max_baggage_bytes = 8'192;
/// The most entries in a baggage.
inline constexpr std::size_t max_baggage_entries = 64;

/// Parses a value of the header baggage. Errors: malformed; too_large (above max_baggage_bytes or
/// max_baggage_entries).
[[nodiscard]] DOHLE_API Result<std::vector<BaggageEntry>> parse_baggage(std::string_view text);
/// Returns the value of the header baggage for these entries. Errors: invalid_argument (a name or
/// properties that are not allowed); too_large (above max_baggage_bytes or max_baggage_entries).
[[nodiscard]] DOHLE_API Result<std::string> format_baggage(std::span<const BaggageEntry> entries);

/// The context of the calling thread: the context of the innermost TraceScope. In the handler of a
/// traced subscription it is the context of the `process` span. Otherwise is_valid() is false. The
/// reference is valid until the scope ends.
[[nodiscard]] DOHLE_API const TraceContext& current_trace_context();

/// Makes a context the current one of its thread while this object lives. Spans that are started
/// meanwhile are children of the context. Scopes have to end on their own thread, in the reverse
/// order of their construction.
class DOHLE_API TraceScope {
 public:
  /// `context` may be invalid. Spans then begin new traces.
  explicit TraceScope(TraceContext context);
  ~TraceScope();
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  friend DOHLE_API const TraceContext& current_trace_context();

  TraceContext context_;
  const TraceScope* outer_;
};

}  // namespace v0
}  // namespace dohle
