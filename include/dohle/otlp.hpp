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
  /// Its name, as "authorization".
  std::string name;
  /// Its value.
  std::string value;
};

/// The options of an OtlpExporter.
struct OtlpOptions {
  /// Where spans are posted: http:// or https://, with the path.
  std::string endpoint = "http://localhost:4318/v1/traces";
  /// Default: none. Sent with each request. At most 64; no line breaks.
  std::vector<OtlpHeader> headers = {};
  /// Default: empty, the system's. For https: a file with the CAs' certificates in PEM.
  std::string ca_file = {};
  /// Default: 2,048. 1 to 1,000,000. The most spans that wait; further ones are dropped and
  /// counted.
  std::size_t max_queue = 2'048;
  /// Default: 512. 1 to max_queue. The most spans of one request. So many are sent at once.
  std::size_t max_batch = 512;
  /// Default: 1 s. 0 to 1 min. How long spans wait for more.
  std::chrono::milliseconds batch_delay{1'000};
  /// Default: 10 s. 1 ms to 10 min. Time for one request.
  std::chrono::milliseconds timeout{10'000};
  /// Default: 1 s. 1 ms to 1 min. Wait before a failed request is repeated; it doubles up to 30 s,
  /// with 20 % jitter. A server's Retry-After makes it longer.
  std::chrono::milliseconds retry_backoff{1'000};
  /// Default: 1 min. 0 to 1 h. How long after its first attempt a request is dropped with its
  /// spans.
  std::chrono::milliseconds give_up_after{60'000};
  /// Default: null, standard error. Gets a warning when requests fail, at most once a minute, with
  /// the number of spans that were dropped.
  std::shared_ptr<Logger> logger = nullptr;
};

/// What an OtlpExporter has done.
struct OtlpCounts {
  /// Spans that the server accepted.
  std::uint64_t exported = 0;
  /// Spans that were lost: the queue was full, the server refused them, or time ran out.
  std::uint64_t dropped = 0;
  /// Requests that failed, repeats included.
  std::uint64_t failed_requests = 0;
  /// Spans that wait or are under way.
  std::size_t queued = 0;
};

/// Sends spans to a collector: OTLP over HTTP, in Protocol Buffers. It has one thread. Answers 429,
/// 502, 503 and 504 and lost connections are repeated, other ones drop the request's spans. Source:
/// OpenTelemetry, "OTLP/HTTP".
///
/// Lifetime: a tracer shares it. The destructor is close() with 1 s. In a child of fork() it does
/// nothing. Thread safety: any thread.
class DOHLE_API OtlpExporter final : public SpanExporter {
 public:
  /// Checks the options and starts the thread. Connects with the first spans. Errors:
  /// configuration; names the option, its value and the allowed values. limit_reached: the system
  /// starts no thread.
  [[nodiscard]] static Result<std::shared_ptr<OtlpExporter>> create(OtlpOptions options = {});
  ~OtlpExporter() override;
  OtlpExporter(const OtlpExporter&) = delete;
  OtlpExporter& operator=(const OtlpExporter&) = delete;

  /// Puts the span into the queue, or drops and counts it.
  void take(FinishedSpan span) override;
  /// Sends the spans that wait, and waits until each was sent or dropped. Errors: timed_out;
  /// closed; forked.
  Result<void> flush(std::chrono::milliseconds timeout);
  /// As flush, and ends the thread. Spans that are left are dropped and counted, as are later ones.
  /// Idempotent. Errors: timed_out; forked.
  Result<void> close(std::chrono::milliseconds timeout);
  /// The counts of this moment. Zero in a child of fork().
  [[nodiscard]] OtlpCounts counts() const;

 private:
  explicit OtlpExporter(std::shared_ptr<telemetry::OtlpSender> sender);

  std::shared_ptr<telemetry::OtlpSender> sender_;
};

}  // namespace v0
}  // namespace dohle
