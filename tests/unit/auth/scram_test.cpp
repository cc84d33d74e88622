#include "auth/scram.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/base64.hpp"

namespace dohle::auth {
namespace {

using namespace std::string_literals;

/// One login, computed by other software.
struct Vector {
  Digest digest;
  std::string name, password, client_nonce, server_nonce;
  std::string client_first, server_first, client_final, server_final;
};

// RFC 5802 has one exchange, with SHA-1, which no mechanism here offers: `Digest` has no such
// value, so that no configuration or message can choose it. RFC 7677 repeats that exchange with
// SHA-256.
//
// RFC 7677, section 3.
const Vector rfc_7677{
    Digest::sha256,
    "user",
    "pencil",
    "rOprNGfwEbeRWgbNEkqO",
    "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};
// Computed with hashlib and hmac of Python.
const Vector sha_512{
    Digest::sha512,
    "a,b=c",
    "p\xc3\xa4ssword",
    "clientnonce",
    "servernonce",
    "n,,n=a=2Cb=3Dc,r=clientnonce",
    "r=clientnonceservernonce,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=8192",
    "c=biws,r=clientnonceservernonce,p=QlzIQkjKAsvbuO3dN3aIsv4DbD/doAaQd+x9/"
    "Xe0ENSmY0YNKo7UzhF5gpDCBYxEnK14GeDdtu4CJF57jLGvlQ==",
    "v=f8hsrv5U3B54CLM4POVHIzeqLCSr4ADvSGnQz3D0R7Meh6v/BhSvvijlnUDnl4KxszvsQ3dllg9yNcJNf5bRxw==",
};

class ScramVectors : public testing::TestWithParam<Vector> {};
INSTANTIATE_TEST_SUITE_P(Computed, ScramVectors, testing::Values(rfc_7677, sha_512),
                         [](const auto& info) {
                           return info.param.digest == Digest::sha256 ? "Sha256" : "Sha512";
                         });

ScramVerifier verifier_of(const Vector& vector) {
  ScramClient client(vector.digest, vector.name, vector.client_nonce);
  const auto challenge = client.on_server_first(vector.server_first);
  const auto keys =
      derive_keys(vector.digest, vector.password, challenge->salt, challenge->iterations);
  return make_verifier(vector.digest, keys, challenge->salt, challenge->iterations);
}

TEST_P(ScramVectors, AreTheMessagesThatTheClientSendsAndAccepts) {
  const Vector& vector = GetParam();
  ScramClient client(vector.digest, vector.name, vector.client_nonce);
  EXPECT_EQ(client.first_message(), vector.client_first);
  const auto challenge = client.on_server_first(vector.server_first);
  ASSERT_TRUE(challenge.has_value()) << challenge.error().to_string();
  const auto keys =
      derive_keys(vector.digest, vector.password, challenge->salt, challenge->iterations);
  EXPECT_EQ(client.final_message(keys), vector.client_final);
  EXPECT_TRUE(client.on_server_final(vector.server_final).has_value());
}

TEST_P(ScramVectors, AreTheMessagesThatTheServerAcceptsAndSends) {
  const Vector& vector = GetParam();
  ScramServer server(vector.digest, vector.server_nonce);
  const auto name = server.on_client_first(vector.client_first);
  ASSERT_TRUE(name.has_value()) << name.error().to_string();
  EXPECT_EQ(*name, vector.name);
  EXPECT_EQ(server.first_message(verifier_of(vector)), vector.server_first);
  const auto outcome = server.on_client_final(vector.client_final);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().to_string();
  EXPECT_EQ(*outcome, vector.server_final);
}

// --- the client

class ScramClientTest : public testing::Test {
 protected:
  ScramClient client{Digest::sha256, "user", "rOprNGfwEbeRWgbNEkqO"};
};

TEST_F(ScramClientTest, RefusesFirstMessagesThatAreNotOfThisLogin) {
  const std::string nonce = "r=rOprNGfwEbeRWgbNEkqO";
  for (const std::string& message : {
           ""s,
           "r="s,
           "hello"s,
           nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  // nothing of the server's own
           "r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"s,
           nonce + "x\x01,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
           nonce + "x,s=,i=4096",
           nonce + "x,s=W22Z*,i=4096",
           nonce + "x,i=4096,s=W22ZaJ0SNY7soEsUEjb6gQ==",
           nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==",
           "m=x," + nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
           nonce + std::string(20'000, 'x') + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
       }) {
    const auto challenge = client.on_server_first(message);
    ASSERT_FALSE(challenge.has_value()) << message;
    EXPECT_TRUE(challenge.error().is(Errc::malformed));
  }
}

TEST_F(ScramClientTest, AcceptsIterationsOnlyWithinItsBounds) {
  const auto asked_for = [&](const std::string& iterations) {
    return client.on_server_first("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=" +
                                  iterations);
  };
  for (const char* wrong : {"", "0", "-1", "4095", "1000001", "99999999999", "4096x", " 4096"}) {
    const auto challenge = asked_for(wrong);
    ASSERT_FALSE(challenge.has_value()) << wrong;
    EXPECT_NE(challenge.error().to_string().find("4096 to 1000000"), std::string::npos);
  }
  EXPECT_EQ(asked_for("4096")->iterations, 4'096u);
  EXPECT_EQ(asked_for("1000000")->iterations, 1'000'000u);
}

TEST_F(ScramClientTest, RefusesAServerThatDoesNotKnowTheKeys) {
  const auto challenge = client.on_server_first(rfc_7677.server_first);
  (void)client.final_message(
      derive_keys(Digest::sha256, "pencil", challenge->salt, challenge->iterations));
  for (const std::string& message : {"v=AAriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="s, "v="s,
                                     "v=6rri"s, ""s, "x"s, sha_512.server_final}) {
    EXPECT_FALSE(client.on_server_final(message).has_value()) << message;
  }
  const auto refused = client.on_server_final("e=unknown-user\n");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().to_string().find("unknown-user\\n"), std::string::npos);
}

TEST(ScramName, IsPrintableUtf8) {
  EXPECT_TRUE(ScramClient::check_name("J\xc3\xb6rg,=").has_value());
  for (const std::string& name : {""s, "a\0b"s, "a\xff"s, "a\nb"s}) {
    EXPECT_FALSE(ScramClient::check_name(name).has_value());
  }
}

// --- the server

TEST(ScramServerTest, AcceptsAClientThatSupportsChannelBinding) {
  ScramServer server(Digest::sha256, "nonce");
  EXPECT_TRUE(server.on_client_first("y,,n=user,r=abc").has_value());
  (void)server.first_message(verifier_of(rfc_7677));
  // "eSws" is base64 of "y,,"; the proof is wrong, the message is not.
  const std::string proof = to_base64(std::string(32, '\0'));
  const auto outcome = server.on_client_final("c=eSws,r=abcnonce,p=" + proof);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().to_string();
  EXPECT_FALSE(outcome->has_value());
}

TEST(ScramServerTest, AcceptsTheUsersOwnNameAsAuthorizationId) {
  EXPECT_TRUE(ScramServer(Digest::sha256, "nonce").on_client_first("n,a=user,n=user,r=abc"));
}

TEST(ScramServerTest, RefusesFirstMessagesThatItDoesNotUnderstand) {
  for (const std::string& message : {
           ""s,
           "n"s,
           "n,"s,
           "n,,"s,
           "n,,n=user"s,
           "n,,r=abc"s,
           "x,,n=user,r=abc"s,
           "p=tls-unique,,n=user,r=abc"s,
           "n,a=other,n=user,r=abc"s,
           "n,,m=x,n=user,r=abc"s,
           "n,,n=,r=abc"s,
           "n,,n=us=er,r=abc"s,
           "n,,n=us=2cer,r=abc"s,
           "n,,n=J\xc3\xb6rg,r=abc"s,
           "n,,n=a\0b,r=abc"s,
           "n,,n=user,r="s,
           "n,,n=user,r=a\x7f"s,
           "n,,n=user,r=" + std::string(20'000, 'x'),
       }) {
    ScramServer server(Digest::sha256, "nonce");
    const auto name = server.on_client_first(message);
    ASSERT_FALSE(name.has_value()) << message;
    EXPECT_TRUE(name.error().is(Errc::malformed));
  }
}

class ScramServerFinal : public testing::Test {
 protected:
  ScramServerFinal() {
    EXPECT_TRUE(server.on_client_first(rfc_7677.client_first));
    (void)server.first_message(verifier_of(rfc_7677));
  }
  /// Absent if the message was refused; false if it was understood and the proof is wrong.
  std::optional<bool> take(const std::string& message) {
    const auto outcome = server.on_client_final(message);
    if (!outcome) return std::nullopt;
    return outcome->has_value();
  }
  ScramServer server{Digest::sha256, rfc_7677.server_nonce};
};

TEST_F(ScramServerFinal, RefusesTamperedMessages) {
  const std::string& right = rfc_7677.client_final;
  EXPECT_EQ(take(right), true);
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"c=biws", "c=eSws"},
                                                        {"c=biws", "c="},
                                                        {"c=biws,", ""},
                                                        {"r=rOpr", "r=xOpr"},
                                                        {",p=", ",q="},
                                                        {"NEkqO%", "NEkqO,"},
                                                        {"VQ=", "VQ"},
                                                        {"p=dHzb", "p="}}) {
    std::string message = right;
    message.replace(message.find(from), from.size(), to);
    EXPECT_EQ(take(message), std::nullopt) << message;
  }
}

TEST_F(ScramServerFinal, RefusesEachProofButThatOfThePassword) {
  std::string message = rfc_7677.client_final;
  message[message.find("p=") + 2] = 'e';
  EXPECT_EQ(take(message), false);
}

TEST_F(ScramServerFinal, RefusesAReplayOfAnotherLogin) {
  ScramServer later(Digest::sha256, "anothernonce");
  ASSERT_TRUE(later.on_client_first(rfc_7677.client_first));
  (void)later.first_message(verifier_of(rfc_7677));
  EXPECT_FALSE(later.on_client_final(rfc_7677.client_final).has_value());
}

TEST(Decoy, IsTheSameForOneNameAndMatchesNothing) {
  const VerifierForm form{.digest = Digest::sha256};
  const auto decoy = make_decoy(form, "key", "eve");
  EXPECT_EQ(decoy, make_decoy(form, "key", "eve"));
  EXPECT_NE(decoy.salt, make_decoy(form, "key", "eva").salt);
  EXPECT_NE(decoy.salt, make_decoy(form, "yek", "eve").salt);

  ScramServer server(Digest::sha256, "s");
  ASSERT_TRUE(server.on_client_first("n,,n=eve,r=c"));
  ScramClient client(Digest::sha256, "eve", "c");
  const auto challenge = client.on_server_first(server.first_message(decoy));
  ASSERT_TRUE(challenge.has_value());
  const auto keys = derive_keys(Digest::sha256, "guess", challenge->salt, challenge->iterations);
  const auto outcome = server.on_client_final(client.final_message(keys));
  ASSERT_TRUE(outcome.has_value());
  EXPECT_FALSE(outcome->has_value());
}

TEST(Decoy, HasASaltOfTheFormThatIsAskedFor) {
  for (const std::size_t octets : {1u, 16u, 31u, 33u, 64u, 300u}) {
    const VerifierForm form{Digest::sha256, 8'192, {octets}};
    const auto decoy = make_decoy(form, "key", "eve");
    EXPECT_EQ(decoy.salt.size(), octets);
    EXPECT_EQ(form_of_salt(decoy.salt).octets, octets);
    EXPECT_EQ(decoy.iterations, 8'192u);
    EXPECT_EQ(decoy.stored_key.size(), 32u);
  }
}

// 130 random bits to the base 36, as ScramFormatter of Apache Kafka makes them.
TEST(Decoy, HasASaltInTheFormOfJavasTools) {
  const VerifierForm form{.salt = {0}};
  std::map<std::size_t, int> sizes;
  for (int i = 0; i < 1'000; ++i) {
    const std::string salt = make_decoy(form, "key", "user" + std::to_string(i)).salt;
    ++sizes[salt.size()];
    EXPECT_EQ(form_of_salt(salt), form.salt) << salt;
    // 2^130 is 1k times 36^25.
    if (salt.size() == 26) {
      EXPECT_EQ(salt[0], '1');
    }
    EXPECT_NE(salt[0], '0');
  }
  EXPECT_NEAR(sizes[25], 580, 80);
  EXPECT_NEAR(sizes[26], 405, 80);
}

TEST(SaltForm, DistinguishesSaltsOfJavaFromOthers) {
  EXPECT_EQ(form_of_salt("1vbyekehjm9ot1l6jjahu5x3rh").octets, 0u);
  EXPECT_EQ(form_of_salt("1vbyekehjm9ot1l6jjahu5x3rH").octets, 26u);
  EXPECT_EQ(form_of_salt("salt of bob").octets, 11u);
}

}  // namespace
}  // namespace dohle::auth
