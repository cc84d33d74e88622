#include "auth/sasl_client.hpp"

#include <gtest/gtest.h>

#include "auth/plain.hpp"

namespace dohle::auth {
namespace {

constexpr std::string_view password = "pencil, with = and \xc3\xa4";

SaslOptions login_by(SaslMechanism mechanism) {
  return {mechanism, "alice", Secret(password)};
}

SaslClient::NeedKeys needed(Result<SaslClient::Step> step) {
  return std::get<SaslClient::NeedKeys>(step.value());
}

/// A server that knows alice.
class Server {
 public:
  explicit Server(Digest digest) : scram_(digest, "servernonce") {
    const std::string salt = "sixteen bytes ..";
    verifier_ = make_verifier(digest, derive_keys(digest, password, salt, 4'096), salt, 4'096);
  }

  std::string on_first(std::string_view message) {
    EXPECT_EQ(scram_.on_client_first(message).value(), "alice");
    return scram_.first_message(verifier_);
  }
  std::string on_final(std::string_view message) {
    return scram_.on_client_final(message).value().value();
  }

 private:
  ScramServer scram_;
  ScramVerifier verifier_;
};

class SaslClientWithScram : public testing::TestWithParam<SaslMechanism> {
 protected:
  static Digest digest() {
    return GetParam() == SaslMechanism::scram_sha_512 ? Digest::sha512 : Digest::sha256;
  }
  static ScramKeys keys_for(const SaslClient::NeedKeys& need, std::string_view of) {
    return derive_keys(need.digest, of, need.salt, need.iterations);
  }

  Server server_{digest()};
  SaslClient client_{login_by(GetParam()), "clientnonce"};
};

TEST_P(SaslClientWithScram, LogsInAndVerifiesTheServer) {
  const auto need = needed(client_.on_message(server_.on_first(client_.first_message())));
  EXPECT_EQ(need.digest, digest());
  EXPECT_EQ(need.salt, "sixteen bytes ..");
  const std::string last = server_.on_final(client_.on_keys(keys_for(need, password)));
  EXPECT_TRUE(std::holds_alternative<SaslClient::Done>(client_.on_message(last).value()));
}

TEST_P(SaslClientWithScram, RefusesAServerThatDoesNotKnowThePassword) {
  const auto need = needed(client_.on_message(server_.on_first(client_.first_message())));
  (void)client_.on_keys(keys_for(need, password));
  const Error why = client_.on_message("v=bm90IHRoZSBzaWduYXR1cmU=").error();
  EXPECT_EQ(why.category(), ErrorCategory::auth);
  EXPECT_FALSE(why.is_retriable());
  EXPECT_EQ(why.message().find(password), std::string_view::npos);
}

TEST_P(SaslClientWithScram, RefusesAnEndWithoutAProof) {
  const auto need = needed(client_.on_message(server_.on_first(client_.first_message())));
  (void)client_.on_keys(keys_for(need, password));
  EXPECT_EQ(client_.on_message("").error().category(), ErrorCategory::auth);
}

TEST_P(SaslClientWithScram, RefusesMessagesAfterTheEnd) {
  const auto need = needed(client_.on_message(server_.on_first(client_.first_message())));
  const std::string last = server_.on_final(client_.on_keys(keys_for(need, password)));
  ASSERT_TRUE(client_.on_message(last));
  EXPECT_TRUE(client_.on_message(last).error().is(Errc::login_failed));
}

INSTANTIATE_TEST_SUITE_P(BothDigests, SaslClientWithScram,
                         testing::Values(SaslMechanism::scram_sha_256,
                                         SaslMechanism::scram_sha_512));

TEST(SaslClient, SendsNameAndPasswordUnderPlain) {
  SaslClient client(login_by(SaslMechanism::plain), "unused");
  const PlainLogin sent = read_plain_message(client.first_message()).value();
  EXPECT_EQ(sent.name, "alice");
  EXPECT_EQ(sent.password.reveal(), password);
  EXPECT_TRUE(std::holds_alternative<SaslClient::Done>(client.on_message("").value()));
}

TEST(SaslClient, NamesTheOptionThatItRefuses) {
  const auto refusal = [](SaslOptions login) {
    const auto checked = SaslClient::check(login);
    return checked ? std::string() : std::string(checked.error().message());
  };
  EXPECT_EQ(refusal(login_by(SaslMechanism::plain)), "");
  EXPECT_NE(refusal({SaslMechanism::plain, "", Secret("p")}).find("username"), std::string::npos);
  EXPECT_NE(refusal({SaslMechanism::plain, "alice", {}}).find("password is not set"),
            std::string::npos);
  EXPECT_NE(refusal({SaslMechanism::scram_sha_256, "a\nb", Secret("p")}).find("username"),
            std::string::npos);
  EXPECT_NE(refusal({SaslMechanism::plain, std::string("a\0b", 3), Secret("p")}).find("username"),
            std::string::npos);
  const std::string nul("hidden\0x", 8);
  const std::string why = refusal({SaslMechanism::plain, "alice", Secret(nul)});
  EXPECT_NE(why.find("holds a NUL"), std::string::npos);
  EXPECT_EQ(why.find("hidden"), std::string::npos);
}

TEST(SaslClient, RefusesAPasswordThatIsNotUtf8WithoutShowingIt) {
  using enum SaslMechanism;
  for (const SaslMechanism mechanism : {plain, scram_sha_256, scram_sha_512}) {
    // ISO 8859-1, an overlong form, and a character that is cut off.
    for (const std::string_view bytes : {"hidden\xe4", "hidden\xc0\x80", "hidden\xe2\x82"}) {
      const auto checked = SaslClient::check({mechanism, "alice", Secret(bytes)});
      ASSERT_FALSE(checked.has_value());
      EXPECT_EQ(checked.error().message(), "sasl: password is not UTF-8");
      EXPECT_EQ(checked.error().category(), ErrorCategory::configuration);
    }
    EXPECT_TRUE(SaslClient::check({mechanism, "alice", Secret("p\xc3\xa4ss \xf0\x9f\x94\x91")}));
  }
}

}  // namespace
}  // namespace dohle::auth
