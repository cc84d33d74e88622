#include "messaging/ack_ledger.hpp"

#include <gtest/gtest.h>

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

TEST(AckLedger, goes_to_the_position_once_all_is_done) {
  AckLedger ledger = with_offsets({0});
  ledger.on_position(Offset{3});
  EXPECT_EQ(due_offset(ledger), Offset{0});
  ledger.on_done(Offset{0});
  EXPECT_EQ(due_offset(ledger), Offset{3});
}

TEST(AckLedger, has_nothing_due_twice) {
  AckLedger ledger = with_offsets({0, 1});
  ledger.on_done(Offset{0});
  ledger.on_committed(Offset{1});
  EXPECT_FALSE(ledger.due().has_value());
  ledger.on_done(Offset{1});
  EXPECT_EQ(due_offset(ledger), Offset{2});
}

TEST(AckLedger, takes_each_offset_once_and_only_those_handed_out) {
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

TEST(AckLedger, counts_from_the_first_outstanding_and_the_bytes_that_are_held) {
  AckLedger ledger = with_offsets({0, 1, 2});
  ledger.on_done(Offset{2});
  EXPECT_EQ(ledger.outstanding(), 3u);
  EXPECT_EQ(ledger.outstanding_bytes(), 20u);
  ledger.on_done(Offset{0});
  EXPECT_EQ(ledger.outstanding(), 2u);
}

}  // namespace
}  // namespace dohle::messaging
