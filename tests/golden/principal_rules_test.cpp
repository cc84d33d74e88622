#include "node/security/principal_rules.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "golden_lines.hpp"

namespace dohle {
namespace {

TEST(PrincipalRules, GiveTheSameNamesAsApacheKafka) {
  const auto lines = golden::read_lines(DOHLE_GOLDEN_PRINCIPAL_RULES);
  ASSERT_EQ(lines.size(), 4000u);
  std::size_t named = 0, unnamed = 0;
  for (const golden::Line& line : lines) {
    const auto rules = node::PrincipalRules::parse(line.at("rules").get<std::string>());
    ASSERT_TRUE(rules) << line.dump() << ": " << rules.error().to_string();
    const auto name = rules->name_of(line.at("certificate").get<std::string>());
    const auto expected = line.value("name", std::string("(none)"));
    if (expected.empty()) {
      // Apache Kafka has a principal without a name then; here that rule does not fit.
      EXPECT_NE(name, "") << line.dump();
      ++unnamed;
      continue;
    }
    EXPECT_EQ(name.value_or("(none)"), expected) << line.dump();
    named += name ? 1U : 0U;
  }
  EXPECT_GT(named, lines.size() / 2);
  EXPECT_LT(unnamed, lines.size() / 10);
}

}  // namespace
}  // namespace dohle
