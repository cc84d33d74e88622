#include "dohle/trace_context.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace dohle {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view known = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

std::string with(std::size_t at, char c) {
  std::string text(known);
  text.at(at) = c;
  return text;
}

TEST(Traceparent, is_read_and_written_as_the_recommendation_says) {
  const auto read = parse_traceparent(known);
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(read->trace_id.to_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(read->span_id.to_hex(), "00f067aa0ba902b7");
  EXPECT_TRUE(read->is_sampled());
  EXPECT_TRUE(read->is_valid());
  EXPECT_EQ(format_traceparent(*read), known);
  EXPECT_FALSE(parse_traceparent(with(54, '0'))->is_sampled());
  EXPECT_EQ(parse_traceparent(with(54, '3'))->flags, 3);
}

TEST(Traceparent, leaves_out_flags_without_a_meaning) {
  const auto read = parse_traceparent(with(53, 'f'));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->flags, 1);
}

TEST(Traceparent, of_a_later_version_may_have_more_fields) {
  std::string later = with(1, '1');
  EXPECT_TRUE(parse_traceparent(later));
  EXPECT_TRUE(parse_traceparent(later + "-more"));
  EXPECT_FALSE(parse_traceparent(later + "more"));
  EXPECT_FALSE(parse_traceparent(std::string(known) + "-more"));
}

TEST(Traceparent, refuses_other_texts_and_says_why) {
  const std::vector<std::string> wrong{
      "",
      std::string(known.substr(0, 54)),
      with(0, 'f').replace(1, 1, "f"),
      with(3, 'A'),
      with(3, 'g'),
      with(2, '_'),
      with(35, '_'),
      with(52, '_'),
      with(53, ' '),
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
      " " + std::string(known),
  };
  for (const std::string& text : wrong) {
    const auto read = parse_traceparent(text);
    ASSERT_FALSE(read) << text;
    EXPECT_TRUE(read.error().is(Errc::malformed)) << text;
    EXPECT_THAT(std::string(read.error().message()), HasSubstr("traceparent")) << text;
  }
}

TEST(Tracestate, is_passed_on_without_blanks_and_empty_members) {
  EXPECT_EQ(*parse_tracestate("rojo=00f067aa0ba902b7 ,\t congo=t61rcWkgMzE,,"),
            "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
  EXPECT_EQ(*parse_tracestate(""), "");
  EXPECT_EQ(*parse_tracestate("a_1-*/@b= value"), "a_1-*/@b= value");
}

TEST(Tracestate, refuses_keys_values_and_repeats_that_are_not_allowed) {
  for (const std::string text : {"a", "=v", "A=v", "_a=v", "a=", "a=b=c", "a=\x7f", "a=1,a=2"}) {
    const auto read = parse_tracestate(text);
    ASSERT_FALSE(read) << text;
    EXPECT_TRUE(read.error().is(Errc::malformed)) << text;
  }
  EXPECT_FALSE(parse_tracestate("a=" + std::string(257, 'v')));
  EXPECT_TRUE(parse_tracestate("a=" + std::string(256, 'v')));
  EXPECT_FALSE(parse_tracestate(std::string(40'000, ',')));
  std::string many;
  for (int i = 0; i < 32; ++i) many += "k" + std::to_string(i) + "=v,";
  EXPECT_TRUE(parse_tracestate(many));
  EXPECT_FALSE(parse_tracestate(many + "one=more"));
}

TEST(Tracestate, is_cut_to_512_bytes_beginning_with_long_members) {
  const std::string long_member = "long=" + std::string(200, 'v');
  std::string text = long_member;
  for (int i = 0; i < 20; ++i) text += ",k" + std::to_string(i) + "=" + std::string(15, 'v');
  const auto read = parse_tracestate(text);
  ASSERT_TRUE(read);
  EXPECT_LE(read->size(), 512u);
  EXPECT_THAT(*read, testing::Not(HasSubstr("long=")));
  EXPECT_THAT(*read, HasSubstr("k19="));

  std::string many;
  for (int i = 0; i < 10; ++i) many += "k" + std::to_string(i) + "=" + std::string(100, 'v') + ",";
  const auto cut = parse_tracestate(many);
  ASSERT_TRUE(cut);
  EXPECT_LE(cut->size(), 512u);
  EXPECT_THAT(*cut, HasSubstr("k3="));
  EXPECT_THAT(*cut, testing::Not(HasSubstr("k4=")));
}

TEST(Baggage, is_read_with_properties_and_percents) {
  const auto read = parse_baggage("a = 1%202 ;p1;p2=x , b=%,c=caf%C3%A9%2c");
  ASSERT_TRUE(read) << read.error().to_string();
  const std::vector<BaggageEntry> wanted{
      {"a", "1 2", "p1;p2=x"}, {"b", "%", ""}, {"c", "café,", ""}};
  EXPECT_EQ(*read, wanted);
  EXPECT_THAT(*parse_baggage(""), IsEmpty());
}

TEST(Baggage, is_written_so_that_it_is_read_as_it_was) {
  const std::vector<BaggageEntry> entries{{"user", "a;b,c=d \"e\"\\ %41 é", "secret"},
                                          {"x!#$%&'*+-.^_`|~", "", ""}};
  const auto text = format_baggage(entries);
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "user=a%3Bb%2Cc=d%20%22e%22%5C%20%2541%20%C3%A9;secret,x!#$%&'*+-.^_`|~=");
  EXPECT_EQ(*parse_baggage(*text), entries);
}

TEST(Baggage, refuses_invalid_entries) {
  for (const std::string text : {"a", "=1", "a b=1", "a=\"", "a=1 2", "a=1;\x01", "ä=1"}) {
    const auto read = parse_baggage(text);
    ASSERT_FALSE(read) << text;
    EXPECT_TRUE(read.error().is(Errc::malformed)) << text;
  }
  EXPECT_FALSE(format_baggage(std::vector<BaggageEntry>{{"a b", "1", ""}}));
  EXPECT_FALSE(format_baggage(std::vector<BaggageEntry>{{"a", "1", "p,q"}}));
}

TEST(Baggage, is_bounded) {
  std::vector<BaggageEntry> entries(64, {"name", "value", ""});
  const auto text = format_baggage(entries);
  ASSERT_TRUE(text);
  EXPECT_EQ(parse_baggage(*text)->size(), 64u);
  EXPECT_TRUE(parse_baggage(*text + ",a=1").error().is(Errc::too_large));
  EXPECT_TRUE(parse_baggage("a=" + std::string(8'191, 'x')).error().is(Errc::too_large));
  entries.push_back({"a", "1", ""});
  EXPECT_TRUE(format_baggage(entries).error().is(Errc::too_large));
  EXPECT_TRUE(format_baggage(std::vector<BaggageEntry>{{"a", std::string(3'000, ' '), ""}})
                  .error()
                  .is(Errc::too_large));
}

TEST(TraceScope, applies_to_its_thread_and_restores_the_outer_one_at_its_end) {
  EXPECT_FALSE(current_trace_context().is_valid());
  const TraceContext outer = *parse_traceparent(known);
  const TraceScope first(outer);
  EXPECT_EQ(current_trace_context(), outer);
  {
    TraceContext inner = outer;
    inner.span_id.bytes[0] = 1;
    const TraceScope second(inner);
    EXPECT_EQ(current_trace_context(), inner);
    std::thread([] { EXPECT_FALSE(current_trace_context().is_valid()); }).join();
  }
  EXPECT_EQ(current_trace_context(), outer);
}

}  // namespace
}  // namespace dohle
