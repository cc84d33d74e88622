// The spans as bytes. tests/interop decodes them with another implementation.
#include "telemetry/otlp_spans.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <memory>

#include "telemetry/messaging_conventions.hpp"

namespace dohle::telemetry {
namespace {

using testing::HasSubstr;

TEST(OtlpSpans, name_the_version_of_the_conventions_and_its_attributes) {
  FinishedSpan span;
  span.name = "send orders";
  span.resource = std::make_shared<const Resource>();
  span.attributes.push_back({conventions::destination_name, std::string("orders")});
  const auto bytes = encode_spans({&span, 1}, std::size_t{1} << 20);
  ASSERT_TRUE(bytes);
  EXPECT_THAT(*bytes, HasSubstr("https://opentelemetry.io/schemas/1.45.0"));
  EXPECT_THAT(*bytes, HasSubstr("messaging.destination.name"));
}

}  // namespace
}  // namespace dohle::telemetry
