#include <optional>

#include "integration/apache_kafka_server.hpp"
#include "tested_server.hpp"

namespace dohle {
namespace {

std::optional<ApacheKafkaServer> server;

class TestedApacheKafka final : public testing::Environment {
 public:
  void SetUp() override { server.emplace("-o offsets.topic.num.partitions=1"); }
  void TearDown() override { server.reset(); }
};

[[maybe_unused]] testing::Environment* const environment =
    testing::AddGlobalTestEnvironment(new TestedApacheKafka);

}  // namespace

const std::string& tested_address() {
  return server->address();
}

}  // namespace dohle
