#include "client/cluster/connection_protocol.hpp"

#include <gtest/gtest.h>

#include "base/broker_errors.hpp"
#include "wire/messages/heartbeat.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/produce.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
using namespace connection_action;
using wire::ApiVersionsResponse;
using wire::HeartbeatRequest;
using wire::HeartbeatResponse;

constexpr TimePoint start{1h};

/// A server with given answers, as bytes.
class ScriptedConnection : public testing::Test {
 protected:
  static ConnectionProtocol::Options options() { return {"test", Duration(10s), Duration(30s), 2}; }

  /// The next request that was sent. Fails the test if there is none.
  wire::RequestFrame sent() {
    auto bytes = std::move(std::get<Send>(take())).bytes.flatten().value();
    return wire::decode_request_header(bytes.sub(4)).value();
  }
  ConnectionAction take() {
    ConnectionAction action = std::move(actions_.at(0));
    actions_.erase(actions_.begin());
    return action;
  }
  template <class M>
  void answer(std::int32_t correlation_id, const M& message, std::int16_t version) {
    auto bytes = wire::encode_response(correlation_id, message, version).value().flatten().value();
    protocol_.on_frame(bytes.sub(4), start, actions_);
  }
  static ApiVersionsResponse speaks(std::vector<ApiVersionsResponse::ApiVersion> apis) {
    ApiVersionsResponse response;
    response.api_keys = std::move(apis);
    return response;
  }
  static HeartbeatResponse with_code(std::int16_t code) {
    HeartbeatResponse response;
    response.error_code = code;
    return response;
  }
  static std::int16_t code_of(const ConnectionAction& action) {
    const auto& received = std::get<Answer>(action);
    return wire::decode<HeartbeatResponse>(received.body, received.version).value().error_code;
  }
  void become_ready() {
    protocol_.on_open(start, actions_);
    const auto asked = sent().header;
    answer(asked.correlation_id, speaks({{0, 0, 13}, {12, 0, 3}, {18, 0, 4}}), 4);
    ASSERT_TRUE(std::holds_alternative<Ready>(take()));
  }

  ConnectionActions actions_;
  ConnectionProtocol protocol_{options(), start};
};

TEST_F(ScriptedConnection, AsksForVersionsAndPicksTheHighestShared) {
  become_ready();
  EXPECT_EQ(protocol_.version_of(HeartbeatRequest::api).value(), 3);
  EXPECT_TRUE(
      protocol_.version_of(wire::MetadataRequest::api).error().is(Errc::unsupported_version));
}

TEST_F(ScriptedConnection, NamesTopicsByNameInProduce) {
  become_ready();
  EXPECT_EQ(protocol_.version_of(wire::ProduceRequest::api).value(), 12);
}

TEST_F(ScriptedConnection, FallsBackToTheVersionThatAnOldServerNames) {
  protocol_.on_open(start, actions_);
  ApiVersionsResponse refusal = speaks({{18, 0, 2}});
  refusal.error_code = 35;
  answer(sent().header.correlation_id, refusal, 0);
  const auto again = sent().header;
  EXPECT_EQ(again.api_version, 2);
  answer(again.correlation_id, speaks({{18, 0, 2}}), 2);
  EXPECT_TRUE(std::holds_alternative<Ready>(take()));
}

TEST_F(ScriptedConnection, FallsBackToVersionZeroOnceAndThenGivesUp) {
  protocol_.on_open(start, actions_);
  ApiVersionsResponse refusal;
  refusal.error_code = 35;
  answer(sent().header.correlation_id, refusal, 0);
  const auto again = sent().header;
  EXPECT_EQ(again.api_version, 0);
  answer(again.correlation_id, refusal, 0);
  EXPECT_TRUE(std::get<Close>(take()).why.is_broker(35));
  EXPECT_EQ(protocol_.state(), ConnectionProtocol::State::closed);
}

TEST_F(ScriptedConnection, MatchesAnswersToRequestsInOrder) {
  become_ready();
  ASSERT_TRUE(protocol_.request(HeartbeatRequest{}, start, actions_));
  ASSERT_TRUE(protocol_.request(HeartbeatRequest{}, start, actions_));
  const auto first = sent().header.correlation_id;
  const auto second = sent().header.correlation_id;
  answer(first, with_code(27), 3);
  answer(second, with_code(0), 3);
  EXPECT_EQ(code_of(take()), 27);
  EXPECT_EQ(code_of(take()), 0);
}

TEST_F(ScriptedConnection, ClosesOnAnAnswerOutOfOrder) {
  become_ready();
  ASSERT_TRUE(protocol_.request(HeartbeatRequest{}, start, actions_));
  const auto asked = sent().header.correlation_id;
  answer(asked + 1, HeartbeatResponse{}, 3);
  EXPECT_TRUE(std::get<Close>(take()).why.is(Errc::malformed));
  EXPECT_EQ(protocol_.in_flight(), 0u);
}

TEST_F(ScriptedConnection, RefusesRequestsAboveItsLimitInFlight) {
  become_ready();
  ASSERT_TRUE(protocol_.request(HeartbeatRequest{}, start, actions_));
  ASSERT_TRUE(protocol_.request(HeartbeatRequest{}, start, actions_));
  EXPECT_FALSE(protocol_.takes_requests());
  EXPECT_TRUE(
      protocol_.request(HeartbeatRequest{}, start, actions_).error().is(Errc::limit_reached));
  EXPECT_EQ(actions_.size(), 2u);
}

TEST_F(ScriptedConnection, ClosesWhenTheOldestRequestTimesOut) {
  become_ready();
  ASSERT_TRUE(protocol_.request(HeartbeatRequest{}, start, actions_));
  ASSERT_TRUE(protocol_.request(HeartbeatRequest{}, start + 5s, actions_));
  actions_.clear();
  EXPECT_EQ(protocol_.deadline(), start + 30s);
  protocol_.on_time(start + 30s - 1ns, actions_);
  EXPECT_TRUE(actions_.empty());
  EXPECT_EQ(protocol_.awaited(), "Heartbeat");
  protocol_.on_time(start + 30s, actions_);
  EXPECT_TRUE(std::get<Close>(take()).why.is(Errc::timed_out));
  EXPECT_EQ(protocol_.deadline(), never);
}

TEST_F(ScriptedConnection, GivesUpConnectingAfterItsTimeout) {
  protocol_.on_time(start + 10s, actions_);
  EXPECT_TRUE(std::get<Close>(take()).why.is(Errc::connection_failed));
}

TEST_F(ScriptedConnection, RefusesRequestsBeforeItIsReady) {
  const auto refuses = [this] {
    return protocol_.request(HeartbeatRequest{}, start, actions_).error().is(Errc::not_connected);
  };
  EXPECT_TRUE(refuses());
  protocol_.on_open(start, actions_);
  EXPECT_EQ(protocol_.state(), ConnectionProtocol::State::negotiating);
  EXPECT_TRUE(refuses());
  EXPECT_EQ(actions_.size(), 1u) << "its own question and no other";
}

TEST_F(ScriptedConnection, IsReadyAtOnceWhereNothingAuthenticates) {
  become_ready();
  EXPECT_EQ(protocol_.state(), ConnectionProtocol::State::ready);
  EXPECT_EQ(protocol_.in_flight(), 0u);
  EXPECT_TRUE(actions_.empty());
}

TEST_F(ScriptedConnection, DoesNotReportAnswersToItsOwnRequests) {
  protocol_.on_open(start, actions_);
  actions_.clear();
  protocol_.on_closed(Error::client(Errc::connection_lost, "gone"), actions_);
  EXPECT_TRUE(std::get<Close>(take()).why.is(Errc::connection_lost));
  EXPECT_TRUE(actions_.empty()) << "nobody asked, so nobody is told";
}

TEST_F(ScriptedConnection, ReportsThatGarbageMayNotComeFromAKafkaServer) {
  protocol_.on_open(start, actions_);
  actions_.clear();
  protocol_.on_frame(Slice::copy_of("HTTP/1.1 400"), start, actions_);
  const Error why = std::get<Close>(take()).why;
  EXPECT_TRUE(why.is(Errc::malformed));
  EXPECT_NE(why.message().find("; is a Kafka server there?"), std::string_view::npos)
      << why.message();
}

TEST_F(ScriptedConnection, SaysThatAServerWithTlsReceivedPlainRequests) {
  protocol_.on_open(start, actions_);
  actions_.clear();
  protocol_.on_closed(Error::auth(Errc::handshake_failed, "h:1: the other side speaks TLS"),
                      actions_);
  const Error why = std::get<Close>(take()).why;
  EXPECT_TRUE(why.is(Errc::handshake_failed));
  EXPECT_EQ(why.message(),
            "h:1: the other side speaks TLS, and this client does not; set ClientOptions::tls "
            "(security.protocol SSL or SASL_SSL)");
}

TEST_F(ScriptedConnection, SaysThatAPortThatClosesMayExpectTls) {
  protocol_.on_open(start, actions_);
  actions_.clear();
  EXPECT_TRUE(protocol_.may_meet_tls());
  protocol_.on_closed(Error::client(Errc::connection_lost, "gone"), actions_);
  const Error why = std::get<Close>(take()).why;
  EXPECT_TRUE(why.is(Errc::connection_lost));
  EXPECT_EQ(why.message(), "closed before the first answer; the port may expect TLS: gone");
}

TEST_F(ScriptedConnection, SaysThatASilentPortMayExpectTls) {
  protocol_.on_open(start, actions_);
  actions_.clear();
  protocol_.on_time(protocol_.deadline(), actions_);
  const Error why = std::get<Close>(take()).why;
  EXPECT_TRUE(why.is(Errc::timed_out));
  EXPECT_EQ(why.message(),
            "connect_timeout passed without an answer to ApiVersions; the port may expect TLS");
}

TEST_F(ScriptedConnection, DoesNotBlameTlsOnceAServerHasAnsweredWithoutIt) {
  protocol_.on_open(start, actions_);
  ApiVersionsResponse refusal = speaks({{18, 0, 3}});
  refusal.error_code = broker_error::unsupported_version;
  answer(sent().header.correlation_id, refusal, 0);
  EXPECT_EQ(sent().header.api_version, 3);
  EXPECT_FALSE(protocol_.may_meet_tls()) << "it asks again";
  protocol_.on_closed(Error::client(Errc::connection_lost, "gone"), actions_);
  EXPECT_EQ(std::get<Close>(take()).why.message(), "gone");

  ConnectionProtocol other({.client_id = "test", .is_known_as_plain = true}, start);
  other.on_open(start, actions_);
  actions_.clear();
  other.on_time(other.deadline(), actions_);
  EXPECT_EQ(std::get<Close>(take()).why.message(),
            "connect_timeout passed without an answer to ApiVersions");

  ConnectionProtocol over_tls({.client_id = "test", .is_over_tls = true}, start);
  over_tls.on_open(start, actions_);
  actions_.clear();
  over_tls.on_closed(Error::client(Errc::connection_lost, "gone"), actions_);
  EXPECT_EQ(std::get<Close>(take()).why.message(), "gone");
}

TEST_F(ScriptedConnection, SendsNoRequestDuringTheThrottleTime) {
  become_ready();
  protocol_.throttle(2s, start, actions_);
  EXPECT_EQ(std::get<Throttled>(take()).time, 2s);
  EXPECT_FALSE(protocol_.takes_requests());
  EXPECT_TRUE(
      protocol_.request(HeartbeatRequest{}, start, actions_).error().is(Errc::limit_reached));
  EXPECT_EQ(protocol_.deadline(), start + 2s);
  protocol_.on_time(start + 2s - 1ns, actions_);
  EXPECT_TRUE(actions_.empty());
  protocol_.on_time(start + 2s, actions_);
  EXPECT_TRUE(std::holds_alternative<Ready>(take()));
  EXPECT_TRUE(protocol_.takes_requests());
  EXPECT_EQ(protocol_.deadline(), never);
}

TEST_F(ScriptedConnection, ExtendsTheTimeoutOfRequestsInFlightByTheThrottleTime) {
  become_ready();
  ASSERT_TRUE(protocol_.request(HeartbeatRequest{}, start, actions_));
  protocol_.throttle(40s, start, actions_);
  // Within the current throttle time; the second one adds none.
  protocol_.throttle(10s, start + 5s, actions_);
  actions_.clear();
  protocol_.on_time(start + 40s, actions_);
  EXPECT_TRUE(std::holds_alternative<Ready>(take()));
  protocol_.on_time(start + 70s - 1ns, actions_);
  EXPECT_TRUE(actions_.empty());
  protocol_.on_time(start + 70s, actions_);
  EXPECT_TRUE(std::get<Close>(take()).why.is(Errc::timed_out));
}

TEST_F(ScriptedConnection, LimitsTheThrottleTime) {
  become_ready();
  protocol_.throttle(24h, start, actions_);
  EXPECT_EQ(std::get<Throttled>(take()).time, ConnectionProtocol::max_throttle);
  EXPECT_EQ(protocol_.deadline(), start + ConnectionProtocol::max_throttle);
}

TEST_F(ScriptedConnection, IsThrottledByTheAnswerAboutVersions) {
  protocol_.on_open(start, actions_);
  ApiVersionsResponse slow = speaks({{12, 0, 3}});
  slow.throttle_time_ms = 500;
  answer(sent().header.correlation_id, slow, 4);
  EXPECT_EQ(std::get<Throttled>(take()).time, 500ms);
  EXPECT_TRUE(actions_.empty());
  protocol_.on_time(start + 500ms, actions_);
  EXPECT_TRUE(std::holds_alternative<Ready>(take()));
}

TEST_F(ScriptedConnection, SendsARequestWithoutAnAnswerAndDoesNotWait) {
  become_ready();
  ASSERT_TRUE(protocol_.tell(wire::ProduceRequest{}, actions_));
  EXPECT_EQ(sent().header.api_key, wire::ApiKey::produce);
  EXPECT_EQ(protocol_.in_flight(), 0u);
  EXPECT_EQ(protocol_.deadline(), never);
}

}  // namespace
}  // namespace dohle::client
