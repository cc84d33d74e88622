#include "dohle/tracer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/option_checks.hpp"
#include "telemetry/span_ids.hpp"

namespace dohle {
inline namespace v0 {

namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr std::size_t max_resource_attributes = 64;

/// A span that is not sampled: only its context matters.
class SilentSpan final : public Span {
 public:
  explicit SilentSpan(TraceContext context) : context_(std::move(context)) {}
  [[nodiscard]] const TraceContext& context() const override { return context_; }
  [[nodiscard]] bool is_recording() const override { return false; }
  void set(std::string_view, AttributeValue) override {}
  void link(const TraceContext&) override {}
  void set_status(SpanStatus, std::string_view) override {}
  void end() override {}

 private:
  const TraceContext context_;
};

/// The state that the spans of a tracer share. Spans may outlive the tracer.
struct Kept {
  TracerOptions options;
  std::shared_ptr<const Resource> resource;
};

class RecordedSpan final : public Span {
 public:
  RecordedSpan(std::shared_ptr<const Kept> kept, SpanStart&& start, TraceContext context)
      : kept_(std::move(kept)), context_(std::move(context)) {
    span_.name = std::move(start.name);
    span_.kind = start.kind;
    span_.parent = start.parent.is_valid() ? start.parent.span_id : SpanId{};
    span_.started = started_ = system_clock::now();
    if (start.started) span_.started = std::min(*start.started, started_);
    span_.attributes = std::move(start.attributes);
    span_.links = std::move(start.links);
    span_.dropped_attributes = cut(span_.attributes, kept_->options.max_attributes);
    span_.dropped_links = cut(span_.links, kept_->options.max_links);
    span_.resource = kept_->resource;
  }
  ~RecordedSpan() override { finish(); }

  [[nodiscard]] const TraceContext& context() const override { return context_; }
  [[nodiscard]] bool is_recording() const override { return !has_ended_; }

  void set(std::string_view name, AttributeValue value) override {
    if (has_ended_) return;
    const auto found = std::ranges::find(span_.attributes, name, &SpanAttribute::name);
    if (found != span_.attributes.end()) {
      found->value = std::move(value);
    } else if (span_.attributes.size() < kept_->options.max_attributes) {
      span_.attributes.push_back({name, std::move(value)});
    } else {
      ++span_.dropped_attributes;
    }
  }

  void link(const TraceContext& to) override {
    if (has_ended_) return;
    if (span_.links.size() < kept_->options.max_links) {
      span_.links.push_back(to);
    } else {
      ++span_.dropped_links;
    }
  }

  void set_status(SpanStatus status, std::string_view description) override {
    if (has_ended_) return;
    span_.status = status;
    span_.description = description;
  }

  void end() override { finish(); }

 private:
  template <class Each>
  static std::uint32_t cut(std::vector<Each>& all, std::size_t most) {
    if (all.size() <= most) return 0;
    const std::size_t dropped = all.size() - most;
    all.resize(most);
    return static_cast<std::uint32_t>(dropped);
  }

  void finish() {
    if (std::exchange(has_ended_, true)) return;
    // The system's time may be set back meanwhile.
    span_.ended = started_ + std::chrono::duration_cast<system_clock::duration>(
                                 steady_clock::now() - started_at_);
    span_.context = context_;
    kept_->options.exporter->take(std::move(span_));
  }

  const std::shared_ptr<const Kept> kept_;
  const TraceContext context_;
  const steady_clock::time_point started_at_ = steady_clock::now();
  system_clock::time_point started_;
  FinishedSpan span_;
  bool has_ended_ = false;
};

class ExportingTracer final : public Tracer {
 public:
  explicit ExportingTracer(TracerOptions options) {
    auto resource = std::make_shared<const Resource>(std::move(options.resource));
    kept_ = std::make_shared<const Kept>(std::move(options), std::move(resource));
  }

  [[nodiscard]] std::unique_ptr<Span> start(SpanStart start) override {
    telemetry::SpanIds& ids = telemetry::SpanIds::of_thread();
    TraceContext context;
    if (start.parent.is_valid()) {
      context = start.parent;
    } else {
      context.trace_id = ids.next_trace();
      context.flags = TraceContext::random_flag;
      context.baggage = start.parent.baggage;
    }
    context.span_id = ids.next_span();
    const bool is_sampled = kept_->options.sampler.samples(start.parent, context.trace_id);
    context.flags = static_cast<std::uint8_t>((context.flags & TraceContext::random_flag) |
                                              (is_sampled ? TraceContext::sampled_flag : 0));
    if (!is_sampled) return std::make_unique<SilentSpan>(std::move(context));
    return std::make_unique<RecordedSpan>(kept_, std::move(start), std::move(context));
  }

 private:
  std::shared_ptr<const Kept> kept_;
};

}  // namespace

bool Sampler::samples(const TraceContext& parent, const TraceId& trace) const {
  if (follows_parent_ && parent.is_valid()) return parent.is_sampled();
  if (share_ >= 1) return true;
  if (share_ <= 0) return false;
  // The last 56 bits are random, W3C Trace Context Level 2.
  std::uint64_t drawn = 0;
  for (std::size_t i = 9; i < trace.bytes.size(); ++i) drawn = drawn << 8 | trace.bytes.at(i);
  const auto rejected =
      static_cast<std::uint64_t>(std::llround((1 - share_) * std::ldexp(1.0, 56)));
  return drawn >= rejected;
}

Result<std::shared_ptr<Tracer>> make_tracer(TracerOptions options) {
  if (!options.exporter) {
    return fail(Error::configuration("exporter is null; allowed is a SpanExporter"));
  }
  const double share = options.sampler.share();
  // NaN is outside, too.
  const bool is_in_range = share >= 0 && share <= 1;
  if (!is_in_range) {
    return fail(Error::configuration("sampler has the ratio " + std::to_string(share) +
                                     "; allowed are 0 to 1"));
  }
  const Resource& resource = options.resource;
  auto checked = check_options({
      {"max_attributes", as_value(options.max_attributes), 1, 1'000},
      {"max_links", as_value(options.max_links), 1, 1'000},
      {"resource.service_name (its length)", as_value(resource.service_name.size()), 1, 1'024,
       "bytes"},
      {"resource.attributes (their number)", as_value(resource.attributes.size()), 0,
       max_resource_attributes},
  });
  if (!checked) return fail(checked.error());
  if (resource.service_instance_id.empty()) {
    options.resource.service_instance_id = telemetry::random_uuid();
  }
  return std::make_shared<ExportingTracer>(std::move(options));
}

}  // namespace v0
}  // namespace dohle
