// Disturbed messaging at Apache Kafka (disturbed_messaging.hpp).
#include <gtest/gtest.h>

#include <optional>

#include "fault/disturbed_messaging.hpp"
#include "integration/apache_kafka_server.hpp"

namespace dohle::fault {
namespace {

constexpr int rounds = 3;

class MessagingFaultsAtApache : public DisturbedMessaging {
 protected:
  void SetUp() override {
    DisturbedMessaging::SetUp();
    server_.emplace("-o offsets.topic.num.partitions=1");
    address_ = server_->address();
    connect();
  }

  std::optional<ApacheKafkaServer> server_;
};

TEST_F(MessagingFaultsAtApache, LoseNothingWhenTheMemberIsKilled) {
  lose_members(rounds);
}

TEST_F(MessagingFaultsAtApache, LoseNothingWhenTheServerIsKilled) {
  lose_servers(rounds, [this] {
    server_->kill();
    server_->restart();
  });
}

}  // namespace
}  // namespace dohle::fault
