#include "sim/threads.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/thread.hpp"
#include "base/timed_gate.hpp"
#include "base/wait_point.hpp"
#include "sim/machine.hpp"
#include "sim/world.hpp"

namespace dohle::sim {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class ThreadsOfAProcess : public testing::Test {
 protected:
  void start(std::string name, Task body) {
    threads_.start(process_, std::move(name), std::move(body));
  }
  /// Waits at `point_`. True if it was notified.
  bool wait_for(Duration timeout) {
    std::unique_lock lock(mutex_);
    return point_.wait_for(lock, timeout);
  }

  World world_{7};
  Threads threads_{world_};
  Process& process_ =
      world_.machine("m").start("process", [](Process&) { return std::make_shared<int>(); });
  std::mutex mutex_;
  WaitPoint point_;
};

TEST_F(ThreadsOfAProcess, a_wait_ends_at_its_virtual_deadline) {
  bool is_notified = true;
  TimePoint ended{};
  start("waiting", [&] {
    is_notified = wait_for(3s);
    ended = thread_now();
  });
  const TimePoint began = world_.now();
  world_.run_for(2s);
  EXPECT_THAT(threads_.unfinished(), ElementsAre("waiting"));
  world_.run_for(2s);
  EXPECT_THAT(threads_.unfinished(), IsEmpty());
  EXPECT_FALSE(is_notified);
  EXPECT_GE(ended, began + 3s);
  EXPECT_LT(ended, began + 3s + 1ms);
}

TEST_F(ThreadsOfAProcess, a_loops_notification_ends_a_wait_before_its_deadline) {
  bool is_notified = false;
  start("waiting", [&] { is_notified = wait_for(1h); });
  world_.run_for(1s);
  process_.executor().post([&] { point_.notify_one(); });
  world_.run_for(1ms);
  EXPECT_THAT(threads_.unfinished(), IsEmpty());
  EXPECT_TRUE(is_notified);
}

TEST_F(ThreadsOfAProcess, notify_one_wakes_the_one_that_has_waited_longest) {
  std::vector<std::string> ended;
  for (const std::string name : {"first", "second"}) {
    start(name, [&, name] {
      EXPECT_TRUE(wait_for(1h));
      ended.push_back(name);
    });
    world_.run_for(1ms);
  }
  point_.notify_one();
  world_.run_for(1ms);
  EXPECT_THAT(ended, ElementsAre("first"));
  point_.notify_one();
  world_.run_for(1ms);
  EXPECT_THAT(ended, ElementsAre("first", "second"));
}

TEST_F(ThreadsOfAProcess, a_gate_is_waited_for_in_virtual_time) {
  TimedGate gate;
  std::vector<std::string> entered;
  start("inside", [&] {
    const auto pass = gate.enter_until(never);
    (void)wait_for(2s);
  });
  world_.run_for(1ms);
  for (const auto& [name, patience] :
       {std::pair("impatient", Duration(1s)), std::pair("patient", Duration(1h))}) {
    start(name, [&, name = std::string(name), until = world_.now() + patience] {
      EXPECT_FALSE(gate.try_enter());
      if (gate.enter_until(until)) entered.push_back(name);
    });
  }
  world_.run_for(1500ms);
  EXPECT_THAT(threads_.unfinished(), ElementsAre("inside", "patient"));
  world_.run_for(1s);
  EXPECT_THAT(threads_.unfinished(), IsEmpty());
  EXPECT_THAT(entered, ElementsAre("patient"));
  EXPECT_TRUE(gate.try_enter());
}

TEST_F(ThreadsOfAProcess, a_wait_without_time_left_lets_the_world_continue) {
  bool is_done = false;
  process_.executor().arm(world_.now() + 1s, [&] { is_done = true; });
  start("asking again", [&] {
    while (!is_done) wait_for(0s);
  });
  world_.run_for(2s);
  EXPECT_THAT(threads_.unfinished(), IsEmpty());
}

TEST_F(ThreadsOfAProcess, a_thread_of_a_process_that_stands_still_waits_for_its_end) {
  TimePoint ended{};
  start("waiting", [&] {
    wait_for(1s);
    ended = thread_now();
  });
  const TimePoint began = world_.now();
  world_.run_for(500ms);
  process_.pause(5s);
  world_.run_for(10s);
  EXPECT_EQ(ended, began + 500ms + 5s);
  EXPECT_EQ(process_.paused_for(), 5s);
  EXPECT_EQ(world_.faults().of(Fault::pause), 1u);
}

TEST_F(ThreadsOfAProcess, a_thread_is_not_the_loops_thread) {
  bool is_loop_thread = true;
  start("thread", [&] { is_loop_thread = process_.executor().is_loop_thread(); });
  world_.run_for(1ms);
  EXPECT_FALSE(is_loop_thread);
}

TEST_F(ThreadsOfAProcess, a_thread_that_it_starts_is_joined_in_virtual_time) {
  std::vector<std::string> ended;
  start("outer", [&] {
    Thread inner("inner", [&] {
      wait_for(2s);
      ended.emplace_back("inner");
    });
    inner.join();
    ended.emplace_back("outer");
  });
  world_.run_for(1s);
  EXPECT_THAT(threads_.unfinished(), ElementsAre("outer", "outer/1"));
  world_.run_for(2s);
  EXPECT_THAT(ended, ElementsAre("inner", "outer"));
}

TEST(ThreadsOfASeed, take_the_same_turns_each_time) {
  const auto play = [] {
    World world(11);
    Threads threads(world);
    Process& process =
        world.machine("m").start("process", [](Process&) { return std::make_shared<int>(); });
    std::mutex mutex;
    WaitPoint point;
    for (const std::string name : {"a", "b", "c"}) {
      threads.start(process, name, [&] {
        for (int i = 0; i < 50; ++i) {
          std::unique_lock lock(mutex);
          point.wait_for(lock, 1ms);
          point.notify_all();
        }
      });
    }
    world.run_for(1s);
    EXPECT_THAT(threads.unfinished(), IsEmpty());
    return world.trace_hash();
  };
  EXPECT_EQ(play(), play());
}

}  // namespace
}  // namespace dohle::sim
