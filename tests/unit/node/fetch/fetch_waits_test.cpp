#include "node/fetch/fetch_waits.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

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
    std::optional<std::size_t> attempt(bool) override {
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

TEST_F(FetchWaitsTest, AreAnsweredInPiecesOfATurn) {
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

TEST_F(FetchWaitsTest, AreCheckedInPiecesOfATurnAboveTheBoundOnPairs) {
  FetchWaits waits(loop_, {.max_pairs = 0});
  add(waits, 10);
  show(waits, 1);
  EXPECT_FALSE(loop_.has_posted());
  loop_.turn();  // the first round begins
  EXPECT_EQ(attempts_, 0);
  while (loop_.has_posted()) {
    const int before = attempts_;
    loop_.turn();
    EXPECT_LE(attempts_, before + 2);
  }
  EXPECT_EQ(attempts_, 10);
}

TEST_F(FetchWaitsTest, AreCheckedPeriodicallyIfTheyNameTooManyPartitions) {
  FetchWaits waits(loop_, {.max_pairs_of_fetch = 1});
  add(waits, 1);
  EXPECT_EQ(waits.pairs(), 1u);
  waits.add(7, {partition_, partition_}, 1, TimePoint{std::chrono::hours(1)},
            std::make_unique<Counted>(partition_, attempts_, true));
  EXPECT_EQ(waits.pairs(), 1u);
  EXPECT_EQ(partition_->waits.size(), 1u);
}

TEST_F(FetchWaitsTest, ContinueAnAttemptInTheNextTurn) {
  FetchWaits waits(loop_, {});
  /// Reads half of its partitions in a turn.
  class Long final : public WaitingFetch {
   public:
    Long(std::size_t& visible, std::vector<std::string>& calls)
        : visible_(visible), calls_(calls) {}
    std::optional<std::size_t> attempt(bool is_last) override {
      if (!std::exchange(has_half_, true)) {
        seen_ = visible_;
        calls_.emplace_back("begins");
        return std::nullopt;
      }
      has_half_ = false;
      calls_.emplace_back(is_last ? "answers" : "waits on");
      return is_last ? 0 : 10 - seen_;
    }
    [[nodiscard]] Seen seen() const override { return {}; }

   private:
    std::size_t& visible_;
    std::vector<std::string>& calls_;
    std::size_t seen_ = 0;
    bool has_half_ = false;
  };
  std::size_t visible = 0;
  std::vector<std::string> calls;
  waits.add(7, {partition_}, 1, loop_.tick().mono + milliseconds(50),
            std::make_unique<Long>(visible, calls));
  waits.changed(*partition_);
  while (loop_.has_posted() && calls.empty()) loop_.turn();
  waits.check_invariants();
  EXPECT_THAT(calls, testing::ElementsAre("begins"));
  // The attempt may have read past it: another one follows.
  visible = 1;
  waits.advanced(*partition_, 1);
  for (int i = 0; i < 10 && loop_.has_posted(); ++i) {
    loop_.turn();
    waits.check_invariants();
  }
  EXPECT_THAT(calls, testing::ElementsAre("begins", "waits on", "begins", "waits on"));
  waits.advanced(*partition_, 8);
  EXPECT_FALSE(loop_.has_posted()) << "one byte of ten is missing";
  loop_.pass(milliseconds(50));
  loop_.turn();
  while (loop_.has_posted()) loop_.turn();
  EXPECT_THAT(
      calls, testing::ElementsAre("begins", "waits on", "begins", "waits on", "begins", "answers"));
  EXPECT_EQ(waits.size(), 0u);
}

TEST_F(FetchWaitsTest, AreTriedAtOnceIfTheirReadDataIsOutdated) {
  FetchWaits waits(loop_, {});
  waits.add(7, {partition_}, 1, TimePoint{std::chrono::hours(1)},
            std::make_unique<Counted>(partition_, attempts_, false), true);
  waits.check_invariants();
  while (loop_.has_posted()) loop_.turn();
  EXPECT_EQ(attempts_, 1);
  EXPECT_EQ(waits.size(), 1u);
}

TEST_F(FetchWaitsTest, AreNotTriedAgainBecauseOfACheckDuringAnAttempt) {
  FetchWaits waits(loop_, {.max_pairs = 0});
  /// Takes five turns, and never has enough.
  class Slow final : public WaitingFetch {
   public:
    Slow(const PartitionRef& partition, int& begun) : partition_(partition), begun_(begun) {}
    std::optional<std::size_t> attempt(bool) override {
      if (left_ == 0) {
        left_ = 5;
        ++begun_;
      }
      if (--left_ > 0) return std::nullopt;
      return 10;
    }
    [[nodiscard]] Seen seen() const override {
      return {partition_->visible_bytes, partition_->changes};
    }

   private:
    PartitionRef partition_;
    int& begun_;
    int left_ = 0;
  };
  int begun = 0;
  waits.add(7, {partition_}, 1, TimePoint{std::chrono::hours(1)},
            std::make_unique<Slow>(partition_, begun));
  const auto pass_rounds = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      loop_.pass(milliseconds(100));
      loop_.turn();  // a look
      loop_.turn();  // a part of the attempt
      waits.check_invariants();
    }
  };
  show(waits, 1);
  pass_rounds(10);
  EXPECT_EQ(begun, 1);
  show(waits, 10);
  pass_rounds(2);
  EXPECT_EQ(begun, 2);
  show(waits, 1);
  pass_rounds(10);
  EXPECT_EQ(begun, 3) << "the attempt may have read past it";
}

TEST_F(FetchWaitsTest, RunTasksAfterThemInOrderAndInPieces) {
  FetchWaits waits(loop_, {});
  add(waits, 2);
  show(waits, 1);
  std::vector<int> order;
  for (int i = 0; i < 6; ++i) waits.after_ready([&, i] { order.push_back(i); });
  loop_.turn();
  EXPECT_LT(order.size(), 6u);
  waits.after_ready([&] { order.push_back(6); });
  while (loop_.has_posted()) loop_.turn();
  EXPECT_THAT(order, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6));
}

TEST_F(FetchWaitsTest, OfAClosedConnectionAreFreedInPieces) {
  FetchWaits waits(loop_, {});
  add(waits, 10);
  show(waits, 1);
  waits.forget(7);
  waits.check_invariants();
  EXPECT_GT(waits.size(), 0u);
  EXPECT_EQ(waits.pairs(), waits.size());
  while (loop_.has_posted()) {
    loop_.turn();
    waits.check_invariants();
  }
  EXPECT_EQ(waits.size(), 0u);
  EXPECT_EQ(waits.pairs(), 0u);
  EXPECT_EQ(attempts_, 0);
  EXPECT_THAT(partition_->waits, testing::IsEmpty());
}

TEST_F(FetchWaitsTest, AreNotAttemptedWhileNothingBecameVisible) {
  FetchWaits waits(loop_, {.max_pairs = 0});
  add(waits, 1, false);
  const auto pass_rounds = [this](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      loop_.pass(milliseconds(100));
      loop_.turn();
      while (loop_.has_posted()) loop_.turn();
    }
  };
  pass_rounds(3);
  EXPECT_EQ(attempts_, 0);
  show(waits, 1);
  pass_rounds(3);
  EXPECT_EQ(attempts_, 1);
  waits.changed(*partition_);
  pass_rounds(1);
  EXPECT_EQ(attempts_, 2);
}

TEST_F(FetchWaitsTest, MayBeForgottenWhileTheyAnswer) {
  FetchWaits waits(loop_, {});
  class Closing final : public WaitingFetch {
   public:
    explicit Closing(FetchWaits& waits) : waits_(waits) {}
    std::optional<std::size_t> attempt(bool) override {
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
  while (loop_.has_posted()) loop_.turn();
  EXPECT_EQ(attempts_, 0);
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

  /// Time passes: each fetch is answered once it has enough data, or at its deadline.
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
  /// It looks at the data of its partitions since it was created.
  class Fetch final : public WaitingFetch {
   public:
    Fetch(RandomWaits& world, int number, std::vector<std::uint64_t> of, std::size_t wanted)
        : world_(world), number_(number), of_(std::move(of)), began_(bytes()), wanted_(wanted) {}
    std::optional<std::size_t> attempt(bool is_last) override {
      EXPECT_TRUE(world_.open_.contains(number_)) << "a fetch is attempted that was answered";
      // An attempt does not read records again that it has read before its turn was over.
      if (!read_) read_ = bytes();
      if (world_.below(3) == 0) return std::nullopt;
      const std::uint64_t have = *std::exchange(read_, std::nullopt) - began_;
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
    std::optional<std::uint64_t> read_;
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

TEST(FetchWaitsRandom, AreEachAnsweredOnceForAnyEventsOfTheirPartitions) {
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
