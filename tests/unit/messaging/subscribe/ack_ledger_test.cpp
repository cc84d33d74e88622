#include "messaging/subscribe/ack_ledger.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "../random_events.hpp"

namespace dohle::messaging {
namespace {

AckLedger with_offsets(std::initializer_list<std::int64_t> offsets) {
  AckLedger ledger;
  for (const std::int64_t offset : offsets) {
    ledger.on_delivered(Offset{offset}, LeaderEpoch{4}, 10);
  }
  return ledger;
}

Offset due_offset(const AckLedger& ledger) {
  const auto due = ledger.due();
  return due ? due->offset : Offset{};
}

TEST(AckLedger, never_passes_an_event_that_is_not_done) {
  AckLedger ledger = with_offsets({5, 6, 7, 8});
  EXPECT_TRUE(ledger.on_done(Offset{8}));
  EXPECT_TRUE(ledger.on_done(Offset{6}));
  EXPECT_EQ(due_offset(ledger), Offset{5});
  EXPECT_TRUE(ledger.on_done(Offset{5}));
  EXPECT_EQ(due_offset(ledger), Offset{7});
  EXPECT_TRUE(ledger.on_done(Offset{7}));
  EXPECT_EQ(ledger.due(), (AckLedger::Commit{Offset{9}, LeaderEpoch{4}}));
}

TEST(AckLedger, commits_the_position_once_all_events_are_done) {
  AckLedger ledger = with_offsets({0});
  ledger.on_position(Offset{3});
  EXPECT_EQ(due_offset(ledger), Offset{0});
  ledger.on_done(Offset{0});
  EXPECT_EQ(due_offset(ledger), Offset{3});
}

TEST(AckLedger, commits_no_offset_twice) {
  AckLedger ledger = with_offsets({0, 1});
  ledger.on_done(Offset{0});
  ledger.on_committed(Offset{1});
  EXPECT_FALSE(ledger.due().has_value());
  ledger.on_done(Offset{1});
  EXPECT_EQ(due_offset(ledger), Offset{2});
}

TEST(AckLedger, accepts_each_offset_once_and_only_if_it_was_handed_out) {
  AckLedger ledger = with_offsets({2, 9});
  EXPECT_TRUE(ledger.on_done(Offset{9}));
  EXPECT_FALSE(ledger.on_done(Offset{9}));
  EXPECT_FALSE(ledger.on_done(Offset{5}));
  EXPECT_FALSE(ledger.is_pending(Offset{9}, 1));
  EXPECT_TRUE(ledger.is_pending(Offset{2}, 1));
  ledger.on_attempt_over(Offset{2});
  EXPECT_FALSE(ledger.is_pending(Offset{2}, 1));
  EXPECT_TRUE(ledger.is_pending(Offset{2}, 2));
}

TEST(AckLedger, expects_no_record_below_its_position_although_all_are_done) {
  AckLedger ledger;
  EXPECT_TRUE(ledger.is_next(Offset{0}));
  ledger.on_delivered(Offset{5}, LeaderEpoch{4}, 10);
  EXPECT_FALSE(ledger.is_next(Offset{5}));
  ledger.on_done(Offset{5});
  EXPECT_FALSE(ledger.is_next(Offset{5}));
  EXPECT_TRUE(ledger.is_next(Offset{6}));
  ledger.on_position(Offset{9});
  EXPECT_FALSE(ledger.is_next(Offset{8}));
  EXPECT_TRUE(ledger.is_next(Offset{9}));
}

TEST(AckLedger, counts_events_from_the_first_unacknowledged_one_and_held_bytes) {
  AckLedger ledger = with_offsets({0, 1, 2});
  ledger.on_done(Offset{2});
  EXPECT_EQ(ledger.outstanding(), 3u);
  EXPECT_EQ(ledger.outstanding_bytes(), 20u);
  ledger.on_done(Offset{0});
  EXPECT_EQ(ledger.outstanding(), 2u);
}

/// A ledger beside a plain list of the records that were handed out.
class LedgerModel {
 public:
  explicit LedgerModel(Random& random) : random_(random) {}

  void step() {
    switch (random_.below(7)) {
      case 0:
      case 1:
        return deliver();
      case 2:
      case 3:
        return finish();
      case 4:
        return end_attempt();
      case 5:
        return move_position();
      default:
        return commit();
    }
  }

  void check() const {
    ledger_.check_invariants();
    const std::size_t first = first_open();
    const Offset prefix = first < all_.size() ? all_[first].offset : position_;
    const auto due = ledger_.due();
    ASSERT_EQ(due.has_value(), prefix > committed_);
    if (due) {
      ASSERT_EQ(due->offset, prefix);
      ASSERT_EQ(due->leader_epoch, first > 0 ? all_[first - 1].epoch : LeaderEpoch{});
    }
    ASSERT_EQ(ledger_.committed(), committed_);
    ASSERT_EQ(ledger_.position(), position_);
    ASSERT_EQ(ledger_.outstanding(), all_.size() - first);
    std::size_t bytes = 0;
    for (const Entry& each : all_) {
      bytes += each.is_done ? 0 : each.bytes;
      ASSERT_EQ(ledger_.is_outstanding(each.offset), !each.is_done);
      ASSERT_EQ(ledger_.is_pending(each.offset, each.attempt), !each.is_done);
      ASSERT_FALSE(ledger_.is_pending(each.offset, each.attempt + 1));
    }
    ASSERT_EQ(ledger_.outstanding_bytes(), bytes);
    ASSERT_TRUE(position_.is_none() || !ledger_.is_next(Offset{position_.value - 1}));
  }

 private:
  struct Entry {
    Offset offset;
    LeaderEpoch epoch;
    std::size_t bytes = 0;
    bool is_done = false;
    int attempt = 1;
  };

  /// The index of the first record that is not done.
  [[nodiscard]] std::size_t first_open() const {
    std::size_t first = 0;
    while (first < all_.size() && all_[first].is_done) ++first;
    return first;
  }
  /// One of the records, most often a late one; null if there is none.
  Entry* any() {
    if (all_.empty()) return nullptr;
    const std::size_t late = std::min<std::size_t>(all_.size(), 10);
    const std::size_t from = random_.below(4) == 0 ? 0 : all_.size() - late;
    return &all_[from + random_.below(all_.size() - from)];
  }
  void deliver() {
    const Offset offset{std::max<std::int64_t>(position_.value, 0) +
                        static_cast<std::int64_t>(random_.below(3))};
    const LeaderEpoch epoch{static_cast<std::int32_t>(all_.size() / 10)};
    const std::size_t bytes = random_.below(100);
    ASSERT_TRUE(ledger_.is_next(offset));
    ledger_.on_delivered(offset, epoch, bytes);
    all_.push_back({offset, epoch, bytes});
    position_ = offset + 1;
  }
  void finish() {
    if (Entry* const entry = any()) {
      ASSERT_EQ(ledger_.on_done(entry->offset), !entry->is_done);
      entry->is_done = true;
    }
  }
  void end_attempt() {
    Entry* const entry = any();
    if (entry == nullptr || entry->is_done) return;
    ledger_.on_attempt_over(entry->offset);
    ++entry->attempt;
  }
  /// Behind the last record or a gap, or an earlier one, which changes nothing.
  void move_position() {
    const Offset to{position_.value + static_cast<std::int64_t>(random_.below(5)) - 2};
    ledger_.on_position(to);
    position_ = std::max(position_, to);
  }
  /// The answer to a commit that is due, or a late one of an earlier assignment.
  void commit() {
    const std::size_t first = first_open();
    const Offset prefix = first < all_.size() ? all_[first].offset : position_;
    const Offset at{prefix.value + static_cast<std::int64_t>(random_.below(6)) - 3};
    ledger_.on_committed(at);
    if (at <= prefix) committed_ = std::max(committed_, at);
  }

  Random& random_;
  AckLedger ledger_;
  std::vector<Entry> all_;
  Offset position_, committed_;
};

TEST(RandomEventsOfALedger, AreCommittedAsTheModelSays) {
  test::play_seeds(1'000, [](Random& random) {
    LedgerModel model(random);
    for (int i = 0; i < 150 && !testing::Test::HasFailure(); ++i) {
      model.step();
      model.check();
    }
  });
}

}  // namespace
}  // namespace dohle::messaging
