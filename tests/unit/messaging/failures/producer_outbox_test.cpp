#include "messaging/failures/producer_outbox.hpp"

#include <gtest/gtest.h>

#include "client/produce/producer_options.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

TEST(OutboxOptions, are_valid_for_any_options_of_publishes) {
  ProducerOptions publishes{.acks = Acks::leader,
                            .idempotence = false,
                            .linger = 1min,
                            .max_block = 0ms,
                            .delivery_timeout = 24h,
                            .request_timeout = 20min,
                            .max_in_flight = 100,
                            .compression = CompressionCodec::gzip,
                            .compression_level = 9};
  ASSERT_TRUE(client::check(publishes));
  const ProducerOptions made = outbox_options(publishes);
  const auto checked = client::check(made);
  EXPECT_TRUE(checked) << checked.error().to_string();
  EXPECT_EQ(made.acks, Acks::all);
  EXPECT_TRUE(made.idempotence);
  EXPECT_EQ(made.max_in_flight, 5);
  publishes.max_in_flight = 2;
  EXPECT_EQ(outbox_options(publishes).max_in_flight, 2);
}

}  // namespace
}  // namespace dohle::messaging
