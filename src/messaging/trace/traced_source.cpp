#include "messaging/trace/traced_source.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "messaging/trace/context_headers.hpp"
#include "telemetry/messaging_conventions.hpp"
#include "telemetry/wall_time.hpp"

namespace dohle::messaging {

namespace names = telemetry::conventions;

namespace {

/// The most links of a `poll` span; headers of further messages are not looked at.
constexpr std::size_t max_poll_links = 128;

/// The one topic that all of them are of, which may be a retry topic. Otherwise `subscribed`.
template <class Range, class TopicOf>
std::string_view common_topic(const Range& all, std::string_view subscribed, TopicOf topic_of) {
  if (all.empty()) return subscribed;
  const std::string_view first = topic_of(all.front());
  const bool is_common =
      std::ranges::all_of(all, [&](const auto& each) { return topic_of(each) == first; });
  return is_common ? first : subscribed;
}

/// Ends a `commit` span when the answer comes, or when it can no longer come.
class CommitSpan {
 public:
  explicit CommitSpan(std::unique_ptr<Span> span) : span_(std::move(span)) {}
  CommitSpan(CommitSpan&&) noexcept = default;
  CommitSpan& operator=(CommitSpan&&) = delete;
  ~CommitSpan() {
    if (span_ == nullptr) return;
    mark_failed(*span_, Error::client(Errc::cancelled, "the commit has no answer"));
    span_->end();
  }
  void end(const Result<void>& committed) {
    const auto span = std::exchange(span_, nullptr);
    if (span == nullptr) return;
    if (!committed) mark_failed(*span, committed.error());
    span->end();
  }

 private:
  std::unique_ptr<Span> span_;
};

}  // namespace

Result<void> TracedSource::start(RebalanceListener listener) {
  return source_->start(std::move(listener));
}

Result<PolledRecords> TracedSource::poll(std::chrono::milliseconds timeout) {
  const auto started = telemetry::wall_now();
  auto polled = source_->poll(timeout);
  const Error* const why = !polled ? &polled.error() : polled->error ? &*polled->error : nullptr;
  // A subscription interrupts its polls, and polls again while its buffer is full.
  const bool is_interrupted =
      why != nullptr && (why->is(Errc::cancelled) || why->is(Errc::limit_reached));
  const bool is_empty = !polled || polled->records.empty();
  if (is_empty && (why == nullptr || is_interrupted)) return polled;
  std::string_view topic = topic_;
  if (polled) {
    topic = common_topic(polled->records, topic_, [](const ConsumerRecord& record) {
      return std::string_view(record.topic);
    });
  }
  SpanStart start = begin_span(tracing_, "poll", names::type_receive, SpanKind::client, topic);
  start.started = started;
  const auto count = polled ? polled->records.size() : 0;
  start.attributes.push_back({names::batch_count, static_cast<std::int64_t>(count)});
  const auto span = tracing_.tracer->start(std::move(start));
  if (span->is_recording() && polled) {
    for (std::size_t i = 0; i < std::min(count, max_poll_links); ++i) {
      const TraceContext sent = extract(polled->records[i].headers);
      if (sent.is_valid()) span->link(sent);
    }
  }
  if (why != nullptr) mark_failed(*span, *why);
  span->end();
  return polled;
}

void TracedSource::wakeup() {
  source_->wakeup();
}

std::unique_ptr<Span> TracedSource::start_commit(std::span<const PartitionOffset> offsets) const {
  const auto topic = common_topic(offsets, topic_, [](const PartitionOffset& offset) {
    return std::string_view(offset.partition.topic);
  });
  SpanStart start = begin_span(tracing_, "commit", names::type_settle, SpanKind::client, topic);
  if (offsets.size() == 1) {
    start.attributes.push_back(
        {names::partition_id, std::to_string(offsets.front().partition.partition.value)});
    start.attributes.push_back({names::kafka_offset, offsets.front().committed.offset.value});
  }
  return tracing_.tracer->start(std::move(start));
}

void TracedSource::commit_async(std::vector<PartitionOffset> offsets, client::CommitDone callback) {
  CommitSpan span(start_commit(offsets));
  source_->commit_async(std::move(offsets),
                        [span = std::move(span),
                         callback = std::move(callback)](client::CommitOutcome outcome) mutable {
                          span.end(outcome.as_one());
                          if (callback) callback(std::move(outcome));
                        });
}

client::CommitOutcome TracedSource::commit_sync(std::vector<PartitionOffset> offsets,
                                                std::chrono::milliseconds timeout) {
  CommitSpan span(start_commit(offsets));
  auto outcome = source_->commit_sync(std::move(offsets), timeout);
  span.end(outcome.as_one());
  return outcome;
}

void TracedSource::pause(std::span<const TopicPartition> partitions) {
  source_->pause(partitions);
}
void TracedSource::resume(std::span<const TopicPartition> partitions) {
  source_->resume(partitions);
}
void TracedSource::seek(const TopicPartition& partition, Offset offset) {
  source_->seek(partition, offset);
}
Result<Offset> TracedSource::position(const TopicPartition& partition) {
  return source_->position(partition);
}
std::optional<std::int64_t> TracedSource::lag(const TopicPartition& partition) const {
  return source_->lag(partition);
}
Result<void> TracedSource::leave() {
  return source_->leave();
}
Result<void> TracedSource::close(std::chrono::milliseconds timeout) {
  return source_->close(timeout);
}

}  // namespace dohle::messaging
