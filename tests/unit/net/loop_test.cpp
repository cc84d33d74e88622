#include "net/loop.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "net/system.hpp"
#include "net/timer_queue.hpp"
#include "net/workers.hpp"

namespace dohle::net {
namespace {

using namespace std::chrono_literals;
constexpr auto patience = 10s;

TEST(TimerQueue, fires_by_time_then_by_order_of_arming) {
  TimerQueue timers;
  std::string fired;
  const TimePoint start{};
  timers.arm(start + 2ms, [&] { fired += 'c'; });
  timers.arm(start + 1ms, [&] { fired += 'a'; });
  timers.arm(start + 1ms, [&] { fired += 'b'; });
  const TimerId cancelled = timers.arm(start + 1ms, [&] { fired += 'x'; });
  timers.cancel(cancelled);
  timers.cancel(cancelled);
  EXPECT_EQ(timers.next(), start + 1ms);
  EXPECT_FALSE(timers.take_due(start));
  while (Task task = timers.take_due(start + 2ms)) task();
  EXPECT_EQ(fired, "abc");
  EXPECT_EQ(timers.next(), never);
}

TEST(Loop, keeps_the_order_of_each_posting_thread) {
  constexpr int threads = 8;
  constexpr int tasks = 2'000;
  Loop loop;
  loop.start("test");
  std::vector<std::vector<int>> seen(threads);
  std::atomic<int> left = threads * tasks;
  std::promise<void> all;
  {
    std::vector<std::jthread> posters;
    for (int thread = 0; thread < threads; ++thread) {
      posters.emplace_back([&, thread] {
        for (int i = 0; i < tasks; ++i) {
          loop.post([&, thread, i] {
            EXPECT_TRUE(loop.is_loop_thread());
            seen[static_cast<std::size_t>(thread)].push_back(i);
            if (--left == 0) all.set_value();
          });
        }
      });
    }
  }
  ASSERT_EQ(all.get_future().wait_for(patience), std::future_status::ready);
  EXPECT_FALSE(loop.is_loop_thread());
  loop.stop();
  loop.join();
  for (const auto& numbers : seen) {
    ASSERT_EQ(numbers.size(), static_cast<std::size_t>(tasks));
    EXPECT_TRUE(std::ranges::is_sorted(numbers));
  }
}

TEST(Loop, timers_are_never_early) {
  Loop loop;
  loop.start("test");
  SystemClock clock;
  std::promise<TimePoint> fired;
  TimePoint wanted;
  loop.post([&] {
    loop.arm(clock.mono() + 50ms, [] { FAIL() << "cancelled"; });
    const TimerId id = loop.arm(clock.mono() + 1ms, [] { FAIL() << "cancelled"; });
    loop.cancel(id);
    wanted = clock.mono() + 5ms;
    loop.arm(wanted, [&] { fired.set_value(clock.mono()); });
  });
  auto future = fired.get_future();
  ASSERT_EQ(future.wait_for(patience), std::future_status::ready);
  EXPECT_GE(future.get(), wanted);
  loop.stop();
  loop.join();
}

TEST(Loop, the_end_of_a_turn_comes_after_what_was_posted_before) {
  Loop loop;
  std::string order;
  loop.post([&] {
    loop.at_turn_end([&] {
      order += "end";
      loop.stop();
    });
    order += "first ";
  });
  loop.post([&] { order += "second "; });
  loop.run();
  EXPECT_EQ(order, "first second end");
}

TEST(Loop, keeps_publishing_the_time_while_asked_to) {
  Loop loop;
  loop.start("test");
  loop.post([&] { loop.keep_ticking(true); });
  const Timestamp before = loop.published_wall();
  std::promise<void> later;
  loop.post([&] {
    loop.arm(SystemClock().mono() + 60ms, [&] {
      loop.keep_ticking(false);
      later.set_value();
    });
  });
  ASSERT_EQ(later.get_future().wait_for(patience), std::future_status::ready);
  EXPECT_GE(loop.published_wall().value, before.value + 50);
  loop.stop();
  loop.join();
}

TEST(WorkerThreads, answers_on_the_loop) {
  Loop loop;
  loop.start("test");
  WorkerThreads workers(2);
  std::promise<bool> done;
  std::thread::id worker;
  workers.run([&] { worker = std::this_thread::get_id(); }, loop,
              [&] { done.set_value(loop.is_loop_thread()); });
  auto future = done.get_future();
  ASSERT_EQ(future.wait_for(patience), std::future_status::ready);
  EXPECT_TRUE(future.get());
  EXPECT_NE(worker, std::this_thread::get_id());
  loop.stop();
  loop.join();
}

}  // namespace
}  // namespace dohle::net
