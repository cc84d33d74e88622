#include "node/fetch/fetch_waits.hpp"

#include <gmock/gmock.h>

#include <deque>
#include <string>

namespace dohle::node {
namespace {

using std::chrono::milliseconds;

/// A loop whose turns have time for two clock reads.
class ShortTurns final : public Executor {
 public:
  void post(Task task) override { posted_.push_back(std::move(task)); }
  [[nodiscard]] bool is_loop_thread() const override { return true; }
  TimerId arm(TimePoint at, Task task) override {
    timers_.emplace(std::pair{at, ++last_timer_}, std::move(task));
    return last_timer_;
  }
  void cancel(TimerId id) override {
    std::erase_if(timers_, [=](const auto& timer) { return timer.first.second == id; });
  }
  [[nodiscard]] Now tick() const override { return {now_, Timestamp{}}; }
  [[nodiscard]] TimePoint mono_now() const override { return looked_at_ += milliseconds(1); }
  [[nodiscard]] TimePoint turn_end() const override { return now_ + milliseconds(2); }

  /// Runs the due timers, or else the tasks posted before.
  void turn() {
    now_ = looked_at_;
    if (!timers_.empty() && timers_.begin()->first.first <= now_) {
      Task due = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      due();
      return;
    }
    for (Task& task : std::exchange(posted_, {})) task();
  }
  void pass(Duration time) { looked_at_ += time; }
  [[nodiscard]] bool has_posted() const { return !posted_.empty(); }

 private:
  std::deque<Task> posted_;
  std::map<std::pair<TimePoint, TimerId>, Task> timers_;
  TimerId last_timer_ = 0;
  mutable TimePoint looked_at_{milliseconds(1'000)};
  TimePoint now_{milliseconds(1'000)};
};

class FetchWaitsTest : public testing::Test {
 protected:
  /// A fetch that counts its attempts.
  class Counted final : public WaitingFetch {
   public:
    Counted(const PartitionRef& partition, int& attempts, bool is_answered)
        : partition_(partition), attempts_(attempts), is_answered_(is_answered) {}
    std::size_t attempt(bool) override {
      ++attempts_;
      return is_answered_ ? 0 : 1;
    }
    [[nodiscard]] Seen seen() const override {
      return {partition_->visible_bytes, partition_->changes};
    }

   private:
    PartitionRef partition_;
    int& attempts_;
    bool is_answered_;
  };

  void add(FetchWaits& waits, int count, bool is_answered = true) {
    for (int i = 0; i < count; ++i) {
      waits.add(7, {partition_}, 1, TimePoint{std::chrono::hours(1)},
                std::make_unique<Counted>(partition_, attempts_, is_answered));
    }
  }
  void show(FetchWaits& waits, std::size_t bytes) {
    partition_->visible_bytes += bytes;
    waits.advanced(*partition_, bytes);
  }

  ShortTurns loop_;
  PartitionRef partition_ =
      std::make_shared<Partition>("t", PartitionId{0}, Error::client(Errc::closed, "no log"));
  int attempts_ = 0;
};

TEST_F(FetchWaitsTest, AreAnsweredAsManyAsATurnHasTimeFor) {
  FetchWaits waits(loop_, {});
  add(waits, 10);
  show(waits, 1);
  bool is_acknowledged = false;
  waits.after_ready([&] { is_acknowledged = true; });
  loop_.turn();
  EXPECT_EQ(attempts_, 2);
  EXPECT_TRUE(is_acknowledged);  // not after all ten
  for (int i = 0; i < 4; ++i) loop_.turn();
  EXPECT_EQ(attempts_, 10);
  EXPECT_EQ(waits.size(), 0u);
  EXPECT_FALSE(loop_.has_posted());
}

TEST_F(FetchWaitsTest, LookInPiecesOfATurnAboveTheBoundOnPairs) {
  FetchWaits waits(loop_, {.max_pairs = 0});
  add(waits, 10);
  show(waits, 1);
  EXPECT_FALSE(loop_.has_posted());
  loop_.turn();  // the first round begins
  EXPECT_EQ(attempts_, 2);
  for (int i = 0; i < 4; ++i) loop_.turn();
  EXPECT_EQ(attempts_, 10);
  EXPECT_FALSE(loop_.has_posted());
}

TEST_F(FetchWaitsTest, AreNotAttemptedWhileNothingBecameVisible) {
  FetchWaits waits(loop_, {.max_pairs = 0});
  add(waits, 1, false);
  for (int i = 0; i < 3; ++i) {
    loop_.pass(milliseconds(100));
    loop_.turn();
  }
  EXPECT_EQ(attempts_, 0);
  show(waits, 1);
  for (int i = 0; i < 3; ++i) {
    loop_.pass(milliseconds(100));
    loop_.turn();
  }
  EXPECT_EQ(attempts_, 1);
  waits.changed(*partition_);
  loop_.pass(milliseconds(100));
  loop_.turn();
  EXPECT_EQ(attempts_, 2);
}

TEST_F(FetchWaitsTest, MayBeForgottenWhileTheyAnswer) {
  FetchWaits waits(loop_, {});
  class Closing final : public WaitingFetch {
   public:
    explicit Closing(FetchWaits& waits) : waits_(waits) {}
    std::size_t attempt(bool) override {
      waits_.forget(7);
      return 0;
    }
    [[nodiscard]] Seen seen() const override { return {}; }

   private:
    FetchWaits& waits_;
  };
  waits.add(7, {partition_}, 1, TimePoint{std::chrono::hours(1)}, std::make_unique<Closing>(waits));
  add(waits, 3);
  show(waits, 1);
  loop_.turn();
  EXPECT_EQ(waits.size(), 0u);
  EXPECT_EQ(waits.pairs(), 0u);
  EXPECT_THAT(partition_->waits, testing::IsEmpty());
}

}  // namespace
}  // namespace dohle::node
