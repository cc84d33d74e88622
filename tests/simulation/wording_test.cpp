#include "simulation/wording.hpp"

#include <gtest/gtest.h>

#include <string>

#include "unit/shown_secret.hpp"
#include "wire/messages/alter_user_scram_credentials.hpp"
#include "wire/messages/sasl_authenticate.hpp"
#include "wire/messages/sasl_handshake.hpp"

namespace dohle::simulation {
namespace {

constexpr std::string_view secret = "correct horse battery";

Slice without_length(const Chain& frame) {
  return frame.flatten().value().sub(4);
}

std::string wording(const Slice& request, const Slice& answer = {}) {
  Wording words;
  std::string text = words.of({1, "client", "node", false, request});
  if (!answer.empty()) text += "\n" + words.of({1, "client", "node", true, answer});
  return text;
}

TEST(Wording, ShowsSaslTokensBySizeOnly) {
  for (std::int16_t version = 0; version <= 2; ++version) {
    wire::SaslAuthenticateRequest request;
    request.auth_bytes = Slice::copy_of(std::string("\0alice\0", 7) + std::string(secret));
    wire::SaslAuthenticateResponse response;
    response.auth_bytes = Slice::copy_of(std::string(secret));
    const std::string text =
        wording(without_length(wire::encode_request(7, "client", request, version).value()),
                without_length(wire::encode_response(7, response, version).value()));
    EXPECT_EQ(text,
              "SaslAuthenticate #7 authBytes 28 bytes\n"
              "SaslAuthenticate #7 answered authBytes 21 bytes");
    EXPECT_EQ(shown_secret(text, secret), "");
  }
}

TEST(Wording, ShowsSaltedPasswordsBySizeOnly) {
  wire::AlterUserScramCredentialsRequest request;
  request.upsertions.push_back(
      {"alice", 2, 4096, Slice::copy_of(std::string(secret)), Slice::copy_of(std::string(secret))});
  const std::string text =
      wording(without_length(wire::encode_request(7, "client", request, 0).value()));
  EXPECT_EQ(text,
            "AlterUserScramCredentials #7 upsertions [{name alice, mechanism 2, iterations 4096, "
            "salt 21 bytes, saltedPassword 21 bytes}]");
  EXPECT_EQ(shown_secret(text, secret), "");
}

TEST(Wording, DoesNotShowTokensWithoutHeaders) {
  for (const std::string& token :
       {std::string("\0alice\0", 7) + std::string(secret),
        std::string("\0\x24\0\0\0\0\0\7\0\x15", 10) + std::string(secret)}) {
    EXPECT_EQ(shown_secret(wording(Slice::copy_of(token)), secret), "") << token.size();
  }
}

}  // namespace
}  // namespace dohle::simulation
