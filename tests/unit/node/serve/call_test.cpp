#include "node/serve/call.hpp"

#include <gtest/gtest.h>

#include "wire/every_message.hpp"

namespace dohle::node {
namespace {

using namespace std::chrono_literals;

template <class Request>
void expect_throttle_time_in_answer() {
  using Response = typename Request::Response;
  const std::int16_t version = Request::api.versions.max;
  Response response;
  auto bytes = encode_answer({1, 2, 3, version, 7ms}, response);
  ASSERT_TRUE(bytes.has_value()) << wire::api_name(Request::api.key);
  if constexpr (requires { response.throttle_time_ms; }) {
    EXPECT_EQ(response.throttle_time_ms, 7) << wire::api_name(Request::api.key);
  } else {
    const bool is_of_sasl = Request::api.key == wire::ApiKey::sasl_handshake ||
                            Request::api.key == wire::ApiKey::sasl_authenticate;
    EXPECT_TRUE(is_of_sasl) << wire::api_name(Request::api.key);
  }
}

TEST(Answers, ContainTheThrottleTimeForEachApi) {
#define DOHLE_EXPECT_THROTTLE(key, file, Name) \
  expect_throttle_time_in_answer<wire::Name##Request>();
  DOHLE_FOR_EACH_API(DOHLE_EXPECT_THROTTLE)
#undef DOHLE_EXPECT_THROTTLE
}

}  // namespace
}  // namespace dohle::node
