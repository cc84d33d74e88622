#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/trace_context.hpp"

namespace dohle {
inline namespace v0 {

/// The role of a span. The numbers are those of OTLP.
enum class SpanKind : std::uint8_t {
  internal = 1,  ///< within the program
  server = 2,    ///< answers a request
  client = 3,    ///< waits for an answer
  producer = 4,  ///< makes a message that is handled later
  consumer = 5,  ///< handles a message
};

/// How a span ended. The numbers are those of OTLP.
enum class SpanStatus : std::uint8_t {
  unset = 0,  ///< no failure is known
  ok = 1,     ///< the program says that it succeeded
  error = 2,  ///< it failed
};

/// The value of an attribute.
using AttributeValue = std::variant<std::string, bool, std::int64_t, double>;

/// A property of a span.
struct SpanAttribute {
  /// Its name. The text has to outlive the tracer, as a string literal does.
  std::string_view name;
  /// Its value.
  AttributeValue value;
  friend bool operator==(const SpanAttribute&, const SpanAttribute&) = default;
};

/// The properties of a new span.
struct SpanStart {
  /// Its name, for example "send orders".
  std::string name;
  /// Its kind.
  SpanKind kind = SpanKind::internal;
  /// Its parent. If not valid, the span begins a trace.
  TraceContext parent = {};
  /// Default: none. Other spans to which it is related.
  std::vector<TraceContext> links = {};
  /// Default: none. The attributes that are known at the start. Samplers of other tracers may use
  /// them.
  std::vector<SpanAttribute> attributes = {};
  /// The time of its start. If absent, the current time.
  std::optional<std::chrono::system_clock::time_point> started = {};
};

/// A span that was started. Implement it and Tracer to use another library for tracing.
///
/// Thread safety: one thread at a time; it may be moved to another thread and end there.
class DOHLE_API Span {
 public:
  /// Ends the span if it has not ended.
  virtual ~Span() = default;
  /// The context of this span, for its children and for headers. Valid while the span lives.
  [[nodiscard]] virtual const TraceContext& context() const = 0;
  /// False if the span is not sampled. The other functions then have no effect.
  [[nodiscard]] virtual bool is_recording() const = 0;
  /// Sets an attribute. It replaces an attribute of that name. `name` as in SpanAttribute.
  virtual void set(std::string_view name, AttributeValue value) = 0;
  /// Adds a span to which this span is related.
  virtual void link(const TraceContext& to) = 0;
  /// Sets the outcome of the span. For an error, `description` says why.
  virtual void set_status(SpanStatus status, std::string_view description) = 0;
  /// Ends the span now. Later calls of end and of the functions that change the span have no
  /// effect.
  virtual void end() = 0;
};

/// Starts spans. `make_tracer` makes a tracer. Implement this class to use another library.
///
/// Lifetime: spans may outlive the tracer. Thread safety: any thread.
class DOHLE_API Tracer {
 public:
  virtual ~Tracer() = default;
  /// Starts a span. Never returns null, and never throws. The span's context is valid even if the
  /// span is not sampled, so that headers carry the decision to other programs.
  [[nodiscard]] virtual std::unique_ptr<Span> start(SpanStart start) = 0;
};

/// Decides which traces are recorded. A plain value. Thread safety: a const object may be used from
/// any thread.
class DOHLE_API Sampler {
 public:
  /// Records every trace.
  [[nodiscard]] static Sampler always_on() { return Sampler(1); }
  /// Records no trace.
  [[nodiscard]] static Sampler always_off() { return Sampler(0); }
  /// Records a share of all traces, 0 to 1. The trace id decides, so programs with the same share
  /// make the same decision. Source: OpenTelemetry, "ProbabilitySampler".
  [[nodiscard]] static Sampler ratio(double share) { return Sampler(share); }
  /// Follows the decision of the parent. For a span without a parent, `root` decides.
  [[nodiscard]] static Sampler parent_based(Sampler root) {
    root.follows_parent_ = true;
    return root;
  }

  /// True if a span of that trace is recorded.
  [[nodiscard]] bool samples(const TraceContext& parent, const TraceId& trace) const;
  /// The share of traces that are recorded if no parent decides, 0 to 1.
  [[nodiscard]] double share() const { return share_; }

 private:
  explicit Sampler(double share) : share_(share) {}

  double share_;
  bool follows_parent_ = false;
};

/// A name and a value of a Resource.
struct ResourceAttribute {
  /// Its name, for example "deployment.environment.name".
  std::string name;
  /// Its value.
  std::string value;
  friend bool operator==(const ResourceAttribute&, const ResourceAttribute&) = default;
};

/// The program that made a span.
struct Resource {
  /// Default: "unknown_service". The attribute service.name: the same for all instances of a
  /// service.
  std::string service_name = "unknown_service";
  /// Default: empty, a random UUID. The attribute service.instance.id: different for each instance.
  std::string service_instance_id = {};
  /// Default: empty, not sent. The attribute service.version.
  std::string service_version = {};
  /// Default: none. At most 64 further attributes.
  std::vector<ResourceAttribute> attributes = {};
};

/// A span that has ended and is sampled.
struct FinishedSpan {
  /// Its name.
  std::string name;
  /// Its kind.
  SpanKind kind = SpanKind::internal;
  /// Its context.
  TraceContext context = {};
  /// Its parent. Not valid for the first span of a trace.
  SpanId parent = {};
  /// When it started.
  std::chrono::system_clock::time_point started = {};
  /// When it ended. Never before `started`.
  std::chrono::system_clock::time_point ended = {};
  /// Its attributes in the order in which they were set.
  std::vector<SpanAttribute> attributes = {};
  /// Its links.
  std::vector<TraceContext> links = {};
  /// The number of attributes that were dropped because of max_attributes.
  std::uint32_t dropped_attributes = 0;
  /// The number of links that were dropped because of max_links.
  std::uint32_t dropped_links = 0;
  /// Its outcome.
  SpanStatus status = SpanStatus::unset;
  /// The reason, for an error.
  std::string description = {};
  /// The program that made it. Never null.
  std::shared_ptr<const Resource> resource = {};
};

/// Receives the spans of a tracer that `make_tracer` made.
///
/// Thread safety: called on the threads that end spans, several at a time.
class DOHLE_API SpanExporter {
 public:
  virtual ~SpanExporter() = default;
  /// Takes a span. Must neither block nor throw, because it is also called on the client's own
  /// thread.
  virtual void take(FinishedSpan span) = 0;
};

/// The options of make_tracer.
struct TracerOptions {
  /// Default: follows the parent's decision, and records every trace that begins here.
  Sampler sampler = Sampler::parent_based(Sampler::always_on());
  /// The program that makes the spans.
  Resource resource = {};
  /// Receives the sampled spans. Must not be null.
  std::shared_ptr<SpanExporter> exporter = nullptr;
  /// Default: 128. 1 to 1,000. The most attributes of a span. Further ones are dropped and counted.
  std::size_t max_attributes = 128;
  /// Default: 128. 1 to 1,000. The most links of a span. Further ones are dropped and counted.
  std::size_t max_links = 128;
};

/// Makes a tracer that gives its spans to an exporter. Errors: configuration, with the option, its
/// value and the allowed values.
[[nodiscard]] DOHLE_API Result<std::shared_ptr<Tracer>> make_tracer(TracerOptions options);

}  // namespace v0
}  // namespace dohle
