#include "messaging/subscription_state.hpp"

#include <gtest/gtest.h>

#include <string>

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start{1s};
const TopicPartition zero{"strikes", PartitionId{0}};
const std::vector<TopicPartition> only_zero{zero};

Error broken() {
  return Error::client(Errc::handler_failed, "broken");
}

struct SubscriptionStateTest : testing::Test {
  SubscriptionSettings settings;
  std::optional<SubscriptionState> made;

  SubscriptionState& core() {
    if (!made) {
      made.emplace(settings);
      made->on_assigned(only_zero);
    }
    return *made;
  }
  void deliver(std::int64_t offset, std::string_view key = "k") {
    ConsumerRecord record;
    record.topic = "strikes";
    record.partition = PartitionId{0};
    record.offset = Offset{offset};
    record.key = as_bytes(key);
    core().on_record(record, nullptr, nullptr);
  }
  EventPointer handled(Result<void> result = {}) {
    EventPointer event = core().take_work(start);
    if (event) report = core().on_handled(event, std::move(result), start);
    return event;
  }
  std::int64_t due() {
    const auto offsets = core().final_commit(only_zero);
    return offsets.empty() ? -1 : offsets.front().committed.offset.value;
  }
  std::optional<Report> report;
};

TEST_F(SubscriptionStateTest, acknowledges_handled_events) {
  deliver(0);
  deliver(1);
  handled();
  EXPECT_EQ(due(), 1);
  handled();
  EXPECT_EQ(due(), 2);
  EXPECT_FALSE(report.has_value());
}

TEST_F(SubscriptionStateTest, keeps_the_order_of_a_key_and_lets_others_pass) {
  deliver(0, "a");
  deliver(1, "a");
  deliver(2, "b");
  const EventPointer first = core().take_work(start);
  const EventPointer other = core().take_work(start);
  ASSERT_TRUE(first && other);
  EXPECT_EQ(first->offset, Offset{0});
  EXPECT_EQ(other->offset, Offset{2});
  EXPECT_EQ(core().take_work(start), nullptr);
  (void)core().on_handled(first, {}, start);
  const EventPointer second = core().take_work(start);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->offset, Offset{1});
}

TEST_F(SubscriptionStateTest, by_hand_commits_the_contiguous_prefix_of_acks_in_any_order) {
  settings.auto_ack = false;
  for (const std::int64_t offset : {0, 1, 2}) deliver(offset);
  const EventPointer a = handled(), b = handled(), c = handled();
  EXPECT_EQ(due(), 0);
  EXPECT_TRUE(core().ack(*c).has_value());
  EXPECT_TRUE(core().ack(*b).has_value());
  EXPECT_EQ(due(), 0);
  EXPECT_TRUE(core().ack(*a).has_value());
  EXPECT_EQ(due(), 3);
  EXPECT_TRUE(core().ack(*a).has_value()) << "a second ack has no effect";
}

TEST_F(SubscriptionStateTest, an_ack_of_an_earlier_ownership_changes_nothing) {
  settings.auto_ack = false;
  deliver(0);
  const EventPointer event = handled();
  core().on_given_up(only_zero);
  core().on_assigned(only_zero);
  deliver(0);
  const auto acked = core().ack(*event);
  ASSERT_FALSE(acked.has_value());
  EXPECT_TRUE(acked.error().is(Errc::not_owner));
  EXPECT_EQ(due(), 0);
}

TEST_F(SubscriptionStateTest, retries_in_place_then_reports_and_does_not_commit_past) {
  settings.max_retries = 1;
  settings.retry_delay = 10ms;
  deliver(0);
  deliver(1);
  const EventPointer first = handled(fail(broken()));
  EXPECT_FALSE(report.has_value());
  EXPECT_EQ(core().take_work(start + 9ms), nullptr) << "the key waits for its retry";
  const EventPointer again = core().take_work(start + 10ms);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->offset, Offset{0});
  EXPECT_EQ(again->attempt, 2);
  EXPECT_TRUE(core().ack(*first).error().is(Errc::invalid_argument));
  report = core().on_handled(again, fail(broken()), start + 10ms);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->event->offset, Offset{0});
  EXPECT_TRUE(core().ack(*again).error().is(Errc::invalid_argument))
      << "it was given back: the error handler alone may skip it";
  const auto keep = report;
  handled();
  EXPECT_EQ(due(), 0);
  EXPECT_TRUE(core().ack(*keep->event).has_value()) << "the error handler skips it";
  EXPECT_EQ(due(), 2);
}

TEST_F(SubscriptionStateTest, does_not_retry_an_undecodable_message) {
  deliver(0);
  handled(fail(Error::client(Errc::codec_failed, "no JSON")));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->kind, Failure::Kind::decode);
}

TEST_F(SubscriptionStateTest, reports_each_minute_that_a_failed_message_pauses_its_partition) {
  settings.max_unacknowledged = 3;
  for (int offset = 4; offset < 7; ++offset) deliver(offset);
  handled(fail(Error::client(Errc::codec_failed, "no JSON")));
  ASSERT_TRUE(report.has_value());
  EXPECT_NE(report->error.to_string().find("holds its partition"), std::string::npos);
  while (handled()) {
  }
  EXPECT_TRUE(core().held_reports(start).empty()) << "it is not paused yet";
  EXPECT_EQ(core().update_pauses(false).pause, only_zero);
  const auto told = core().held_reports(start);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, Failure::Kind::held);
  EXPECT_EQ(told[0].partition, zero);
  EXPECT_EQ(told[0].offset, Offset{4});
  const std::string text = told[0].error.to_string();
  for (const char* part : {"paused", "2 messages behind it", "no JSON", "offset to 5", "skip"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  }
  EXPECT_TRUE(core().held_reports(start + 59s).empty());
  const auto again = core().held_reports(start + 60s);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_NE(again[0].error.to_string().find("reported 1 times before"), std::string::npos);

  const auto held = core().held();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].topic, "strikes");
  EXPECT_EQ(held[0].offset, Offset{4});
  EXPECT_TRUE(held[0].reason.is(Errc::codec_failed));
}

TEST_F(SubscriptionStateTest,
       holds_no_partition_once_the_failed_event_is_acknowledged_or_given_up) {
  settings.max_retries = 0;
  deliver(0);
  deliver(1);
  handled(fail(broken()));
  EXPECT_EQ(core().held().size(), 1u);
  EXPECT_TRUE(core().ack(*report->event).has_value());
  EXPECT_TRUE(core().held().empty());
  handled(fail(broken()));
  EXPECT_EQ(core().held().size(), 1u);
  core().on_given_up(only_zero);
  EXPECT_TRUE(core().held().empty());
}

TEST_F(SubscriptionStateTest, skips_and_reports_failed_events_under_policy_skip) {
  settings.failure_policy = FailurePolicy::skip;
  settings.max_retries = 0;
  deliver(0);
  deliver(1);
  handled(fail(broken()));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->offset, Offset{0});
  EXPECT_EQ(due(), 1);
  handled();
  EXPECT_EQ(due(), 2);
  EXPECT_TRUE(core().held().empty());
}

TEST_F(SubscriptionStateTest,
       names_the_failure_that_ends_it_under_policy_stop_and_does_not_commit_it) {
  settings.failure_policy = FailurePolicy::stop;
  settings.max_retries = 0;
  deliver(0);
  deliver(1);
  handled();
  handled(fail(broken()));
  ASSERT_TRUE(core().stop_reason().has_value());
  EXPECT_NE(core().stop_reason()->to_string().find("strikes-0 at offset 1"), std::string::npos);
  EXPECT_EQ(due(), 1);
}

TEST_F(SubscriptionStateTest, counts_an_unacknowledged_event_among_those_held) {
  settings.auto_ack = false;
  deliver(0);
  const EventPointer event = handled();
  EXPECT_TRUE(core().held().empty());
  EXPECT_EQ(core().overdue_acks(start + 60s).size(), 1u);
  ASSERT_EQ(core().held().size(), 1u);
  EXPECT_TRUE(core().held().front().reason.is(Errc::timed_out));
  EXPECT_TRUE(core().ack(*event).has_value());
  EXPECT_TRUE(core().held().empty());
}

TEST_F(SubscriptionStateTest, a_nack_from_elsewhere_is_retried_too) {
  settings.auto_ack = false;
  settings.retry_delay = 0ms;
  deliver(0);
  const EventPointer event = handled();
  std::optional<Report> told;
  ASSERT_TRUE(core().nack(event, broken(), start, told).has_value());
  EXPECT_FALSE(told.has_value());
  const EventPointer again = core().take_work(start);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->attempt, 2);
  EXPECT_FALSE(core().nack(event, broken(), start, told).has_value());
}

TEST_F(SubscriptionStateTest, revoking_drops_waiting_events_and_lets_running_ones_settle) {
  deliver(0);
  deliver(1);
  const EventPointer running = core().take_work(start);
  core().on_revoking(only_zero);
  EXPECT_TRUE(core().is_running_in(only_zero));
  EXPECT_FALSE(core().on_handled(running, {}, start).has_value());
  EXPECT_FALSE(core().is_running_in(only_zero));
  EXPECT_EQ(core().take_work(start), nullptr);
  core().on_position(zero, Offset{9});
  EXPECT_EQ(due(), 1) << "the second was never handled";
}

TEST_F(SubscriptionStateTest, a_handler_that_outlives_its_ownership_commits_nothing) {
  deliver(0);
  const EventPointer running = core().take_work(start);
  core().on_given_up(only_zero);
  core().on_assigned(only_zero);
  EXPECT_FALSE(core().on_handled(running, {}, start).has_value());
  EXPECT_EQ(due(), -1);
}

TEST_F(SubscriptionStateTest, pauses_a_partition_with_too_much_unacknowledged) {
  settings.auto_ack = false;
  settings.max_unacknowledged = 2;
  deliver(0);
  EXPECT_TRUE(core().update_pauses(false).pause.empty());
  deliver(1);
  EXPECT_EQ(core().update_pauses(false).pause, only_zero);
  const EventPointer event = handled();
  EXPECT_FALSE(core().may_resume());
  (void)core().ack(*event);
  EXPECT_TRUE(core().may_resume());
  EXPECT_EQ(core().update_pauses(false).resume, only_zero);
}

TEST_F(SubscriptionStateTest, reports_an_event_without_an_acknowledgement_once) {
  settings.auto_ack = false;
  settings.ack_timeout = 50ms;
  deliver(0);
  const EventPointer event = handled();
  EXPECT_TRUE(core().overdue_acks(start + 49ms).empty());
  const auto late = core().overdue_acks(start + 50ms);
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late.front().event, event);
  EXPECT_TRUE(late.front().error.is(Errc::timed_out));
  EXPECT_TRUE(core().overdue_acks(start + 1h).empty());
}

TEST_F(SubscriptionStateTest, reports_an_event_at_once_with_an_ack_timeout_of_zero) {
  settings.auto_ack = false;
  settings.ack_timeout = 0ms;
  deliver(0);
  const EventPointer event = handled();
  EXPECT_EQ(core().next_time(), start);
  EXPECT_EQ(core().overdue_acks(start).size(), 1u);
}

TEST_F(SubscriptionStateTest, never_reports_an_event_without_an_ack_timeout) {
  settings.auto_ack = false;
  settings.ack_timeout.reset();
  deliver(0);
  const EventPointer event = handled();
  EXPECT_TRUE(core().overdue_acks(start + 24h * 365).empty());
  EXPECT_EQ(core().awaited(), 0u);
}

TEST_F(SubscriptionStateTest, commits_one_at_a_time_and_repeats_refused_commits) {
  deliver(0);
  handled();
  const auto first = core().start_commit(start);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first.front().committed.offset, Offset{1});
  EXPECT_TRUE(core().start_commit(start).empty());
  core().on_commit_done(first, false, start);
  EXPECT_TRUE(core().start_commit(start + 99ms).empty()) << "not at once: it may fail for long";
  EXPECT_EQ(core().next_commit_at(), start + 100ms);
  core().on_commit_done(core().start_commit(start + 100ms), false, start + 100ms);
  EXPECT_EQ(core().next_commit_at(), start + 300ms) << "twice as long";
  const auto third = core().start_commit(start + 300ms);
  ASSERT_EQ(third.size(), 1u);
  core().on_commit_done(third, true, start + 300ms);
  EXPECT_FALSE(core().is_commit_due(start + 1h));
}

TEST_F(SubscriptionStateTest, forgets_awaited_acks_that_came) {
  settings.auto_ack = false;
  for (int offset = 0; offset < 100'000; ++offset) {
    deliver(offset);
    const EventPointer event = handled();
    ASSERT_TRUE(core().ack(*event).has_value());
  }
  EXPECT_LE(core().awaited(), 1'024u) << "each would stay for all of ack_timeout";
}

TEST_F(SubscriptionStateTest, does_not_miss_the_ack_of_an_event_that_was_given_back) {
  settings.auto_ack = false;
  settings.ack_timeout = 50ms;
  settings.retry_delay = 10ms;
  deliver(0);
  EventPointer event = handled();
  std::optional<Report> told;
  ASSERT_TRUE(core().nack(event, broken(), start, told).has_value());
  event.reset();
  const EventPointer again = core().take_work(start + 10ms);
  ASSERT_TRUE(again);
  EXPECT_TRUE(core().overdue_acks(start + 50ms).empty()) << "its retry is being handled";
  (void)core().on_handled(again, {}, start + 50ms);
  EXPECT_EQ(core().overdue_acks(start + 100ms).size(), 1u);
}

TEST_F(SubscriptionStateTest, commits_at_most_once_per_interval) {
  settings.commit_interval = 100ms;
  deliver(0);
  handled();
  core().on_commit_done(core().start_commit(start), true, start);
  deliver(1);
  handled();
  EXPECT_TRUE(core().start_commit(start + 99ms).empty());
  EXPECT_EQ(core().start_commit(start + 100ms).size(), 1u);
}

TEST_F(SubscriptionStateTest, skips_no_event_once_stopped) {
  deliver(0);
  handled();
  core().stop();
  deliver(1);
  core().on_position(zero, Offset{2});
  EXPECT_EQ(due(), 1);
  EXPECT_EQ(core().take_work(start), nullptr);
}

TEST_F(SubscriptionStateTest, begins_again_when_records_come_from_a_lower_offset) {
  for (const std::int64_t offset : {100, 101}) deliver(offset);
  const EventPointer before = core().take_work(start);
  deliver(0, "other");
  EXPECT_EQ(due(), 0) << "record 0 is not done";
  (void)core().on_handled(before, {}, start);
  EXPECT_EQ(due(), 0) << "record 100 was of the topic that is gone";
  ASSERT_EQ(handled()->offset, Offset{0});
  EXPECT_EQ(due(), 1);
  core().on_committed({{zero, {.offset = Offset{101}}}});
  EXPECT_EQ(due(), 1) << "the late answer to a commit of the topic that is gone";
  core().check_invariants();
}

}  // namespace
}  // namespace dohle::messaging
