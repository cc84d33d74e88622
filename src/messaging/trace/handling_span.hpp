#pragma once

#include <utility>

#include "dohle/error.hpp"
#include "dohle/tracer.hpp"
#include "messaging/trace/tracing.hpp"

namespace dohle::messaging {

/// The `process` span of this thread, for a handler that counts as done though it failed. It lives
/// while the handler runs.
class HandlingSpan {
 public:
  explicit HandlingSpan(Span& span) : span_(span), outer_(std::exchange(innermost_, this)) {}
  ~HandlingSpan() { innermost_ = outer_; }
  HandlingSpan(const HandlingSpan&) = delete;
  HandlingSpan& operator=(const HandlingSpan&) = delete;

  /// Gives it the status of an error. No effect without a span.
  static void mark(const Error& why) {
    if (innermost_ != nullptr) mark_failed(innermost_->span_, why);
  }

 private:
  static inline constinit thread_local HandlingSpan* innermost_ = nullptr;

  Span& span_;
  HandlingSpan* const outer_;
};

}  // namespace dohle::messaging
