#include "net/loop.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <latch>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "net/system.hpp"
#include "net/workers.hpp"

namespace dohle::net {
namespace {

using namespace std::chrono_literals;
constexpr auto patience = 30s;

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
    loop.arm(clock.mono() + 1h, [] { FAIL() << "an hour early"; });
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

TEST(Loop, the_end_of_a_turn_comes_after_earlier_posted_tasks) {
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

TEST(Loop, work_at_the_end_of_a_turn_continues_in_later_turns_in_its_order) {
  Loop loop;
  constexpr int tasks = 10;
  std::vector<int> order, expected;
  std::set<TimePoint> turns;
  const auto work = [&](int number) {
    for (const TimePoint end = loop.mono_now() + 1ms; loop.mono_now() < end;) continue;
    order.push_back(number);
    turns.insert(loop.tick().mono);
    if (number == 0) loop.at_turn_end([&] { loop.stop(); });
  };
  loop.post([&] {
    for (int i = 0; i < tasks; ++i) loop.at_turn_end([&, i] { work(i); });
  });
  loop.run();
  for (int i = 0; i < tasks; ++i) expected.push_back(i);
  EXPECT_EQ(order, expected);
  EXPECT_GT(turns.size(), 2u);
}

TEST(Loop, work_at_the_end_of_the_last_turn_is_all_done) {
  Loop loop;
  constexpr int tasks = 10;
  int done = 0;
  loop.post([&] {
    for (int i = 0; i < tasks; ++i) {
      loop.at_turn_end([&] {
        for (const TimePoint end = loop.mono_now() + 1ms; loop.mono_now() < end;) continue;
        ++done;
      });
    }
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(done, tasks);
}

TEST(Loop, work_that_the_end_of_a_turn_adds_has_time_although_earlier_work_took_all) {
  Loop loop;
  bool was_over = false, is_over = true;
  loop.post([&] {
    loop.at_turn_end([&] {
      loop.at_turn_end([&] {
        is_over = loop.mono_now() >= loop.turn_end();
        loop.stop();
      });
    });
    while (loop.mono_now() < loop.turn_end()) continue;
    was_over = true;
  });
  loop.run();
  EXPECT_TRUE(was_over);
  EXPECT_FALSE(is_over);
}

TEST(Loop, publishes_the_time_of_each_turn) {
  Loop loop;
  loop.start("test");
  const Timestamp before = loop.published_wall();
  std::promise<Timestamp> later;
  loop.post([&] {
    loop.arm(SystemClock().mono() + 60ms, [&] { later.set_value(loop.published_wall()); });
  });
  auto future = later.get_future();
  ASSERT_EQ(future.wait_for(patience), std::future_status::ready);
  EXPECT_GE(future.get().value, before.value + 50);
  loop.stop();
  loop.join();
}

TEST(Loop, timers_fire_by_time_then_by_order_of_arming) {
  Loop loop;
  std::string fired;
  const TimePoint start = loop.tick().mono;
  loop.arm(start + 3ms, [&] { fired += 'd'; });
  loop.arm(start + 1ms, [&] { fired += 'a'; });
  loop.arm(start + 2ms, [&] { fired += 'b'; });
  loop.arm(start + 2ms, [&] { fired += 'c'; });
  loop.arm(start + 4ms, [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(fired, "abcd");
}

TEST(Loop, many_timers_leave_time_for_posted_tasks) {
  Loop loop;
  std::string order;
  const TimePoint at = loop.tick().mono + 1ms;
  loop.arm(at, [&] {
    order += "long ";
    loop.post([&] { order += "posted "; });
    while (loop.mono_now() < loop.turn_end()) {
    }
  });
  loop.arm(at, [&] { order += "next "; });
  loop.arm(at, [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(order, "long posted next ");
}

TEST(Loop, a_timer_may_arm_and_cancel_others) {
  Loop loop;
  std::string fired;
  const TimePoint start = loop.tick().mono;
  TimerId later = 0;
  loop.arm(start + 1ms, [&] {
    loop.cancel(later);
    loop.arm(start, [&] {
      fired += "overdue";
      loop.stop();
    });
    fired += "first ";
  });
  later = loop.arm(start + 1ms, [&] { fired += "never "; });
  loop.run();
  EXPECT_EQ(fired, "first overdue");
}

TEST(Loop, tasks_posted_by_tasks_run_after_them) {
  Loop loop;
  std::string order;
  loop.post([&] {
    loop.post([&] {
      order += "third";
      loop.stop();
    });
    order += "first ";
  });
  loop.post([&] { order += "second "; });
  loop.run();
  EXPECT_EQ(order, "first second third");
}

TEST(Loop, tasks_that_did_not_run_are_destroyed_with_it) {
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = owned;
  {
    Loop loop;
    loop.post([owned] { FAIL() << "nobody runs the loop"; });
    loop.arm(loop.tick().mono + 1h, [owned] { FAIL() << "nobody runs the loop"; });
    loop.at_turn_end([owned] { FAIL() << "nobody runs the loop"; });
    owned.reset();
    EXPECT_FALSE(watched.expired());
  }
  EXPECT_TRUE(watched.expired());
}

TEST(Loop, tasks_destroyed_with_it_may_still_use_it) {
  struct Clingy {
    Loop* loop;
    TimerId timer;
    ~Clingy() {
      loop->cancel(timer);
      loop->post([] { FAIL() << "nobody runs the loop"; });
    }
  };
  Loop loop;
  const TimerId other = loop.arm(loop.tick().mono + 1h, [] { FAIL() << "nobody runs the loop"; });
  auto clingy = std::make_shared<Clingy>(&loop, other);
  loop.arm(loop.tick().mono + 1h, [clingy] { FAIL() << "nobody runs the loop"; });
  loop.post([clingy = std::move(clingy)] { FAIL() << "nobody runs the loop"; });
}

TEST(Loop, the_tick_stands_still_within_a_turn) {
  Loop loop;
  loop.post([&] {
    const Now now = loop.tick();
    while (loop.clock().mono() == now.mono) {
    }
    EXPECT_EQ(loop.tick().mono, now.mono);
    EXPECT_EQ(loop.published_wall(), now.wall);
    loop.stop();
  });
  loop.run();
}

TEST(Loop, stopping_ends_a_sleeping_loop) {
  Loop loop;
  loop.start("a name longer than fifteen bytes");
  std::promise<void> ran;
  loop.post([&] { ran.set_value(); });
  ASSERT_EQ(ran.get_future().wait_for(patience), std::future_status::ready);
  loop.stop();
  loop.stop();
  loop.join();
}

/// Number of sleeps so far of a thread of this process.
std::uint64_t sleeps_of(pid_t thread) {
  std::ifstream status(fmt::format("/proc/self/task/{}/status", thread));
  std::string word;
  while (status >> word) {
    std::uint64_t count = 0;
    if (word == "voluntary_ctxt_switches:" && status >> count) return count;
  }
  ADD_FAILURE() << "the system does not say how often thread " << thread << " slept";
  return 0;
}

/// False if `patience` passed and no turn published a later time.
bool turns_unasked(const Loop& loop) {
  const Timestamp before = loop.published_wall();
  const auto give_up_at = std::chrono::steady_clock::now() + patience;
  while (loop.published_wall().value < before.value + 3) {
    if (std::chrono::steady_clock::now() > give_up_at) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(Loop, that_polls_busily_turns_without_work) {
  Loop loop(1h);
  loop.start("test");
  loop.post([] {});
  EXPECT_TRUE(turns_unasked(loop));
  loop.stop();
  loop.join();
}

TEST(Loop, that_stays_awake_turns_without_work) {
  Loop loop;
  loop.start("test");
  loop.post([&] {
    loop.stay_awake(loop.tick().mono + 1h);
    loop.stay_awake(loop.tick().mono);
  });
  EXPECT_TRUE(turns_unasked(loop));
  loop.stop();
  loop.join();
}

TEST(Loop, that_polls_busily_sleeps_when_nothing_comes) {
  Loop loop(1ms);
  loop.start("test");
  std::promise<std::pair<pid_t, std::uint64_t>> ran;
  loop.post([&] { ran.set_value({::gettid(), sleeps_of(::gettid())}); });
  const auto [thread, before] = ran.get_future().get();
  const auto give_up_at = std::chrono::steady_clock::now() + patience;
  while (sleeps_of(thread) == before) {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up_at);
    std::this_thread::yield();
  }
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

TEST(WorkerThreads, run_jobs_side_by_side_up_to_their_number) {
  Loop loop;
  loop.start("test");
  WorkerThreads workers(3);
  std::latch all_three(3);
  std::latch done(3);
  for (int i = 0; i < 3; ++i) {
    workers.run([&] { all_three.arrive_and_wait(); }, loop, [&] { done.count_down(); });
  }
  done.wait();
  loop.stop();
  loop.join();
}

TEST(Loop, measures_the_cpu_time_of_its_longest_turn) {
  for (const bool is_measured : {false, true}) {
    Loop loop;
    if (is_measured) loop.measure_turns();
    std::atomic<unsigned> work = 0;
    loop.post([&] {
      for (unsigned i = 0; i < 1'000'000; ++i) work = work + i;
      loop.post([&] { loop.stop(); });
    });
    loop.post([] {});
    // The first turn has no earlier one to compare with.
    loop.at_turn_end([&] { loop.post([&] { work = 0; }); });
    loop.run();
    const Duration longest = loop.take_longest_turn();
    EXPECT_EQ(longest > Duration::zero(), is_measured);
    EXPECT_EQ(loop.take_longest_turn(), Duration::zero());
  }
}

TEST(WorkerThreads, drop_queued_jobs_when_they_end) {
  Loop loop;
  std::latch begun(1);
  std::latch go_on(1);
  auto queued = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = queued;
  std::thread releaser;
  {
    WorkerThreads workers(1);
    workers.run(
        [&] {
          begun.count_down();
          go_on.wait();
        },
        loop, [] {});
    begun.wait();
    workers.run([queued] { FAIL() << "the only thread is busy until the end"; }, loop, [] {});
    queued.reset();
    releaser = std::thread([&] {
      while (!watched.expired()) std::this_thread::yield();
      go_on.count_down();
    });
  }
  releaser.join();
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace dohle::net
