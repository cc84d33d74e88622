#include "auth/plain.hpp"

#include <gtest/gtest.h>

#include <string>

namespace dohle::auth {
namespace {

using namespace std::string_literals;

TEST(Plain, SendsNameAndPasswordWithAnEmptyAuthorizationId) {
  EXPECT_EQ(plain_message("tim", "tanstaaftanstaaf").value().reveal(), "\0tim\0tanstaaftanstaaf"s);
  EXPECT_EQ(plain_message("J\xc3\xb6rg", "a,b=c").value().reveal(), "\0J\xc3\xb6rg\0a,b=c"s);
}

TEST(Plain, RefusesNamesAndPasswordsThatTheMessageCannotHold) {
  for (const auto& [name, password] :
       {std::pair{""s, "p"s}, {"n"s, ""s}, {"n\0x"s, "p"s}, {"n"s, "p\0x"s}}) {
    const auto made = plain_message(name, password);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().category(), ErrorCategory::configuration);
  }
}

TEST(Plain, ReadsTheMessagesThatClientsSend) {
  const auto read = read_plain_message("\0tim\0secret"s);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->name, "tim");
  EXPECT_EQ(read->password.reveal(), "secret");
  EXPECT_EQ(read_plain_message("tim\0tim\0secret"s).value().name, "tim");
}

TEST(Plain, ServerRefusesMalformedMessages) {
  for (const std::string& message :
       {""s, "tim"s, "\0tim"s, "\0tim\0"s, "\0\0secret"s, "other\0tim\0secret"s, "\0tim\0secret\0"s,
        "\0"s + std::string(5'000, 'a') + "\0p"s}) {
    const auto read = read_plain_message(message);
    ASSERT_FALSE(read.has_value());
    EXPECT_TRUE(read.error().is(Errc::malformed));
    EXPECT_EQ(read.error().to_string().find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace dohle::auth
