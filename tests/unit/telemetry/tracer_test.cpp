#include "dohle/tracer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/secure_random.hpp"
#include "telemetry/messaging_conventions.hpp"
#include "telemetry/span_ids.hpp"
#include "unit/telemetry/recorded_spans.hpp"

namespace dohle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TraceContext parent_context(std::uint8_t flags) {
  auto parent = *parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
  parent.flags = flags;
  parent.state = "a=b";
  parent.baggage = "c=d";
  return parent;
}

class Tracing : public testing::Test {
 protected:
  std::shared_ptr<Tracer> tracer(Sampler sampler = Sampler::parent_based(Sampler::always_on())) {
    auto made = make_tracer({.sampler = sampler, .exporter = spans});
    EXPECT_TRUE(made) << made.error().to_string();
    return *made;
  }

  const std::shared_ptr<RecordedSpans> spans = std::make_shared<RecordedSpans>();
};

TEST_F(Tracing, span_has_the_attributes_of_its_start_and_those_set_later) {
  const auto before = std::chrono::system_clock::now();
  const auto tracing = tracer();
  auto span = tracing->start({.name = "send t",
                              .kind = SpanKind::producer,
                              .links = {parent_context(1)},
                              .attributes = {{"a", "one"}, {"b", std::int64_t{2}}}});
  EXPECT_TRUE(span->is_recording());
  EXPECT_TRUE(span->context().is_valid());
  span->set("b", 2.5);
  span->set("c", true);
  span->set_status(SpanStatus::error, "it failed");
  span->end();
  ASSERT_EQ(spans->all().size(), 1u);
  const FinishedSpan ended = spans->all().front();
  EXPECT_EQ(ended.name, "send t");
  EXPECT_EQ(ended.kind, SpanKind::producer);
  EXPECT_EQ(ended.context, span->context());
  EXPECT_FALSE(ended.parent.is_valid());
  EXPECT_THAT(ended.links, ElementsAre(parent_context(1)));
  EXPECT_THAT(ended.attributes, ElementsAre(SpanAttribute{"a", "one"}, SpanAttribute{"b", 2.5},
                                            SpanAttribute{"c", true}));
  EXPECT_EQ(ended.status, SpanStatus::error);
  EXPECT_EQ(ended.description, "it failed");
  EXPECT_GE(ended.started, before);
  EXPECT_GE(ended.ended, ended.started);
  EXPECT_EQ(ended.context.flags, TraceContext::sampled_flag | TraceContext::random_flag);
}

TEST_F(Tracing, span_ends_once) {
  const auto tracing = tracer();
  {
    auto span = tracing->start({.name = "a"});
    span->end();
    span->end();
    span->set("late", true);
    span->set_status(SpanStatus::error, "late");
    span->link(parent_context(1));
    EXPECT_FALSE(span->is_recording());
  }
  {
    const auto span = tracing->start({.name = "b"});
  }
  ASSERT_EQ(spans->all().size(), 2u);
  EXPECT_EQ(spans->all()[0].name, "a");
  EXPECT_TRUE(spans->all()[0].attributes.empty());
  EXPECT_TRUE(spans->all()[0].links.empty());
  EXPECT_EQ(spans->all()[0].status, SpanStatus::unset);
  EXPECT_EQ(spans->all()[1].name, "b");
}

TEST_F(Tracing, span_may_outlive_its_tracer) {
  auto span = tracer()->start({.name = "a"});
  span->end();
  EXPECT_EQ(spans->all().size(), 1u);
}

TEST_F(Tracing, child_is_in_the_trace_of_its_parent_and_has_its_state_and_baggage) {
  const auto span = tracer()->start({.name = "a", .parent = parent_context(1)});
  const TraceContext context = span->context();
  EXPECT_EQ(context.trace_id, parent_context(1).trace_id);
  EXPECT_NE(context.span_id, parent_context(1).span_id);
  EXPECT_EQ(context.state, "a=b");
  EXPECT_EQ(context.baggage, "c=d");
  // Only the code that draws the id knows that it is random.
  EXPECT_EQ(context.flags, TraceContext::sampled_flag);
  span->end();
  EXPECT_EQ(spans->all().front().parent, parent_context(1).span_id);
}

TEST_F(Tracing, span_without_a_parent_keeps_the_baggage_alone) {
  TraceContext only_baggage;
  only_baggage.baggage = "c=d";
  const auto span = tracer()->start({.name = "a", .parent = only_baggage});
  EXPECT_TRUE(span->context().is_valid());
  EXPECT_EQ(span->context().baggage, "c=d");
  EXPECT_EQ(span->context().state, "");
}

TEST_F(Tracing, counts_attributes_and_links_beyond_the_limits) {
  auto tracing = make_tracer({.exporter = spans, .max_attributes = 2, .max_links = 1});
  ASSERT_TRUE(tracing);
  {
    const auto span = (*tracing)->start({.name = "a",
                                         .links = {parent_context(0), parent_context(1)},
                                         .attributes = {{"a", true}, {"b", true}, {"c", true}}});
    span->set("d", true);
    span->set("a", false);
    span->link(parent_context(1));
  }
  const FinishedSpan ended = spans->all().front();
  EXPECT_THAT(ended.attributes, ElementsAre(SpanAttribute{"a", false}, SpanAttribute{"b", true}));
  EXPECT_EQ(ended.dropped_attributes, 2u);
  EXPECT_EQ(ended.links.size(), 1u);
  EXPECT_EQ(ended.dropped_links, 2u);
}

TEST_F(Tracing, resource_has_the_attributes_of_the_options_and_its_own_instance_id) {
  const auto started = [&](Resource resource) {
    auto made = make_tracer({.resource = std::move(resource), .exporter = spans});
    EXPECT_TRUE(made);
    (*made)->start({.name = "a"})->end();
    return *spans->all().back().resource;
  };
  const Resource drawn = started({});
  EXPECT_EQ(drawn.service_name, "unknown_service");
  EXPECT_THAT(drawn.service_instance_id,
              testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                                    "[0-9a-f]{12}"));
  EXPECT_NE(started({}).service_instance_id, drawn.service_instance_id);
  const Resource given = started({.service_name = "shop",
                                  .service_instance_id = "one",
                                  .service_version = "1.2",
                                  .attributes = {{"region", "north"}}});
  EXPECT_EQ(given.service_name, "shop");
  EXPECT_EQ(given.service_instance_id, "one");
  EXPECT_EQ(given.service_version, "1.2");
  EXPECT_EQ(given.attributes.size(), 1u);
}

TEST_F(Tracing, refuses_options_by_their_names) {
  const auto refused = [](TracerOptions options) {
    const auto made = make_tracer(std::move(options));
    EXPECT_FALSE(made);
    EXPECT_EQ(made.error().category(), ErrorCategory::configuration);
    return std::string(made.error().message());
  };
  EXPECT_THAT(refused({}), HasSubstr("exporter"));
  EXPECT_THAT(refused({.sampler = Sampler::ratio(1.5), .exporter = spans}), HasSubstr("0 to 1"));
  EXPECT_THAT(refused({.exporter = spans, .max_attributes = 0}), HasSubstr("max_attributes"));
  EXPECT_THAT(refused({.exporter = spans, .max_links = 1'001}), HasSubstr("max_links"));
  EXPECT_THAT(refused({.resource = {.service_name = ""}, .exporter = spans}),
              HasSubstr("service_name"));
  EXPECT_THAT(
      refused({.resource = {.attributes = std::vector<ResourceAttribute>(65)}, .exporter = spans}),
      HasSubstr("resource.attributes"));
}

TEST_F(Tracing, samplers_without_a_parent_decide_by_themselves) {
  const auto recorded = [&](Sampler sampler) {
    return tracer(sampler)->start({.name = "a"})->is_recording();
  };
  EXPECT_TRUE(recorded(Sampler::always_on()));
  EXPECT_FALSE(recorded(Sampler::always_off()));
  EXPECT_TRUE(recorded(Sampler::parent_based(Sampler::always_on())));
  EXPECT_FALSE(recorded(Sampler::parent_based(Sampler::always_off())));
}

TEST_F(Tracing, parent_based_sampler_honours_the_incoming_flag) {
  for (const Sampler root : {Sampler::always_on(), Sampler::always_off(), Sampler::ratio(0.5)}) {
    for (const auto flag : {std::uint8_t{0}, std::uint8_t{1}}) {
      const auto span =
          tracer(Sampler::parent_based(root))->start({.name = "a", .parent = parent_context(flag)});
      EXPECT_EQ(span->is_recording(), flag == 1);
      EXPECT_EQ(span->context().is_sampled(), flag == 1);
    }
    EXPECT_EQ(tracer(Sampler::always_off())
                  ->start({.name = "a", .parent = parent_context(1)})
                  ->is_recording(),
              false);
  }
}

TEST_F(Tracing, span_that_is_not_sampled_has_a_context_and_is_not_exported) {
  {
    const auto span = tracer(Sampler::always_off())->start({.name = "a"});
    span->set("a", true);
    span->link(parent_context(1));
    span->set_status(SpanStatus::error, "");
    span->end();
    EXPECT_TRUE(span->context().is_valid());
    EXPECT_EQ(span->context().flags, TraceContext::random_flag);
  }
  EXPECT_TRUE(spans->all().empty());
}

TEST(Sampler, ratio_samples_its_share_and_decides_by_the_trace_id_alone) {
  SeededSecureRandom seed(3);
  telemetry::SpanIds ids(seed);
  int quarter = 0;
  for (int i = 0; i < 40'000; ++i) {
    const TraceId trace = ids.next_trace();
    const bool in_quarter = Sampler::ratio(0.25).samples({}, trace);
    quarter += in_quarter ? 1 : 0;
    EXPECT_EQ(in_quarter, Sampler::ratio(0.25).samples(parent_context(1), trace));
    // A larger share has all traces of a smaller one.
    if (in_quarter) {
      EXPECT_TRUE(Sampler::ratio(0.5).samples({}, trace));
    }
  }
  EXPECT_NEAR(quarter, 10'000, 400);
  TraceId lowest;
  lowest.bytes[0] = 1;
  EXPECT_FALSE(Sampler::ratio(0.999).samples({}, lowest));
  EXPECT_TRUE(Sampler::ratio(1).samples({}, lowest));
  TraceId highest;
  highest.bytes.fill(0xff);
  EXPECT_TRUE(Sampler::ratio(1e-9).samples({}, highest));
  EXPECT_FALSE(Sampler::ratio(0).samples({}, highest));
}

TEST(SpanIds, differ_between_threads_and_forked_children) {
  std::set<std::string> drawn;
  const auto draw = [] {
    std::vector<std::string> ids;
    for (int i = 0; i < 100; ++i) {
      ids.push_back(telemetry::SpanIds::of_thread().next_trace().to_hex());
      ids.push_back(telemetry::SpanIds::of_thread().next_span().to_hex());
    }
    return ids;
  };
  for (const std::string& id : draw()) drawn.insert(id);
  std::thread([&] {
    for (const std::string& id : draw()) drawn.insert(id);
  }).join();
  EXPECT_EQ(drawn.size(), 400u);

  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string id = telemetry::SpanIds::of_thread().next_trace().to_hex();
    _exit(write(ends[1], id.data(), id.size()) == 32 ? 0 : 1);
  }
  const std::string mine = telemetry::SpanIds::of_thread().next_trace().to_hex();
  std::string of_child(32, '\0');
  EXPECT_EQ(read(ends[0], of_child.data(), of_child.size()), 32);
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_NE(mine, of_child);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace dohle
