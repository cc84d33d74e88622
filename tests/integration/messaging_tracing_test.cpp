// Spans and metrics of a Broker on a node of its own.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "dohle/message_carrier.hpp"
#include "dohle/middleware.hpp"
#include "integration/options_fixture.hpp"
#include "unit/telemetry/recorded_spans.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/produce.hpp"

namespace dohle {
namespace {

using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;
using testing::SizeIs;

/// A tracer that counts how often each of its spans is ended.
class EndedSpans final : public Tracer {
 public:
  explicit EndedSpans(std::shared_ptr<Tracer> inner) : inner_(std::move(inner)) {}

  std::unique_ptr<Span> start(SpanStart start) override {
    auto note = std::make_shared<Note>(start.name);
    const std::lock_guard lock(mutex_);
    notes_.push_back(note);
    return std::make_unique<Noted>(inner_->start(std::move(start)), std::move(note));
  }
  /// How many have started.
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return notes_.size();
  }
  /// The name of each span that was not ended once, with the number of times.
  std::vector<std::string> not_ended_once() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found;
    for (const auto& each : notes_) {
      const int ends = each->ends;
      if (ends != 1) found.push_back(each->name + ": " + std::to_string(ends));
    }
    return found;
  }

 private:
  struct Note {
    explicit Note(std::string name_) : name(std::move(name_)) {}
    const std::string name;
    std::atomic<int> ends{0};
  };
  class Noted final : public Span {
   public:
    Noted(std::unique_ptr<Span> span, std::shared_ptr<Note> note)
        : span_(std::move(span)), note_(std::move(note)) {}
    [[nodiscard]] const TraceContext& context() const override { return span_->context(); }
    [[nodiscard]] bool is_recording() const override { return span_->is_recording(); }
    void set(std::string_view name, AttributeValue value) override {
      span_->set(name, std::move(value));
    }
    void link(const TraceContext& to) override { span_->link(to); }
    void set_status(SpanStatus status, std::string_view description) override {
      span_->set_status(status, description);
    }
    void end() override {
      ++note_->ends;
      span_->end();
    }

   private:
    const std::unique_ptr<Span> span_;
    const std::shared_ptr<Note> note_;
  };

  const std::shared_ptr<Tracer> inner_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Note>> notes_;
};

class TracedBroker : public Options {
 protected:
  template <class... Given>
  void connect_traced(Given&&... given) {
    connect(with_tracer(tracer()), std::forward<Given>(given)...);
  }
  std::shared_ptr<Tracer> tracer(Sampler sampler = Sampler::parent_based(Sampler::always_on())) {
    return *make_tracer({.sampler = sampler, .exporter = spans});
  }
  /// Subscribes in the group "g" from the beginning.
  Subscriber read(std::function<Result<void>(RawEvent)> handler, SubscribeOptions options = {}) {
    options.group_id = "g";
    auto made = broker_->subscribe("t", std::move(handler), std::move(options));
    EXPECT_TRUE(made) << made.error().to_string();
    return std::move(*made);
  }

  const std::shared_ptr<RecordedSpans> spans = std::make_shared<RecordedSpans>();
};

TEST_F(TracedBroker, send_span_ends_with_the_outcome_of_an_asynchronous_publish) {
  connect_traced(kafka::with_client_id("shop"));
  const auto sent =
      broker_->publish("t", Message("text").with_key("k").with_partition(PartitionId{2}));
  ASSERT_TRUE(sent);
  ASSERT_TRUE(sent->get());
  const FinishedSpan span = spans->named("send t").front();
  EXPECT_EQ(span.kind, SpanKind::producer);
  EXPECT_EQ(span.status, SpanStatus::unset);
  EXPECT_EQ(text_of(span, "messaging.system.name"), "kafka");
  EXPECT_EQ(text_of(span, "messaging.operation.name"), "send");
  EXPECT_EQ(text_of(span, "messaging.operation.type"), "send");
  EXPECT_EQ(text_of(span, "messaging.destination.name"), "t");
  EXPECT_EQ(text_of(span, "messaging.destination.partition.id"), "2");
  EXPECT_EQ(text_of(span, "messaging.client.id"), "shop");
  EXPECT_EQ(text_of(span, "kafka.message.key"), "k");
  EXPECT_EQ(value_of(span, "kafka.offset"), AttributeValue(std::int64_t{0}));
  EXPECT_EQ(value_of(span, "kafka.message.tombstone"), std::nullopt);
  EXPECT_EQ(value_of(span, "error.type"), std::nullopt);
}

TEST_F(TracedBroker, send_span_omits_a_binary_key_and_marks_a_tombstone) {
  connect_traced();
  ASSERT_TRUE(broker_->publish("t", Message().with_tombstone().with_key("\xff")));
  ASSERT_TRUE(broker_->flush());
  const FinishedSpan span = spans->named("send t").front();
  EXPECT_EQ(value_of(span, "kafka.message.key"), std::nullopt);
  EXPECT_EQ(value_of(span, "kafka.message.tombstone"), AttributeValue(true));
}

TEST_F(TracedBroker, send_span_has_the_error_of_a_refused_publish) {
  connect_traced();
  EXPECT_FALSE(broker_->publish("missing", "text"));
  const FinishedSpan span = spans->named("send missing").front();
  EXPECT_EQ(span.status, SpanStatus::error);
  EXPECT_EQ(text_of(span, "error.type"), "no_such_topic");
  EXPECT_THAT(span.description, HasSubstr("missing"));
  EXPECT_THAT(spans->all(), SizeIs(1));
}

TEST_F(TracedBroker,
       failed_delivery_that_no_caller_reads_is_reported_although_its_span_has_the_error) {
  connect_traced(with_error_handler([this](const Failure& failure) {
    if (failure.kind == Failure::Kind::delivery) lines_.add("delivery");
  }));
  const NewTopic small{.name = "small", .partitions = 1, .config = {{"max.message.bytes", "1000"}}};
  ASSERT_TRUE(broker_->client().value().admin().create_topics({small}));
  ASSERT_TRUE(broker_->publish("small", std::string(5'000, 'x')));
  ASSERT_TRUE(lines_.wait_for(1));
  const auto ended = spans->named("send small");
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended.front().status, SpanStatus::error);
  EXPECT_EQ(text_of(ended.front(), "error.type"), "MESSAGE_TOO_LARGE");
}

TEST_F(TracedBroker, synchronous_publish_has_one_span) {
  connect_traced();
  ASSERT_TRUE(broker_->publish("t", "text", with_publish_async(false)));
  std::promise<void> heard;
  ASSERT_TRUE(broker_->publish(
      "t", "text", with_publish_callback([&](const Result<Receipt>&) { heard.set_value(); })));
  ASSERT_EQ(heard.get_future().wait_for(patience), std::future_status::ready);
  EXPECT_THAT(spans->named("send t", 2), SizeIs(2));
  ASSERT_TRUE(broker_->disconnect());
  EXPECT_THAT(spans->all(), SizeIs(2));
}

TEST_F(TracedBroker, each_message_of_a_span_of_messages_has_its_own_span) {
  connect_traced();
  const std::vector<Message> messages(5, Message("text"));
  for (const auto& each : broker_->publish("t", messages, with_publish_async(false))) {
    EXPECT_TRUE(each);
  }
  EXPECT_THAT(spans->named("send t", 5), SizeIs(5));
}

TEST_F(TracedBroker, process_span_is_the_child_of_the_send_span_and_linked_to_it) {
  connect_traced();
  std::promise<TraceContext> current;
  const auto reader = read([&](RawEvent event) -> Result<void> {
    EXPECT_TRUE(event.header("traceparent"));
    current.set_value(current_trace_context());
    return {};
  });
  ASSERT_TRUE(broker_->publish("t", Message("text").with_key("k"), with_publish_async(false)));
  const FinishedSpan sent = spans->named("send t").front();
  const FinishedSpan handled = spans->named("process t").front();
  EXPECT_EQ(handled.kind, SpanKind::consumer);
  EXPECT_EQ(handled.context.trace_id, sent.context.trace_id);
  EXPECT_EQ(handled.parent, sent.context.span_id);
  ASSERT_THAT(handled.links, SizeIs(1));
  EXPECT_EQ(handled.links.front().span_id, sent.context.span_id);
  EXPECT_EQ(handled.status, SpanStatus::unset);
  EXPECT_EQ(text_of(handled, "messaging.operation.type"), "process");
  EXPECT_EQ(text_of(handled, "messaging.consumer.group.name"), "g");
  EXPECT_EQ(text_of(handled, "kafka.message.key"), "k");
  EXPECT_EQ(value_of(handled, "kafka.offset"), AttributeValue(std::int64_t{0}));
  EXPECT_EQ(current.get_future().get().span_id, handled.context.span_id);
}

TEST_F(TracedBroker, message_that_a_handler_publishes_is_a_child_of_its_process_span) {
  connect_traced();
  ASSERT_TRUE(kafka::create_topic(*broker_, "next", 1, 1));
  const auto reader = read([&](RawEvent event) -> Result<void> {
    // A forwarded message has the headers of the first one.
    auto sent = broker_->publish("next", event.message().with_partition({}));
    if (!sent) return fail(sent.error());
    return {};
  });
  const TraceScope scope([] {
    auto context = *parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    context.state = "a=b";
    context.baggage = "user=1";
    return context;
  }());
  ASSERT_TRUE(broker_->publish("t", "text", with_publish_async(false)));
  const FinishedSpan first = spans->named("send t").front();
  EXPECT_EQ(first.parent.to_hex(), "00f067aa0ba902b7");
  const FinishedSpan handled = spans->named("process t").front();
  const FinishedSpan next = spans->named("send next").front();
  EXPECT_EQ(next.parent, handled.context.span_id);
  EXPECT_EQ(next.context.trace_id.to_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");

  std::promise<Message> received;
  const auto last = broker_->subscribe(
      "next", [&](RawEvent event) { received.set_value(event.message()); },
      kafka::with_start_offset(StartOffset::first()));
  ASSERT_TRUE(last);
  Message forwarded = received.get_future().get();
  const kafka::MessageCarrier carrier(forwarded);
  EXPECT_THAT(carrier.keys(), ElementsAre("traceparent", "tracestate", "baggage"));
  EXPECT_EQ(carrier.get("traceparent"), format_traceparent(next.context));
  EXPECT_EQ(carrier.get("tracestate"), "a=b");
  EXPECT_EQ(carrier.get("baggage"), "user=1");
}

TEST_F(TracedBroker, reply_is_in_the_trace_of_its_request) {
  connect_traced(with_reply_topic("replies"));
  ASSERT_TRUE(kafka::create_topic(*broker_, "replies", 1, 1));
  const auto responder = broker_->reply<std::string>(
      "t", [](const std::string& text) { return text + "!"; }, with_group_id("g"));
  ASSERT_TRUE(responder) << responder.error().to_string();
  EXPECT_EQ(broker_->request<std::string>("t", "text", patience), "text!");
  const FinishedSpan sent = spans->named("send t").front();
  const FinishedSpan handled = spans->named("process t").front();
  const FinishedSpan replied = spans->named("send replies").front();
  EXPECT_EQ(handled.parent, sent.context.span_id);
  EXPECT_EQ(replied.parent, handled.context.span_id);
  EXPECT_EQ(replied.context.trace_id, sent.context.trace_id);
}

TEST_F(TracedBroker, process_span_of_a_reply_handler_that_fails_has_its_error) {
  connect_traced(with_reply_topic("replies"));
  ASSERT_TRUE(kafka::create_topic(*broker_, "replies", 1, 1));
  const auto responder = broker_->reply<std::string>(
      "t",
      [](const std::string&) -> Result<std::string> {
        return fail(Error::client(Errc::invalid_argument, "it is bad"));
      },
      with_group_id("g"));
  ASSERT_TRUE(responder) << responder.error().to_string();
  EXPECT_FALSE(broker_->request<std::string>("t", "text", patience));
  const FinishedSpan handled = spans->named("process t").front();
  EXPECT_EQ(handled.status, SpanStatus::error);
  EXPECT_EQ(text_of(handled, "error.type"), "invalid_argument");
  EXPECT_THAT(handled.description, HasSubstr("it is bad"));
  EXPECT_EQ(spans->named("send replies").front().status, SpanStatus::unset);
}

TEST_F(TracedBroker, pulled_messages_have_only_poll_and_commit_spans) {
  connect_traced();
  store("text");
  auto reader = broker_->subscribe_pull<std::string>("t", with_group_id("g"));
  ASSERT_TRUE(reader) << reader.error().to_string();
  const auto next = reader->next(patience);
  ASSERT_TRUE(next && *next);
  ASSERT_TRUE(reader->next(0ms));
  ASSERT_TRUE(reader->unsubscribe(patience));
  EXPECT_THAT(spans->named("poll t"), SizeIs(1));
  EXPECT_THAT(spans->named("commit t"), testing::Not(IsEmpty()));
  for (const FinishedSpan& each : spans->all()) EXPECT_NE(each.name, "process t");
}

TEST_F(TracedBroker, context_in_the_headers_is_the_parent_without_a_current_one) {
  connect_traced();
  const std::string given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  ASSERT_TRUE(broker_->publish("t", Message("text").with_header("traceparent", given)));
  EXPECT_EQ(spans->named("send t").front().parent.to_hex(), "00f067aa0ba902b7");
}

TEST_F(TracedBroker, baggage_of_a_current_context_without_a_trace_is_sent) {
  connect_traced();
  std::promise<Message> received;
  const auto reader = read([&](RawEvent event) -> Result<void> {
    received.set_value(event.message());
    return {};
  });
  {
    TraceContext context;
    context.baggage = "user=1";
    const TraceScope scope(std::move(context));
    ASSERT_TRUE(broker_->publish("t", "text", with_publish_async(false)));
  }
  Message message = received.get_future().get();
  EXPECT_EQ(kafka::MessageCarrier(message).get("baggage"), "user=1");
  EXPECT_FALSE(spans->named("send t").front().parent.is_valid());
}

TEST_F(TracedBroker, incoming_context_that_is_not_sampled_gets_no_process_span_and_is_passed_on) {
  connect_traced();
  std::promise<TraceContext> current;
  const auto reader = read([&](RawEvent) -> Result<void> {
    current.set_value(current_trace_context());
    return {};
  });
  const TraceScope scope(
      *parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
  ASSERT_TRUE(broker_->publish("t", "text", with_publish_async(false)));
  const TraceContext seen = current.get_future().get();
  EXPECT_EQ(seen.trace_id.to_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_FALSE(seen.is_sampled());
  ASSERT_TRUE(broker_->disconnect());
  for (const FinishedSpan& span : spans->all()) {
    EXPECT_TRUE(span.name == "poll t" || span.name == "commit t") << span.name;
  }
}

TEST_F(TracedBroker, each_attempt_has_a_span_that_ends_once_with_its_error) {
  connect_traced();
  std::atomic<int> calls = 0;
  const auto reader = read(
      [&](RawEvent) -> Result<void> {
        if (++calls == 1) return fail(Error::client(Errc::io_error, "first"));
        if (calls == 2) throw std::runtime_error("second");
        return {};
      },
      {.retry_delay = std::chrono::milliseconds(0)});
  ASSERT_TRUE(broker_->publish("t", "text", with_publish_async(false)));
  const auto handled = spans->named("process t", 3);
  ASSERT_THAT(handled, SizeIs(3));
  EXPECT_EQ(text_of(handled[0], "error.type"), "io_error");
  EXPECT_EQ(value_of(handled[0], "dohle.attempt"), std::nullopt);
  EXPECT_EQ(text_of(handled[1], "error.type"), "handler_failed");
  EXPECT_EQ(value_of(handled[1], "dohle.attempt"), AttributeValue(std::int64_t{2}));
  EXPECT_EQ(handled[2].status, SpanStatus::unset);
  ASSERT_TRUE(broker_->disconnect());
  EXPECT_THAT(spans->named("process t"), SizeIs(3));
}

TEST_F(TracedBroker, poll_span_is_linked_to_the_messages_and_commit_span_follows) {
  connect_traced();
  for (int i = 0; i < 3; ++i) store("text");
  std::latch handled(3);
  auto reader = read([&](RawEvent) -> Result<void> {
    handled.count_down();
    return {};
  });
  handled.wait();
  ASSERT_TRUE(reader.unsubscribe());
  std::set<std::string> sent;
  for (const FinishedSpan& span : spans->named("send t", 3)) {
    sent.insert(span.context.span_id.to_hex());
  }
  std::set<std::string> linked;
  std::int64_t messages = 0;
  for (const FinishedSpan& span : spans->named("poll t")) {
    EXPECT_EQ(span.kind, SpanKind::client);
    EXPECT_EQ(text_of(span, "messaging.operation.type"), "receive");
    EXPECT_FALSE(span.parent.is_valid());
    messages += std::get<std::int64_t>(*value_of(span, "messaging.batch.message_count"));
    for (const TraceContext& link : span.links) linked.insert(link.span_id.to_hex());
  }
  EXPECT_EQ(messages, 3);
  EXPECT_EQ(linked, sent);
  const auto commits = spans->named("commit t");
  ASSERT_THAT(commits, SizeIs(Ge(1)));
  for (const FinishedSpan& span : commits) {
    EXPECT_EQ(span.kind, SpanKind::client);
    EXPECT_EQ(text_of(span, "messaging.operation.type"), "settle");
    EXPECT_EQ(text_of(span, "messaging.consumer.group.name"), "g");
    // A commit of several partitions names neither.
    EXPECT_EQ(value_of(span, "messaging.destination.partition.id").has_value(),
              value_of(span, "kafka.offset").has_value());
  }
}

TEST_F(TracedBroker, retry_topic_keeps_the_trace_and_its_spans_have_its_name) {
  connect_traced();
  std::latch handled(2);
  auto reader = read(
      [&](RawEvent event) -> Result<void> {
        handled.count_down();
        if (event.attempt() > 1) return {};
        return fail(Error::client(Errc::io_error, "first"));
      },
      {.max_retries = 0, .retry_topics = {std::chrono::milliseconds(300)}});
  ASSERT_TRUE(broker_->publish("t", "text", with_publish_async(false)));
  handled.wait();
  const FinishedSpan sent = spans->named("send t").front();
  const FinishedSpan first = spans->named("process t").front();
  const FinishedSpan again = spans->named("process t.g.retry.300ms").front();
  EXPECT_EQ(text_of(first, "error.type"), "io_error");
  EXPECT_EQ(again.status, SpanStatus::unset);
  EXPECT_EQ(value_of(again, "dohle.attempt"), AttributeValue(std::int64_t{2}));
  for (const FinishedSpan& each : {first, again}) {
    EXPECT_EQ(each.context.trace_id, sent.context.trace_id);
    EXPECT_EQ(each.parent, sent.context.span_id);
  }
  ASSERT_TRUE(reader.unsubscribe());
  for (const std::string_view topic : {"t", "t.g.retry.300ms"}) {
    const auto polls = spans->named("poll " + std::string(topic));
    ASSERT_THAT(polls, SizeIs(Ge(1)));
    EXPECT_EQ(text_of(polls.front(), "messaging.destination.name"), topic);
    const auto commits = spans->named("commit " + std::string(topic));
    ASSERT_THAT(commits, SizeIs(Ge(1)));
    EXPECT_EQ(text_of(commits.front(), "messaging.destination.name"), topic);
  }
  ASSERT_TRUE(broker_->disconnect());
  std::set<std::string> ended;
  for (const FinishedSpan& span : spans->all()) {
    EXPECT_TRUE(ended.insert(span.context.span_id.to_hex()).second) << span.name;
  }
}

TEST_F(TracedBroker, every_span_ends_once_across_a_rebalance_and_the_end) {
  connect_traced();
  std::atomic<int> handled = 0;
  const auto count = [&](RawEvent) -> Result<void> {
    ++handled;
    return {};
  };
  {
    const auto one = read(count);
    for (int i = 0; i < 30; ++i) store("text", i % 3);
    const auto two = read(count);
    for (int i = 0; i < 30; ++i) store("text", i % 3);
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (handled < 60 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  }
  ASSERT_TRUE(broker_->disconnect());
  std::map<std::string, int> ended;
  for (const FinishedSpan& span : spans->all()) ++ended[span.context.span_id.to_hex()];
  for (const auto& [id, times] : ended) EXPECT_EQ(times, 1) << id;
  EXPECT_THAT(spans->named("send t"), SizeIs(60));
  EXPECT_THAT(spans->named("process t"), SizeIs(static_cast<std::size_t>(handled)));
}

TEST_F(TracedBroker, nested_publish_of_a_middleware_does_not_take_the_outcome_of_the_outer_one) {
  ASSERT_NO_FATAL_FAILURE(
      connect_traced(with_publish_middlewares({[this](PublishHandler next) -> PublishHandler {
        return [this, next](std::string_view topic, Message& message) {
          if (topic == "t") {
            EXPECT_TRUE(broker_->publish("audit", "seen"));
          }
          return next(topic, message);
        };
      }})));
  ASSERT_TRUE(kafka::create_topic(*broker_, "audit", 1, 1));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(broker_->publish("t", Message("text").with_partition(PartitionId{0})));
  }
  ASSERT_TRUE(broker_->flush());
  const auto outer = spans->named("send t", 3);
  ASSERT_THAT(outer, SizeIs(3));
  EXPECT_EQ(value_of(outer[2], "kafka.offset"), AttributeValue(std::int64_t{2}));
  EXPECT_THAT(spans->named("send audit", 3), SizeIs(3));
}

TEST_F(TracedBroker, send_span_has_the_outcome_of_a_publish_that_a_middleware_repeats) {
  connect_traced();
  const PublishMiddleware elsewhere = [](PublishHandler next) -> PublishHandler {
    return [next](std::string_view topic, Message& message) {
      auto sent = next("missing", message);
      return sent ? std::move(sent) : next(topic, message);
    };
  };
  const auto sent = broker_->publish("t", Message("text").with_partition(PartitionId{0}),
                                     with_publish_middlewares({elsewhere}));
  ASSERT_TRUE(sent);
  ASSERT_TRUE(sent->get());
  const FinishedSpan span = spans->named("send t").front();
  EXPECT_EQ(span.status, SpanStatus::unset) << span.description;
  EXPECT_EQ(value_of(span, "kafka.offset"), AttributeValue(std::int64_t{0}));
}

TEST_F(TracedBroker, middleware_of_one_publish_traces_it_alone) {
  connect();
  ASSERT_TRUE(broker_->publish("t", "text",
                               with_publish_middlewares({middleware::trace_publishes(tracer())})));
  ASSERT_TRUE(broker_->publish("t", "text"));
  ASSERT_TRUE(broker_->flush());
  EXPECT_THAT(spans->named("send t"), SizeIs(1));
}

TEST_F(TracedBroker, middleware_of_one_subscription_traces_its_handling_alone) {
  connect();
  std::latch handled(2);
  const auto count = [&](RawEvent) -> Result<void> {
    handled.count_down();
    return {};
  };
  const auto traced = read(count, {.middlewares = {middleware::trace_handling(tracer())}});
  const auto other = broker_->subscribe("t", count, SubscribeOptions{.group_id = "other"});
  ASSERT_TRUE(other) << other.error().to_string();
  store("text");
  handled.wait();
  ASSERT_TRUE(broker_->disconnect());
  const auto all = spans->all();
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all.front().name, "process t");
  EXPECT_EQ(value_of(all.front(), "kafka.offset"), AttributeValue(std::int64_t{0}));
}

TEST_F(TracedBroker, every_span_ends_once_with_a_dead_letter) {
  const auto counted = std::make_shared<EndedSpans>(tracer());
  connect(with_tracer(counted), with_error_handler([](const Failure&) {}));
  const auto reader =
      read([](RawEvent) -> Result<void> { return fail(Error::client(Errc::io_error, "always")); },
           {.max_retries = 1,
            .retry_delay = 0ms,
            .retry_topics = {1ms},
            .failure_policy = FailurePolicy::dead_letter});
  std::latch dead(1);
  const auto letters = broker_->subscribe(
      "t.g.dlt", [&](RawEvent) { dead.count_down(); },
      kafka::with_start_offset(StartOffset::first()));
  ASSERT_TRUE(letters) << letters.error().to_string();
  ASSERT_TRUE(broker_->publish("t", "text", with_publish_async(false)));
  dead.wait();
  ASSERT_TRUE(broker_->disconnect());
  EXPECT_THAT(counted->not_ended_once(), IsEmpty());
  EXPECT_THAT(spans->all(), SizeIs(counted->count()));
  EXPECT_THAT(spans->named("process t"), SizeIs(2));
  EXPECT_THAT(spans->named("process t.g.retry.1ms"), SizeIs(Ge(1)));
  const FinishedSpan sent = spans->named("send t").front();
  const FinishedSpan letter = spans->named("process t.g.dlt").front();
  EXPECT_EQ(letter.context.trace_id, sent.context.trace_id) << "a dead letter keeps the trace";
  EXPECT_EQ(letter.status, SpanStatus::unset);
}

/// A broker with a tracer that reaches its node over a relay.
class CutOffBroker : public RecordedOptions {
 protected:
  /// Ends the broker, and waits until all spans have ended.
  void end() {
    (void)broker_->disconnect(100ms);
    broker_.reset();
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (spans->all().size() < counted->count()) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "a span never ends";
      std::this_thread::yield();
    }
  }

  const std::shared_ptr<RecordedSpans> spans = std::make_shared<RecordedSpans>();
  const std::shared_ptr<EndedSpans> counted =
      std::make_shared<EndedSpans>(*make_tracer({.exporter = spans}));
};

TEST_F(CutOffBroker, ends_the_span_of_a_publish_that_is_never_answered_once) {
  connect(with_tracer(counted), with_error_handler([](const Failure&) {}));
  node_.mute<wire::ProduceRequest>();
  auto sent = broker_->publish("t", "text");
  ASSERT_TRUE(sent) << sent.error().to_string();
  ASSERT_TRUE(node_.wait_for<wire::ProduceRequest>(1, patience));
  EXPECT_THAT(spans->all(), IsEmpty());
  end();
  EXPECT_FALSE(sent->get());
  const auto ended = spans->named("send t");
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended.front().status, SpanStatus::error);
  EXPECT_THAT(counted->not_ended_once(), IsEmpty());
}

TEST_F(CutOffBroker, ends_the_spans_of_commits_that_are_never_answered_once) {
  connect(with_tracer(counted), with_error_handler([](const Failure&) {}));
  node_.mute<wire::OffsetCommitRequest>();
  store("text");
  auto reader = broker_->subscribe(
      "t", [this](RawEvent) { lines_.add("text"); }, SubscribeOptions{.group_id = "g"});
  ASSERT_TRUE(reader) << reader.error().to_string();
  ASSERT_TRUE(lines_.wait_for(1));
  ASSERT_TRUE(node_.wait_for<wire::OffsetCommitRequest>(1, patience));
  EXPECT_FALSE(reader->unsubscribe(100ms));
  end();
  const auto commits = spans->named("commit t");
  ASSERT_THAT(commits, SizeIs(Ge(1)));
  for (const FinishedSpan& each : commits) EXPECT_EQ(each.status, SpanStatus::error);
  EXPECT_THAT(counted->not_ended_once(), IsEmpty());
}

class CountedBroker : public Options {
 protected:
  std::optional<double> value(std::string_view name,
                              std::initializer_list<MetricLabel> labels = {}) {
    return broker_->metrics().value(name, labels);
  }
};

TEST_F(CountedBroker, metrics_cover_publishing_handling_and_the_client) {
  connect();
  std::latch handled(4);
  std::atomic<int> calls = 0;
  auto reader = broker_->subscribe(
      "t",
      [&](RawEvent) -> Result<void> {
        handled.count_down();
        if (++calls == 1) return fail(Error::client(Errc::io_error, "once"));
        return {};
      },
      SubscribeOptions{.group_id = "g", .retry_delay = std::chrono::milliseconds(0)});
  ASSERT_TRUE(reader);
  for (int i = 0; i < 3; ++i) store("text");
  handled.wait();
  ASSERT_TRUE(reader->unsubscribe());
  EXPECT_FALSE(broker_->publish("missing", "text"));

  const MetricsSnapshot taken = broker_->metrics();
  EXPECT_EQ(taken.value("dohle_handled_messages_total", {{"topic", "t"}, {"outcome", "ok"}}), 3);
  EXPECT_EQ(taken.value("dohle_handled_messages_total", {{"group", "g"}, {"outcome", "error"}}), 1);
  EXPECT_EQ(taken.value("dohle_retried_messages_total", {{"topic", "t"}}), 1);
  EXPECT_EQ(taken.value("dohle_refused_publishes_total"), 1);
  EXPECT_EQ(taken.value("dohle_producer_acknowledged_records_total", {{"topic", "t"}}), 3);
  EXPECT_EQ(taken.value("dohle_consumer_records_total", {{"topic", "t"}}), 3);
  EXPECT_EQ(taken.value("dohle_failures_total", {{"kind", "delivery"}}), 0);
  const std::string text = to_prometheus(taken);
  EXPECT_THAT(text, HasSubstr("dohle_handled_messages_total{group=\"g\",outcome=\"ok\","
                              "topic=\"t\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE dohle_client_request_seconds histogram\n"));
}

TEST_F(CountedBroker, refused_messages_of_a_synchronous_publish_are_counted_alone_and_together) {
  connect();
  const auto created =
      broker_->client()->admin().create_topics({{.name = "small",
                                                 .partitions = 1,
                                                 .replication_factor = 1,
                                                 .config = {{"max.message.bytes", "1000"}}}});
  ASSERT_TRUE(created && created->front().result);
  const Message large(std::string(5'000, 'x'));
  EXPECT_FALSE(broker_->publish("small", large, with_publish_async(false)));
  EXPECT_EQ(value("dohle_refused_publishes_total"), 1);
  const std::vector<Message> messages{large, Message("fits")};
  const auto sent = broker_->publish("small", messages, with_publish_async(false));
  const auto refused = std::ranges::count_if(sent, [](const auto& each) { return !each; });
  EXPECT_GE(refused, 1);
  EXPECT_EQ(value("dohle_refused_publishes_total"), 1 + static_cast<double>(refused));
}

TEST_F(CountedBroker, times_one_call_in_64_on_each_thread) {
  connect();
  std::thread([this] {
    for (int i = 0; i < 129; ++i) EXPECT_TRUE(broker_->publish("t", "text"));
  }).join();
  EXPECT_EQ(value("dohle_publish_seconds"), 3);
}

TEST_F(CountedBroker, handlers_are_timed_one_call_in_64_on_each_thread) {
  connect();
  for (int i = 0; i < 65; ++i) store("text");
  const auto timed = [this](const std::string& group) {
    return value("dohle_handle_seconds", {{"topic", "t"}, {"group", group}});
  };
  std::latch handled(2 * 65);
  const auto one = broker_->subscribe(
      "t", [&](RawEvent) { handled.count_down(); }, SubscribeOptions{.group_id = "one"});
  const auto batches = broker_->subscribe_batch(
      "t",
      [&](std::span<RawEvent> batch) {
        handled.count_down(static_cast<std::ptrdiff_t>(batch.size()));
      },
      SubscribeOptions{.group_id = "batches", .batch_size = 65, .batch_interval = 1h});
  ASSERT_TRUE(one && batches);
  auto pulled = broker_->subscribe_pull("t", with_group_id("pulled"));
  ASSERT_TRUE(pulled) << pulled.error().to_string();
  std::thread([&] {
    for (int i = 0; i < 65; ++i) {
      const auto next = pulled->next(patience);
      ASSERT_TRUE(next && *next) << i;
    }
  }).join();
  EXPECT_EQ(timed("pulled"), 2) << "the first and the 65th";
  handled.wait();
  ASSERT_TRUE(broker_->disconnect());
  EXPECT_THAT(timed("one"), Optional(Ge(1.0)));
  EXPECT_EQ(timed("batches"), 1);
}

TEST_F(CountedBroker, failures_are_counted_by_kind) {
  connect(with_error_handler([this](const Failure&) { lines_.add("failed"); }));
  const auto reader = broker_->subscribe(
      "t", [](RawEvent) -> Result<void> { return fail(Error::client(Errc::io_error, "always")); },
      SubscribeOptions{.group_id = "g", .max_retries = 0, .failure_policy = FailurePolicy::skip});
  ASSERT_TRUE(reader);
  store("text");
  ASSERT_TRUE(lines_.wait_for(1));
  EXPECT_EQ(value("dohle_failures_total", {{"kind", "handler"}}), 1);
  EXPECT_EQ(value("dohle_failures_total"), 1);
}

TEST_F(CountedBroker, lag_falls_to_0_as_a_subscription_reads) {
  connect();
  for (int i = 0; i < 5; ++i) store("text", i % 3);
  std::latch handled(5);
  const auto reader = broker_->subscribe(
      "t", [&](RawEvent) { handled.count_down(); }, SubscribeOptions{.group_id = "g"});
  ASSERT_TRUE(reader);
  handled.wait();
  EXPECT_EQ(value("dohle_consumer_lag_records", {{"group", "g"}, {"topic", "t"}}), 0);
}

TEST_F(CountedBroker, metrics_before_connect_lack_those_of_the_client) {
  auto made = kafka::new_broker(with_address("embedded:memory"));
  ASSERT_TRUE(made);
  EXPECT_EQ(made->metrics().value("dohle_refused_publishes_total"), 0);
  EXPECT_EQ(made->metrics().find("dohle_client_unanswered_requests_total"), nullptr);
  const Broker taken = std::move(*made);
  EXPECT_THAT(made->metrics().metrics, IsEmpty());
}

}  // namespace
}  // namespace dohle
