#pragma once

// Spans over OTLP/HTTP. Link dohle::otlp, which needs libcurl.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/logger.hpp"
#include "dohle/tracer.hpp"

namespace dohle::telemetry {
class OtlpSender;
}  // namespace dohle::telemetry

namespace dohle {
inline namespace v0 {

/// A header of the requests of an OtlpExporter.
struct OtlpHeader {
  /// Its name, for example "authorization".
  std::string name;
  /// Its value.
  std::string value;
};

/// The options of an OtlpExporter.
struct OtlpOptions {
  /// Default: "http://localhost:4318/v1/traces". The URL to which spans are posted: http:// or
  /// https://, with the path.
  std::string endpoint = "http://localhost:4318/v1/traces";
  /// Default: none. At most 64, without line breaks. Headers that are sent with each request.
  std::vector<OtlpHeader> headers = {};
  /// Default: empty, the system's CAs. For https, a PEM file with the certificates of the CAs.
  std::string ca_file = {};
  /// Default: 2,048. 1 to 1,000,000. The most spans that wait to be sent. Further spans are dropped
  /// and counted.
  std::size_t max_queue = 2'048;
  /// Default: 512. 1 to max_queue. The most spans of one request. When this many wait, they are
  /// sent at once.
  std::size_t max_batch = 512;
  /// Default: 1 s. 0 to 1 min. How long spans wait for further spans of their request.
  std::chrono::milliseconds batch_delay{1'000};
  /// Default: 10 s. 1 ms to 10 min. Time for one request.
  std::chrono::milliseconds timeout{10'000};
  /// Default: 1 s. 1 ms to 1 min. Wait before a failed request is repeated; it doubles up to 30 s,
  /// with 20 % jitter. A server's Retry-After makes it longer.
  std::chrono::milliseconds retry_backoff{1'000};
  /// Default: 1 min. 0 to 1 h. Time after the first attempt of a request; then it is dropped with
  /// its spans.
  std::chrono::milliseconds give_up_after{60'000};
  /// Default: null, standard error. Receives a warning when requests fail, at most once a minute,
  /// with the number of dropped spans.
  std::shared_ptr<Logger> logger = nullptr;
};

/// The counts of an OtlpExporter.
struct OtlpCounts {
  /// Spans that the server accepted.
  std::uint64_t exported = 0;
  /// Spans that were lost: the queue was full, the server refused them, or time ran out.
  std::uint64_t dropped = 0;
  /// Requests that failed, repeats included.
  std::uint64_t failed_requests = 0;
  /// Spans that wait or are in a request under way.
  std::size_t queued = 0;
};

/// Sends spans to a collector: OTLP over HTTP, in Protocol Buffers. It has one thread. After the
/// answers 429, 502, 503 and 504 and after lost connections the request is repeated. After other
/// errors its spans are dropped. Source: OpenTelemetry, "OTLP/HTTP".
///
/// Lifetime: shared with the tracers that use it. The destructor calls close() with 1 s. In a child
/// of fork() the destructor does nothing. Thread safety: any thread.
class DOHLE_API OtlpExporter final : public SpanExporter {
 public:
  /// Checks the options and starts the thread. It connects when the first spans are sent. Errors:
  /// configuration, with the option, its value and the allowed values; limit_reached if the system
  /// cannot start a thread.
  [[nodiscard]] static Result<std::shared_ptr<OtlpExporter>> create(OtlpOptions options = {});
  ~OtlpExporter() override;
  OtlpExporter(const OtlpExporter&) = delete;
  OtlpExporter& operator=(const OtlpExporter&) = delete;

  /// Puts the span into the queue, or drops and counts it.
  void take(FinishedSpan span) override;
  /// Sends the waiting spans, and waits until each is sent or dropped. Errors: timed_out; closed;
  /// forked.
  Result<void> flush(std::chrono::milliseconds timeout);
  /// As flush, and then ends the thread. Remaining spans are dropped and counted, and so are later
  /// spans. Idempotent. Errors: timed_out; forked.
  Result<void> close(std::chrono::milliseconds timeout);
  /// The current counts. Zero in a child of fork().
  [[nodiscard]] OtlpCounts counts() const;

 private:
  explicit OtlpExporter(std::shared_ptr<telemetry::OtlpSender> sender);

  std::shared_ptr<telemetry::OtlpSender> sender_;
};

}  // namespace v0
}  // namespace dohle
