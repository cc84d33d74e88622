#include <gtest/gtest.h>

#include <string>

#include "unit/shown_secret.hpp"
#include "wire/codec.hpp"
#include "wire/messages/alter_user_scram_credentials.hpp"
#include "wire/messages/sasl_authenticate.hpp"

// Messages with passwords: no error about them shows one.

namespace dohle::wire {
namespace {

constexpr std::string_view secret = "correct horse battery";

SaslAuthenticateRequest plain_login() {
  SaslAuthenticateRequest request;
  request.auth_bytes = Slice::copy_of(std::string("\0alice\0", 7) + std::string(secret));
  return request;
}

AlterUserScramCredentialsRequest new_user() {
  AlterUserScramCredentialsRequest request;
  request.upsertions.push_back(
      {"alice", 2, 4096, Slice::copy_of("salt"), Slice::copy_of(std::string(secret))});
  return request;
}

template <class M>
void expect_hidden(const M& message, std::int16_t version) {
  const Slice good = encode(message, version).value().flatten().value();
  std::size_t refused = 0;
  const auto try_bytes = [&](const Slice& bytes) {
    const auto decoded = decode<M>(bytes, version);
    if (decoded) return;
    ++refused;
    EXPECT_EQ(shown_secret(decoded.error().to_string(), secret), "");
  };
  for (std::size_t at = 0; at < good.size(); ++at) {
    try_bytes(good.sub(0, at));
    for (const char wrong : {'\x00', '\x7f', '\xff'}) {
      std::string bytes(good.text());
      bytes[at] = wrong;
      try_bytes(Slice::copy_of(bytes));
    }
  }
  EXPECT_GT(refused, good.size());
}

TEST(SecretFields, AreNotInErrorsOfDamagedMessages) {
  for (std::int16_t version = 0; version <= 2; ++version) expect_hidden(plain_login(), version);
  expect_hidden(new_user(), 0);
}

TEST(SecretFields, AreNotInErrorsOfMessagesThatCannotBeWritten) {
  AlterUserScramCredentialsRequest request = new_user();
  request.upsertions.front().name.assign(40'000, 'a');
  const auto refused = encode(request, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "AlterUserScramCredentialsRequest version 0, field name: string too long");
  const auto unknown = encode(plain_login(), 3);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(shown_secret(unknown.error().to_string(), secret), "");
}

TEST(ShownSecret, IsFoundInEveryForm) {
  EXPECT_EQ(shown_secret("a correct horse battery b", secret), "clear");
  for (const std::string before : {"", "x", "xy", "xyz"}) {
    const std::string bytes = before + std::string(secret) + "end";
    EXPECT_EQ(shown_secret("<" + base64_text(bytes) + ">", secret), "base64") << before;
    EXPECT_EQ(shown_secret("<" + hex_text(bytes) + ">", secret), "hex") << before;
  }
  EXPECT_EQ(shown_secret("636F727265637420686F7273652062617474657279", secret), "hex");
  EXPECT_EQ(shown_secret("another text", secret), "");
}

}  // namespace
}  // namespace dohle::wire
