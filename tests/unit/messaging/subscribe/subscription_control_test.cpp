// Pauses, seeks and positions of a subscription, without threads.
#include <gtest/gtest.h>

#include <vector>

#include "messaging/subscribe/subscription_state.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start{1s};
constexpr Timestamp wall{1'700'000'000'000};
const TopicPartition zero{"t", PartitionId{0}}, one{"t", PartitionId{1}},
    other{"t", PartitionId{2}};
const std::vector<TopicPartition> both{zero, one};

struct SubscriptionControl : testing::Test {
  SubscriptionState state{{.auto_ack = false}};

  SubscriptionControl() { state.on_assigned(both); }
  void deliver(std::int64_t offset) {
    ConsumerRecord record;
    record.topic = "t";
    record.partition = PartitionId{0};
    record.offset = Offset{offset};
    state.on_records({&record, 1}, nullptr, {start, wall});
    state.check_invariants();
  }
  EventPointer handled() {
    EventPointer event = state.take_work(start);
    if (!event) return nullptr;
    EXPECT_FALSE(state.on_handled(event, {}, start).has_value());
    return event;
  }
  std::vector<TopicPartition> paused() { return state.update_pauses(false, start).pause; }
  std::vector<TopicPartition> resumed() { return state.update_pauses(false, start).resume; }
};

TEST_F(SubscriptionControl, pauses_one_partition_and_resumes_it) {
  EXPECT_TRUE(state.pause(one, true));
  EXPECT_EQ(paused(), std::vector{one});
  EXPECT_FALSE(state.may_resume(start));
  EXPECT_TRUE(state.pause(one, false));
  EXPECT_TRUE(state.may_resume(start));
  EXPECT_EQ(resumed(), std::vector{one});
}

TEST_F(SubscriptionControl, pauses_all_partitions_and_leaves_single_ones_paused) {
  state.pause_all(true);
  EXPECT_EQ(paused(), both);
  EXPECT_TRUE(state.pause(one, true));
  state.pause_all(false);
  EXPECT_EQ(resumed(), std::vector{zero});
}

TEST_F(SubscriptionControl, ends_the_pause_of_a_partition_with_its_assignment) {
  EXPECT_TRUE(state.pause(one, true));
  state.on_given_up({&one, 1});
  state.on_assigned({&one, 1});
  EXPECT_TRUE(paused().empty());
}

TEST_F(SubscriptionControl, keeps_a_partition_paused_whose_topic_is_created_again) {
  deliver(5);
  EXPECT_TRUE(state.pause(zero, true));
  deliver(0);
  EXPECT_EQ(state.position(zero), Offset{1});
  EXPECT_EQ(paused(), std::vector{zero});
}

TEST_F(SubscriptionControl, refuses_partitions_that_are_not_assigned) {
  EXPECT_FALSE(state.pause(other, true));
  EXPECT_FALSE(state.seek(other, Offset{1}));
  EXPECT_FALSE(state.position(other).has_value());
  EXPECT_FALSE(state.committed(other).has_value());
}

TEST_F(SubscriptionControl, refuses_acknowledgements_of_events_from_before_a_seek) {
  deliver(0);
  deliver(1);
  const EventPointer event = handled();
  ASSERT_TRUE(event);
  EXPECT_TRUE(state.seek(zero, Offset{0}));
  state.check_invariants();
  const auto acked = state.ack(*event);
  ASSERT_FALSE(acked);
  EXPECT_TRUE(acked.error().is(Errc::not_owner));
  EXPECT_EQ(state.take_work(start), nullptr) << "a message is handed out that was read before";
}

TEST_F(SubscriptionControl, takes_no_record_until_the_partition_is_placed) {
  deliver(0);
  EXPECT_TRUE(state.seek(zero, Offset{5}));
  deliver(1);
  state.on_position(zero, Offset{2});
  EXPECT_EQ(state.position(zero), Offset{5});
  const auto rewinds = state.take_rewinds();
  ASSERT_EQ(rewinds.size(), 1u);
  EXPECT_EQ(rewinds[0], std::pair(zero, Offset{5}));
  EXPECT_EQ(resumed(), std::vector{zero});
  deliver(5);
  const EventPointer event = handled();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->offset, Offset{5});
}

TEST_F(SubscriptionControl, keeps_a_paused_partition_paused_after_a_seek) {
  EXPECT_TRUE(state.pause(zero, true));
  EXPECT_EQ(paused(), std::vector{zero});
  EXPECT_TRUE(state.seek(zero, Offset{5}));
  (void)state.take_rewinds();
  EXPECT_TRUE(resumed().empty());
}

TEST_F(SubscriptionControl, knows_the_offsets_that_were_read_and_committed) {
  EXPECT_TRUE(state.position(zero)->is_none());
  EXPECT_TRUE(state.committed(zero)->is_none());
  deliver(7);
  EXPECT_EQ(state.position(zero), Offset{8});
  EXPECT_TRUE(state.ack(*handled()));
  const auto due = state.start_commit(start);
  EXPECT_TRUE(state.on_commit_done(due, {}, start).empty());
  EXPECT_EQ(state.committed(zero), Offset{8});
}

}  // namespace
}  // namespace dohle::messaging
