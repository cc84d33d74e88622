#include <optional>
#include <string>
#include <vector>

#include "../door/login_world.hpp"
#include "wire/messages/describe_client_quotas.hpp"

// The texts are those of Apache Kafka 4.3.1, printed by its ClientQuotasImage.

namespace dohle::node {
namespace {

using Describe = wire::DescribeClientQuotasRequest;
using Component = Describe::ComponentData;
using testing::HasSubstr;

class ClientQuotas : public LoginWorld {
 protected:
  wire::DescribeClientQuotasResponse described(std::vector<Component> components,
                                               std::int16_t version = 1) {
    if (known_client("alice") == nullptr) {
      EXPECT_EQ(log_in_plain("alice", alice_password, "alice").error_code, 0);
    }
    Describe request;
    request.components = std::move(components);
    return ask(request, version, "alice");
  }
  std::string refusal(std::vector<Component> components) {
    const auto answer = described(std::move(components));
    EXPECT_FALSE(answer.entries.has_value());
    return std::to_string(answer.error_code) + " " + answer.error_message.value_or("null");
  }
};

TEST_F(ClientQuotas, AreAlwaysEmpty) {
  const std::vector<std::vector<Component>> filters{
      {},
      {{"user", wire::quota_match::any, std::nullopt}},
      {{"user", wire::quota_match::exact, "bob"},
       {"client-id", wire::quota_match::default_name, std::nullopt}},
      {{"ip", wire::quota_match::exact, "127.0.0.1"}}};
  for (const auto& filter : filters) {
    for (std::int16_t version = 0; version <= 1; ++version) {
      const auto answer = described(filter, version);
      EXPECT_EQ(answer.error_code, 0);
      EXPECT_EQ(answer.error_message, std::nullopt);
      ASSERT_TRUE(answer.entries.has_value());
      EXPECT_TRUE(answer.entries->empty());
    }
  }
}

TEST_F(ClientQuotas, AreRefusedForFiltersThatApacheKafkaRefuses) {
  using namespace wire::quota_match;
  EXPECT_EQ(refusal({{"", any, std::nullopt}}), "42 Invalid empty entity type.");
  EXPECT_EQ(refusal({{"user", any, std::nullopt}, {"user", exact, "a"}}),
            "42 Entity type user cannot appear more than once in the filter.");
  EXPECT_EQ(refusal({{"x", any, std::nullopt}}), "35 Unsupported entity type x");
  EXPECT_EQ(refusal({{"user", exact, std::nullopt}}),
            "42 Request specified MATCH_TYPE_EXACT, but set match string to null.");
  EXPECT_EQ(refusal({{"user", default_name, "a"}}),
            "42 Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
  EXPECT_EQ(refusal({{"user", any, "a"}}),
            "42 Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
  EXPECT_EQ(refusal({{"user", 3, std::nullopt}}), "42 Unknown match type 3");
  for (const char* other : {"user", "client-id"}) {
    EXPECT_EQ(refusal({{other, exact, "x"}, {"ip", default_name, std::nullopt}}),
              "42 Invalid entity filter component combination. IP filter component should not be "
              "used with user or clientId filter component.");
  }
}

TEST_F(ClientQuotas, OfAnUnknownTypeAreRefusedInAShortSentence) {
  const auto answer = described({{std::string(30'000, 'x'), 0, "a"}});
  EXPECT_EQ(answer.error_code, 35);
  EXPECT_LT(answer.error_message->size(), 1'100u);
}

TEST_F(ClientQuotas, AreNotShownToClientsThatHaveNotLoggedIn) {
  const auto answer = ask(Describe{}, 1, "stranger");
  EXPECT_EQ(answer.error_code, broker_error::cluster_authorization_failed);
  EXPECT_THAT(*answer.error_message, HasSubstr("has logged in"));
  EXPECT_FALSE(answer.entries.has_value());
}

TEST_F(ClientQuotas, AreShownToEverybodyByANodeWithoutLogins) {
  settings.security.authenticates = false;
  EXPECT_EQ(ask(Describe{}, 1).error_code, 0);
}

}  // namespace
}  // namespace dohle::node
