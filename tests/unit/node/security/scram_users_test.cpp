// SCRAM users: requests that change and list them, and their state after a crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "../../random_events.hpp"
#include "../door/login_world.hpp"
#include "node/limits.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Alter = wire::AlterUserScramCredentialsRequest;
using Describe = wire::DescribeUserScramCredentialsRequest;
constexpr auth::Digest sha256 = auth::Digest::sha256, sha512 = auth::Digest::sha512;

class ScramUsers : public LoginWorld {
 protected:
  /// Logs in once and asks as alice.
  template <class Request>
  typename Request::Response as_alice(const Request& request) {
    if (known_client("alice") == nullptr || client_is_closed("alice")) {
      EXPECT_EQ(log_in_plain("alice", alice_password, "alice").error_code, 0);
    }
    return ask(request, 0, "alice");
  }
  wire::AlterUserScramCredentialsResponse set(const Alter::ScramCredentialUpsertion& user) {
    Alter request;
    request.upsertions.push_back(user);
    return as_alice(request);
  }
  std::int16_t code_of(const wire::AlterUserScramCredentialsResponse& answer) {
    return answer.results.size() == 1 ? answer.results[0].error_code : std::int16_t{-100};
  }
  std::vector<std::string> listed() {
    std::vector<std::string> users;
    for (const auto& user : as_alice(Describe{}).results) {
      EXPECT_EQ(user.error_code, 0);
      for (const auto& each : user.credential_infos) {
        users.push_back(user.user + " " + std::to_string(each.mechanism) + " " +
                        std::to_string(each.iterations));
      }
    }
    return users;
  }
};

TEST_F(ScramUsers, OfTheFileAreStoredByTheFirstStartAndIgnoredByLaterOnes) {
  EXPECT_THAT(listed(), ElementsAre("bob 1 4096", "carol 2 4096"));
  Alter request;
  request.deletions.push_back(deletion("bob"));
  EXPECT_EQ(code_of(as_alice(request)), 0);
  restart_after_kill();
  EXPECT_THAT(listed(), ElementsAre("carol 2 4096"));
  EXPECT_EQ(logger.count("warning node: the file of SCRAM users is for the first start and was not "
                         "taken: /data/dohle-users has 1 already"),
            1u);
  EXPECT_EQ(logger.count("1 of the file are not among them"), 1u);
}

TEST_F(ScramUsers, LogInOnceTheyWereSetAlsoAfterAKill) {
  EXPECT_EQ(code_of(set(upsertion("erin", carol_password, sha256))), 0);
  EXPECT_EQ(code_of(set(upsertion("erin", bob_password, sha512, 8'192))), 0);
  EXPECT_EQ(log_in_scram(sha256, "erin", carol_password, "1").error_code, 0);
  restart_after_kill();
  EXPECT_EQ(log_in_scram(sha256, "erin", carol_password, "2").error_code, 0);
  EXPECT_EQ(log_in_scram(sha512, "erin", bob_password, "3").error_code, 0);
  EXPECT_EQ(log_in_scram(sha512, "erin", carol_password, "4").error_code,
            broker_error::sasl_authentication_failed);
  EXPECT_THAT(listed(), ElementsAre("bob 1 4096", "carol 2 4096", "erin 1 4096", "erin 2 8192"));
}

TEST_F(ScramUsers, OfTheFileCauseNoWarningOnceTheyAreStored) {
  (void)listed();
  restart_after_kill();
  EXPECT_EQ(logger.count("info node: the file of SCRAM users is for the first start"), 1u);
  EXPECT_EQ(logger.count("warning"), 0u);
}

TEST_F(ScramUsers, OfTheFileAreIgnoredIfUsersWereCreatedBeforeLogins) {
  settings.security.authenticates = false;
  const auto of_the_file = std::exchange(settings.security.first_scram_users, {});
  Alter request;
  request.upsertions = {upsertion("erin", carol_password)};
  EXPECT_EQ(ask(request, 0).results.at(0).error_code, 0);
  settings.security.authenticates = true;
  settings.security.first_scram_users = of_the_file;
  restart_after_kill();
  EXPECT_EQ(logger.count("warning node: the file of SCRAM users is for the first start and was not "
                         "taken: /data/dohle-users has 1 already"),
            1u);
  EXPECT_EQ(logger.count("2 of the file are not among them and cannot log in"), 1u);
  EXPECT_THAT(listed(), ElementsAre("erin 1 4096"));
}

TEST_F(ScramUsers, OfMechanismsThatAreNotOfferedCauseAWarningAtTheStart) {
  settings.security.mechanisms = {SaslMechanism::scram_sha_512};
  (void)node();
  EXPECT_EQ(logger.count("warning node: 1 users of PLAIN cannot log in by it"), 1u);
  EXPECT_EQ(logger.count("warning node: 1 users of SCRAM-SHA-256 cannot log in by it"), 1u);
  EXPECT_EQ(logger.count("SCRAM-SHA-512 cannot log in"), 0u);
}

TEST_F(ScramUsers, OfTheFileAreIgnoredAfterAStartWithoutUsersWhichNamesTheRemedies) {
  const auto of_plain = std::exchange(settings.security.plain_users, {});
  const auto of_the_file = std::exchange(settings.security.first_scram_users, {});
  const std::string warning =
      "warning node: no client can log in: there is neither a user of PLAIN nor one of SCRAM; stop "
      "the node, and start it with --plain-user-file, or move /data/dohle-users away and start it "
      "with --scram-user-file";
  (void)node();
  EXPECT_EQ(logger.count(warning), 1u);
  settings.security.first_scram_users = of_the_file;
  restart_after_kill();
  EXPECT_EQ(logger.count("was not taken: /data/dohle-users has 0 already"), 1u);
  EXPECT_EQ(logger.count(warning), 2u);
  // Each way out.
  settings.security.plain_users = of_plain;
  restart_after_kill();
  EXPECT_THAT(listed(), ElementsAre());
  settings.security.plain_users.clear();
  node().kill();
  world.machine("node").start("editor", [](sim::Process& self) {
    EXPECT_TRUE(self.disk().remove("/data/dohle-users"));
    return std::make_shared<int>();
  });
  world.run_for(1ms);
  restart_after_kill();
  EXPECT_EQ(log_in_scram(sha256, "bob", bob_password).error_code, 0);
  EXPECT_EQ(logger.count(warning), 2u);
}

TEST_F(ScramUsers, ThatAreAbsentAtTheFirstStartAreReportedBesideThoseOfPlain) {
  settings.security.first_scram_users.clear();
  (void)node();
  EXPECT_EQ(logger.count("info node: /data/dohle-users begins without SCRAM users; a later start "
                         "does not take --scram-user-file, and `dohle user create` adds users"),
            1u);
  restart_after_kill();
  EXPECT_EQ(logger.count("begins without SCRAM users"), 1u);
  EXPECT_EQ(logger.count("warning"), 0u);
}

// Decoys of the names 0, 1, … and how many of them have each form.
class Decoys : public LoginWorld {
 protected:
  using Forms = std::map<auth::VerifierForm, int>;

  static UserEntry user_with(std::string name, auth::VerifierForm form) {
    auto verifier = auth::make_decoy(form, "of a test", name);
    return {std::move(name), form.digest, std::move(verifier)};
  }
  std::vector<auth::VerifierForm> forms(SaslMechanism mechanism) {
    (void)node();
    std::vector<auth::VerifierForm> all;
    for (int i = 0; i < names; ++i) {
      const auto [digest, verifier] =
          running().engine.part<Users>().find(mechanism, "nobody" + std::to_string(i));
      all.push_back({digest, verifier.iterations, auth::form_of_salt(verifier.salt)});
    }
    return all;
  }
  static Forms counted(const std::vector<auth::VerifierForm>& all) {
    Forms forms;
    for (const auto& each : all) ++forms[each];
    return forms;
  }
  static constexpr int names = 400;
  static constexpr auth::VerifierForm java{sha512, 4'096, {0}}, ours{sha512, 8'192, {16}},
      short_work{sha256, 4'096, {16}}, long_work{sha512, 16'384, {16}};
};

TEST_F(Decoys, HaveTheFormsOfExistingUsersInTheSameProportions) {
  settings.security.first_scram_users.clear();
  for (int i = 0; i < 9; ++i) {
    settings.security.first_scram_users.push_back(
        user_with("user" + std::to_string(i), i < 6 ? java : ours));
  }
  const Forms found = counted(forms(SaslMechanism::scram_sha_512));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_NEAR(found.at(java), names * 2 / 3, 60);
  EXPECT_NEAR(found.at(ours), names / 3, 60);
  // No user has this mechanism.
  EXPECT_THAT(counted(forms(SaslMechanism::scram_sha_256)),
              ElementsAre(testing::Pair(auth::VerifierForm{.digest = sha256}, names)));
}

TEST_F(Decoys, StayTheSameAfterARestartAndMostlyWithAnotherUser) {
  settings.security.first_scram_users.clear();
  for (int i = 0; i < 9; ++i) {
    settings.security.first_scram_users.push_back(user_with("user" + std::to_string(i), java));
  }
  const auto before = forms(SaslMechanism::scram_sha_512);
  restart_after_kill();
  EXPECT_EQ(forms(SaslMechanism::scram_sha_512), before);
  running().engine.part<Users>().set(user_with("another", ours), [](Result<void>) {});
  world.run_for(100ms);
  const auto after = forms(SaslMechanism::scram_sha_512);
  int changed = 0;
  for (std::size_t i = 0; i < before.size(); ++i) changed += before[i] == after[i] ? 0 : 1;
  EXPECT_NEAR(changed, names / 10, 25);
}

TEST_F(Decoys, OfPlainCostTheWorkOfExistingUsers) {
  settings.security.plain_users.clear();
  for (int i = 0; i < 4; ++i) {
    settings.security.plain_users.push_back(
        user_with("user" + std::to_string(i), i % 2 == 0 ? short_work : long_work));
  }
  const Forms found = counted(forms(SaslMechanism::plain));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_NEAR(found.at(short_work), names / 2, 60);
  EXPECT_NEAR(found.at(long_work), names / 2, 60);
}

TEST_F(ScramUsers, UseANewPasswordAtOnce) {
  EXPECT_EQ(code_of(set(upsertion("bob", carol_password))), 0);
  EXPECT_EQ(log_in_scram(sha256, "bob", bob_password, "1").error_code,
            broker_error::sasl_authentication_failed);
  EXPECT_EQ(log_in_scram(sha256, "bob", carol_password, "2").error_code, 0);
}

TEST_F(ScramUsers, AreRefusedWithTheCodesOfApacheKafka) {
  const auto refused = [&](const Alter::ScramCredentialUpsertion& user) {
    const auto answer = set(user);
    const auto& result = answer.results.at(0);
    return std::to_string(result.error_code) + " " + result.error_message.value_or("null");
  };
  EXPECT_EQ(refused(upsertion("", bob_password)), "93 Username must not be empty");
  EXPECT_EQ(refused(upsertion("x", bob_password, sha256, 4'095)), "93 Too few iterations");
  EXPECT_EQ(refused(upsertion("x", bob_password, sha256, 16'385)), "93 Too many iterations");
  EXPECT_EQ(refused(upsertion("x", bob_password, sha256, -1)), "93 Too few iterations");
  EXPECT_EQ(refused(upsertion("x", bob_password, sha256, 16'384)), "0 null");
  auto unknown = upsertion("x", bob_password);
  unknown.mechanism = 3;
  EXPECT_EQ(refused(unknown), "33 Unknown SCRAM mechanism");
  auto without_salt = upsertion("x", bob_password);
  without_salt.salt = Slice();
  EXPECT_THAT(refused(without_salt), HasSubstr("93 The salt"));
  for (const std::size_t size : {0u, 31u, 33u, 64u, 100'000u}) {
    auto user = upsertion("x", bob_password);
    user.salted_password = Slice::copy_of(std::string(size, 'x'));
    EXPECT_THAT(refused(user), HasSubstr("93 The salted password has ")) << size;
  }
  EXPECT_THAT(refused(upsertion("n\xc3\xb6", bob_password)), HasSubstr("93 "));
  Alter request;
  request.deletions.push_back(deletion("nobody"));
  const auto answer = as_alice(request);
  EXPECT_EQ(answer.results.at(0).error_code, 91);
  EXPECT_EQ(answer.results.at(0).error_message,
            "Attempt to delete a user credential that does not exist");
}

TEST_F(ScramUsers, AreChangedOnceInARequest) {
  Alter request;
  request.deletions = {deletion("bob"), deletion("carol", sha512)};
  request.upsertions = {upsertion("bob", carol_password), upsertion("erin", carol_password)};
  std::map<std::string, int> codes;
  for (const auto& result : as_alice(request).results) codes[result.user] = result.error_code;
  EXPECT_EQ(codes, (std::map<std::string, int>{{"bob", 92}, {"carol", 0}, {"erin", 0}}));
  EXPECT_THAT(listed(), ElementsAre("bob 1 4096", "erin 1 4096"));
}

TEST_F(ScramUsers, AreDescribedByNameWithTheCodesOfApacheKafka) {
  Describe request;
  for (const auto name : {"bob", "nobody", "carol", "carol"}) request.users->push_back({name});
  const auto answer = as_alice(request);
  EXPECT_EQ(answer.error_code, 0);
  std::map<std::string, std::string> results;
  for (const auto& each : answer.results) {
    results[each.user] =
        std::to_string(each.error_code) + " " + each.error_message.value_or("null");
  }
  EXPECT_EQ(results["bob"], "0 null");
  EXPECT_EQ(results["nobody"],
            "91 Attempt to describe a user credential that does not exist: nobody");
  EXPECT_EQ(results["carol"],
            "92 Cannot describe SCRAM credentials for the same user twice in a single request: "
            "carol");
}

TEST_F(ScramUsers, AreNeitherShownToNorChangedByClientsThatHaveNotLoggedIn) {
  const auto described = ask(Describe{}, 0, "stranger");
  EXPECT_EQ(described.error_code, broker_error::cluster_authorization_failed);
  EXPECT_TRUE(described.results.empty());
  Alter request;
  request.upsertions = {upsertion("mallory", carol_password)};
  request.deletions = {deletion("bob")};
  const auto altered = ask(request, 0, "stranger");
  ASSERT_EQ(altered.results.size(), 2u);
  for (const auto& each : altered.results) {
    EXPECT_EQ(each.error_code, broker_error::cluster_authorization_failed);
  }
  EXPECT_THAT(listed(), ElementsAre("bob 1 4096", "carol 2 4096"));
}

TEST_F(ScramUsers, AreStoredByANodeWithoutLoginsToo) {
  settings.security.authenticates = false;
  settings.security.first_scram_users.clear();
  EXPECT_TRUE(ask(Describe{}, 0).results.empty());
  Alter request;
  request.upsertions = {upsertion("erin", carol_password)};
  EXPECT_EQ(ask(request, 0).results.at(0).error_code, 0);
  restart_after_kill();
  ASSERT_EQ(ask(Describe{}, 0).results.size(), 1u);
  EXPECT_EQ(ask(Describe{}, 0).results.at(0).user, "erin");
}

TEST_F(ScramUsers, ChangeInTheOrderOfTheRequestsOfAConnection) {
  (void)listed();
  Alter set_erin, remove_erin;
  set_erin.upsertions = {upsertion("erin", carol_password)};
  remove_erin.deletions = {deletion("erin")};
  const auto set = send(set_erin, 0, "alice");
  const auto removed = send(remove_erin, 0, "alice");
  EXPECT_EQ(wait<Alter>(set).results.at(0).error_code, 0);
  EXPECT_EQ(wait<Alter>(removed).results.at(0).error_code, 0);
  EXPECT_THAT(listed(), ElementsAre("bob 1 4096", "carol 2 4096"));
}

TEST_F(ScramUsers, AreBoundedInOneRequest) {
  Alter request;
  for (int i = 0; i < 1'001; ++i) request.deletions.push_back(deletion("u" + std::to_string(i)));
  const auto answer = as_alice(request);
  ASSERT_EQ(answer.results.size(), 1'001u);
  EXPECT_EQ(answer.results[0].error_code, broker_error::invalid_request);
  EXPECT_THAT(*answer.results[0].error_message, HasSubstr("max_users_per_request"));
  Describe describe;
  for (int i = 0; i < 1'001; ++i) describe.users->push_back({"u" + std::to_string(i)});
  EXPECT_EQ(as_alice(describe).error_code, broker_error::invalid_request);
}

TEST_F(ScramUsers, AreBoundedAlsoWhileManyAreAddedAtATime) {
  settings.security.authenticates = false;
  settings.security.first_scram_users.clear();
  constexpr std::size_t free = 5;
  auto next = upsertion("", bob_password);
  const auto request_of = [&](const std::string& prefix, std::size_t users) {
    Alter request;
    for (std::size_t i = 0; i < users; ++i) {
      next.name = prefix + std::to_string(i);
      request.upsertions.push_back(next);
    }
    return request;
  };
  for (std::size_t there = 0; there < limits::max_scram_users - free;) {
    const std::size_t users =
        std::min(limits::max_users_per_request, limits::max_scram_users - free - there);
    (void)ask(request_of("user" + std::to_string(there) + " ", users), 0);
    there += users;
  }
  const auto one = send(request_of("a", free), 0, "one");
  const auto other = send(request_of("b", free), 0, "other");
  std::size_t added = 0, refused = 0;
  for (const auto& answer : {wait<Alter>(one), wait<Alter>(other)}) {
    for (const auto& each : answer.results) {
      added += each.error_code == 0 ? 1 : 0;
      refused += each.error_code == broker_error::policy_violation ? 1 : 0;
    }
  }
  EXPECT_EQ(added, free);
  EXPECT_EQ(refused, free);
  EXPECT_EQ(ask(Describe{}, 0).results.size(), limits::max_scram_users);
}

// Damage of their file after each kind of end.
enum class End : std::uint8_t { clean_stop, kill, kill_before_logins, power_loss };

struct FileDamage {
  const char* name;
  /// Makes the changed text. None if the file is missing.
  std::function<std::optional<std::string>(std::string)> make;
};

class DamagedUsers : public ScramUsers, public testing::WithParamInterface<End> {
 protected:
  /// Stores some users and ends the node. Settings of the first start do not hold for later ones.
  void fill_and_end() {
    if (GetParam() == End::kill_before_logins) {
      settings.security.authenticates = false;
      settings.security.first_scram_users.clear();
      Alter request;
      request.upsertions = {upsertion("erin", carol_password), upsertion("frank", bob_password)};
      for (const auto& each : ask(request, 0).results) EXPECT_EQ(each.error_code, 0);
    } else {
      EXPECT_EQ(code_of(set(upsertion("erin", carol_password))), 0);
      EXPECT_EQ(code_of(set(upsertion("frank", bob_password))), 0);
    }
    settings.security.first_scram_users.clear();
    if (GetParam() == End::clean_stop) {
      EXPECT_TRUE(stop_cleanly());
    }
    node().kill();
    if (GetParam() == End::power_loss) {
      world.machine("node").lose_power();
      world.run_for(10ms);
      world.machine("node").power_on();
    }
    forget_clients();
    text_ = world.machine("node").disk().contents(path).value_or("");
    EXPECT_THAT(text_, HasSubstr("scram-user"));
  }
  void write(const std::optional<std::string>& text) {
    world.machine("node").start("editor " + std::to_string(++edits_), [&](sim::Process& self) {
      if (!text) {
        EXPECT_TRUE(self.disk().remove(path));
      } else {
        const auto file = *self.disk().open(path, OpenMode::truncate);
        const Bytes bytes = as_bytes(*text);
        EXPECT_TRUE(file->write(0, {&bytes, 1}));
      }
      return std::make_shared<int>();
    });
    world.run_for(1ms);
  }
  const Result<void>& start_again() {
    node().restart();
    world.run_for(200ms);
    return running().started;
  }

  const std::string path = "/data/dohle-users";
  std::string text_;

 private:
  int edits_ = 0;
};

std::size_t start_of_last_line(const std::string& text) {
  return text.rfind('\n', text.size() - 2) + 1;
}

std::vector<FileDamage> file_damages() {
  const auto flipped = [](std::string text, std::size_t at) {
    text[at] = static_cast<char>(text[at] ^ 4);
    return text;
  };
  return {{"missing", [](const std::string&) { return std::nullopt; }},
          {"empty", [](const std::string&) { return ""; }},
          {"cut before its last line",
           [](const std::string& text) { return text.substr(0, start_of_last_line(text)); }},
          {"cut within its last line",
           [](const std::string& text) { return text.substr(0, text.size() - 10); }},
          {"without its last byte",
           [](const std::string& text) { return text.substr(0, text.size() - 1); }},
          {"zeros for its last line",
           [](const std::string& text) {
             const std::size_t begin = start_of_last_line(text);
             return text.substr(0, begin) + std::string(text.size() - begin, '\0');
           }},
          {"a bit flipped in its first line",
           [=](const std::string& text) { return flipped(text, 30); }},
          {"a bit flipped in its last line",
           [=](const std::string& text) { return flipped(text, text.size() - 10); }},
          {"its last newline flipped",
           [=](const std::string& text) { return flipped(text, text.size() - 1); }}};
}

TEST_P(DamagedUsers, AreRefusedUntilTheirFileIsRestored) {
  fill_and_end();
  const bool is_size_known = GetParam() != End::power_loss;
  for (const FileDamage& damage : file_damages()) {
    const auto damaged = damage.make(text_);
    // After a power loss only the missing and the empty file are distinguished from a torn write.
    if (!is_size_known && damaged && !damaged->empty()) continue;
    write(damaged);
    const Result<void>& started = start_again();
    EXPECT_FALSE(started.has_value()) << damage.name;
    if (started) return;
    EXPECT_TRUE(started.error().is(Errc::damaged)) << damage.name;
    EXPECT_THAT(std::string(started.error().message()), HasSubstr("dohle-users: ")) << damage.name;
    EXPECT_THAT(std::string(started.error().message()),
                HasSubstr("restore it from a copy; or, if there is none, move it away and start "
                          "with --scram-user-file"));
    node().kill();
    write(text_);
  }
  ASSERT_TRUE(start_again().has_value()) << running().started.error().to_string();
  if (!settings.security.authenticates) {
    EXPECT_EQ(ask(Describe{}, 0).results.size(), 2u);
  } else {
    EXPECT_THAT(listed(), ElementsAre("bob 1 4096", "carol 2 4096", "erin 1 4096", "frank 1 4096"));
  }
}

TEST_P(DamagedUsers, AreStoredAgainWithALineOnceTheirFileIsMovedAway) {
  fill_and_end();
  write(std::nullopt);
  settings.security.authenticates = true;
  settings.security.first_scram_users = {user_entry("bob", bob_password, auth::Digest::sha256)};
  ASSERT_TRUE(start_again().has_value()) << running().started.error().to_string();
  EXPECT_EQ(logger.count("warning node: /data/dohle-users is missing: the users of the file of "
                         "SCRAM users are stored anew"),
            1u);
  EXPECT_THAT(listed(), ElementsAre("bob 1 4096"));
}

class UsersBegunAnew : public DamagedUsers {};

TEST_P(UsersBegunAnew, AreStoredDespiteKillsDuringThatStart) {
  fill_and_end();
  write(std::nullopt);
  settings.security.authenticates = true;
  settings.security.first_scram_users = {user_entry("bob", bob_password, auth::Digest::sha256)};
  for (unsigned change = 1; change <= 8; ++change) {
    world.machine("node").disk().after_change(change, sim::SimDisk::Change::any,
                                              [this] { node().kill(); });
    node().restart();
    world.run_for(200ms);
    world.machine("node").disk().after_change(0, sim::SimDisk::Change::any, {});
  }
  ASSERT_TRUE(start_again().has_value()) << running().started.error().to_string();
  EXPECT_THAT(listed(), ElementsAre("bob 1 4096"));
}

std::string name_of(const testing::TestParamInfo<End>& end) {
  constexpr const char* names[] = {"a_clean_stop", "a_kill", "a_kill_before_logins",
                                   "a_power_loss"};
  return names[static_cast<int>(end.param)];
}
INSTANTIATE_TEST_SUITE_P(After, DamagedUsers,
                         testing::Values(End::clean_stop, End::kill, End::kill_before_logins,
                                         End::power_loss),
                         name_of);
INSTANTIATE_TEST_SUITE_P(After, UsersBegunAnew,
                         testing::Values(End::clean_stop, End::kill, End::kill_before_logins),
                         name_of);

TEST_F(ScramUsers, OfATornLastChangeAreDroppedWithALine) {
  (void)listed();
  node().kill();
  forget_clients();
  world.machine("node").start("editor", [&](sim::Process& self) {
    const auto file = *self.disk().open("/data/dohle-users", OpenMode::read_write);
    const Bytes torn = as_bytes(std::string_view("0123abcd 0.2.0-dev 4 3 scram-us"));
    EXPECT_TRUE(file->write(file->size(), {&torn, 1}));
    return std::make_shared<int>();
  });
  world.run_for(1ms);
  restart_after_kill();
  EXPECT_EQ(logger.count("warning node: /data/dohle-users: dropped 31 bytes of an unacknowledged "
                         "last change"),
            1u);
  EXPECT_THAT(listed(), ElementsAre("bob 1 4096", "carol 2 4096"));
}

// Kills and power losses while users are changed: a change that was answered holds, any other was
// made as a whole or not at all, with salt, keys and iterations of one request.
class ChangedUsers : public ScramUsers {
 public:
  void play(Random& random) {
    for (int round = 0; round < 12 && !HasFailure(); ++round) {
      for (int i = 0; i < 5; ++i) change(random);
      world.run_for(Duration(static_cast<Duration::rep>(random.below(8'000'000))));
      random.below(2) == 0 ? restart_after_kill() : restart_after_power_loss();
      waiting_.clear();
      check();
    }
  }
  void TestBody() override {}

 private:
  void change(Random& random) {
    const std::string name = "user" + std::to_string(random.below(4));
    Alter request;
    const auto iterations = static_cast<std::int32_t>(4'096 + random.below(1'000));
    const bool is_deleted = random.below(3) == 0;
    if (is_deleted) {
      request.deletions.push_back(deletion(name));
    } else {
      request.upsertions.push_back({name, 1, iterations, Slice::copy_of(salt_with(iterations)),
                                    Slice::copy_of(salted_with(iterations))});
    }
    if (known_client("alice") == nullptr || client_is_closed("alice")) {
      EXPECT_EQ(log_in_plain("alice", alice_password, "alice").error_code, 0);
    }
    // Earlier changes have an outcome in half of the cases.
    auto answer = send(request, 0, "alice");
    possible_[name].insert(is_deleted ? 0 : iterations);
    if (random.below(2) == 0) return waiting_.push_back(answer);
    const auto outcome = wait<Alter>(answer).results.at(0).error_code;
    const bool was_absent = is_deleted && outcome == broker_error::resource_not_found;
    EXPECT_TRUE(outcome == 0 || was_absent) << outcome;
    // Changes take effect in the order of the requests.
    possible_[name] = {is_deleted ? 0 : iterations};
  }
  static std::string salt_with(std::int32_t iterations) {
    return "salt " + std::to_string(iterations);
  }
  static std::string salted_with(std::int32_t iterations) {
    return auth::hash(sha256, std::to_string(iterations));
  }
  void expect_whole(const std::string& name, std::int32_t iterations) {
    const auto rounds = static_cast<std::uint32_t>(iterations);
    const auto wanted =
        auth::make_verifier(sha256, auth::keys_of_salted(sha256, salted_with(iterations)),
                            salt_with(iterations), rounds);
    const auto stored = running().engine.part<Users>().find(SaslMechanism::scram_sha_256, name);
    EXPECT_EQ(stored.verifier, wanted) << name << " is a mixture";
  }
  void check() {
    std::map<std::string, std::int32_t> found;
    for (const auto& user : as_alice(Describe{}).results) {
      for (const auto& each : user.credential_infos) {
        if (each.mechanism != 1) continue;
        found[user.user] = each.iterations;
        if (user.user.starts_with("user")) expect_whole(user.user, each.iterations);
      }
    }
    for (auto& [name, values] : possible_) {
      const std::int32_t now = found.contains(name) ? found[name] : 0;
      EXPECT_TRUE(values.contains(now)) << name << " has " << now;
      values = {now};
    }
  }

  std::map<std::string, std::set<std::int32_t>> possible_ = {
      {"user0", {0}}, {"user1", {0}}, {"user2", {0}}, {"user3", {0}}};
  std::vector<Awaited<Alter>> waiting_;
};

TEST(ScramUsersRandom, AgreeWithTheAnswersAfterKillsAndPowerLosses) {
  test::play_seeds(25, [](Random& random) { ChangedUsers().play(random); });
}

}  // namespace
}  // namespace dohle::node
