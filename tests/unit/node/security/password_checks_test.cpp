#include "node/security/password_checks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../door/login_world.hpp"
#include "node/security/origin.hpp"
#include "node/security/password_checks.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;

class PasswordChecking : public testing::Test {
 protected:
  PasswordChecking() {
    process_ = &world_.machine("node").start("node", [this](sim::Process& self) {
      checks = std::make_unique<PasswordChecks>(self.workers(), self.executor());
      return std::make_shared<int>();
    });
    world_.run_for(1ms);
  }
  void check(std::uint64_t connection, std::string_view password, bool is_known = false,
             const std::string& origin = "one") {
    checks->check(
        connection, {Secret(password), {auth::Digest::sha512, user_.verifier}, is_known, origin},
        [this, connection](bool is_right) {
          outcomes.push_back(std::to_string(connection) + (is_right ? " right" : " wrong"));
        });
    checks->check_invariants();
  }
  void run() { world_.run_for(1s); }

  std::unique_ptr<PasswordChecks> checks;
  std::vector<std::string> outcomes;

 private:
  sim::World world_{1};
  sim::Process* process_ = nullptr;
  UserEntry user_ = user_entry("alice", "secret");
};

TEST_F(PasswordChecking, AcceptsTheRightPasswordAndRefusesOthers) {
  check(1, "secret");
  check(2, "Secret");
  check(3, "");
  EXPECT_TRUE(outcomes.empty());
  run();
  EXPECT_THAT(outcomes, ElementsAre("1 right", "2 wrong", "3 wrong"));
}

TEST_F(PasswordChecking, TakesTurnsBetweenConnectionsThatAreLoggedInAndOthers) {
  for (std::uint64_t i = 1; i <= 4; ++i) check(i, "wrong");
  check(5, "secret", true);
  check(6, "secret", true);
  run();
  EXPECT_THAT(outcomes,
              ElementsAre("1 wrong", "5 right", "2 wrong", "6 right", "3 wrong", "4 wrong"));
}

TEST_F(PasswordChecking, TakesTurnsBetweenTheOriginsOfConnections) {
  for (std::uint64_t i = 1; i <= 500; ++i) check(i, "wrong", false, "flood");
  check(501, "secret", false, "other");
  check(502, "secret", false, "other");
  check(503, "secret", false, "third");
  checks->forget(2);
  run();
  ASSERT_EQ(outcomes.size(), 502u);
  outcomes.resize(6);
  EXPECT_THAT(outcomes,
              ElementsAre("1 wrong", "3 wrong", "501 right", "503 right", "4 wrong", "502 right"));
}

TEST_F(PasswordChecking, TakesTurnsBetweenTheOriginsOfConnectionsThatAreLoggedIn) {
  for (std::uint64_t i = 1; i <= 50; ++i) check(i, "wrong", true, "flood");
  check(51, "secret", true, "other");
  run();
  ASSERT_EQ(outcomes.size(), 51u);
  EXPECT_THAT(outcomes[2], "51 right");
}

TEST_F(PasswordChecking, DropsTheLastCheckOfAnOriginWithItsTurn) {
  check(1, "secret", false, "one");
  check(2, "wrong", false, "two");
  checks->forget(2);
  check(3, "wrong", false, "three");
  check(4, "secret", false, "two");
  run();
  EXPECT_THAT(outcomes, ElementsAre("1 right", "3 wrong", "4 right"));
}

TEST(Origins, AreAddressesOfIPv4AndNetworksOfIPv6) {
  EXPECT_EQ(origin_of("192.0.2.1:4000"), origin_of("192.0.2.1:4001"));
  EXPECT_NE(origin_of("192.0.2.1:4000"), origin_of("192.0.2.2:4000"));
  EXPECT_EQ(origin_of("[2001:db8:0:1::1]:4000"), origin_of("[2001:db8:0:1:ffff::2]:4001"));
  EXPECT_NE(origin_of("[2001:db8:0:1::1]:4000"), origin_of("[2001:db8:0:2::1]:4000"));
  EXPECT_NE(origin_of("[::ffff:192.0.2.1]:4000"), origin_of("[::ffff:192.0.2.2]:4000"));
  EXPECT_EQ(origin_of("client:4000"), origin_of("client:4001"));
  EXPECT_EQ(origin_of("pipe"), "pipe");
}

TEST_F(PasswordChecking, DropsTheChecksOfClosedConnections) {
  for (std::uint64_t i = 1; i <= 1'000; ++i) {
    check(i, "wrong");
    checks->forget(i);
  }
  EXPECT_EQ(checks->size(), 0u);
  check(1'001, "secret");
  run();
  EXPECT_THAT(outcomes, ElementsAre("1001 right"));
}

TEST_F(PasswordChecking, EndsWithTheNode) {
  check(1, "secret");
  check(2, "secret");
  checks->drop_all();
  run();
  EXPECT_TRUE(outcomes.empty());
}

}  // namespace
}  // namespace dohle::node
