#include "messaging/trace/context_headers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "dohle/message_carrier.hpp"

namespace dohle {
namespace {

using testing::ElementsAre;

constexpr std::string_view parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(ContextHeaders, are_replaced_and_all_others_stay) {
  Message message;
  message.with_header("traceparent", "old").with_header("a", "1").with_header("tracestate", "old");
  message.with_header("traceparent", "older").with_header("baggage", "old").with_header("b", {});
  kafka::MessageCarrier carrier(message);
  TraceContext context = *parse_traceparent(parent);
  carrier.inject(context);
  EXPECT_THAT(message.headers(), ElementsAre(Header{"a", "1"}, Header{"b", {}},
                                             Header{"traceparent", std::string(parent)}));
  context.state = "k=v";
  context.baggage = "user=1";
  carrier.inject(context);
  EXPECT_THAT(carrier.keys(), ElementsAre("a", "b", "traceparent", "tracestate", "baggage"));
  EXPECT_EQ(carrier.extract(), context);
}

TEST(ContextHeaders, of_an_empty_context_are_removed_except_for_its_baggage) {
  Message message;
  message.with_header("traceparent", std::string(parent)).with_header("tracestate", "k=v");
  TraceContext context;
  context.state = "k=v";
  context.baggage = "user=1";
  kafka::MessageCarrier(message).inject(context);
  EXPECT_THAT(message.headers(), ElementsAre(Header{"baggage", "user=1"}));
  kafka::MessageCarrier(message).inject({});
  EXPECT_TRUE(message.headers().empty());
}

TEST(ContextHeaders, that_cannot_be_read_count_as_absent) {
  Message message;
  kafka::MessageCarrier carrier(message);
  EXPECT_EQ(carrier.extract(), TraceContext());
  message.with_header("tracestate", "k=v").with_header("baggage", "user=1");
  TraceContext only_baggage;
  only_baggage.baggage = "user=1";
  EXPECT_EQ(carrier.extract(), only_baggage) << "a state belongs to a parent";
  carrier.set("traceparent", std::string(parent));
  EXPECT_EQ(carrier.extract().state, "k=v");
  carrier.set("tracestate", "K=v");
  carrier.set("baggage", "user");
  EXPECT_EQ(carrier.extract(), *parse_traceparent(parent));
  carrier.set("traceparent", "00-" + std::string(52, '0'));
  EXPECT_FALSE(carrier.extract().is_valid());
}

TEST(ContextHeaders, use_the_first_value_and_treat_null_as_absent) {
  Message message;
  message.with_header("traceparent", std::string(parent)).with_header("traceparent", "other");
  message.with_header("baggage", {});
  EXPECT_EQ(messaging::extract(message), *parse_traceparent(parent));
}

}  // namespace
}  // namespace dohle
