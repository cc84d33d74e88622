// Logins on a listener that asks for one, as bytes against the node's real code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "login_world.hpp"
#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int16_t refused = broker_error::sasl_authentication_failed;
constexpr auth::Digest sha256 = auth::Digest::sha256, sha512 = auth::Digest::sha512;

class Logins : public LoginWorld {
 protected:
  static wire::ApiVersionsRequest named_client() {
    wire::ApiVersionsRequest versions;
    versions.client_software_name = "test";
    versions.client_software_version = "1";
    return versions;
  }
};

TEST_F(Logins, AreServedAsTheUserThatTheyProvedToBe) {
  EXPECT_EQ(log_in_plain("alice", alice_password, "a").error_code, 0);
  EXPECT_EQ(log_in_scram(sha256, "bob", bob_password, "b").error_code, 0);
  EXPECT_EQ(log_in_scram(sha512, "carol", carol_password, "c").error_code, 0);
  for (const auto name : {"a", "b", "c"}) EXPECT_TRUE(is_served(name)) << name;
  for (const auto name : {"User:alice", "User:bob", "User:carol"}) {
    EXPECT_EQ(logger.count(std::string(name) + " at client"), 1u) << name;
  }
}

TEST_F(Logins, AreNeitherRequiredNorAcceptedOnAListenerWithoutSasl) {
  EXPECT_TRUE(is_served());
  EXPECT_EQ(logger.count("User:ANONYMOUS at client"), 1u);
  wire::SaslHandshakeRequest handshake;
  handshake.mechanism = "PLAIN";
  EXPECT_EQ(ask(handshake).error_code, broker_error::illegal_sasl_state);
  EXPECT_EQ(send_login(plain("alice", alice_password)).error_code,
            broker_error::illegal_sasl_state);
  EXPECT_TRUE(is_served());
}

TEST_F(Logins, WithoutHeadersFollowAHandshakeOfVersion0) {
  (void)shake_hands("PLAIN", "a", 0);
  const auto done = client("a").send_token(plain("alice", alice_password));
  ASSERT_TRUE(world.run_until([&] { return done->has_value(); }, 1s));
  EXPECT_EQ(**done, "");
  EXPECT_TRUE(is_served("a"));

  (void)shake_hands("SCRAM-SHA-512", "c", 0);
  auth::ScramClient scram(sha512, "carol", "clientnonce");
  const auto first = client("c").send_token(scram.first_message());
  ASSERT_TRUE(world.run_until([&] { return first->has_value(); }, 1s));
  const auto challenge = scram.on_server_first(**first);
  ASSERT_TRUE(challenge.has_value());
  const auto final = client("c").send_token(scram.final_message(
      auth::derive_keys(sha512, carol_password, challenge->salt, challenge->iterations)));
  ASSERT_TRUE(world.run_until([&] { return final->has_value(); }, 1s));
  EXPECT_TRUE(scram.on_server_final(**final).has_value());
  EXPECT_TRUE(is_served("c"));
}

TEST_F(Logins, WithoutHeadersCloseAfterAPauseIfTheyFail) {
  (void)shake_hands("PLAIN", "a", 0);
  const TimePoint asked = world.now();
  client("a").send_frame(plain("alice", wrong_password));
  EXPECT_TRUE(closes("a"));
  EXPECT_GE(world.now() - asked, 100ms);
}

TEST_F(Logins, FailWithTheSameMessageForEachReason) {
  std::vector<wire::SaslAuthenticateResponse> plain_answers = {
      log_in_plain("alice", wrong_password, "1"), log_in_plain("nobody", wrong_password, "2"),
      log_in_plain("bob", bob_password, "3")};
  for (const auto& answer : plain_answers) {
    EXPECT_EQ(answer.error_code, refused);
    EXPECT_EQ(answer.error_message, "Authentication failed: Invalid username or password");
    EXPECT_TRUE(answer.auth_bytes.empty());
  }
  std::vector<wire::SaslAuthenticateResponse> scram_answers = {
      log_in_scram(sha256, "bob", wrong_password, "4"),
      log_in_scram(sha256, "nobody", wrong_password, "5"),
      log_in_scram(sha256, "carol", carol_password, "6"),
      log_in_scram(sha256, "alice", alice_password, "7")};
  for (const auto& answer : scram_answers) {
    EXPECT_EQ(answer.error_code, refused);
    EXPECT_EQ(answer.error_message,
              "Authentication failed during authentication due to invalid credentials with SASL "
              "mechanism SCRAM-SHA-256");
    EXPECT_TRUE(answer.auth_bytes.empty());
  }
  for (const auto name : {"1", "2", "3", "4", "5", "6", "7"}) EXPECT_TRUE(closes(name)) << name;
}

TEST_F(Logins, ThatFailAreAnsweredAfterAPauseAndNotBefore) {
  ASSERT_EQ(log_in_scram(sha512, "carol", carol_password, "before").error_code, 0);
  ASSERT_EQ(shake_hands("PLAIN", "a").error_code, 0);
  const TimePoint asked = world.now();
  const auto answer = send(token_request(plain("alice", wrong_password)), 2, "a");
  client("a").send_unanswered(wire::MetadataRequest{}, 12);
  world.run_for(99ms);
  EXPECT_FALSE(answer->has_value());
  EXPECT_FALSE(client_is_closed("a"));
  EXPECT_EQ(wait<wire::SaslAuthenticateRequest>(answer).error_code, refused);
  EXPECT_LE(world.now() - asked, 150ms);
  EXPECT_TRUE(closes("a"));
  EXPECT_EQ(logger.count("User:ANONYMOUS at"), 0u);
}

TEST_F(Logins, WithAnUnknownMechanismGetTheListOfKnownOnes) {
  for (const auto wanted : {"GSSAPI", "", "plain", "SCRAM-SHA-256-PLUS"}) {
    const auto answer = shake_hands(wanted, "a");
    EXPECT_EQ(answer.error_code, broker_error::unsupported_sasl_mechanism) << wanted;
    EXPECT_THAT(answer.mechanisms, ElementsAre("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"));
    EXPECT_TRUE(closes("a"));
  }
}

TEST_F(Logins, AreOfferedOnlyByTheMechanismsOfTheOptions) {
  settings.security.mechanisms = {SaslMechanism::scram_sha_512};
  EXPECT_THAT(shake_hands("SCRAM-SHA-512", "c").mechanisms, ElementsAre("SCRAM-SHA-512"));
  EXPECT_EQ(shake_hands("PLAIN", "a").error_code, broker_error::unsupported_sasl_mechanism);
}

TEST_F(Logins, ComeBeforeEveryOtherRequest) {
  for (const Handler& handler : handlers()) {
    if (handler.api.key == wire::ApiKey::api_versions ||
        handler.api.key == wire::ApiKey::sasl_handshake) {
      continue;
    }
    for (const bool is_begun : {false, true}) {
      if (is_begun && handler.api.key == wire::ApiKey::sasl_authenticate) continue;
      (void)client("a", login_port);
      if (is_begun) (void)shake_hands("PLAIN", "a");
      const wire::RequestPrefix prefix{handler.api, handler.api.versions.max, 7, "tester"};
      const wire::FramePrefix frame = prefix.frame();
      client("a").send_bytes(Chain(Slice::made(
          frame.size, [&](std::span<std::byte> to) { frame.write(frame.from, to.data(), 0); })));
      EXPECT_TRUE(closes("a")) << wire::api_name(handler.api.key);
    }
  }
  EXPECT_EQ(logger.count("User:ANONYMOUS at"), 0u);
}

TEST_F(Logins, MayNotBePrecededByManyApiVersions) {
  (void)client("a", login_port);
  const wire::ApiVersionsRequest versions = named_client();
  EXPECT_EQ(ask(versions, 4, "a").error_code, 0);
  EXPECT_EQ(ask(versions, 4, "a").error_code, 0);
  client("a").send_unanswered(versions, 4);
  EXPECT_TRUE(closes("a"));
}

TEST_F(Logins, MayBePrecededByApiVersions) {
  (void)client("a", login_port);
  const wire::ApiVersionsRequest versions = named_client();
  EXPECT_EQ(ask(versions, 4, "a").error_code, 0);
  EXPECT_EQ(ask(versions, 4, "a").error_code, 0);
  EXPECT_EQ(log_in_plain("alice", alice_password, "a").error_code, 0);
  EXPECT_EQ(ask(versions, 4, "a").error_code, 0);
}

TEST_F(Logins, AnswerARequestInTheWrongStateOnceAndClose) {
  (void)shake_hands("PLAIN", "a");
  EXPECT_EQ(shake_hands("PLAIN", "a").error_code, broker_error::illegal_sasl_state);
  EXPECT_TRUE(closes("a"));
  (void)shake_hands("PLAIN", "b");
  wire::ApiVersionsRequest versions;
  EXPECT_EQ(ask(versions, 0, "b").error_code, broker_error::illegal_sasl_state);
  EXPECT_TRUE(closes("b"));
}

TEST_F(Logins, TakeFramesOfAtMost512KiB) {
  (void)client("a", login_port);
  client("a").send_frame(std::string((512 << 10) + 1, 'x'));
  EXPECT_TRUE(closes("a"));
  EXPECT_EQ(logger.count("max_unauthenticated_frame_bytes"), 1u);
  ASSERT_EQ(log_in_plain("alice", alice_password, "b").error_code, 0);
  wire::MetadataRequest request;
  for (int i = 0; i < 30'000; ++i) request.topics->emplace_back().name = "a-topic-that-is-not-here";
  request.allow_auto_topic_creation = false;
  EXPECT_EQ(ask(request, 9, "b").topics.size(), 1u);
}

TEST_F(Logins, HaveTenSecondsFromTheAccept) {
  (void)client("a", login_port);
  const TimePoint accepted = world.now();
  const wire::ApiVersionsRequest versions;
  (void)send(versions, 0, "a");
  world.run_for(9s);
  (void)send(versions, 0, "a");
  while (!client_is_closed("a") && world.now() < accepted + 20s) world.run_for(500ms);
  EXPECT_GE(world.now() - accepted, 10s);
  EXPECT_LE(world.now() - accepted, 11s);
  EXPECT_EQ(logger.count("it has not logged in within 10 s"), 1u);
  EXPECT_EQ(log_in_plain("alice", alice_password, "b").error_code, 0);
  world.run_for(20s);
  EXPECT_TRUE(is_served("b"));
}

TEST_F(Logins, ArePendingOnAtMostAThousandConnectionsOfWhichTheOldestIsClosed) {
  for (int i = 0; i < 1'000; ++i) (void)client("waits " + std::to_string(i), login_port);
  EXPECT_FALSE(client_is_closed("waits 0"));
  EXPECT_EQ(log_in_plain("alice", alice_password, "one more").error_code, 0);
  EXPECT_TRUE(closes("waits 0"));
  EXPECT_FALSE(client_is_closed("waits 1"));
  EXPECT_TRUE(is_served("one more"));
  EXPECT_EQ(logger.count("max_unauthenticated_connections"), 1u);
  (void)client("and another", login_port);
  EXPECT_FALSE(client_is_closed("waits 1"));
}

// A machine that connects again and again takes the places of its own connections alone.
TEST_F(Logins, UnderWayAreNotClosedForManyConnectionsOfAnotherAddress) {
  ASSERT_EQ(shake_hands("PLAIN", "slow").error_code, 0);
  auto& flood = world.machine("flood").start("process",
                                             [](sim::Process&) { return std::make_shared<int>(); });
  world.run_for(1ms);
  std::vector<std::unique_ptr<WireClient>> silent;
  for (int i = 0; i < 3'000; ++i) {
    silent.push_back(std::make_unique<WireClient>());
    silent.back()->dial(flood, {"node", login_port});
    if (i % 100 == 99) world.run_for(1ms);
  }
  ASSERT_TRUE(world.run_until([&] { return silent[1'999]->is_closed; }, 1s));
  EXPECT_FALSE(silent[2'500]->is_closed);
  EXPECT_FALSE(client_is_closed("slow"));
  EXPECT_EQ(send_login(plain("alice", alice_password), "slow").error_code, 0);
  EXPECT_TRUE(is_served("slow"));
  EXPECT_GE(logger.count("is the oldest of the 1000 of its address"), 1u);
}

// A connection that sends the begin of a large frame and no more.
void begin_large_frame(WireClient& client, std::size_t bytes, std::size_t length = 500'000) {
  std::string begin(4 + bytes, '\0');
  for (std::size_t i = 0; i < 4; ++i) begin[i] = static_cast<char>(length >> (8 * (3 - i)) & 0xff);
  client.send_bytes(Chain(Slice::copy_of(begin)));
}

TEST_F(Logins, OfAnAddressAreNotDelayedByManyOfAnotherOne) {
  wire::SaslHandshakeRequest handshake;
  handshake.mechanism = "PLAIN";
  const auto log_in_from = [&](sim::Process& process, std::string_view password) {
    auto client = std::make_unique<WireClient>();
    client->dial(process, {"node", login_port});
    (void)client->send(handshake, 1);
    auto answer = client->send(token_request(plain("alice", password)), 2);
    return std::pair(std::move(client), std::move(answer));
  };
  (void)node();
  const auto start = [&](std::string_view machine) -> sim::Process& {
    return world.machine(std::string(machine)).start("process", [](sim::Process&) {
      return std::make_shared<int>();
    });
  };
  auto& flood = start("flood");
  auto& other = start("other");
  world.run_for(1ms);
  // A check takes a quarter of a millisecond in the simulation.
  std::vector<decltype(log_in_from(flood, ""))> wrong;
  for (int i = 0; i < 400; ++i) wrong.push_back(log_in_from(flood, wrong_password));
  world.run_for(10ms);
  const TimePoint asked = world.now();
  const auto [client, answer] = log_in_from(other, alice_password);
  ASSERT_TRUE(world.run_until([&] { return answer->has_value(); }, 5s));
  EXPECT_EQ((*answer)->error_code, 0);
  EXPECT_LE(world.now() - asked, 20ms);
}

TEST_F(Logins, ThatAreUnfinishedTakeNoPlaceOfFinishedOnes) {
  settings.max_requests_bytes = 400'000;
  create("t");
  ASSERT_EQ(log_in_plain("alice", alice_password, "a").error_code, 0);
  for (int i = 0; i < 4; ++i) {
    begin_large_frame(client("waits " + std::to_string(i), login_port), 300'000);
  }
  world.run_for(100ms);
  const auto answer = send(produce_request("t", batch_of({std::string(150'000, 'x')})), 12, "a");
  EXPECT_TRUE(world.run_until([&] { return answer->has_value(); }, 1s));
}

TEST_F(Logins, ThatAreUnfinishedHoldABoundedNumberOfBytes) {
  for (int i = 0; i < 40; ++i) {
    begin_large_frame(client("waits " + std::to_string(i), login_port), 400'000);
  }
  world.run_for(1s);
  std::size_t held = 0;
  for (const auto& [id, session] : running().engine.part<Sessions>().all()) {
    held += session->reserved_bytes();
  }
  EXPECT_GT(held, limits::max_unauthenticated_bytes / 2);
  EXPECT_LE(held, limits::max_unauthenticated_bytes + limits::max_unauthenticated_frame_bytes);
  EXPECT_EQ(log_in_plain("alice", alice_password, "a").error_code, 0);
  EXPECT_TRUE(is_served("a"));
  world.run_for(20s);
  EXPECT_GE(logger.count("max_unauthenticated_bytes"), 1u);
}

TEST_F(Logins, OfAnUnknownUserGetTheSameSaltEachTimeAlsoAfterARestart) {
  std::array<std::string, 3> challenges;
  const auto salt_in = [](const std::string& challenge) {
    return challenge.substr(challenge.find(",s="));
  };
  (void)log_in_scram(sha256, "nobody", wrong_password, "1", &challenges[0]);
  (void)log_in_scram(sha256, "somebody", wrong_password, "2", &challenges[1]);
  restart_after_kill();
  (void)log_in_scram(sha256, "nobody", wrong_password, "3", &challenges[2]);
  EXPECT_EQ(salt_in(challenges[0]), salt_in(challenges[2]));
  EXPECT_NE(salt_in(challenges[0]), salt_in(challenges[1]));
  EXPECT_THAT(challenges[0], HasSubstr(",i=4096"));
}

TEST_F(Logins, DrawANewNonceEachTime) {
  std::array<std::string, 2> challenges;
  (void)log_in_scram(sha256, "bob", bob_password, "1", &challenges[0]);
  (void)log_in_scram(sha256, "bob", bob_password, "2", &challenges[1]);
  EXPECT_NE(challenges[0], challenges[1]);
}

TEST_F(Logins, FailForEveryTamperedMessage) {
  // Each octet of the client's final message, with each of a few changes.
  std::size_t length = 1;
  for (std::size_t at = 0; at < length; at += 3) {
    const std::string name = "t" + std::to_string(at);
    ASSERT_EQ(shake_hands("SCRAM-SHA-256", name).error_code, 0);
    auth::ScramClient scram(sha256, "bob", "clientnonce");
    const auto first = send_login(scram.first_message(), name);
    const auto challenge = scram.on_server_first(as_text(first.auth_bytes.bytes()));
    ASSERT_TRUE(challenge.has_value());
    std::string final = scram.final_message(
        auth::derive_keys(sha256, bob_password, challenge->salt, challenge->iterations));
    length = final.size();
    final[at] = static_cast<char>(final[at] ^ 1);
    EXPECT_EQ(send_login(final, name).error_code, refused) << at;
    EXPECT_TRUE(closes(name));
  }
}

TEST_F(Logins, FailForAReplayedMessage) {
  ASSERT_EQ(shake_hands("SCRAM-SHA-256", "a").error_code, 0);
  auth::ScramClient scram(sha256, "bob", "clientnonce");
  const auto first = send_login(scram.first_message(), "a");
  const auto challenge = scram.on_server_first(as_text(first.auth_bytes.bytes()));
  const std::string final = scram.final_message(
      auth::derive_keys(sha256, bob_password, challenge->salt, challenge->iterations));
  EXPECT_EQ(send_login(final, "a").error_code, 0);

  ASSERT_EQ(shake_hands("SCRAM-SHA-256", "b").error_code, 0);
  EXPECT_EQ(send_login(scram.first_message(), "b").error_code, 0);
  EXPECT_EQ(send_login(final, "b").error_code, refused);
  // The final message cannot come first, nor twice.
  ASSERT_EQ(shake_hands("SCRAM-SHA-256", "c").error_code, 0);
  EXPECT_EQ(send_login(final, "c").error_code, refused);
  EXPECT_EQ(send_login(final, "a").error_code, broker_error::illegal_sasl_state);
}

TEST_F(Logins, NameTheClientThatSendsItsPartOfTheNonceTwice) {
  ASSERT_EQ(shake_hands("SCRAM-SHA-256", "a").error_code, 0);
  auth::ScramClient scram(sha256, "bob", "clientnonce");
  const auto first = send_login(scram.first_message(), "a");
  const auto challenge = scram.on_server_first(as_text(first.auth_bytes.bytes()));
  ASSERT_TRUE(challenge.has_value());
  std::string final = scram.final_message(
      auth::derive_keys(sha256, bob_password, challenge->salt, challenge->iterations));
  final.insert(final.find("r=") + 2, "clientnonce");
  EXPECT_EQ(send_login(final, "a").error_code, refused);
  EXPECT_EQ(logger.count("librdkafka before 2.6.1"), 1u);
}

TEST_F(Logins, RefuseMalformedMessages) {
  const std::string with_nul("\0a\0b\0c", 6), foreign("bob\0alice\0x", 11);
  int number = 0;
  for (const std::string& message :
       {std::string(), std::string("x"), with_nul, foreign, std::string(5'000, 'x')}) {
    const std::string name = "p" + std::to_string(++number);
    ASSERT_EQ(shake_hands("PLAIN", name).error_code, 0);
    EXPECT_EQ(send_login(message, name).error_code, refused);
  }
  for (const std::string message :
       {"", "x", "p=tls-unique,,n=bob,r=x", "n,a=carol,n=bob,r=x", "n,,m=x,n=bob,r=x",
        "n,,n=b\xc3\xb6"
        "b,r=x",
        "n,,n=bob", "n,,n==bob,r=x"}) {
    const std::string name = "s" + std::to_string(++number);
    ASSERT_EQ(shake_hands("SCRAM-SHA-256", name).error_code, 0);
    EXPECT_EQ(send_login(message, name).error_code, refused) << message;
  }
}

TEST_F(Logins, AreWaitedForByRequestsThatWereSentWithThem) {
  ASSERT_EQ(shake_hands("PLAIN", "a").error_code, 0);
  const auto login = send(token_request(plain("alice", alice_password)), 2, "a");
  const auto metadata = send(wire::MetadataRequest{}, 12, "a");
  EXPECT_EQ(wait<wire::SaslAuthenticateRequest>(login).error_code, 0);
  (void)wait<wire::MetadataRequest>(metadata);
  EXPECT_EQ(logger.count("User:alice at client"), 1u);
}

TEST_F(Logins, DoNotPreventANodeFromStopping) {
  (void)shake_hands("PLAIN", "a");
  (void)client("b", login_port);
  const auto login = send(token_request(plain("alice", wrong_password)), 2, "a");
  world.run_for(20ms);
  const TimePoint asked = world.now();
  EXPECT_TRUE(stop_cleanly().has_value());
  EXPECT_LE(world.now() - asked, 1s);
}

// --- again on the same connection (KIP-368)

class LoginsAgain : public LoginWorld {
 protected:
  LoginsAgain() { settings.security.max_reauth = 60s; }
};

TEST_F(LoginsAgain, AreDueAfterTheTimeThatTheAnswerNames) {
  EXPECT_EQ(log_in_plain("alice", alice_password, "a").session_lifetime_ms, 60'000);
  world.run_for(59s);
  EXPECT_TRUE(is_served("a"));
  world.run_for(2s);
  EXPECT_FALSE(is_served("a"));
  EXPECT_EQ(logger.count("max_reauth"), 1u);
}

TEST_F(LoginsAgain, AreDueForClientsWhoseAnswerNamesNoTimeToo) {
  EXPECT_EQ(log_in_plain("alice", alice_password, "a", 0).session_lifetime_ms, 0);
  world.run_for(61s);
  EXPECT_FALSE(is_served("a"));
}

TEST_F(LoginsAgain, BeginANewSessionLifetime) {
  EXPECT_EQ(log_in_scram(sha256, "bob", bob_password, "b").session_lifetime_ms, 60'000);
  for (int i = 0; i < 5; ++i) {
    world.run_for(50s);
    const auto again = log_in_scram(sha256, "bob", bob_password, "b");
    EXPECT_EQ(again.error_code, 0);
    EXPECT_EQ(again.session_lifetime_ms, 60'000);
    EXPECT_TRUE(is_served("b"));
  }
}

TEST_F(LoginsAgain, MayComeLate) {
  (void)log_in_plain("alice", alice_password, "a");
  world.run_for(90s);
  EXPECT_EQ(log_in_plain("alice", alice_password, "a").error_code, 0);
  EXPECT_TRUE(is_served("a"));
}

TEST_F(LoginsAgain, WithAnotherNameAreRefused) {
  settings.security.plain_users.push_back(user_entry("dave", carol_password));
  (void)log_in_plain("alice", alice_password, "a");
  world.run_for(5s);
  EXPECT_EQ(log_in_plain("dave", carol_password, "a").error_code, refused);
  EXPECT_TRUE(closes("a"));
  EXPECT_EQ(logger.count("User:dave"), 0u);
}

TEST_F(LoginsAgain, WithAnotherMechanismAreRefused) {
  settings.security.plain_users.push_back(user_entry("bob", bob_password));
  (void)log_in_plain("bob", bob_password, "b");
  world.run_for(5s);
  EXPECT_EQ(shake_hands("SCRAM-SHA-256", "b").error_code, broker_error::illegal_sasl_state);
  EXPECT_TRUE(closes("b"));
}

TEST_F(LoginsAgain, WithAWrongPasswordCloseTheConnection) {
  (void)log_in_scram(sha256, "bob", bob_password, "b");
  world.run_for(5s);
  const auto again = log_in_scram(sha256, "bob", wrong_password, "b");
  EXPECT_EQ(again.error_code, refused);
  EXPECT_THAT(*again.error_message, HasSubstr("re-authentication"));
  EXPECT_TRUE(closes("b"));
}

TEST_F(LoginsAgain, CloseTheConnectionAtAnyOtherRequestBeforeTheirEnd) {
  (void)log_in_plain("alice", alice_password, "a");
  EXPECT_EQ(shake_hands("PLAIN", "a").error_code, 0);
  EXPECT_FALSE(is_served("a"));
  EXPECT_TRUE(closes("a"));
}

TEST_F(LoginsAgain, WithinASecondOfTheLastTimeAreRefusedAndTheConnectionStaysOpen) {
  (void)log_in_plain("alice", alice_password, "a");
  EXPECT_EQ(log_in_plain("alice", alice_password, "a").error_code, 0);
  EXPECT_EQ(shake_hands("PLAIN", "a").error_code, broker_error::illegal_sasl_state);
  EXPECT_TRUE(is_served("a"));
  world.run_for(1s);
  EXPECT_EQ(log_in_plain("alice", alice_password, "a").error_code, 0);
}

TEST_F(LoginsAgain, KeepTheOrderOfAnswers) {
  create("orders");
  (void)log_in_plain("alice", alice_password, "a");
  const auto fetched = send(fetch_request("orders", {.max_wait_ms = 3'000}), 12, "a");
  wire::SaslHandshakeRequest handshake;
  handshake.mechanism = "PLAIN";
  const auto shaken = send(handshake, 1, "a");
  const auto login = send(token_request(plain("alice", wrong_password)), 2, "a");
  world.run_for(1s);
  EXPECT_FALSE(shaken->has_value());
  EXPECT_FALSE(client_is_closed("a"));
  (void)wait<wire::FetchRequest>(fetched);
  EXPECT_EQ(wait<wire::SaslHandshakeRequest>(shaken).error_code, 0);
  EXPECT_EQ(wait<wire::SaslAuthenticateRequest>(login).error_code, refused);
  EXPECT_TRUE(closes("a"));
}

TEST_F(LoginsAgain, EndForAUserThatWasDeletedMeanwhile) {
  (void)log_in_scram(sha256, "bob", bob_password, "b");
  (void)log_in_plain("alice", alice_password, "a");
  wire::AlterUserScramCredentialsRequest request;
  request.deletions.push_back(deletion("bob"));
  EXPECT_EQ(ask(request, 0, "a").results.at(0).error_code, 0);
  EXPECT_TRUE(is_served("b"));
  world.run_for(5s);
  EXPECT_EQ(log_in_scram(sha256, "bob", bob_password, "b").error_code, refused);
  EXPECT_TRUE(closes("b"));
  EXPECT_EQ(log_in_scram(sha256, "bob", bob_password, "new").error_code, refused);
}

}  // namespace
}  // namespace dohle::node
