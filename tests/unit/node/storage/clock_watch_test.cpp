#include "node/storage/clock_watch.hpp"

#include "node_world.hpp"

namespace dohle::node {
namespace {

using testing::HasSubstr;

/// Both clocks `mono` seconds after the start, with the wall clock ahead by `ahead`.
Now at(std::chrono::seconds mono, std::chrono::seconds ahead = 0s) {
  return {TimePoint(mono), Timestamp{wall_start_ms + (mono + ahead).count() * 1'000}};
}

TEST(ClockWatchTest, DoesNotReportAClockThatRunsNormally) {
  ClockWatch watch;
  for (auto time = 0s; time < 24h; time += 2s) {
    EXPECT_FALSE(watch.look(at(time)));
    EXPECT_EQ(watch.believed(at(time)).wall, at(time).wall);
  }
}

TEST(ClockWatchTest, DoubtsAClockThatGoesAnHourAheadForTenMinutes) {
  ClockWatch watch;
  EXPECT_FALSE(watch.look(at(0s)));
  EXPECT_FALSE(watch.look(at(2s, 1h)));
  const auto line = watch.look(at(4s, 24h));
  ASSERT_TRUE(line);
  EXPECT_THAT(*line, HasSubstr("the wall clock advanced 24 h more"));
  EXPECT_EQ(watch.believed(at(5s, 24h)).wall, at(5s).wall);
  EXPECT_EQ(watch.believed(at(5s, 24h)).mono, at(5s).mono);
  EXPECT_FALSE(watch.look(at(603s, 24h)));
  EXPECT_EQ(watch.believed(at(603s, 24h)).wall, at(603s).wall);
  EXPECT_THAT(watch.look(at(604s, 24h)).value_or(""), HasSubstr("go on by the wall clock"));
  EXPECT_EQ(watch.believed(at(604s, 24h)).wall, at(604s, 24h).wall);
  EXPECT_FALSE(watch.look(at(606s, 24h)));
}

TEST(ClockWatchTest, BelievesAClockThatIsSetRightAgainAtOnce) {
  ClockWatch watch;
  EXPECT_FALSE(watch.look(at(0s)));
  EXPECT_TRUE(watch.look(at(2s, 24h)));
  EXPECT_THAT(watch.look(at(4s)).value_or(""), HasSubstr("was set back"));
  EXPECT_EQ(watch.believed(at(4s)).wall, at(4s).wall);
}

TEST(ClockWatchTest, DoubtsAClockAgainThatGoesFurtherAhead) {
  ClockWatch watch;
  EXPECT_FALSE(watch.look(at(0s)));
  EXPECT_TRUE(watch.look(at(2s, 2h)));
  EXPECT_TRUE(watch.look(at(500s, 24h)));
  EXPECT_FALSE(watch.look(at(700s, 24h)));
  EXPECT_EQ(watch.believed(at(700s, 24h)).wall, at(700s).wall);
  EXPECT_TRUE(watch.look(at(1'100s, 24h)));
}

TEST(ClockWatchTest, AcceptsAClockThatWasSetBackAsTheNewReference) {
  ClockWatch watch;
  EXPECT_FALSE(watch.look(at(0s)));
  EXPECT_FALSE(watch.look(at(2s, -24h)));
  EXPECT_TRUE(watch.look(at(4s, 0s)));
  EXPECT_EQ(watch.believed(at(4s)).wall, at(4s, -24h).wall);
}

class WrongClockTest : public NodeWorld {};

TEST_F(WrongClockTest, DeletesNoRecordsForTenMinutes) {
  create("t", 1, {{"retention.ms", "3600000"}, {"segment.bytes", "1024"}});
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(produce("t", batch_of({std::string(800, 'x')})).error_code, 0);
  }
  world.run_for(30s);
  world.machine("node").jump_wall_clock(std::chrono::hours(24 * 3'650));
  world.run_for(9min);
  EXPECT_EQ(fetch("t", {.max_wait_ms = 0}).log_start_offset, Offset{0});
  EXPECT_EQ(values("t", {.max_wait_ms = 0}).size(), 1u);
  EXPECT_EQ(logger.count("retention and expiry of offsets pause for 10 minutes"), 1u);
  world.run_for(2min);
  EXPECT_EQ(fetch("t", {.offset = 3, .max_wait_ms = 0}).log_start_offset, Offset{3});
}

}  // namespace
}  // namespace dohle::node
