#include "node/security/principal_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace dohle::node {
namespace {

using testing::HasSubstr;

std::string name_by(std::string_view rules, std::string_view name) {
  const auto parsed = PrincipalRules::parse(rules);
  EXPECT_TRUE(parsed) << parsed.error().to_string();
  return parsed ? parsed->name_of(name).value_or("(none)") : "(not parsed)";
}

std::string why_not(std::string_view rules) {
  const auto parsed = PrincipalRules::parse(rules);
  EXPECT_FALSE(parsed) << rules;
  return parsed ? "" : parsed.error().to_string();
}

// The examples of Apache Kafka's documentation, and of its SslPrincipalMapperTest.
TEST(PrincipalRulesTest, names_equal_those_of_apache_kafka) {
  constexpr std::string_view rules =
      "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/, "
      "RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L, "
      "RULE:^cn=(.*?),ou=(.*?),dc=(.*?),dc=(.*?)$/$1@$2/U, "
      "RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U, DEFAULT";
  EXPECT_EQ(name_by(rules, "CN=Duke,OU=ServiceUsers,O=Org,C=US"), "Duke");
  EXPECT_EQ(name_by(rules, "CN=Duke,OU=SME,O=mycp,L=Fulton,ST=MD,C=US"), "duke@sme");
  EXPECT_EQ(name_by(rules, "cn=duke,ou=sme,dc=mycp,dc=com"), "DUKE@SME");
  EXPECT_EQ(name_by(rules, "OU=JavaSoft,CN=Duke,O=Sun"), "DUKE");
  EXPECT_EQ(name_by(rules, "OU=JavaSoft,O=Sun"), "OU=JavaSoft,O=Sun");
}

TEST(PrincipalRulesTest, the_first_rule_that_fits_the_whole_name_applies) {
  EXPECT_EQ(name_by("RULE:a/first/,RULE:a.*/second/,RULE:.*/third/", "ab"), "second");
  EXPECT_EQ(name_by("RULE:b/x/", "ab"), "(none)");
  EXPECT_EQ(name_by(" DEFAULT , RULE:a/b/ ", "a"), "a");
}

TEST(PrincipalRulesTest, slashes_dollars_and_backslashes_are_escaped) {
  EXPECT_EQ(name_by(R"(RULE:^CN=(.*)\/(.*)$/$2\/$1/)", "CN=host/name"), "name/host");
  EXPECT_EQ(name_by(R"(RULE:^(.*)$/\$$1\\/)", "a"), "$a\\");
  EXPECT_EQ(name_by("RULE:a,b/x,y/", "a,b"), "x,y");
}

TEST(PrincipalRulesTest, each_match_is_replaced_in_a_name_that_the_pattern_fits) {
  EXPECT_EQ(name_by("RULE:(.*)/<$1>/", "a"), "<a><>");
  EXPECT_EQ(name_by("RULE:^(.*)$/<$1>/", "a"), "<a>");
  EXPECT_EQ(name_by("RULE:CN=(.*?)/<$1>/", "CN=a"), "<>a");
  EXPECT_EQ(name_by("RULE:(b|a)+?/$1-/", "abc"), "(none)") << "it does not fit the whole name";
  EXPECT_EQ(name_by("RULE:(.*?)/-/", "\xc3\xbc"), "-\xc3\xbc-") << "characters stay whole";
}

TEST(PrincipalRulesTest, a_rule_with_too_many_matches_does_not_fit) {
  EXPECT_EQ(name_by("RULE:a*?/-/", std::string(255, 'a')).size(), 511U);
  EXPECT_EQ(name_by("RULE:a*?/-/", std::string(256, 'a')), "(none)");
}

TEST(PrincipalRulesTest, an_empty_name_is_refused) {
  EXPECT_EQ(name_by("RULE:a(b?)/$1/,DEFAULT", "a"), "a");
  EXPECT_EQ(name_by("RULE:a(b?)/$1/", "a"), "(none)");
}

TEST(PrincipalRulesTest, wrong_rules_are_refused_with_their_reason) {
  EXPECT_THAT(why_not(""), HasSubstr("there is no rule; DEFAULT is one"));
  EXPECT_THAT(why_not("default"), HasSubstr("is neither RULE:PATTERN/REPLACEMENT/ nor DEFAULT"));
  EXPECT_THAT(why_not("DEFAULTS"), HasSubstr("is not followed by a comma"));
  EXPECT_THAT(why_not("RULE:a/b"), HasSubstr("has no end"));
  EXPECT_THAT(why_not("RULE:a"), HasSubstr("has no end"));
  EXPECT_THAT(why_not("RULE:a/b/X"), HasSubstr("is not followed by a comma"));
  EXPECT_THAT(why_not("RULE:(a/b/"), HasSubstr("a pattern that RE2 does not take: missing )"));
  EXPECT_THAT(why_not("RULE:(?=a)/b/"), HasSubstr("a pattern that RE2 does not take"));
  EXPECT_THAT(why_not("RULE:(a)/$2/"), HasSubstr("a group that its pattern does not have"));
  EXPECT_THAT(why_not("RULE:(a)/$/"), HasSubstr("a group that its pattern does not have"));
  EXPECT_THAT(why_not("RULE:()()()()()()()()()()/x/"), HasSubstr("more than 9 groups"));
}

TEST(PrincipalRulesTest, rules_and_names_are_bounded) {
  EXPECT_THAT(why_not(std::string(PrincipalRules::max_text_bytes + 1, 'x')),
              HasSubstr("more than 65536 bytes"));
  std::string many = "DEFAULT";
  for (std::size_t i = 0; i < PrincipalRules::max_rules; ++i) many += ",DEFAULT";
  EXPECT_THAT(why_not(many), HasSubstr("more than 100 rules"));
  EXPECT_THAT(why_not("RULE:((a{1000}){1000}){1000}/x/"), HasSubstr("RE2"));
  const std::string longest(PrincipalRules::max_name_bytes, 'a');
  EXPECT_EQ(name_by("DEFAULT", longest), longest);
  EXPECT_EQ(name_by("DEFAULT", longest + "a"), "(none)");
  EXPECT_EQ(name_by("RULE:(.*)/$1$1/", longest), "(none)");
  // Exponential in engines that go back.
  EXPECT_EQ(name_by("RULE:((a+)+)+b/x/,RULE:(a|aa)*c/x/", longest), "(none)");
}

}  // namespace
}  // namespace dohle::node
