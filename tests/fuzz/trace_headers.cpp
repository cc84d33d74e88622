// The headers of tracing: each accepted value is within the limits, and is written so that it is
// read as the same value.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dohle/trace_context.hpp"

namespace {

void expect(bool condition) {
  if (!condition) std::abort();
}

void check_traceparent(std::string_view text) {
  const auto read = dohle::parse_traceparent(text);
  if (!read) return;
  expect(read->is_valid());
  const auto again = dohle::parse_traceparent(dohle::format_traceparent(*read));
  expect(again.has_value() && *again == *read);
}

void check_tracestate(std::string_view text) {
  const auto read = dohle::parse_tracestate(text);
  if (!read) return;
  expect(read->size() <= 512);
  const auto again = dohle::parse_tracestate(*read);
  expect(again.has_value() && *again == *read);
}

void check_baggage(std::string_view text) {
  const auto read = dohle::parse_baggage(text);
  if (!read) return;
  expect(read->size() <= dohle::max_baggage_entries);
  const auto written = dohle::format_baggage(*read);
  // A % that stands for itself takes three bytes once it is written.
  if (!written) return expect(written.error().is(dohle::Errc::too_large));
  const auto again = dohle::parse_baggage(*written);
  expect(again.has_value() && *again == *read);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_traceparent(text);
  check_tracestate(text);
  check_baggage(text);
  return 0;
}
