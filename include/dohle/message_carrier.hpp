#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dohle/export.hpp"
#include "dohle/message.hpp"
#include "dohle/trace_context.hpp"

namespace dohle {
inline namespace v0 {
namespace kafka {

/// The headers of a message as names with one text value each. Tracing carries its context in them.
///
///     MessageCarrier carrier(message);
///     carrier.set("traceparent", "00-...-01");
///
/// Lifetime: it refers to the message. Thread safety: that of the message.
class DOHLE_API MessageCarrier {
 public:
  /// `message` must outlive the carrier.
  explicit MessageCarrier(Message& message) : message_(&message) {}

  /// The value of the first header of that name. Empty if there is no such header or its value is
  /// null.
  [[nodiscard]] std::string get(std::string_view key) const;
  /// Removes all headers of that name, and appends one with this value.
  void set(std::string_view key, std::string value);
  /// The names of all headers in their order. A name that repeats is returned several times.
  [[nodiscard]] std::vector<std::string> keys() const;

  /// The context in the headers traceparent, tracestate and baggage. A header that cannot be parsed
  /// counts as absent. Without traceparent the context is not valid, and only its baggage may be
  /// set.
  [[nodiscard]] TraceContext extract() const;
  /// Replaces these three headers: removes all of them, and appends those that the context has.
  void inject(const TraceContext& context);

 private:
  Message* message_;
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
