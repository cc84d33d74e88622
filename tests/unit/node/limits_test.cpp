#include "node_world.hpp"
#include "wire/messages/api_versions.hpp"
#include "wire/messages/list_groups.hpp"

namespace dohle::node {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::SizeIs;

class LimitsTest : public NodeWorld {
 protected:
  bool is_closed_soon(WireClient& who) {
    return world.run_until([&] { return who.is_closed; }, 2s);
  }
  bool still_serves() { return ask(wire::ApiVersionsRequest{}, 2, "other").error_code == 0; }
};

Chain framed(std::string_view body) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(body.size() >> shift)));
  }
  bytes += body;
  return Chain(Slice::copy_of(bytes));
}

TEST_F(LimitsTest, GarbageClosesItsConnectionAndLogsOneLine) {
  for (const std::string_view garbage : {"", "x", "GET / HTTP/1.1\r\n\r\n", "\x00\x12\x00\x03"}) {
    logger.lines.clear();
    WireClient& one = client("one");
    one.send_bytes(framed(garbage));
    EXPECT_TRUE(is_closed_soon(one)) << garbage;
    EXPECT_THAT(logger.lines, SizeIs(1)) << garbage;
    EXPECT_THAT(logger.lines, Each(HasSubstr("closing the connection of "))) << garbage;
    EXPECT_TRUE(still_serves());
  }
}

TEST_F(LimitsTest, ABodyThatDoesNotFitItsVersionClosesTheConnection) {
  WireClient& one = client();
  auto bytes = (*wire::encode_request(1, "tester", fetch_request("t"), 12)).flatten();
  one.send_bytes(framed(bytes->sub(4, bytes->size() - 10).text()));
  EXPECT_TRUE(is_closed_soon(one));
  EXPECT_THAT(logger.lines, SizeIs(1));
  EXPECT_TRUE(still_serves());
}

TEST_F(LimitsTest, FramesAboveTheLimitCloseTheirConnectionUnread) {
  settings.max_request_bytes = 10'000;
  WireClient& one = client();
  one.send_bytes(framed(std::string(10'001, 'x')));
  EXPECT_TRUE(is_closed_soon(one));
  EXPECT_EQ(logger.count("10001"), 1u);
  EXPECT_TRUE(still_serves());
}

TEST_F(LimitsTest, FloodsOfGarbageDoNotFillTheLog) {
  for (int i = 0; i < 50; ++i) {
    WireClient& one = client("one");
    one.send_bytes(framed("garbage"));
    ASSERT_TRUE(is_closed_soon(one));
  }
  EXPECT_LE(logger.lines.size(), 2 * limits::max_log_lines);
}

TEST_F(LimitsTest, OldProducersAreClosedThoughTheirVersionIsAdvertised) {
  const auto versions = ask(wire::ApiVersionsRequest{}, 2);
  const auto produce = std::ranges::find(versions.api_keys, std::int16_t{0},
                                         &wire::ApiVersionsResponse::ApiVersion::api_key);
  ASSERT_NE(produce, versions.api_keys.end());
  EXPECT_EQ(produce->min_version, 0);
  WireClient& one = client();
  std::string header("\x00\x00\x00\x02\x00\x00\x00\x01\x00\x01x", 11);
  one.send_bytes(framed(header));
  EXPECT_TRUE(is_closed_soon(one));
}

TEST_F(LimitsTest, AnUnknownApiVersionsVersionIsAnsweredInTheOldestForm) {
  const auto answer = wire::ApiVersionsResponse::api.versions;
  ASSERT_LT(answer.max, 99);
  // The body may be anything. The answer has version 0 and lists the keys.
  class Old final : public ConnectionEvents {
   public:
    void on_open() override {}
    Admission on_frame_length(std::size_t) override { return Admission::accept; }
    void on_frame(Slice frame) override { got = std::move(frame); }
    void on_closed(Error) override {}
    std::optional<Slice> got;
  } old;
  (void)client();
  auto& process =
      world.machine("client").start("old", [](sim::Process&) { return std::make_shared<int>(); });
  world.run_for(1ms);
  auto connection = process.dialer().dial({"node", 9092}, {}, old);
  world.run_for(10ms);
  connection->send(framed(std::string_view("\x00\x12\x00\x63\x00\x00\x00\x07\xff\xff\x00", 11)));
  ASSERT_TRUE(world.run_until([&] { return old.got.has_value(); }, 2s));
  const auto split = wire::decode_response_header(*old.got, wire::ApiVersionsResponse::api, 0);
  ASSERT_TRUE(split.has_value());
  EXPECT_EQ(split->correlation_id, 7);
  const auto decoded = wire::decode<wire::ApiVersionsResponse>(split->body, 0);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().to_string();
  EXPECT_EQ(decoded->error_code, broker_error::unsupported_version);
  EXPECT_EQ(decoded->api_keys.size(), 27u);
}

TEST_F(LimitsTest, ConnectionsAboveTheLimitAreClosed) {
  settings.max_connections = 2;
  (void)client("one");
  (void)client("other");
  auto& process =
      world.machine("client").start("third", [](sim::Process&) { return std::make_shared<int>(); });
  world.run_for(1ms);
  WireClient third;
  third.dial(process, {"node", 9092});
  EXPECT_TRUE(is_closed_soon(third));
  EXPECT_EQ(logger.count("max_connections"), 1u);
  EXPECT_TRUE(still_serves());
  client("one").close();
  world.run_for(100ms);
  third.dial(process, {"node", 9092});
  EXPECT_TRUE(world.run_until([&] { return third.is_open; }, 2s));
}

TEST_F(LimitsTest, ConnectionsThatSendNothingAreClosedAfterTheIdleTimeout) {
  WireClient& silent = client();
  world.run_for(limits::connection_idle_timeout - 1min);
  EXPECT_FALSE(silent.is_closed);
  world.run_for(2min);
  EXPECT_TRUE(silent.is_closed);
  EXPECT_THAT(logger.lines, SizeIs(0));
}

TEST_F(LimitsTest, RequestsWaitForMemoryAndAreServedInTurn) {
  settings.max_requests_bytes = 200'000;
  create("t");
  std::vector<Awaited<wire::ProduceRequest>> answers;
  for (int i = 0; i < 8; ++i) {
    answers.push_back(send(produce_request("t", batch_of({std::string(150'000, 'x')})), 12,
                           "from " + std::to_string(i)));
  }
  for (const auto& answer : answers) {
    EXPECT_EQ(wait<wire::ProduceRequest>(answer).responses[0].partition_responses[0].error_code, 0);
  }
}

TEST_F(LimitsTest, AStalledRequestIsDroppedOnceOthersWaitForItsMemory) {
  settings.max_requests_bytes = 200'000;
  create("t");
  const auto begin_of_a_request = [] {
    const std::string half(framed(std::string(150'000, '\0')).flatten()->text());
    return Chain(Slice::copy_of(half.substr(0, 140'004)));
  };
  WireClient& one = client("one");
  WireClient& two = client("two");
  one.send_bytes(begin_of_a_request());
  two.send_bytes(begin_of_a_request());
  world.run_for(1min);
  EXPECT_FALSE(one.is_closed) << "nobody waits";
  const auto waiting =
      send(produce_request("t", batch_of({std::string(150'000, 'x')})), 12, "three");
  EXPECT_EQ(wait<wire::ProduceRequest>(waiting).responses[0].partition_responses[0].error_code, 0);
  EXPECT_TRUE(one.is_closed || two.is_closed);
  EXPECT_GE(logger.count("its request holds 140000 bytes, 0 came in the last 5 s, fewer "
                         "than 65536, and "),
            1u);
  EXPECT_GE(logger.count(" waits for memory (200000 bytes, max_requests_bytes)"), 1u);
  EXPECT_TRUE(still_serves());
}

TEST_F(LimitsTest, TheSlowestSenderIsClosedForAnotherConnectionThatWaits) {
  settings.max_requests_bytes = 300'000;
  create("t");
  const auto some_of_a_request = [](std::size_t length, std::size_t bytes) {
    const std::string whole(framed(std::string(length, '\0')).flatten()->text());
    return Chain(Slice::copy_of(whole.substr(0, bytes)));
  };
  for (const std::string name : {"one", "two", "three"}) {
    client(name).send_bytes(some_of_a_request(140'000, 100'004));
  }
  world.run_for(1s);
  const auto waiting =
      send(produce_request("t", batch_of({std::string(90'000, 'x')})), 12, "other");
  EXPECT_EQ(wait<wire::ProduceRequest>(waiting, 15s).responses[0].partition_responses[0].error_code,
            0);
  EXPECT_GE(logger.count(" came in the last 5 s, fewer than 65536, and client:"), 1u);
  EXPECT_LT(logger.count(" came in the last 5 s"), 3u) << "one makes enough room";
}

TEST_F(LimitsTest, ManyRequestsOfOneConnectionAreAnsweredInOrder) {
  std::vector<Awaited<wire::ListGroupsRequest>> answers;
  for (std::size_t i = 0; i < 3 * limits::max_requests_per_connection; ++i) {
    answers.push_back(send(wire::ListGroupsRequest{}));
  }
  for (const auto& answer : answers) EXPECT_EQ(wait<wire::ListGroupsRequest>(answer).error_code, 0);
}

TEST_F(LimitsTest, AnswersKeepTheOrderOfRequestsThoughOneWaits) {
  create("t");
  const auto slow = send(fetch_request("t", {.max_wait_ms = 5'000}), 12);
  const auto quick = send(wire::ListGroupsRequest{});
  world.run_for(1s);
  EXPECT_FALSE(quick->has_value());
  ASSERT_EQ(ask(produce_request("t", batch_of({"a"})), 12, "two").responses.size(), 1u);
  (void)wait<wire::ListGroupsRequest>(quick, 1s);
  EXPECT_TRUE(slow->has_value());
}

TEST_F(LimitsTest, AReaderThatStopsReadingDoesNotStopOthers) {
  create("t");
  ASSERT_EQ(produce("t", batch_of({std::string(900'000, 'x')})).error_code, 0);
  WireClient& lazy = client("lazy");
  lazy.stop_reading();
  for (int i = 0; i < 100; ++i) (void)lazy.send(fetch_request("t"), 12);
  world.run_for(2s);
  EXPECT_TRUE(still_serves());
  EXPECT_EQ(values("t").size(), 1u);
  lazy.go_on_reading();
  world.run_for(10s);
  EXPECT_FALSE(lazy.is_closed);
}

}  // namespace
}  // namespace dohle::node
