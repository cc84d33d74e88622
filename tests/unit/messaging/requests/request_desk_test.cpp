#include "messaging/requests/request_desk.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "sim/machine.hpp"
#include "sim/process.hpp"
#include "sim/world.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

/// A loop whose tasks and timers run when the test asks for it.
class ManualLoop final : public Executor {
 public:
  void post(Task task) override { posted_.push_back(std::move(task)); }
  bool is_loop_thread() const override { return true; }
  TimerId arm(TimePoint at, Task task) override {
    timers_.emplace(++last_, Timer{at, std::move(task)});
    return last_;
  }
  void cancel(TimerId id) override { timers_.erase(id); }
  Now tick() const override { return {monotonic_now(), Timestamp{0}}; }

  void run_posted() {
    while (!posted_.empty()) {
      Task task = std::move(posted_.front());
      posted_.pop_front();
      task();
    }
  }
  /// Runs the due timers, and the tasks that they post.
  void run_due() {
    std::vector<TimerId> due;
    for (const auto& [id, timer] : timers_) {
      if (timer.at <= monotonic_now()) due.push_back(id);
    }
    for (const TimerId id : due) {
      auto timer = timers_.extract(id);
      if (timer) timer.mapped().task();
    }
    run_posted();
  }
  [[nodiscard]] std::size_t armed() const { return timers_.size(); }

 private:
  struct Timer {
    TimePoint at;
    Task task;
  };
  std::deque<Task> posted_;
  std::map<TimerId, Timer> timers_;
  TimerId last_ = 0;
};

class NoRecordTime final : public client::RecordTime {
 public:
  Timestamp wall() const override { return Timestamp{0}; }
  void keep_fresh(bool) override {}
};

/// A client of which only the loop is used.
class LoopAlone final : public Client::Shared {
 public:
  LoopAlone(ManualLoop& loop, sim::Process& process)
      : environment_{
            loop,  process.dialer(), process.clock(),        process.random(), process.workers(),
            time_, *logger_,         process.secure_random()} {}
  client::Cluster& cluster() override { std::terminate(); }
  const client::ClientEnvironment& environment() const override { return environment_; }
  Duration default_api_timeout() const override { std::terminate(); }
  Result<void> check_usable() const override { return {}; }
  void attach(std::weak_ptr<Part>) override {}
  void close(client::SharedCallTime, Done done) override { done({}); }

 private:
  NoRecordTime time_;
  const std::shared_ptr<Logger> logger_ = silent_logger();
  client::ClientEnvironment environment_;
};

class RequestDeskTest : public testing::Test {
 protected:
  Result<CorrelationId> add(TimePoint deadline) {
    return desk_->add(deadline, "the request", [this](RawEvent* reply, const Error* failure) {
      if (reply == nullptr && failure->is(Errc::timed_out)) ++timed_out_;
    });
  }

  sim::World world_{1};
  sim::Process& process_ =
      world_.machine("m").start("client", [](sim::Process&) { return std::make_shared<int>(0); });
  ManualLoop loop_;
  const std::shared_ptr<LoopAlone> client_ = std::make_shared<LoopAlone>(loop_, process_);
  const std::shared_ptr<RequestDesk> desk_ = std::make_shared<RequestDesk>(
      7u, 100u, client_, std::make_shared<Reports>(nullptr, silent_logger()));
  int timed_out_ = 0;
};

TEST_F(RequestDeskTest, EndsARequestAtItsDeadline) {
  ASSERT_TRUE(add(monotonic_now()));
  EXPECT_EQ(timed_out_, 0);
  loop_.run_posted();
  loop_.run_due();
  EXPECT_EQ(timed_out_, 1);
  EXPECT_EQ(desk_->counts().timed_out, 1u);
  EXPECT_EQ(loop_.armed(), 0u) << "no request waits";
}

TEST_F(RequestDeskTest, HasOneTimerForAllRequestsInAnyOrderOfDeadlines) {
  ASSERT_TRUE(add(monotonic_now() + 1h));
  for (int i = 1; i <= 20; ++i) {
    // An earlier deadline than that of the request that waits, which passes at once.
    ASSERT_TRUE(add(monotonic_now()));
    loop_.run_posted();
    EXPECT_EQ(loop_.armed(), 1u) << i;
    loop_.run_due();
    EXPECT_EQ(timed_out_, i);
    EXPECT_EQ(loop_.armed(), 1u) << i;
  }
}

TEST_F(RequestDeskTest, IgnoresADeadlineThatTheCallerKeeps) {
  const auto id = add(never);
  ASSERT_TRUE(id);
  loop_.run_posted();
  EXPECT_EQ(loop_.armed(), 0u);
  const auto late = desk_->expire(*id);
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->is(Errc::timed_out));
  EXPECT_EQ(late->message(), "the request has no reply in time");
  EXPECT_EQ(desk_->counts().timed_out, 1u);
  EXPECT_EQ(desk_->counts().under_way, 0u);
  EXPECT_EQ(timed_out_, 0) << "the caller has the error already";
  EXPECT_FALSE(desk_->expire(*id));
}

TEST_F(RequestDeskTest, KeepsItsTimerForTheRequestsLeftAfterAReply) {
  const auto first = add(monotonic_now());
  ASSERT_TRUE(first && add(monotonic_now()));
  loop_.run_posted();
  EXPECT_TRUE(desk_->forget(*first));
  loop_.run_due();
  EXPECT_EQ(timed_out_, 1);
}

// A receiver may hold the frame of a coroutine, whose variables call the Broker when they end.
TEST_F(RequestDeskTest, LetsTheDestructorOfAReceiverCallIt) {
  int destroyed = 0;
  const auto add_counting = [&](RequestDesk& desk) {
    std::shared_ptr<int> counting(&destroyed, [&](int* count) {
      (void)desk.counts();
      ++*count;
    });
    return desk.add(never, "the request", [held = std::move(counting)](RawEvent*, const Error*) {});
  };
  const auto first = add_counting(*desk_);
  const auto second = add_counting(*desk_);
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(desk_->forget(*first));
  EXPECT_TRUE(desk_->expire(*second));
  EXPECT_EQ(destroyed, 2);
  RequestDesk full(7u, 0u, client_, std::make_shared<Reports>(nullptr, silent_logger()));
  EXPECT_FALSE(add_counting(full));
  EXPECT_EQ(destroyed, 3);
}

}  // namespace
}  // namespace dohle::messaging
