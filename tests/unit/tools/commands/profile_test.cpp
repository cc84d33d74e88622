#include "tools/commands/profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "unit/shown_secret.hpp"

namespace dohle::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr std::string_view config = R"(
profile = "local"
[profiles.local]
bootstrap.servers = ["127.0.0.1:1", "[::1]:2"]
[profiles.staging]
"bootstrap.servers" = "staging:9092"
linger.ms = 0
check.crcs = false
)";

std::string refusal(std::string_view toml, const std::optional<std::string>& name = {}) {
  const auto read = read_profile(toml, "c.toml", name);
  return read ? std::string() : std::string(read.error().message());
}

TEST(Profile, is_the_given_one_or_else_the_default_of_the_file) {
  const auto own = read_profile(config, "c.toml", std::nullopt);
  ASSERT_TRUE(own.has_value()) << own.error().message();
  EXPECT_THAT(own->values(), ElementsAre(Pair("bootstrap.servers", "127.0.0.1:1,[::1]:2")));
  const auto named = read_profile(config, "c.toml", "staging");
  ASSERT_TRUE(named.has_value()) << named.error().message();
  EXPECT_THAT(named->values(), ElementsAre(Pair("bootstrap.servers", "staging:9092"),
                                           Pair("check.crcs", "false"), Pair("linger.ms", "0")));
  EXPECT_THAT(read_profile("[profiles.a]\nacks = 1", "c.toml", std::nullopt)->values(), IsEmpty());
}

TEST(Profile, is_refused_with_the_file_and_the_fault_in_it) {
  EXPECT_EQ(refusal(config, "lcoal"), "c.toml: there is no profile lcoal; did you mean local?");
  EXPECT_THAT(refusal("a = ["), HasSubstr("c.toml: line 1: "));
  EXPECT_THAT(refusal("brokers = 1"), HasSubstr("c.toml: brokers is not allowed there; allowed"));
  EXPECT_THAT(refusal("profile = 7"), HasSubstr("profile is not allowed there"));
  EXPECT_EQ(refusal("[profiles.a]\nlinger.mss = 1", "a"),
            "c.toml: profile a: there is no property linger.mss; did you mean linger.ms?");
  EXPECT_THAT(refusal("[profiles.a]\nlinger.ms = 1.5", "a"),
              HasSubstr("profile a: linger.ms: a value must be a string"));
}

TEST(Profile, needs_its_file_only_if_a_profile_is_requested) {
  EXPECT_TRUE(load_profile({}, {}, {}).has_value());
  EXPECT_TRUE(load_profile({}, {}, {.home = "/nowhere"}).has_value());
  EXPECT_THAT(
      std::string(load_profile({}, {}, {.profile = "x", .home = "/nowhere"}).error().message()),
      HasSubstr("/nowhere/.config/dohle/config.toml: the file with profile x"));
  EXPECT_THAT(std::string(load_profile({}, {}, {.config = "/nowhere/c"}).error().message()),
              HasSubstr("/nowhere/c: the configuration file cannot be read"));
  EXPECT_THAT(
      std::string(load_profile("/nowhere/d", {}, {.config = "/nowhere/c"}).error().message()),
      HasSubstr("/nowhere/d: "));
  EXPECT_THAT(std::string(load_profile({}, "x", {.config_home = "/xdg"}).error().message()),
              HasSubstr("/xdg/dohle/config.toml"));
}

constexpr std::string_view secret = "correct horse battery";

TEST(Profile, never_shows_a_password_in_an_error) {
  for (const std::string& line :
       {"sasl.password = " + std::string(secret), "sasl.password = \"" + std::string(secret),
        "sasl.password = 1" + std::string(secret),
        "sasl.jaas.config = \"" + std::string(secret) + "\"",
        "sasl.password = 1.5 # " + std::string(secret)}) {
    const std::string message = refusal("[profiles.a]\n" + line + "\n", "a");
    EXPECT_THAT(message, HasSubstr("c.toml: ")) << line;
    EXPECT_EQ(shown_secret(message, secret), "") << line;
  }
  EXPECT_EQ(refusal("[profiles.a]\nsasl.password = hunter2"),
            "c.toml: line 2: this is not TOML; the file has a password or key, so no part of it is "
            "shown");
}

TEST(Profile, with_a_password_has_to_be_in_a_private_file) {
  const std::filesystem::path path = std::filesystem::temp_directory_path() /
                                     ("dohle_profile_test_" + std::to_string(::getpid()) + ".toml");
  std::ofstream(path) << "[profiles.open]\nlinger.ms = 1\n[profiles.secret]\nsasl.password = \""
                      << secret << "\"\n";
  const auto load = [&](const std::string& name) {
    const auto loaded = load_profile(path.string(), name, {});
    return loaded ? std::string("accepted") : std::string(loaded.error().message());
  };
  using std::filesystem::perms;
  std::filesystem::permissions(path, perms::owner_read | perms::owner_write | perms::group_read);
  EXPECT_EQ(load("open"), "accepted");
  EXPECT_EQ(load("secret"), path.string() +
                                " holds a password or key, and its mode 0640 gives other users "
                                "rights on it; run: chmod 600 " +
                                path.string());
  std::filesystem::permissions(path, perms::owner_read | perms::owner_write);
  EXPECT_EQ(load("secret"), "accepted");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace dohle::tools
