#include "node/fetch/fetch_waits.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <deque>
#include <set>
#include <string>

#include "../../random_events.hpp"

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

// Random events for fetches that wait, against a list of how many bytes each still lacks.

class RandomWaits {
 public:
  explicit RandomWaits(Random& random)
      : random_(random), waits_(loop_, {.max_waits = 12, .max_pairs = 10 * (1 + random.below(3))}) {
    for (std::int32_t i = 0; i < 5; ++i) {
      partitions_.push_back(
          std::make_shared<Partition>("t", PartitionId{i}, Error::client(Errc::closed, "no log")));
    }
  }

  void step() {
    switch (below(8)) {
      case 0:
      case 1:
        return add();
      case 2:
      case 3: {
        const std::uint64_t which = below(partitions_.size());
        const std::size_t bytes = 1 + below(40);
        partitions_[which]->visible_bytes += bytes;
        visible_[which] += bytes;
        return waits_.advanced(*partitions_[which], bytes);
      }
      case 4:
        if (below(4) == 0) waits_.changed(*partitions_[below(partitions_.size())]);
        return;
      case 5:
        if (below(6) == 0) forget(below(3));
        return;
      default:
        loop_.pass(milliseconds(below(40)));
        loop_.turn();
    }
  }
  void check() const { waits_.check_invariants(); }

  /// Time passes: each is answered once it has what it lacked, or at its deadline.
  void finish() {
    for (int i = 0; i < 2'000 && waits_.size() > 0; ++i) {
      loop_.pass(milliseconds(20));
      loop_.turn();
      check();
    }
    EXPECT_EQ(waits_.size(), 0u) << "a fetch waits for ever";
    EXPECT_EQ(waits_.pairs(), 0u);
    for (const PartitionRef& partition : partitions_) EXPECT_TRUE(partition->waits.empty());
    EXPECT_TRUE(open_.empty()) << "a fetch is neither answered nor forgotten";
  }

 private:
  /// It looks at what its partitions have shown since it came.
  class Fetch final : public WaitingFetch {
   public:
    Fetch(RandomWaits& world, int number, std::vector<std::uint64_t> of, std::size_t wanted)
        : world_(world), number_(number), of_(std::move(of)), began_(bytes()), wanted_(wanted) {}
    std::size_t attempt(bool is_last) override {
      EXPECT_TRUE(world_.open_.contains(number_)) << "a fetch is attempted that was answered";
      const std::uint64_t have = bytes() - began_;
      if (!is_last && have < wanted_) return wanted_ - static_cast<std::size_t>(have);
      world_.open_.erase(number_);
      return 0;
    }
    [[nodiscard]] Seen seen() const override {
      std::uint64_t changes = 0;
      for (const std::uint64_t each : of_) changes += world_.partitions_[each]->changes;
      return {bytes(), changes};
    }

   private:
    [[nodiscard]] std::uint64_t bytes() const {
      std::uint64_t all = 0;
      for (const std::uint64_t each : of_) all += world_.visible_[each];
      return all;
    }
    RandomWaits& world_;
    int number_;
    std::vector<std::uint64_t> of_;
    std::uint64_t began_;
    std::size_t wanted_;
  };

  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }

  void add() {
    if (waits_.is_full()) return;
    std::vector<std::uint64_t> of;
    std::vector<PartitionRef> partitions;
    for (std::uint64_t i = 0; i < partitions_.size(); ++i) {
      if (below(2) == 0) continue;
      of.push_back(i);
      partitions.push_back(partitions_[i]);
    }
    const std::size_t wanted = 1 + below(100);
    const std::uint64_t connection = below(3);
    const int number = ++last_;
    open_.insert(number);
    of_connection_[connection].push_back(number);
    waits_.add(connection, std::move(partitions), wanted,
               loop_.tick().mono + milliseconds(1 + below(2'000)),
               std::make_unique<Fetch>(*this, number, std::move(of), wanted));
  }
  void forget(std::uint64_t connection) {
    waits_.forget(connection);
    for (const int number : std::exchange(of_connection_[connection], {})) open_.erase(number);
  }

  Random& random_;
  ShortTurns loop_;
  std::vector<PartitionRef> partitions_;
  std::array<std::uint64_t, 5> visible_{};
  std::set<int> open_;
  std::map<std::uint64_t, std::vector<int>> of_connection_;
  int last_ = 0;
  FetchWaits waits_;
};

TEST(FetchWaitsRandom, AreEachAnsweredOnceWhateverHappensToTheirPartitions) {
  test::play_seeds(1'000, [](Random& random) {
    RandomWaits world(random);
    for (int i = 0; i < 120; ++i) {
      world.step();
      world.check();
    }
    world.finish();
  });
}

}  // namespace
}  // namespace dohle::node
