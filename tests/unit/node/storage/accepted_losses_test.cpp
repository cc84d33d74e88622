#include "node_world.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;

class AcceptedLossTest : public NodeWorld {
 protected:
  void restart() {
    forget_clients();
    node().restart();
    world.run_for(1s);
  }
};

TEST_F(AcceptedLossTest, StaysGivenUpIfTheStartEndsBeforeItsRunBegins) {
  create("t");
  for (const std::string value : {"a", "b", "c", "d"}) {
    ASSERT_EQ(produce("t", batch_of({value})).error_code, 0);
  }
  ASSERT_TRUE(stop_cleanly());
  sim::SimDisk& disk = world.machine("node").disk();
  const std::string log = "/data/t-0/00000000000000000000.log";
  ASSERT_TRUE(disk.flip_bit(log, disk.contents(log)->size() / 4 * 2 - 1, 1));
  settings.accept_losses = {{"t-0", Offset{1}}};
  disk.fail_writes("dohle-run.tmp", 1);
  restart();
  ASSERT_FALSE(running().started);
  for (int start = 0; start < 2; ++start) {
    restart();
    ASSERT_TRUE(running().started) << running().started.error().to_string();
    EXPECT_THAT(values("t"), ElementsAre("a")) << testing::PrintToString(logger.lines);
    EXPECT_THAT(values("t", {.offset = 1}), ElementsAre("c", "d"));
    settings.accept_losses.clear();
  }
}

}  // namespace
}  // namespace dohle::node
