#include "client/produce/ticking_time.hpp"

#include <gtest/gtest.h>

#include "sim/machine.hpp"
#include "sim/process.hpp"
#include "sim/world.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;

/// Published time of a loop, always 0.
struct Zero {
  Timestamp operator()() const { return Timestamp{0}; }
};

class Ticking : public testing::Test {
 protected:
  Ticking()
      : process_(world_.machine("client").start(
            "client", [](sim::Process&) { return std::make_shared<int>(); })) {
    world_.run_for(1ms);
  }
  void keep_fresh(bool on) {
    process_.executor().post([this, on] { time_.keep_fresh(on); });
    world_.run_for(1ms);
  }
  [[nodiscard]] bool is_published() const { return time_.wall() == Timestamp{0}; }
  std::uint64_t events_of(Duration span) {
    const auto before = world_.events();
    world_.run_for(span);
    return world_.events() - before;
  }

  sim::World world_{1};
  sim::Process& process_;
  TickingTime<Zero> time_{process_.executor(), process_.clock(), Zero{}};
};

TEST_F(Ticking, ReadsTheClockUntilRecordsAreExpected) {
  EXPECT_EQ(time_.wall(), process_.clock().wall());
  keep_fresh(true);
  EXPECT_TRUE(is_published());
}

TEST_F(Ticking, TurnsTheLoopEvery5MsForAsLongAsItIsUsed) {
  keep_fresh(true);
  std::uint64_t events = 0;
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_TRUE(is_published());
    events += events_of(4ms);
  }
  EXPECT_GE(events, 750u);
  world_.run_for(10ms);
  EXPECT_FALSE(is_published());
  EXPECT_EQ(events_of(1min), 0u);
  keep_fresh(true);
  EXPECT_TRUE(is_published());
}

TEST_F(Ticking, StopsAtOnceWhenNoRecordIsUnderWayUnlessAnotherProducerUsesIt) {
  keep_fresh(true);
  keep_fresh(false);
  EXPECT_FALSE(is_published());
  EXPECT_EQ(events_of(1min), 0u);
  keep_fresh(true);
  EXPECT_TRUE(is_published());
  keep_fresh(false);
  EXPECT_TRUE(is_published());
}

}  // namespace
}  // namespace dohle::client
