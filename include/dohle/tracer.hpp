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

/// The part that a span plays. The numbers are those of OTLP.
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
  /// Its name. The text outlives the tracer, as a literal does.
  std::string_view name;
  /// Its value.
  AttributeValue value;
  friend bool operator==(const SpanAttribute&, const SpanAttribute&) = default;
};

/// What a new span is.
struct SpanStart {
  /// Its name, as "send orders".
  std::string name;
  /// Its kind.
  SpanKind kind = SpanKind::internal;
  /// Its parent. If not valid, the span begins a trace.
  TraceContext parent = {};
  /// Other spans that it has to do with.
  std::vector<TraceContext> links = {};
  /// What is known from the start; samplers of other tracers may look at it.
  std::vector<SpanAttribute> attributes = {};
  /// When it started. If absent, now.
  std::optional<std::chrono::system_clock::time_point> started = {};
};

/// A span that was started and has not ended. Implement it and Tracer to use another library for
/// tracing.
///
/// Thread safety: one thread at a time; it may be handed to another thread, and ends there.
class DOHLE_API Span {
 public:
  /// Ends the span if it has not ended.
  virtual ~Span() = default;
  /// Its own place, for its children and for headers. Valid while the span lives.
  [[nodiscard]] virtual const TraceContext& context() const = 0;
  /// False if the span is not sampled: setting anything then has no effect.
  [[nodiscard]] virtual bool is_recording() const = 0;
  /// Sets an attribute; one of that name is replaced. `name` as in SpanAttribute.
  virtual void set(std::string_view name, AttributeValue value) = 0;
  /// Adds a span that it has to do with.
  virtual void link(const TraceContext& to) = 0;
  /// Sets how it ended; `description` says why, for an error.
  virtual void set_status(SpanStatus status, std::string_view description) = 0;
  /// Ends it now. A further call has no effect, nor has setting anything afterwards.
  virtual void end() = 0;
};

/// Starts spans. `make_tracer` makes one; implement it to use another library.
///
/// Lifetime: spans keep alive what they need of it. Thread safety: any thread.
class DOHLE_API Tracer {
 public:
  virtual ~Tracer() = default;
  /// Starts a span. Never null, and never throws. The span's context is valid even if it is not
  /// sampled, so that the decision travels on.
  [[nodiscard]] virtual std::unique_ptr<Span> start(SpanStart start) = 0;
};

/// Decides which traces are recorded. A value.
class DOHLE_API Sampler {
 public:
  /// Every trace.
  [[nodiscard]] static Sampler always_on() { return Sampler(1); }
  /// No trace.
  [[nodiscard]] static Sampler always_off() { return Sampler(0); }
  /// A share of all traces, 0 to 1. The trace id decides, so that every program with the same share
  /// decides alike. Source: OpenTelemetry, "ProbabilitySampler".
  [[nodiscard]] static Sampler ratio(double share) { return Sampler(share); }
  /// As the parent decided; `root` decides for a span without a parent.
  [[nodiscard]] static Sampler parent_based(Sampler root) {
    root.follows_parent_ = true;
    return root;
  }

  /// Whether a span of that trace is recorded.
  [[nodiscard]] bool samples(const TraceContext& parent, const TraceId& trace) const;
  /// The share of traces without a parent.
  [[nodiscard]] double share() const { return share_; }

 private:
  explicit Sampler(double share) : share_(share) {}

  double share_;
  bool follows_parent_ = false;
};

/// A name and a value of a Resource.
struct ResourceAttribute {
  /// Its name, as "deployment.environment.name".
  std::string name;
  /// Its value.
  std::string value;
  friend bool operator==(const ResourceAttribute&, const ResourceAttribute&) = default;
};

/// What program a span comes from.
struct Resource {
  /// Default: "unknown_service". service.name: the same for all instances of a service.
  std::string service_name = "unknown_service";
  /// Default: empty, a random UUID. service.instance.id: another one for each instance.
  std::string service_instance_id = {};
  /// Default: empty, not sent. service.version.
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
  /// Its own place.
  TraceContext context = {};
  /// Its parent; not valid for the first span of a trace.
  SpanId parent = {};
  /// When it started.
  std::chrono::system_clock::time_point started = {};
  /// When it ended; not before it started.
  std::chrono::system_clock::time_point ended = {};
  /// Its attributes in the order in which they were set.
  std::vector<SpanAttribute> attributes = {};
  /// Its links.
  std::vector<TraceContext> links = {};
  /// The number of attributes that max_attributes left out.
  std::uint32_t dropped_attributes = 0;
  /// The number of links that max_links left out.
  std::uint32_t dropped_links = 0;
  /// How it ended.
  SpanStatus status = SpanStatus::unset;
  /// Why, for an error.
  std::string description = {};
  /// The program that it comes from. Never null.
  std::shared_ptr<const Resource> resource = {};
};

/// Receives the spans of a tracer that `make_tracer` made.
///
/// Thread safety: called on the threads that end spans, several at a time.
class DOHLE_API SpanExporter {
 public:
  virtual ~SpanExporter() = default;
  /// Takes a span. Must neither block nor throw: it is called on the client's own thread, too.
  virtual void take(FinishedSpan span) = 0;
};

/// The options of make_tracer.
struct TracerOptions {
  /// Default: as the parent decided, and every trace that begins here.
  Sampler sampler = Sampler::parent_based(Sampler::always_on());
  /// The program that the spans come from.
  Resource resource = {};
  /// Receives the sampled spans. Must not be null.
  std::shared_ptr<SpanExporter> exporter = nullptr;
  /// Default: 128. 1 to 1,000. The most attributes of a span; further ones are counted.
  std::size_t max_attributes = 128;
  /// Default: 128. 1 to 1,000. The most links of a span; further ones are counted.
  std::size_t max_links = 128;
};

/// Makes a tracer that gives its spans to an exporter. Errors: configuration; names the option, its
/// value and the allowed values.
[[nodiscard]] DOHLE_API Result<std::shared_ptr<Tracer>> make_tracer(TracerOptions options);

}  // namespace v0
}  // namespace dohle
