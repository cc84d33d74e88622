#include "properties/jaas.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "unit/shown_secret.hpp"

namespace dohle::properties {
namespace {

using testing::HasSubstr;

constexpr std::string_view secret = "correct horse battery";
const std::string plain = "org.apache.kafka.common.security.plain.PlainLoginModule";
const std::string scram = "org.apache.kafka.common.security.scram.ScramLoginModule";

std::string refusal(std::string_view text) {
  const auto login = read_jaas_login(text);
  if (login) return "accepted";
  EXPECT_EQ(login.error().category(), ErrorCategory::configuration);
  EXPECT_EQ(shown_secret(login.error().to_string(), secret), "") << text;
  return std::string(login.error().message());
}

TEST(JaasLogin, HasModuleNameAndPassword) {
  const auto login =
      read_jaas_login(scram + " required username=\"alice\" password=\"a \\\"b\\\\ \\303\";");
  ASSERT_TRUE(login) << login.error().message();
  EXPECT_EQ(login->module, LoginModule::scram);
  EXPECT_EQ(login->username, "alice");
  EXPECT_EQ(login->password.reveal(), "a \"b\\ \xc3\x83");
  const auto other = read_jaas_login(plain + " Required password=p username='b' user_c='d' ;");
  ASSERT_TRUE(other) << other.error().message();
  EXPECT_EQ(other->module, LoginModule::plain);
  EXPECT_EQ(other->username, "b");
  EXPECT_EQ(other->password.reveal(), "p");
}

TEST(JaasLogin, IsRefusedWithThePositionAndTheFault) {
  const std::string begin = plain + " required username='a' ";  // 78 bytes
  ASSERT_EQ(begin.size(), 78U);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "at byte 0: a login module's class is expected"},
      {plain + " needed username='a';",
       "at byte 56: one of required, requisite, sufficient, optional is expected"},
      {begin + "password='b'", "at byte 90: the entry does not end with a semicolon"},
      {begin + "password 'b';", "at byte 87: '=' is expected after an option's name"},
      {begin + "password=;",
       "at byte 87: an option's value is expected; one that begins with a "
       "digit, a point or a special character has to be quoted"},
      {begin + "password=1b;",
       "at byte 87: an option's value is expected; one that begins with a "
       "digit, a point or a special character has to be quoted"},
      {begin + "=b;", "at byte 78: an option's name or the semicolon is expected"},
      {begin + "password='b;", "at byte 87: the quote is not closed on its line"},
      {begin + "password='b\n';", "at byte 87: the quote is not closed on its line"},
      {begin + "username='b';", "at byte 87: an option is given twice"},
      {begin + ";", "the option password is missing"},
      {plain + " required password='b';", "the option username is missing"},
      {begin + "password='b' debug='true';", "option 3 is neither username nor password"},
      {scram + " required username='a' password='b' user_c='d';",
       "option 3 is neither username nor password"},
      {scram + " required username='a' password='b' tokenauth='true';",
       "delegation tokens (tokenauth) are not supported"},
      {begin + "password='b'; " + begin + "password='b';", "one login module is expected, not 2"},
      {"com.sun.security.auth.module.Krb5LoginModule required;",
       "com.sun.security.auth.module.Krb5LoginModule is not supported; supported are " + plain +
           " and " + scram},
      {begin + "password='\xff';", "the text is not UTF-8"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(refusal(text), message) << text;
  EXPECT_THAT(refusal(std::string(max_jaas_bytes + 1, ' ')), HasSubstr("(max_jaas_bytes)"));
}

TEST(JaasLogin, NeverShowsThePasswordInAnError) {
  EXPECT_THAT(refusal(std::string(secret)), HasSubstr("one of required"));
  EXPECT_THAT(refusal("'" + std::string(secret) + "' required;"),
              HasSubstr("the login module is not supported"));
  const std::string good =
      plain + " required username=\"alice\" password=\"" + std::string(secret) + "\";";
  EXPECT_EQ(refusal(good), "accepted");
  std::size_t refused = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    refused += refusal(good.substr(0, at)) != "accepted" ? 1 : 0;
    for (const char wrong : std::string_view("\"';= \n/1\\\xff")) {
      std::string text = good;
      text[at] = wrong;
      refused += refusal(text) != "accepted" ? 1 : 0;
    }
  }
  EXPECT_GT(refused, good.size());
}

}  // namespace
}  // namespace dohle::properties
