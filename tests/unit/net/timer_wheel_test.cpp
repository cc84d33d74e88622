#include "net/timer_wheel.hpp"

#include <map>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace dohle::net {
namespace {

using namespace std::chrono_literals;
constexpr TimePoint start{1'234'567'891ns};

void fire(TimerWheel& timers, TimePoint now) {
  timers.expire(now);
  while (Task task = timers.take_due()) task();
}

TEST(TimerWheel, fires_by_time_then_by_order_of_arming) {
  TimerWheel timers(start);
  std::string fired;
  timers.arm(start + 2ms, [&] { fired += 'd'; });
  timers.arm(start + 1ms, [&] { fired += 'b'; });
  timers.arm(start + 1ms, [&] { fired += 'c'; });
  timers.arm(start + 1ms - 1ns, [&] { fired += 'a'; });
  const TimerId cancelled = timers.arm(start + 1ms, [&] { fired += 'x'; });
  timers.cancel(cancelled);
  timers.cancel(cancelled);
  timers.cancel(0);
  timers.cancel(4711);
  EXPECT_EQ(timers.next(), start + 1ms - 1ns);
  fire(timers, start);
  EXPECT_EQ(fired, "");
  fire(timers, start + 3ms);
  EXPECT_EQ(fired, "abcd");
  EXPECT_EQ(timers.next(), never);
}

TEST(TimerWheel, an_id_is_not_mistaken_for_a_later_timers) {
  TimerWheel timers(start);
  const TimerId first = timers.arm(start, [] {});
  fire(timers, start);
  bool has_fired = false;
  const TimerId second = timers.arm(start, [&] { has_fired = true; });
  EXPECT_NE(first, second);
  timers.cancel(first);
  fire(timers, start);
  EXPECT_TRUE(has_fired);
}

TEST(TimerWheel, a_due_timer_can_still_be_cancelled) {
  TimerWheel timers(start);
  TimerId second = 0;
  timers.arm(start, [&] { timers.cancel(second); });
  second = timers.arm(start, [] { FAIL() << "cancelled"; });
  fire(timers, start);
}

TEST(TimerWheel, timers_armed_while_firing_wait_for_the_next_call) {
  TimerWheel timers(start);
  int fired = 0;
  timers.arm(start, [&] { timers.arm(start, [&] { ++fired; }); });
  fire(timers, start);
  EXPECT_EQ(fired, 0);
  fire(timers, start);
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheel, a_timer_that_is_never_due_does_not_fire) {
  TimerWheel timers(start);
  timers.arm(never, [] { FAIL() << "it is never due"; });
  fire(timers, start + 24h * 365 * 50);
}

TEST(TimerWheel, a_cancelled_timers_slot_does_not_wake_for_ever) {
  TimerWheel timers(start);
  timers.arm(start, [] {});
  const TimerId cancelled = timers.arm(start + 500ms, [] {});
  timers.arm(start + 10s, [] {});
  fire(timers, start);
  const TimePoint begin = timers.next();
  ASSERT_LT(begin, start + 500ms);
  timers.cancel(cancelled);
  timers.expire(begin);
  EXPECT_GT(timers.next(), begin);
}

TEST(TimerWheel, take_all_leaves_none) {
  TimerWheel timers(start);
  const TimerId id = timers.arm(start + 1ms, [] {});
  timers.arm(start + 1h, [] {});
  EXPECT_EQ(timers.take_all().size(), 2u);
  EXPECT_EQ(timers.next(), never);
  timers.cancel(id);
  EXPECT_TRUE(timers.take_all().empty());
}

// Random timers in the wheel and in an ordered map. The wheel is called at its own times and at
// others, and fires exactly the map's timers at the map's times.
TEST(TimerWheel, behaves_like_an_ordered_map) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SeededRandom random(seed);
    TimerWheel timers(start);
    std::map<std::pair<TimePoint, std::uint64_t>, TimerId> expected;
    std::vector<std::uint64_t> fired;
    std::uint64_t order = 0;
    TimePoint now = start;
    std::size_t wakes = 0;
    for (int step = 0; step < 3'000; ++step) {
      const std::uint64_t choice = random.below(10);
      if (choice < 4) {
        const auto ahead = static_cast<std::int64_t>(random.below(1ull << random.below(45)));
        const TimePoint at = now + Duration(ahead - 1'000'000);
        const std::uint64_t number = ++order;
        expected[{at, number}] = timers.arm(at, [&fired, number] { fired.push_back(number); });
      } else if (choice < 6 && !expected.empty()) {
        auto victim = expected.begin();
        std::advance(victim, static_cast<std::ptrdiff_t>(random.below(expected.size())));
        timers.cancel(victim->second);
        expected.erase(victim);
      } else {
        const TimePoint next = timers.next();
        ASSERT_LE(next, expected.empty() ? never : expected.begin()->first.first);
        const bool at_its_wish = choice < 9 && next != never;
        now = std::max(now, at_its_wish ? next
                                        : now + Duration(static_cast<std::int64_t>(
                                                    random.below(1ull << random.below(40)))));
        ++wakes;
        fired.clear();
        fire(timers, now);
        std::vector<std::uint64_t> due;
        while (!expected.empty() && expected.begin()->first.first <= now) {
          due.push_back(expected.begin()->first.second);
          expected.erase(expected.begin());
        }
        ASSERT_EQ(fired, due) << "seed " << seed << " step " << step;
        ASSERT_GT(timers.next(), now) << "seed " << seed << " step " << step;
      }
    }
    EXPECT_GT(wakes, 0u);
  }
}

}  // namespace
}  // namespace dohle::net
