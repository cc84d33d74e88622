#include "log/state_file.hpp"

#include "log_fixture.hpp"

namespace dohle::log {
namespace {

class StateFileTest : public LogTest {
 protected:
  void SetUp() override { ASSERT_TRUE(disk_.make_directories(directory).has_value()); }
  StateFile state_file() { return StateFile(disk_, files_, directory); }
  static LogState state(std::int64_t n) {
    return {Offset{n}, Offset{n + 1}, Offset{n}, 99, {}, {}};
  }
  void spoil(std::uint64_t place) {
    auto open = *disk_.open(std::string(directory) + "/dohle-log", OpenMode::read_write);
    const Bytes junk = as_bytes("torn");
    ASSERT_TRUE(open->write(place * 4096 + 3, {&junk, 1}).has_value());
  }
};

TEST_F(StateFileTest, is_absent_at_first) {
  EXPECT_EQ(*state_file().load(), std::nullopt);
}

TEST_F(StateFileTest, a_torn_write_leaves_the_state_synced_before) {
  {
    StateFile file = state_file();
    ASSERT_TRUE(file.load().has_value());
    for (std::int64_t n = 1; n <= 3; ++n) {
      ASSERT_TRUE(file.write(state(n)).has_value());
      file.settle();
    }
    // Not synced: the next write may not overwrite the third state.
    ASSERT_TRUE(file.write(state(4)).has_value());
    ASSERT_TRUE(file.write(state(5)).has_value());
  }
  EXPECT_EQ(*state_file().load(), state(5));
  spoil(1);
  StateFile again = state_file();
  EXPECT_EQ(*again.load(), state(3));
  ASSERT_TRUE(again.write(state(6)).has_value());
  EXPECT_EQ(*state_file().load(), state(6));
  spoil(1);
  EXPECT_EQ(*state_file().load(), state(3)) << "the write went to the place of the only whole line";
  spoil(0);
  EXPECT_EQ(*state_file().load(), std::nullopt);
}

}  // namespace
}  // namespace dohle::log
