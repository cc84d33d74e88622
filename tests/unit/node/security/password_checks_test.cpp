#include "node/security/password_checks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../door/login_world.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;

class PasswordChecking : public testing::Test {
 protected:
  PasswordChecking() {
    process_ = &world_.machine("node").start("node", [this](sim::Process& self) {
      checks = std::make_unique<PasswordChecks>(self.disk());
      return std::make_shared<int>();
    });
    world_.run_for(1ms);
  }
  void check(std::uint64_t connection, std::string_view password, bool is_known = false) {
    checks->check(
        connection, {Secret(password), {auth::Digest::sha512, user_.verifier}, is_known},
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

TEST_F(PasswordChecking, TellsRightFromWrong) {
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

TEST_F(PasswordChecking, DropsThoseOfConnectionsThatAreGone) {
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
