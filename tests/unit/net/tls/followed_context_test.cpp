// Certificates that are replaced while a client runs.
#include "net/tls/followed_context.hpp"

#include <gmock/gmock.h>

#include "scratch_directory.hpp"
#include "tls_pair.hpp"

namespace dohle::net {
namespace {

using testing::HasSubstr;

class FollowedContextTest : public testing::Test {
 protected:
  std::string write(const std::string& name, std::string_view bytes) const {
    return folder.write(name, bytes);
  }
  std::unique_ptr<FollowedContext> open(const TlsOptions& options) {
    auto opened = FollowedContext::open(
        options,
        function_logger(LogLevel::info, [this](LogLevel level, std::string_view /*subject*/,
                                               std::string_view line) {
          logged +=
              std::string(level == LogLevel::warning ? "W " : "I ") + std::string(line) + "\n";
        }));
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    return std::move(*opened);
  }
  /// The context of the next connection.
  TlsContext next(FollowedContext& followed) {
    std::optional<TlsContext> got;
    followed.next(loop, workers, [&](const TlsContext& context) { got = context; });
    while (loop.turn()) {
    }
    EXPECT_TRUE(got.has_value());
    return got.value();
  }
  /// Whether a client with this context accepts a server of `authority`.
  static bool trusts(const TlsContext& context, const Made& authority) {
    const Made own = make({.issuer = &authority});
    const auto server = TlsContext::server(
        {.identity = {.certificate_pem = own.certificate_pem(), .key_pem = Secret(own.key_pem())}});
    TlsPair pair;
    pair.begin(context, server.value());
    return pair.client.is_open && !pair.client.lost;
  }

  const ScratchDirectory folder;
  const Made one = make({.name = "one", .is_authority = true});
  const Made other = make({.name = "other", .is_authority = true});
  frames::HandLoop loop;
  LaterWorkers workers;
  std::string logged;
};

TEST_F(FollowedContextTest, a_file_that_cannot_be_used_fails_at_once_with_its_name) {
  const auto opened = FollowedContext::open({.trust = {.ca_file = "/none/ca.pem"}});
  ASSERT_FALSE(opened.has_value());
  EXPECT_THAT(std::string(opened.error().message()), HasSubstr("/none/ca.pem"));
}

TEST_F(FollowedContextTest, a_replaced_file_applies_to_the_next_connection) {
  const std::string path = write("ca.pem", one.certificate_pem());
  const auto followed = open({.trust = {.ca_file = path}});
  EXPECT_TRUE(trusts(next(*followed), one));
  write("ca.pem", other.certificate_pem());
  const TlsContext fresh = next(*followed);
  EXPECT_TRUE(trusts(fresh, other));
  EXPECT_FALSE(trusts(fresh, one));
  EXPECT_THAT(logged, HasSubstr("I TLS: changed files were read again"));
}

TEST_F(FollowedContextTest, a_key_that_others_may_read_is_warned_of_at_each_reading) {
  const std::string path = write("own.pem", one.certificate_pem() + one.key_pem());
  std::filesystem::permissions(path, std::filesystem::perms(0644));
  const auto followed = open({.identity = {.certificate_file = path}});
  EXPECT_THAT(logged, HasSubstr("W TLS: certificate file '" + path + "' holds a private key"));
  logged.clear();
  next(*followed);
  EXPECT_EQ(logged, "");
  write("own.pem", other.certificate_pem() + other.key_pem());
  std::filesystem::permissions(path, std::filesystem::perms(0646));
  next(*followed);
  EXPECT_THAT(logged, HasSubstr("its mode 0646 gives other users rights on it"));
}

TEST_F(FollowedContextTest,
       a_changed_file_that_cannot_be_read_keeps_the_former_and_is_reported_once) {
  const std::string path = write("ca.pem", one.certificate_pem());
  const auto followed = open({.trust = {.ca_file = path}});
  write("ca.pem", "nonsense");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(trusts(next(*followed), one));
  EXPECT_THAT(logged, HasSubstr("W "));
  EXPECT_THAT(logged, HasSubstr(path));
  EXPECT_EQ(std::ranges::count(logged, '\n'), 1) << logged;
  write("ca.pem", other.certificate_pem());
  EXPECT_TRUE(trusts(next(*followed), other));
}

TEST_F(FollowedContextTest, connections_that_begin_while_a_worker_looks_wait_for_it) {
  const auto followed = open({.trust = {.ca_file = write("ca.pem", one.certificate_pem())}});
  int uses = 0;
  for (int i = 0; i < 3; ++i) followed->next(loop, workers, [&](const TlsContext&) { ++uses; });
  EXPECT_EQ(uses, 0);
  while (loop.turn()) {
  }
  EXPECT_EQ(uses, 3);
  EXPECT_EQ(workers.jobs, 1);
}

TEST_F(FollowedContextTest, nothing_is_used_after_its_destruction) {
  auto followed = open({.trust = {.ca_file = write("ca.pem", one.certificate_pem())}});
  int uses = 0;
  followed->next(loop, workers, [&](const TlsContext&) { ++uses; });
  followed.reset();
  while (loop.turn()) {
  }
  EXPECT_EQ(uses, 0);
}

TEST_F(FollowedContextTest, options_without_files_need_no_look) {
  const auto followed = open({.trust = {.ca_pem = one.certificate_pem()}});
  EXPECT_TRUE(trusts(next(*followed), one));
  EXPECT_EQ(workers.jobs, 0);
}

}  // namespace
}  // namespace dohle::net
