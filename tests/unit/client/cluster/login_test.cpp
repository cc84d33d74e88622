// Logins of a client on servers that require them.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/plain.hpp"
#include "auth/scram.hpp"
#include "base/broker_errors.hpp"
#include "client/cluster/login.hpp"
#include "scripted_cluster.hpp"
#include "wire/messages/describe_configs.hpp"
#include "wire/messages/sasl_authenticate.hpp"
#include "wire/messages/sasl_handshake.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::string_view salt = "sixteen bytes ..";
constexpr std::string_view servers_words = "no such user, or another password";

class LoginOnCluster : public testing::Test, public ScriptedWorld {
 protected:
  using Authenticate = wire::SaslAuthenticateRequest;

  void SetUp() override {
    script.versions_up_to = 1;
    script.brokers = {NodeId{1}};
    script.leaders = {{NodeId{1}, LeaderEpoch{0}}};
    script.on<wire::SaslHandshakeRequest>([this](NodeId, const wire::SaslHandshakeRequest& asked) {
      wire::SaslHandshakeResponse answer;
      answer.mechanisms = offered;
      const bool is_offered = std::ranges::count(offered, asked.mechanism) != 0;
      if (!is_offered) answer.error_code = broker_error::unsupported_sasl_mechanism;
      chosen = asked.mechanism;
      attempts.push_back(world.now());
      return answer;
    });
    script.on<Authenticate>([this](NodeId, const Authenticate& asked) {
      script.answer_after = answer_delay;
      return answer(asked.auth_bytes.text());
    });
  }
  void start(SaslMechanism mechanism, std::string_view password) {
    engine_options.sasl = SaslOptions{mechanism, "alice", Secret(password)};
    ScriptedWorld::start([](std::shared_ptr<SimulatedClient> made, sim::Process&) { return made; });
  }
  /// The outcome of a wait for the cluster; absent after `time`.
  std::optional<Result<void>> connect(Duration time) {
    const auto outcome = std::make_shared<std::optional<Result<void>>>();
    on_loop([&] {
      client->cluster().when_connected(
          world.now() + time, [outcome](Result<void> done) { *outcome = std::move(done); });
    });
    world.run_until([&] { return outcome->has_value(); }, time);
    return *outcome;
  }

  std::optional<wire::SaslAuthenticateResponse> answer(std::string_view message) {
    wire::SaslAuthenticateResponse said;
    said.session_lifetime_ms = lifetime_ms;
    const auto refused = [&] {
      said.error_code = broker_error::sasl_authentication_failed;
      said.error_message = std::string(servers_words);
      ++refused_logins;
      return said;
    };
    if (chosen == "PLAIN") {
      const auto login = auth::read_plain_message(message).value();
      return login.password.reveal() == password_at_server ? said : refused();
    }
    const auto digest = chosen == "SCRAM-SHA-512" ? auth::Digest::sha512 : auth::Digest::sha256;
    if (message.starts_with("n,,")) {
      scram.emplace(digest, "servernonce");
      EXPECT_EQ(scram->on_client_first(message).value(), "alice");
      const auto keys = auth::derive_keys(digest, password_at_server, salt, 4'096);
      said.auth_bytes = Slice::copy_of(
          scram->first_message(auth::make_verifier(digest, keys, std::string(salt), 4'096)));
      return said;
    }
    const auto last = scram->on_client_final(message).value();
    if (!last) return refused();
    said.auth_bytes = Slice::copy_of(is_impostor ? "v=AAAA" : *last);
    ++logins;
    return said;
  }

  std::vector<std::string> offered = {"SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"};
  std::string password_at_server = "right";
  std::string chosen;
  std::optional<auth::ScramServer> scram;
  std::vector<TimePoint> attempts;
  std::int64_t lifetime_ms = 0;
  int logins = 0;
  int refused_logins = 0;
  Duration answer_delay{};
  bool is_impostor = false;
};

class LoginByMechanism : public LoginOnCluster,
                         public testing::WithParamInterface<SaslMechanism> {};

TEST_P(LoginByMechanism, ComesBeforeTheFirstRequest) {
  int asked_before_login = 0;
  script.on_metadata_asked = [&](NodeId) { asked_before_login += attempts.empty() ? 1 : 0; };
  start(GetParam(), "right");
  EXPECT_TRUE(connect(5s).value());
  EXPECT_EQ(chosen, to_string(GetParam()));
  EXPECT_EQ(asked_before_login, 0);
}

TEST_P(LoginByMechanism, WithAWrongPasswordFailsAtOnceWithTheServersMessage) {
  start(GetParam(), "wrong");
  const auto outcome = connect(30s);
  ASSERT_TRUE(outcome.has_value());
  ASSERT_FALSE(*outcome);
  const Error& why = outcome->error();
  EXPECT_TRUE(why.is_broker(broker_error::sasl_authentication_failed)) << why.to_string();
  EXPECT_TRUE(why.is_auth());
  EXPECT_FALSE(why.is_retriable());
  EXPECT_THAT(std::string(why.message()), HasSubstr("log in as alice by "));
  EXPECT_THAT(std::string(why.message()), HasSubstr(servers_words));
  EXPECT_THAT(std::string(why.message()), testing::Not(HasSubstr("wrong")));
  EXPECT_LT(world.now() - attempts.front(), 2s);
}

INSTANTIATE_TEST_SUITE_P(EachMechanism, LoginByMechanism,
                         testing::Values(SaslMechanism::plain, SaslMechanism::scram_sha_256,
                                         SaslMechanism::scram_sha_512));

TEST_F(LoginOnCluster, IsTriedAtMostOnceASecondAndLessOftenWithTime) {
  start(SaslMechanism::plain, "wrong");
  for (int i = 0; i < 100; ++i) (void)connect(1s);
  world.run_for(60s);
  ASSERT_GE(attempts.size(), 5u);
  for (std::size_t i = 1; i < attempts.size(); ++i) {
    EXPECT_GE(attempts[i] - attempts[i - 1], 1s) << "attempt " << i;
  }
  EXPECT_GE(attempts.back() - attempts[attempts.size() - 2], 7s);
}

TEST_F(LoginOnCluster, IsTriedAtMostOnceASecondAtAnAddressByAllNodesAndLanes) {
  start(SaslMechanism::plain, "right");
  ASSERT_TRUE(connect(5s).value());
  password_at_server = "replaced";
  std::vector<ConnectionLane> lanes;
  on_loop([&] {
    for (int i = 0; i < 4; ++i) lanes.push_back(client->cluster().new_lane({}));
    // The one node of the cluster has the address that the client began with.
    EXPECT_FALSE(client->cluster().prepare(NodeId{1}, lanes[0]));
  });
  world.run_until([&] { return refused_logins == 1; }, 5s);
  world.run_for(100ms);
  attempts.clear();
  for (int i = 0; i < 300; ++i) {
    on_loop([&] {
      for (const NodeId node : {NodeId{1}, NodeId{-2}}) {
        for (const ConnectionLane lane : lanes) (void)client->cluster().prepare(node, lane);
      }
    });
    world.run_for(100ms);
  }
  ASSERT_GE(attempts.size(), 3u);
  for (std::size_t i = 1; i < attempts.size(); ++i) {
    EXPECT_GE(attempts[i] - attempts[i - 1], 1s) << "attempt " << i;
  }
}

TEST_F(LoginOnCluster, FailsRequestsAtOnceBetweenTwoAttempts) {
  start(SaslMechanism::plain, "wrong");
  (void)connect(5s);
  std::optional<Error> why;
  const std::size_t before = attempts.size();
  on_loop([&] {
    client->cluster().ask_any(
        wire::DescribeConfigsRequest{},
        Cluster::Then<wire::DescribeConfigsRequest>(
            [&](Result<wire::DescribeConfigsResponse> answer) { why = answer.error(); }));
  });
  ASSERT_TRUE(why.has_value());
  EXPECT_TRUE(why->is_auth()) << why->to_string();
  EXPECT_EQ(attempts.size(), before);
}

TEST_F(LoginOnCluster, IsTriedAtOnceWithNewCredentials) {
  start(SaslMechanism::scram_sha_256, "wrong");
  for (int i = 0; i < 30; ++i) (void)connect(1s);
  world.run_until([&, before = attempts.size()] { return attempts.size() > before; }, 20s);
  world.run_for(500ms);
  on_loop([&] {
    EXPECT_TRUE(
        client->cluster().replace_login({SaslMechanism::scram_sha_256, "alice", Secret("right")}));
  });
  EXPECT_TRUE(connect(500ms).value());
}

TEST_F(LoginOnCluster, OfAnotherUserUsesANewConnection) {
  lifetime_ms = 10'000;
  int begun = 0;
  script.on<wire::ApiVersionsRequest>([&](NodeId, const wire::ApiVersionsRequest&) {
    ++begun;
    wire::ApiVersionsResponse versions;
    for (const wire::Api& api : {wire::ApiVersionsRequest::api, wire::MetadataRequest::api,
                                 wire::SaslHandshakeRequest::api, Authenticate::api}) {
      versions.api_keys.push_back({static_cast<std::int16_t>(api.key), api.versions.min,
                                   std::min<std::int16_t>(api.versions.max, 12)});
    }
    return versions;
  });
  start(SaslMechanism::plain, "right");
  ASSERT_TRUE(connect(5s).value());
  const int before = begun;
  on_loop([&] {
    EXPECT_TRUE(client->cluster().replace_login({SaslMechanism::plain, "bob", Secret("right")}));
  });
  world.run_for(12s);
  EXPECT_TRUE(connect(5s).value());
  EXPECT_GT(begun, before) << "the old connection is not logged in as bob";
  EXPECT_EQ(refused_logins, 0);
}

TEST_F(LoginOnCluster, IsNotRefusedByTheFailureOfReplacedCredentials) {
  start(SaslMechanism::scram_sha_256, "right");
  ASSERT_TRUE(connect(5s).value());
  answer_delay = 200ms;
  client.reset();
  process = nullptr;
  engine_options.sasl = SaslOptions{SaslMechanism::scram_sha_256, "alice", Secret("wrong")};
  process = &world.machine("second").start("client", [this](sim::Process& self) {
    client = std::make_shared<SimulatedClient>(self, engine_options);
    return client;
  });
  std::optional<Result<void>> outcome;
  on_loop([&] {
    client->cluster().when_connected(world.now() + 10s,
                                     [&](Result<void> done) { outcome = std::move(done); });
  });
  const std::size_t before = attempts.size();
  world.run_until([&] { return attempts.size() > before; }, 5s);
  on_loop([&] {
    EXPECT_TRUE(
        client->cluster().replace_login({SaslMechanism::scram_sha_256, "alice", Secret("right")}));
  });
  world.run_until([&] { return outcome.has_value(); }, 3s);
  ASSERT_TRUE(outcome.has_value()) << "it waits for the pause after a refusal";
  EXPECT_TRUE(*outcome) << outcome->error().to_string();
}

TEST_F(LoginOnCluster, NamesTheMechanismsThatTheServerOffers) {
  offered = {"GSSAPI", "OAUTHBEARER"};
  start(SaslMechanism::scram_sha_512, "right");
  const auto outcome = connect(30s);
  ASSERT_TRUE(outcome.has_value() && !*outcome);
  EXPECT_TRUE(outcome->error().is_broker(broker_error::unsupported_sasl_mechanism));
  EXPECT_THAT(std::string(outcome->error().message()),
              HasSubstr("the server offers GSSAPI, OAUTHBEARER"));
}

TEST_F(LoginOnCluster, RefusesAServerThatDoesNotKnowThePassword) {
  is_impostor = true;
  start(SaslMechanism::scram_sha_512, "right");
  const auto outcome = connect(30s);
  ASSERT_TRUE(outcome.has_value() && !*outcome);
  EXPECT_TRUE(outcome->error().is(Errc::login_failed)) << outcome->error().to_string();
  EXPECT_FALSE(outcome->error().is_retriable());
}

TEST_F(LoginOnCluster, ReportsAListenerThatAcceptsNoLogin) {
  script.on<wire::SaslHandshakeRequest>([](NodeId, const wire::SaslHandshakeRequest&) {
    wire::SaslHandshakeResponse answer;
    answer.error_code = broker_error::illegal_sasl_state;
    return answer;
  });
  start(SaslMechanism::plain, "right");
  const auto outcome = connect(30s);
  ASSERT_TRUE(outcome.has_value() && !*outcome);
  EXPECT_THAT(std::string(outcome->error().message()), HasSubstr("takes no login"));
}

TEST_F(LoginOnCluster, ReportsAServerWithoutSasl) {
  script.handlers.clear();
  start(SaslMechanism::plain, "right");
  const auto outcome = connect(30s);
  ASSERT_TRUE(outcome.has_value() && !*outcome);
  EXPECT_TRUE(outcome->error().is(Errc::login_failed)) << outcome->error().to_string();
  EXPECT_THAT(std::string(outcome->error().message()), HasSubstr("SaslHandshake"));
}

class WithoutALogin : public LoginOnCluster {
 protected:
  void start() {
    script.closes_at_metadata = true;
    ScriptedWorld::start([](std::shared_ptr<SimulatedClient> made, sim::Process&) { return made; });
  }
};

TEST_F(WithoutALogin, AServerThatClosesEachConnectionAtItsFirstRequestIsSaidToNeedOne) {
  start();
  const TimePoint begin = world.now();
  const auto outcome = connect(30s);
  ASSERT_TRUE(outcome.has_value() && !*outcome);
  EXPECT_LT(world.now() - begin, 2s);
  EXPECT_TRUE(outcome->error().is(Errc::login_failed)) << outcome->error().to_string();
  EXPECT_THAT(std::string(outcome->error().message()), HasSubstr("it may require a login"));
}

TEST_F(WithoutALogin, AServerThatClosesOneConnectionIsAskedAgain) {
  start();
  const auto outcome = std::make_shared<std::optional<Result<void>>>();
  on_loop([&] {
    client->cluster().when_connected(world.now() + 5s,
                                     [outcome](Result<void> done) { *outcome = std::move(done); });
  });
  world.run_for(10ms);
  script.closes_at_metadata = false;
  world.run_until([&] { return outcome->has_value(); }, 5s);
  ASSERT_TRUE(outcome->has_value());
  EXPECT_TRUE(**outcome) << (*outcome)->error().to_string();
}

TEST_F(LoginOnCluster, IsRenewedWithinTheLastPartOfTheSession) {
  lifetime_ms = 100'000;
  start(SaslMechanism::scram_sha_256, "right");
  ASSERT_TRUE(connect(5s).value());
  world.run_for(300s);
  ASSERT_GE(attempts.size(), 4u);
  for (std::size_t i = 1; i < attempts.size(); ++i) {
    EXPECT_GE(attempts[i] - attempts[i - 1], 85s);
    EXPECT_LE(attempts[i] - attempts[i - 1], 96s);
  }
  EXPECT_THAT(warnings, testing::IsEmpty());
}

TEST_F(LoginOnCluster, IsRenewedWhileRequestsAreUnderWay) {
  lifetime_ms = 10'000;
  script.on<wire::DescribeConfigsRequest>([this](NodeId, const wire::DescribeConfigsRequest&) {
    script.answer_after = 3s;
    return wire::DescribeConfigsResponse{};
  });
  start(SaslMechanism::scram_sha_256, "right");
  ASSERT_TRUE(connect(5s).value());
  int answered = 0;
  int failed = 0;
  for (int i = 0; i < 40; ++i) {
    on_loop([&] {
      client->cluster().ask_any(wire::DescribeConfigsRequest{},
                                Cluster::Then<wire::DescribeConfigsRequest>(
                                    [&](Result<wire::DescribeConfigsResponse> answer) {
                                      ++(answer ? answered : failed);
                                    }));
    });
    world.run_for(3s);
  }
  world.run_for(30s);
  EXPECT_EQ(answered, 40);
  EXPECT_EQ(failed, 0);
  EXPECT_GE(logins, 5);
}

TEST_F(LoginOnCluster, FailsTheWaitingRequestsIfItIsNotRenewed) {
  lifetime_ms = 10'000;
  script.on<wire::DescribeConfigsRequest>(
      [](NodeId, const wire::DescribeConfigsRequest&) { return wire::DescribeConfigsResponse{}; });
  start(SaslMechanism::scram_sha_256, "right");
  ASSERT_TRUE(connect(5s).value());
  int answered = 0;
  std::optional<Error> why;
  for (int i = 0; i < 120 && !why; ++i) {
    if (i == 20) password_at_server = "replaced";
    on_loop([&] {
      client->cluster().ask_any(wire::DescribeConfigsRequest{},
                                Cluster::Then<wire::DescribeConfigsRequest>(
                                    [&](Result<wire::DescribeConfigsResponse> answer) {
                                      if (answer) return void(++answered);
                                      why = answer.error();
                                    }));
    });
    world.run_for(100ms);
  }
  EXPECT_GE(answered, 20);
  ASSERT_TRUE(why.has_value());
  EXPECT_TRUE(why->is_broker(broker_error::sasl_authentication_failed)) << why->to_string();
}

TEST(Login, DerivesKeysOnceForEachSaltAndPassword) {
  sim::World world{3};
  sim::Process& process = world.machine("client").start(
      "client", [](sim::Process&) { return std::make_shared<int>(); });
  struct NoTime final : RecordTime {
    [[nodiscard]] Timestamp wall() const override { return {}; }
    void keep_fresh(bool) override {}
  } time;
  const auto logger = silent_logger();
  const ClientEnvironment environment{process.executor(),
                                      process.dialer(),
                                      process.clock(),
                                      process.random(),
                                      process.workers(),
                                      time,
                                      *logger,
                                      process.secure_random()};
  Login login(environment, {SaslMechanism::scram_sha_256, "alice", Secret("right")});
  const Login::NeedKeys need{auth::Digest::sha256, std::string(salt), 4'096};
  const auto keys = auth::derive_keys(auth::Digest::sha256, "right", salt, 4'096);
  int derived = 0;
  const auto count = [&](const auth::ScramKeys& made) {
    derived += made.client_key == keys.client_key ? 1 : 100;
  };
  process.executor().post([&] {
    login.derive(need, count);
    login.derive(need, count);
    EXPECT_EQ(derived, 0) << "on the loop's thread";
  });
  world.run_until([&] { return derived == 2; }, 5s);
  ASSERT_EQ(derived, 2);
  process.executor().post([&] {
    login.derive(need, count);
    EXPECT_EQ(derived, 3) << "the keys are kept";
    login.replace({SaslMechanism::scram_sha_256, "alice", Secret("other")});
    login.derive(need, [&](const auth::ScramKeys& made) {
      EXPECT_NE(made.client_key, keys.client_key);
      ++derived;
    });
    EXPECT_EQ(derived, 3);
  });
  world.run_until([&] { return derived == 4; }, 5s);
  EXPECT_EQ(derived, 4);
}

}  // namespace
}  // namespace dohle::client
