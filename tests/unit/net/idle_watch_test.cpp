// A program of its own, since a watch lasts as long as its process.
#include "base/idle_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "base/call_deadline.hpp"
#include "base/thread.hpp"
#include "base/time_shift.hpp"
#include "base/wait_point.hpp"
#include "base/watched_thread.hpp"
#include "net/loop.hpp"
#include "net/workers.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto patience = 20s;

class IdleWatchTest : public testing::Test {
 protected:
  IdleWatch& watch_ = IdleWatch::begin();
};

/// Loops that start while there is a watch.
class LoopsUnderWatch : public IdleWatchTest {
 protected:
  LoopsUnderWatch() {
    first_.start("first");
    second_.start("second");
  }
  ~LoopsUnderWatch() override {
    second_.stop();
    first_.stop();
    second_.join();
    first_.join();
  }
  /// Runs the task on the loop, after `in` of its time.
  void arm(net::Loop& loop, Duration in, std::function<void()> task) {
    loop.post([&loop, in, task = std::move(task)]() mutable {
      loop.arm(loop.tick().mono + in, [task = std::move(task)] { task(); });
    });
  }
  net::Loop first_, second_;
};

TEST_F(LoopsUnderWatch, are_at_work_until_the_last_of_tasks_that_post_each_other) {
  std::atomic<int> count{0};
  const std::function<void(net::Loop&, net::Loop&)> pass = [&](net::Loop& here, net::Loop& there) {
    if (++count < 1'000) there.post([&] { pass(there, here); });
  };
  for (int round = 1; round <= 20; ++round) {
    count = 0;
    first_.post([&] { pass(first_, second_); });
    ASSERT_TRUE(watch_.wait_idle(patience));
    ASSERT_EQ(count, 1'000) << "in round " << round;
  }
}

TEST_F(LoopsUnderWatch, fire_their_timers_in_one_common_order) {
  std::mutex mutex;
  std::vector<std::string> fired;
  const auto note = [&](const std::string& name) {
    return [&, name] {
      const std::lock_guard lock(mutex);
      fired.push_back(name);
    };
  };
  arm(first_, 3h, note("3 h"));
  arm(second_, 1h, note("1 h"));
  arm(first_, 2h, note("2 h"));
  arm(second_, 10h, note("10 h"));
  // A timer whose task arms the next one.
  arm(second_, 30min, [&] { arm(second_, 2h, note("2.5 h")); });
  ASSERT_TRUE(watch_.wait_idle(patience));
  ASSERT_TRUE(watch_.advance(4h, patience));
  EXPECT_THAT(fired, ElementsAre("1 h", "2 h", "2.5 h", "3 h"));
}

TEST_F(LoopsUnderWatch, compute_their_next_timer_again_after_the_time_has_moved) {
  std::promise<void> fired;
  arm(first_, 1h, [&] { fired.set_value(); });
  ASSERT_TRUE(watch_.advance(1h - 20ms, patience));
  // The rest passes by itself, if the loop does not sleep for the hour that it had to.
  ASSERT_EQ(fired.get_future().wait_for(patience), std::future_status::ready);
}

TEST_F(LoopsUnderWatch, read_clocks_that_move_together) {
  const Timestamp wall = first_.clock().wall();
  const TimePoint mono = first_.clock().mono();
  const TimePoint thread = thread_now();
  ASSERT_TRUE(watch_.advance(24h, patience));
  EXPECT_GE(first_.clock().wall().value - wall.value, 86'400'000);
  EXPECT_GE(first_.clock().mono() - mono, 24h);
  EXPECT_GE(thread_now() - thread, 24h);
  EXPECT_GE(first_.published_wall().value - wall.value, 86'400'000) << "no turn has followed";
}

TEST_F(LoopsUnderWatch, are_at_work_while_a_worker_has_a_job_for_them) {
  net::WorkerThreads workers(1);
  std::binary_semaphore may_end{0};
  bool is_done = false;
  workers.run([&] { may_end.acquire(); }, first_, [&] { is_done = true; });
  const auto idle = watch_.wait_idle(20ms);
  ASSERT_FALSE(idle);
  EXPECT_THAT(idle.error().to_string(), HasSubstr("1 jobs of workers"));
  may_end.release();
  ASSERT_TRUE(watch_.wait_idle(patience));
  EXPECT_TRUE(is_done);
}

TEST_F(LoopsUnderWatch, that_never_become_idle_are_named) {
  std::function<void()> again;
  bool ends = false;
  again = [&] {
    if (!ends) first_.arm(first_.tick().mono, [&] { again(); });
  };
  first_.post([&] { again(); });
  const auto moved = watch_.advance(1h, 200ms);
  ASSERT_FALSE(moved);
  EXPECT_THAT(moved.error().to_string(), HasSubstr("the loop first"));
  std::promise<void> ended;
  first_.post([&] {
    ends = true;
    ended.set_value();
  });
  ended.get_future().wait();
  EXPECT_TRUE(watch_.wait_idle(patience));
}

/// A thread of the library, which waits at one place.
class ThreadUnderWatch : public IdleWatchTest {
 protected:
  ~ThreadUnderWatch() override {
    if (thread_) thread_->join();
  }
  void start(Task body) { thread_.emplace("a thread", std::move(body)); }

  std::mutex mutex_;
  WaitPoint point_;
  std::optional<Thread> thread_;
};

TEST_F(ThreadUnderWatch, counts_as_at_work_from_its_notification) {
  constexpr int rounds = 1'000;
  int asked = 0;
  int answered = 0;
  start([&] {
    std::unique_lock lock(mutex_);
    while (answered < rounds) {
      point_.wait_until(lock, never, [&] { return asked > answered; });
      ++answered;
    }
  });
  for (int i = 0; i < rounds; ++i) {
    {
      const std::lock_guard lock(mutex_);
      ++asked;
    }
    point_.notify_one();
    ASSERT_TRUE(watch_.wait_idle(patience));
    const std::lock_guard lock(mutex_);
    ASSERT_EQ(answered, asked);
  }
}

TEST_F(ThreadUnderWatch, wakes_when_its_time_has_come_and_not_before) {
  bool has_time_passed = false;
  const TimePoint until = thread_now() + 1h;
  start([&] {
    std::unique_lock lock(mutex_);
    const bool is_notified = point_.wait_until(lock, until, [] { return false; });
    has_time_passed = !is_notified;
  });
  ASSERT_TRUE(watch_.advance(30min, patience));
  {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(has_time_passed);
  }
  ASSERT_TRUE(watch_.advance(31min, patience));
  const std::lock_guard lock(mutex_);
  EXPECT_TRUE(has_time_passed);
}

TEST_F(ThreadUnderWatch, in_the_programs_code_is_at_work_and_is_named) {
  std::binary_semaphore may_end{0};
  std::binary_semaphore is_inside{0};
  start([&] {
    const UserCall call([] { return "the handler of orders-0 at offset 5"; });
    is_inside.release();
    may_end.acquire();
  });
  is_inside.acquire();
  const auto moved = watch_.advance(1h, 20ms);
  ASSERT_FALSE(moved);
  EXPECT_TRUE(moved.error().is(Errc::timed_out));
  EXPECT_THAT(moved.error().to_string(),
              HasSubstr("a thread (the handler of orders-0 at offset 5)"));
  may_end.release();
  ASSERT_TRUE(watch_.wait_idle(patience));
}

TEST_F(ThreadUnderWatch, in_the_programs_code_waits_in_real_time) {
  bool is_asked = false;
  bool has_waited = false;
  std::binary_semaphore is_inside{0};
  start([&] {
    const UserCall call([] { return "a handler"; });
    std::unique_lock lock(mutex_);
    is_inside.release();
    has_waited = point_.wait_for(lock, 1h, [&] { return is_asked; });
  });
  is_inside.acquire();
  // The thread waits as soon as it unlocks the mutex.
  {
    const std::lock_guard lock(mutex_);
  }
  const auto moved = watch_.advance(2h, 20ms);
  EXPECT_FALSE(moved) << "a handler that waits is not waited for";
  {
    const std::lock_guard lock(mutex_);
    is_asked = true;
  }
  point_.notify_one();
  ASSERT_TRUE(watch_.wait_idle(patience));
  EXPECT_TRUE(has_waited);
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if !defined(__SANITIZE_THREAD__) && !__has_feature(thread_sanitizer)
// The thread sanitizer allows no threads after a fork.
TEST_F(LoopsUnderWatch, are_not_watched_in_a_forked_child) {
  arm(first_, 1h, [] {});
  ASSERT_TRUE(watch_.wait_idle(patience));
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    const bool has_none = IdleWatch::current() == nullptr;
    IdleWatch& own = IdleWatch::begin();
    net::Loop loop;
    loop.start("in the child");
    bool has_fired = false;
    arm(loop, 2h, [&] { has_fired = true; });
    const bool has_moved = own.advance(3h, patience).has_value();
    loop.stop();
    loop.join();
    ::_exit(has_none && &own != &watch_ && has_moved && has_fired ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}
#endif

TEST_F(IdleWatchTest, keeps_deadlines_of_the_programs_own_threads_in_real_time) {
  std::mutex mutex;
  WaitPoint point;
  bool is_asked = false;
  std::binary_semaphore is_inside{0};
  auto waiting = std::async(std::launch::async, [&] {
    std::unique_lock lock(mutex);
    is_inside.release();
    return point.wait_for(lock, 1h, [&] { return is_asked; });
  });
  is_inside.acquire();
  {
    const std::lock_guard lock(mutex);
  }
  ASSERT_TRUE(watch_.advance(2h, patience));
  // Without its real deadline it would look at the time now, and give up.
  point.notify_all();
  EXPECT_EQ(waiting.wait_for(50ms), std::future_status::timeout);
  {
    const std::lock_guard lock(mutex);
    is_asked = true;
  }
  point.notify_all();
  EXPECT_TRUE(waiting.get());
}

TEST_F(IdleWatchTest, keeps_a_call_deadline_of_the_programs_own_threads_in_real_time) {
  const CallDeadline deadline(1h);
  EXPECT_TRUE(deadline.is_kept_by_caller());
  EXPECT_EQ(deadline.for_loop(), never);
  ASSERT_TRUE(watch_.advance(2h, patience));
  EXPECT_FALSE(deadline.has_passed());
  const TimePoint now = thread_now();
  EXPECT_GT(deadline.at(), now);
  EXPECT_LE(deadline.left(), 1h) << "nor is it later";
  EXPECT_TRUE(CallDeadline(0s).has_passed());
}

TEST_F(ThreadUnderWatch, has_a_call_deadline_that_passes_when_the_time_moves) {
  std::optional<CallDeadline> deadline;
  start([&] {
    std::unique_lock lock(mutex_);
    deadline.emplace(1h);
    while (!deadline->has_passed()) point_.wait_until(lock, deadline->at());
  });
  ASSERT_TRUE(watch_.wait_idle(patience));
  {
    const std::lock_guard lock(mutex_);
    ASSERT_FALSE(deadline->is_kept_by_caller());
    EXPECT_EQ(deadline->for_loop(), deadline->at());
  }
  ASSERT_TRUE(watch_.advance(61min, patience));
  const std::lock_guard lock(mutex_);
  EXPECT_LE(deadline->at(), thread_now());
}

TEST_F(IdleWatchTest, notifies_a_condition_whenever_all_work_has_ended) {
  net::Loop loop;
  loop.start("counting");
  std::atomic<int> count{0};
  const std::function<void()> more = [&] {
    if (++count < 5) loop.arm(loop.tick().mono + 1ms, [&] { more(); });
  };
  loop.post([&] { more(); });
  EXPECT_TRUE(
      watch_.wait_until(std::chrono::steady_clock::now() + patience, [&] { return count == 5; }));
  EXPECT_FALSE(
      watch_.wait_until(std::chrono::steady_clock::now() + 20ms, [&] { return count == 6; }));
  loop.stop();
  loop.join();
}

}  // namespace
}  // namespace dohle
