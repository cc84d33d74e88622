// A subscription whose handler takes batches, without threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "messaging/subscribe/subscription_state.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr TimePoint start{1s};
constexpr Timestamp wall{1'700'000'000'000};
const TopicPartition zero{"t", PartitionId{0}};
const std::vector<TopicPartition> only_zero{zero};

Error broken(const char* why = "broken") {
  return Error::client(Errc::handler_failed, why);
}

struct SubscriptionBatches : testing::Test {
  SubscriptionSettings settings{
      .batches = BatchSettings{.lanes = 1, .size = 3, .interval = 1h},
      .max_retries = 0,
      .retry_delay = 10ms,
  };
  std::optional<SubscriptionState> made;

  SubscriptionState& state() {
    if (!made) {
      made.emplace(settings);
      made->on_assigned(only_zero);
    }
    return *made;
  }
  void deliver(std::int64_t first, std::int64_t last, PartitionId partition = PartitionId{0}) {
    for (std::int64_t offset = first; offset <= last; ++offset) {
      ConsumerRecord record;
      record.topic = "t";
      record.partition = partition;
      record.offset = Offset{offset};
      state().on_records({&record, 1}, nullptr, {start, wall});
    }
    state().check_invariants();
  }
  std::vector<EventPointer> take(TimePoint now = start) {
    auto batch = state().take_batch(now);
    state().check_invariants();
    return batch;
  }
  static std::vector<std::int64_t> offsets(const std::vector<EventPointer>& batch) {
    std::vector<std::int64_t> all;
    for (const EventPointer& event : batch) all.push_back(event->offset.value);
    return all;
  }
  std::vector<Report> end(const std::vector<EventPointer>& batch, Result<void> handled,
                          std::vector<std::optional<Result<void>>> own = {},
                          TimePoint now = start) {
    own.resize(batch.size());
    const BatchOutcome outcome{.own = std::move(own), .handled = std::move(handled)};
    const std::vector<FailureAction> asked(batch.size(), FailureAction::retry);
    auto reports = state().on_batch_handled(batch, outcome, now, asked);
    state().check_invariants();
    return reports;
  }
  std::vector<std::int64_t> held() {
    std::vector<std::int64_t> all;
    for (const HeldMessage& each : state().held()) all.push_back(each.offset.value);
    return all;
  }
  std::int64_t due() {
    const auto offsets = state().final_commit(only_zero);
    return offsets.empty() ? -1 : offsets.front().committed.offset.value;
  }
};

TEST_F(SubscriptionBatches, are_due_by_their_size) {
  deliver(0, 1);
  EXPECT_THAT(take(), IsEmpty());
  deliver(2, 3);
  const auto batch = take();
  EXPECT_THAT(offsets(batch), ElementsAre(0, 1, 2));
  EXPECT_THAT(end(batch, {}), IsEmpty());
  EXPECT_EQ(due(), 3) << "success acknowledges all of a batch";
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(SubscriptionBatches, are_due_when_their_first_event_has_waited) {
  settings.batches->interval = 50ms;
  deliver(0, 1);
  EXPECT_EQ(state().next_time(), start + 50ms);
  EXPECT_THAT(take(start + 49ms), IsEmpty());
  EXPECT_THAT(offsets(take(start + 50ms)), ElementsAre(0, 1));
}

TEST_F(SubscriptionBatches, fail_for_the_events_that_were_neither_acknowledged_nor_nacked) {
  deliver(0, 2);
  const auto batch = take();
  EXPECT_TRUE(state().ack(*batch[0]));
  std::optional<Report> report;
  EXPECT_TRUE(state().nack(batch[1], broken("the second"), start, report));
  const auto reports = end(batch, fail(broken("the batch")));
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[0].offset, Offset{1});
  EXPECT_NE(reports[0].error.message().find("the second"), std::string::npos);
  EXPECT_EQ(reports[1].offset, Offset{2});
  EXPECT_NE(reports[1].error.message().find("the batch"), std::string::npos);
  EXPECT_THAT(held(), ElementsAre(1, 2));
  EXPECT_EQ(due(), 1);
}

TEST_F(SubscriptionBatches, nack_single_events_of_a_batch_that_succeeds) {
  deliver(0, 2);
  const auto batch = take();
  std::optional<Report> report;
  EXPECT_TRUE(state().nack(batch[1], broken(), start, report));
  EXPECT_EQ(end(batch, {}).size(), 1u);
  EXPECT_THAT(held(), ElementsAre(1));
}

TEST_F(SubscriptionBatches, report_a_failure_that_concerns_no_event_once) {
  deliver(0, 2);
  const auto batch = take();
  for (const EventPointer& event : batch) EXPECT_TRUE(state().ack(*event));
  const auto reports = end(batch, fail(broken()));
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].event, nullptr);
  EXPECT_EQ(reports[0].offset, Offset{0});
  EXPECT_EQ(due(), 3);
}

TEST_F(SubscriptionBatches, succeed_without_the_event_that_cannot_be_decoded) {
  deliver(0, 2);
  const auto reports =
      end(take(), {},
          {std::nullopt, Result<void>(fail(Error::client(Errc::codec_failed, "no JSON"))),
           std::nullopt});
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].kind, Failure::Kind::decode);
  EXPECT_EQ(reports[0].offset, Offset{1});
  EXPECT_THAT(held(), ElementsAre(1));
}

TEST_F(SubscriptionBatches, retry_failed_events_in_their_order_before_later_ones) {
  settings.max_retries = 1;
  deliver(0, 4);
  const auto batch = take();
  EXPECT_TRUE(state().ack(*batch[0]));
  EXPECT_THAT(end(batch, fail(broken())), IsEmpty());
  EXPECT_THAT(take(), IsEmpty()) << "later events wait for the retries";
  const auto again = take(start + 1s);
  EXPECT_THAT(offsets(again), ElementsAre(1, 2, 3));
  EXPECT_EQ(again[0]->attempt, 2);
  EXPECT_EQ(again[2]->attempt, 1);
  EXPECT_THAT(end(again, {}), IsEmpty());
  EXPECT_EQ(due(), 4);
}

TEST_F(SubscriptionBatches, wait_for_later_acknowledgements_by_hand) {
  settings.auto_ack = false;
  deliver(0, 2);
  const auto batch = take();
  EXPECT_THAT(end(batch, {}), IsEmpty());
  EXPECT_EQ(due(), 0);
  for (const EventPointer& event : batch) EXPECT_TRUE(state().ack(*event));
  EXPECT_EQ(due(), 3);
}

TEST_F(SubscriptionBatches, do_not_wait_for_more_when_their_partition_is_full) {
  settings.max_unacknowledged = 2;
  deliver(0, 0);
  EXPECT_THAT(take(), IsEmpty());
  deliver(1, 2);
  const auto batch = take();
  EXPECT_THAT(offsets(batch), ElementsAre(0, 1));
  EXPECT_THAT(end(batch, {}), IsEmpty());
  EXPECT_THAT(take(), IsEmpty()) << "there is room for more again";
}

TEST_F(SubscriptionBatches, do_not_wait_when_no_more_can_be_read) {
  deliver(0, 0);
  state().hurry_batches();
  EXPECT_THAT(offsets(take()), ElementsAre(0));
}

TEST_F(SubscriptionBatches, are_dropped_while_they_fill_when_their_partition_is_revoked) {
  deliver(0, 1);
  state().on_revoking(only_zero);
  EXPECT_FALSE(state().is_running_in(only_zero)) << "a revocation waits for a batch to fill";
  state().on_given_up(only_zero);
  EXPECT_EQ(state().next_time(), never);
  EXPECT_EQ(state().final_commit(only_zero).size(), 0u);
}

TEST_F(SubscriptionBatches, run_one_after_the_other_in_a_lane_and_side_by_side_in_several) {
  settings.batches->lanes = 2;
  const std::vector<TopicPartition> both{zero, {"t", PartitionId{1}}};
  state().on_assigned(std::span(both).subspan(1));
  deliver(0, 5);
  deliver(0, 2, PartitionId{1});
  const auto one = take(), two = take();
  ASSERT_EQ(one.size(), 3u);
  ASSERT_EQ(two.size(), 3u);
  EXPECT_NE(one[0]->partition, two[0]->partition);
  EXPECT_THAT(take(), IsEmpty());
  (void)end(one[0]->partition == PartitionId{0} ? one : two, {});
  EXPECT_THAT(offsets(take()), ElementsAre(3, 4, 5));
}

TEST_F(SubscriptionBatches, keep_their_lane_until_their_dead_letters_are_stored) {
  settings.failure_policy = FailurePolicy::dead_letter;
  settings.redirects.dead_letters = RedirectTopic{.name = "t.g.dlt"};
  deliver(0, 5);
  EXPECT_THAT(end(take(), fail(broken())), IsEmpty());
  EXPECT_THAT(take(), IsEmpty());
  for (int i = 0; i < 3; ++i) {
    const auto redirect = state().take_redirect(start);
    ASSERT_TRUE(redirect);
    EXPECT_THAT(take(), IsEmpty());
    state().on_redirected(redirect->id, Receipt{PartitionId{0}, Offset{i}, wall}, start);
  }
  EXPECT_THAT(offsets(take()), ElementsAre(3, 4, 5));
  EXPECT_EQ(due(), 3);
}

}  // namespace
}  // namespace dohle::messaging
