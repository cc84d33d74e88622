// What the client's connections say of servers that cannot be reached or do not answer.
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "client/admin_call.hpp"
#include "scripted_cluster.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;

class EngineOnCluster : public testing::Test, public ScriptedWorld {
 protected:
  void start() {
    ScriptedWorld::start([](std::shared_ptr<SimulatedClient> made, sim::Process&) { return made; });
  }
  /// Why no server answers within that time.
  std::string connect(Duration time) {
    std::optional<Result<void>> outcome;
    on_loop([&] {
      client->engine().when_connected(world.now() + time,
                                      [&](Result<void> done) { outcome = std::move(done); });
    });
    world.run_for(time);
    if (!outcome || *outcome) return "it was reached";
    EXPECT_TRUE(outcome->error().is(Errc::timed_out));
    return std::string(outcome->error().message());
  }
  template <class M>
  void never_answer() {
    script.on<M>([](NodeId, const M&) { return std::nullopt; });
  }
};

TEST_F(EngineOnCluster, NamesTheServerThatAcceptsAndNeverAnswers) {
  never_answer<wire::ApiVersionsRequest>();
  start();
  EXPECT_EQ(connect(5s), "no server answered in time: broker-1:9092 has not answered ApiVersions");
  EXPECT_EQ(
      connect(40s),
      "no server answered in time: broker-1:9092: request_timeout passed without an answer to "
      "ApiVersions");
}

TEST_F(EngineOnCluster, NamesTheServerThatStopsAnswering) {
  never_answer<wire::MetadataRequest>();
  start();
  EXPECT_EQ(connect(5s), "no server answered in time: broker-1:9092 has not answered Metadata");
}

TEST_F(EngineOnCluster, NamesTheAddressWhereNobodyListensOnce) {
  start();
  world.machine("broker-1").process("broker-1")->kill();
  world.machine("broker-2").process("broker-2")->kill();
  std::optional<Result<void>> outcome;
  on_loop([&] {
    client->engine().when_topic("missing", false, world.now() + 5s,
                                [&](Result<void> done) { outcome = std::move(done); });
  });
  world.run_for(6s);
  ASSERT_TRUE(outcome);
  const std::string text(outcome->error().message());
  EXPECT_TRUE(text.starts_with("no metadata of topic missing in time: ")) << text;
  const auto first = text.find("broker-1:9092");
  EXPECT_NE(first, std::string::npos) << text;
  EXPECT_NE(text.find("connecting to broker-1:9092: "), std::string::npos) << text;
  EXPECT_EQ(text.find("broker-1:9092: connecting to broker-1:9092"), std::string::npos) << text;
}

}  // namespace
}  // namespace dohle::client
