#pragma once

#include <sys/types.h>

#include <string>

/// A collector of spans over HTTP that answers every request with 200 and drops it: a process of
/// its own, so that its CPU is not that of the program. Make it before any thread. It ends with
/// this object, and with its parent.
class SpanSink {
 public:
  /// Listens on the loopback. Ends the program if it cannot.
  SpanSink();
  ~SpanSink();
  SpanSink(const SpanSink&) = delete;
  SpanSink& operator=(const SpanSink&) = delete;

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

 private:
  std::string endpoint_;
  pid_t process_ = -1;
};
