#include "messaging/subscribe/subscription_state.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/broker_errors.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
namespace code = broker_error;

constexpr TimePoint start{1s};
constexpr Timestamp wall{1'700'000'000'000};
const TopicPartition zero{"strikes", PartitionId{0}};
const std::vector<TopicPartition> only_zero{zero};

Error broken() {
  return Error::client(Errc::handler_failed, "broken");
}

struct SubscriptionStateTest : testing::Test {
  SubscriptionSettings settings;
  std::optional<SubscriptionState> made;

  SubscriptionState& state() {
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
    state().on_records({&record, 1}, nullptr, {start, wall});
  }
  EventPointer handled(Result<void> result = {}) {
    EventPointer event = state().take_work(start);
    if (event) report = state().on_handled(event, std::move(result), start);
    return event;
  }
  std::int64_t due() {
    const auto offsets = state().final_commit(only_zero);
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
  const EventPointer first = state().take_work(start);
  const EventPointer other = state().take_work(start);
  ASSERT_TRUE(first && other);
  EXPECT_EQ(first->offset, Offset{0});
  EXPECT_EQ(other->offset, Offset{2});
  EXPECT_EQ(state().take_work(start), nullptr);
  (void)state().on_handled(first, {}, start);
  const EventPointer second = state().take_work(start);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->offset, Offset{1});
}

TEST_F(SubscriptionStateTest, keeps_the_order_of_a_partition_if_asked_to) {
  settings.orders_partitions = true;
  deliver(0, "a");
  deliver(1, "b");
  const EventPointer first = state().take_work(start);
  ASSERT_TRUE(first);
  EXPECT_TRUE(state().is_busy());
  EXPECT_EQ(state().take_work(start), nullptr);
  (void)state().on_handled(first, {}, start);
  const EventPointer second = handled();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->offset, Offset{1});
  EXPECT_FALSE(state().is_busy());
}

TEST_F(SubscriptionStateTest, keeps_a_released_event_pending_and_continues_its_lane) {
  deliver(0);
  deliver(1);
  const EventPointer first = state().take_work(start);
  state().on_released(first);
  state().check_invariants();
  EXPECT_FALSE(state().is_running_in(only_zero));
  handled();
  EXPECT_EQ(due(), 0) << "the released one is not acknowledged";
  EXPECT_TRUE(state().ack(*first).has_value());
  EXPECT_EQ(due(), 2);
}

TEST_F(SubscriptionStateTest, commits_the_contiguous_prefix_of_acks_by_hand_in_any_order) {
  settings.auto_ack = false;
  for (const std::int64_t offset : {0, 1, 2}) deliver(offset);
  const EventPointer a = handled(), b = handled(), c = handled();
  EXPECT_EQ(due(), 0);
  EXPECT_TRUE(state().ack(*c).has_value());
  EXPECT_TRUE(state().ack(*b).has_value());
  EXPECT_EQ(due(), 0);
  EXPECT_TRUE(state().ack(*a).has_value());
  EXPECT_EQ(due(), 3);
  EXPECT_TRUE(state().ack(*a).has_value()) << "a second ack has no effect";
}

TEST_F(SubscriptionStateTest, an_ack_of_an_earlier_ownership_changes_nothing) {
  settings.auto_ack = false;
  deliver(0);
  const EventPointer event = handled();
  state().on_given_up(only_zero);
  state().on_assigned(only_zero);
  deliver(0);
  const auto acked = state().ack(*event);
  ASSERT_FALSE(acked.has_value());
  EXPECT_TRUE(acked.error().is(Errc::not_owner));
  EXPECT_EQ(due(), 0);
}

TEST_F(SubscriptionStateTest,
       retries_a_message_in_place_then_reports_it_and_commits_nothing_behind_it) {
  settings.max_retries = 1;
  settings.retry_delay = 10ms;
  deliver(0);
  deliver(1);
  const EventPointer first = handled(fail(broken()));
  EXPECT_FALSE(report.has_value());
  EXPECT_EQ(state().take_work(start + 9ms), nullptr) << "the key waits for its retry";
  const EventPointer again = state().take_work(start + 12ms);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->offset, Offset{0});
  EXPECT_EQ(again->attempt, 2);
  EXPECT_TRUE(state().ack(*first).error().is(Errc::invalid_argument));
  report = state().on_handled(again, fail(broken()), start + 12ms);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->event->offset, Offset{0});
  EXPECT_TRUE(state().ack(*again).error().is(Errc::invalid_argument))
      << "it was given back: the error handler alone may skip it";
  const auto keep = report;
  handled();
  EXPECT_EQ(due(), 0);
  EXPECT_TRUE(state().ack(*keep->event).has_value()) << "the error handler skips it";
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
  EXPECT_TRUE(state().held_reports(start).empty()) << "it is not paused yet";
  EXPECT_EQ(state().update_pauses(false, start).pause, only_zero);
  const auto told = state().held_reports(start);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, Failure::Kind::held);
  EXPECT_EQ(told[0].partition, zero);
  EXPECT_EQ(told[0].offset, Offset{4});
  const std::string text = told[0].error.to_string();
  for (const char* part : {"paused", "2 messages after it", "no JSON", "offset to 5", "skip"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  }
  EXPECT_TRUE(state().held_reports(start + 59s).empty());
  const auto again = state().held_reports(start + 60s);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_NE(again[0].error.to_string().find("reported 1 times before"), std::string::npos);

  const auto held = state().held();
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
  EXPECT_EQ(state().held().size(), 1u);
  EXPECT_TRUE(state().ack(*report->event).has_value());
  EXPECT_TRUE(state().held().empty());
  handled(fail(broken()));
  EXPECT_EQ(state().held().size(), 1u);
  state().on_given_up(only_zero);
  EXPECT_TRUE(state().held().empty());
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
  EXPECT_TRUE(state().held().empty());
}

TEST_F(SubscriptionStateTest,
       names_the_failure_that_ends_it_under_policy_stop_and_does_not_commit_it) {
  settings.failure_policy = FailurePolicy::stop;
  settings.max_retries = 0;
  deliver(0);
  deliver(1);
  handled();
  handled(fail(broken()));
  ASSERT_TRUE(state().stop_reason().has_value());
  EXPECT_NE(state().stop_reason()->to_string().find("strikes-0 at offset 1"), std::string::npos);
  EXPECT_EQ(due(), 1);
}

TEST_F(SubscriptionStateTest, counts_an_unacknowledged_event_among_those_held) {
  settings.auto_ack = false;
  deliver(0);
  const EventPointer event = handled();
  EXPECT_TRUE(state().held().empty());
  EXPECT_EQ(state().overdue_acks(start + 60s).size(), 1u);
  ASSERT_EQ(state().held().size(), 1u);
  EXPECT_TRUE(state().held().front().reason.is(Errc::timed_out));
  EXPECT_TRUE(state().ack(*event).has_value());
  EXPECT_TRUE(state().held().empty());
}

TEST_F(SubscriptionStateTest, a_nack_outside_of_the_handler_is_retried_too) {
  settings.auto_ack = false;
  settings.retry_delay = 0ms;
  deliver(0);
  const EventPointer event = handled();
  std::optional<Report> told;
  ASSERT_TRUE(state().nack(event, broken(), start, told).has_value());
  EXPECT_FALSE(told.has_value());
  const EventPointer again = state().take_work(start);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->attempt, 2);
  EXPECT_FALSE(state().nack(event, broken(), start, told).has_value());
}

TEST_F(SubscriptionStateTest, revoking_drops_waiting_events_and_lets_running_ones_settle) {
  deliver(0);
  deliver(1);
  const EventPointer running = state().take_work(start);
  state().on_revoking(only_zero);
  EXPECT_TRUE(state().is_running_in(only_zero));
  EXPECT_FALSE(state().on_handled(running, {}, start).has_value());
  EXPECT_FALSE(state().is_running_in(only_zero));
  EXPECT_EQ(state().take_work(start), nullptr);
  state().on_position(zero, Offset{9});
  EXPECT_EQ(due(), 1) << "the second was never handled";
}

TEST_F(SubscriptionStateTest, a_handler_that_outlives_its_ownership_commits_nothing) {
  deliver(0);
  const EventPointer running = state().take_work(start);
  state().on_given_up(only_zero);
  state().on_assigned(only_zero);
  EXPECT_FALSE(state().on_handled(running, {}, start).has_value());
  EXPECT_EQ(due(), -1);
}

TEST_F(SubscriptionStateTest, pauses_a_partition_with_too_much_unacknowledged) {
  settings.auto_ack = false;
  settings.max_unacknowledged = 2;
  deliver(0);
  EXPECT_TRUE(state().update_pauses(false, start).pause.empty());
  deliver(1);
  EXPECT_EQ(state().update_pauses(false, start).pause, only_zero);
  const EventPointer event = handled();
  EXPECT_FALSE(state().may_resume(start));
  (void)state().ack(*event);
  EXPECT_TRUE(state().may_resume(start));
  EXPECT_EQ(state().update_pauses(false, start).resume, only_zero);
}

TEST_F(SubscriptionStateTest, hands_out_no_more_than_may_be_unacknowledged) {
  settings.auto_ack = false;
  settings.max_unacknowledged = 2;
  for (int offset = 0; offset < 5; ++offset) deliver(offset);
  state().on_position(zero, Offset{5});
  const EventPointer first = handled(), second = handled();
  EXPECT_EQ(state().take_work(start), nullptr) << "the third waits for an acknowledgement";
  (void)state().ack(*second);
  EXPECT_EQ(state().take_work(start), nullptr) << "the first still counts";
  (void)state().ack(*first);
  state().check_invariants();
  EXPECT_EQ(due(), 2) << "not the position, which is behind what waits";
  EXPECT_EQ(handled()->offset, Offset{2});
  EXPECT_EQ(handled()->offset, Offset{3});
  EXPECT_EQ(state().take_work(start), nullptr);
}

TEST_F(SubscriptionStateTest, reports_an_event_without_an_acknowledgement_once) {
  settings.auto_ack = false;
  settings.ack_timeout = 50ms;
  deliver(0);
  const EventPointer event = handled();
  EXPECT_TRUE(state().overdue_acks(start + 49ms).empty());
  const auto late = state().overdue_acks(start + 50ms);
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late.front().event, event);
  EXPECT_TRUE(late.front().error.is(Errc::timed_out));
  EXPECT_TRUE(state().overdue_acks(start + 1h).empty());
}

TEST_F(SubscriptionStateTest, reports_an_event_at_once_with_an_ack_timeout_of_zero) {
  settings.auto_ack = false;
  settings.ack_timeout = 0ms;
  deliver(0);
  const EventPointer event = handled();
  EXPECT_EQ(state().next_time(), start);
  EXPECT_EQ(state().overdue_acks(start).size(), 1u);
}

TEST_F(SubscriptionStateTest, never_reports_an_event_without_an_ack_timeout) {
  settings.auto_ack = false;
  settings.ack_timeout.reset();
  deliver(0);
  const EventPointer event = handled();
  EXPECT_TRUE(state().overdue_acks(start + 24h * 365).empty());
  EXPECT_EQ(state().awaited(), 0u);
}

TEST_F(SubscriptionStateTest, commits_one_at_a_time_and_repeats_refused_commits) {
  deliver(0);
  handled();
  const auto first = state().start_commit(start);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first.front().committed.offset, Offset{1});
  EXPECT_TRUE(state().start_commit(start).empty());
  const client::CommitOutcome failed{.others = fail(Error::broker(25, "commit"))};
  EXPECT_TRUE(state().on_commit_done(first, failed, start).empty());
  EXPECT_TRUE(state().start_commit(start + 99ms).empty()) << "not at once: it may fail for long";
  EXPECT_EQ(state().next_commit_at(), start + 100ms);
  (void)state().on_commit_done(state().start_commit(start + 100ms), failed, start + 100ms);
  EXPECT_EQ(state().next_commit_at(), start + 300ms) << "twice as long";
  const auto third = state().start_commit(start + 300ms);
  ASSERT_EQ(third.size(), 1u);
  (void)state().on_commit_done(third, {}, start + 300ms);
  EXPECT_FALSE(state().is_commit_due(start + 1h));
}

TEST_F(SubscriptionStateTest, forgets_awaited_acks_once_they_arrive) {
  settings.auto_ack = false;
  for (int offset = 0; offset < 100'000; ++offset) {
    deliver(offset);
    const EventPointer event = handled();
    ASSERT_TRUE(state().ack(*event).has_value());
  }
  EXPECT_LE(state().awaited(), 1'024u) << "each would stay for all of ack_timeout";
}

TEST_F(SubscriptionStateTest, does_not_report_an_event_that_was_given_back_as_unacknowledged) {
  settings.auto_ack = false;
  settings.ack_timeout = 50ms;
  settings.retry_delay = 10ms;
  deliver(0);
  EventPointer event = handled();
  std::optional<Report> told;
  ASSERT_TRUE(state().nack(event, broken(), start, told).has_value());
  event.reset();
  const EventPointer again = state().take_work(start + 12ms);
  ASSERT_TRUE(again);
  EXPECT_TRUE(state().overdue_acks(start + 50ms).empty()) << "its retry is being handled";
  (void)state().on_handled(again, {}, start + 50ms);
  EXPECT_EQ(state().overdue_acks(start + 100ms).size(), 1u);
}

TEST_F(SubscriptionStateTest, commits_at_most_once_per_interval) {
  settings.commit_interval = 100ms;
  deliver(0);
  handled();
  (void)state().on_commit_done(state().start_commit(start), {}, start);
  deliver(1);
  handled();
  EXPECT_TRUE(state().start_commit(start + 99ms).empty());
  EXPECT_EQ(state().start_commit(start + 100ms).size(), 1u);
}

TEST_F(SubscriptionStateTest, skips_no_event_once_stopped) {
  deliver(0);
  handled();
  state().stop();
  deliver(1);
  state().on_position(zero, Offset{2});
  EXPECT_EQ(due(), 1);
  EXPECT_EQ(state().take_work(start), nullptr);
}

TEST_F(SubscriptionStateTest, begins_again_when_records_come_from_a_lower_offset) {
  for (const std::int64_t offset : {100, 101}) deliver(offset);
  const EventPointer before = state().take_work(start);
  deliver(0, "other");
  EXPECT_EQ(due(), 0) << "record 0 is not done";
  (void)state().on_handled(before, {}, start);
  EXPECT_EQ(due(), 0) << "record 100 was of the topic that is gone";
  ASSERT_EQ(handled()->offset, Offset{0});
  EXPECT_EQ(due(), 1);
  (void)state().on_committed({{zero, {.offset = Offset{101}}}}, {}, start);
  EXPECT_EQ(due(), 1) << "the late answer to a commit of the topic that is gone";
  state().check_invariants();
}

TEST_F(SubscriptionStateTest, begins_again_although_all_messages_of_the_earlier_topic_were_done) {
  for (const std::int64_t offset : {100, 101}) deliver(offset);
  handled();
  handled();
  EXPECT_EQ(due(), 102);
  deliver(0);
  EXPECT_EQ(due(), 0) << "102 was a position in the topic that is gone";
  handled();
  EXPECT_EQ(due(), 1);
}

TEST_F(SubscriptionStateTest, commits_nothing_of_a_deleted_topic_once_another_one_has_its_name) {
  for (const std::int64_t offset : {0, 1}) deliver(offset);
  handled();
  const EventPointer running = state().take_work(start);
  EXPECT_EQ(due(), 1);
  // Records that a poll returned before the topic was created again.
  std::vector<ConsumerRecord> fetched(2);
  for (std::int64_t i = 0; i < 2; ++i) {
    fetched[static_cast<std::size_t>(i)].topic = "strikes";
    fetched[static_cast<std::size_t>(i)].partition = PartitionId{0};
    fetched[static_cast<std::size_t>(i)].offset = Offset{2 + i};
  }
  state().on_replaced(only_zero, fetched);
  state().check_invariants();
  EXPECT_TRUE(fetched.empty());
  EXPECT_EQ(due(), 0) << "a commit of the former topic may have come to the new one";
  (void)state().on_handled(running, {}, start);
  EXPECT_EQ(due(), 0);
  deliver(0);
  handled();
  EXPECT_EQ(due(), 1);
}

TEST_F(SubscriptionStateTest, hands_out_the_fetched_records_of_a_topic_that_was_created_again) {
  for (const std::int64_t offset : {0, 1}) deliver(offset);
  std::vector<ConsumerRecord> fetched(1);
  fetched[0].topic = "strikes";
  fetched[0].partition = PartitionId{0};
  fetched[0].offset = Offset{0};
  state().on_replaced(only_zero, fetched);
  ASSERT_EQ(fetched.size(), 1u);
  state().on_records(fetched, nullptr, {start, wall});
  handled();
  EXPECT_EQ(due(), 1);
  EXPECT_EQ(handled(), nullptr) << "messages of the former topic are not handed out";
}

// Retry topics and dead letters.

const TopicPartition retry_zero{"strikes.g.retry.10s", PartitionId{0}};

struct RedirectingState : SubscriptionStateTest {
  RedirectingState() {
    settings.max_retries = 0;
    settings.failure_policy = FailurePolicy::dead_letter;
    settings.redirects.retries = {{.name = retry_zero.topic, .delay = 10s}};
    settings.redirects.dead_letters = RedirectTopic{.name = "strikes.g.dlt"};
    settings.min_backoff = 100ms;
    settings.max_backoff = 1s;
    state().on_assigned({&retry_zero, 1});
  }
  void deliver_retry(std::int64_t offset, Timestamp stored, TimePoint now = start) {
    ConsumerRecord record;
    record.topic = retry_zero.topic;
    record.partition = PartitionId{0};
    record.offset = Offset{offset};
    record.timestamp = stored;
    const Timestamp then{
        wall.value + std::chrono::duration_cast<std::chrono::milliseconds>(now - start).count()};
    state().on_records({&record, 1}, nullptr, {now, then});
  }
  /// The only redirection that is to be sent.
  Redirect redirect(TimePoint now = start) {
    auto taken = state().take_redirect(now);
    EXPECT_TRUE(taken.has_value());
    EXPECT_FALSE(state().take_redirect(now).has_value());
    state().check_invariants();
    return taken.value();
  }
  static Receipt stored() { return {PartitionId{0}, Offset{7}, wall}; }
};

TEST_F(RedirectingState, acknowledges_a_message_once_its_retry_topic_has_it) {
  deliver(0);
  deliver(1, "other");
  handled(fail(broken()));
  EXPECT_FALSE(report.has_value()) << "it is retried";
  handled();
  const Redirect sent = redirect();
  EXPECT_EQ(sent.to->name, retry_zero.topic);
  EXPECT_EQ(sent.event->offset, Offset{0});
  EXPECT_EQ(due(), 0) << "it is not stored yet";
  state().on_redirected(sent.id, stored(), start);
  state().check_invariants();
  EXPECT_EQ(due(), 2);
  EXPECT_TRUE(state().take_redirect_reports().empty());
}

TEST_F(RedirectingState, keeps_the_lane_of_a_message_until_it_is_stored) {
  deliver(0, "k");
  deliver(1, "k");
  handled(fail(broken()));
  const Redirect sent = redirect();
  EXPECT_EQ(state().take_work(start), nullptr);
  state().on_redirected(sent.id, stored(), start);
  EXPECT_EQ(handled()->offset, Offset{1});
}

TEST_F(RedirectingState,
       sends_a_message_again_that_could_not_be_stored_and_lets_the_partition_wait) {
  deliver(0);
  handled(fail(broken()));
  const Redirect sent = redirect();
  const Result<Receipt> denied = fail(Error::broker(29, "produce"));
  state().on_redirected(sent.id, denied, start);
  state().check_invariants();
  EXPECT_EQ(due(), 0);
  EXPECT_FALSE(state().take_redirect(start + 99ms).has_value());
  EXPECT_EQ(state().next_time(), start + 100ms);
  EXPECT_EQ(state().update_pauses(false, start).pause, only_zero);
  deliver(1, "other");
  EXPECT_EQ(state().take_work(start), nullptr) << "nothing is handed out meanwhile";
  auto reports = state().take_redirect_reports();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].kind, Failure::Kind::redirect);
  EXPECT_EQ(reports[0].offset, Offset{0});
  const std::string text = reports[0].error.to_string();
  for (const char* part : {retry_zero.topic.c_str(), "TOPIC_AUTHORIZATION_FAILED", "broken"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  }

  const Redirect again = redirect(start + 100ms);
  EXPECT_EQ(again.id, sent.id);
  state().on_redirected(again.id, denied, start + 100ms);
  EXPECT_TRUE(state().take_redirect_reports().empty()) << "reported once a minute";
  EXPECT_EQ(state().next_time(), start + 300ms) << "twice as long";
  const Redirect third = redirect(start + 61s);
  state().on_redirected(third.id, denied, start + 61s);
  reports = state().take_redirect_reports();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_NE(reports[0].error.to_string().find("failed 3 times"), std::string::npos);

  const Redirect last = redirect(start + 2min);
  state().on_redirected(last.id, stored(), start + 2min);
  EXPECT_EQ(handled()->offset, Offset{1});
  EXPECT_EQ(due(), 2);
  EXPECT_EQ(state().update_pauses(false, start + 2min).resume, only_zero);
}

TEST_F(RedirectingState, names_the_limits_of_a_topic_that_refuses_a_time) {
  deliver(0);
  handled(fail(broken()));
  const Redirect sent = redirect();
  state().on_redirected(sent.id, fail(Error::broker(broker_error::invalid_timestamp, "produce")),
                        start);
  const auto reports = state().take_redirect_reports();
  ASSERT_EQ(reports.size(), 1u);
  const std::string text = reports[0].error.to_string();
  for (const char* part :
       {"INVALID_TIMESTAMP", "the clock here", "message.timestamp.after.max.ms"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  }
}

TEST_F(RedirectingState,
       leaves_queue_space_to_other_partitions_while_a_failed_message_waits_to_be_stored) {
  made.reset();
  settings.queue_capacity = 4;
  const std::vector<TopicPartition> others{{"strikes", PartitionId{1}}, retry_zero};
  state().on_assigned(others);
  for (const std::int64_t offset : {0, 1, 2, 3}) deliver(offset);
  handled(fail(broken()));
  const Redirect sent = redirect();
  EXPECT_FALSE(state().has_room()) << "3 of its key wait";
  state().on_redirected(sent.id, fail(Error::broker(29, "produce")), start);
  state().check_invariants();
  EXPECT_TRUE(state().has_room());
  EXPECT_EQ(state().update_pauses(!state().has_room(), start).pause, only_zero)
      << "the others are read";
  const Redirect again = redirect(start + 100ms);
  state().on_redirected(again.id, stored(), start + 100ms);
  EXPECT_FALSE(state().has_room()) << "those that wait are handled now";
  handled();
  EXPECT_TRUE(state().has_room());
}

TEST_F(RedirectingState, reports_a_dead_letter_once_it_is_stored) {
  deliver_retry(4, Timestamp{wall.value - 10'000});
  handled(fail(broken()));
  EXPECT_FALSE(report.has_value());
  const Redirect sent = redirect();
  EXPECT_EQ(sent.to->name, "strikes.g.dlt") << "the only retry topic is used up";
  state().on_redirected(sent.id, stored(), start);
  const auto reports = state().take_redirect_reports();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].kind, Failure::Kind::handler);
  EXPECT_EQ(reports[0].partition, retry_zero);
  EXPECT_EQ(reports[0].offset, Offset{4});
  const std::string text = reports[0].error.to_string();
  EXPECT_NE(text.find("strikes.g.dlt-0 at offset 7"), std::string::npos) << text;
}

TEST_F(RedirectingState, dead_letters_messages_that_cannot_be_decoded_without_a_retry) {
  deliver(0);
  handled(fail(Error::client(Errc::codec_failed, "no JSON")));
  const Redirect sent = redirect();
  EXPECT_EQ(sent.to->name, "strikes.g.dlt");
  state().on_redirected(sent.id, stored(), start);
  EXPECT_EQ(state().take_redirect_reports().at(0).kind, Failure::Kind::decode);
}

TEST_F(RedirectingState, reads_a_message_again_when_its_delay_has_passed) {
  deliver_retry(0, Timestamp{wall.value - 10'000});
  deliver_retry(1, Timestamp{wall.value - 4'000});
  deliver_retry(2, Timestamp{wall.value - 20'000});
  ASSERT_EQ(handled()->offset, Offset{0});
  EXPECT_EQ(state().take_work(start), nullptr) << "first in, first out";
  const auto rewinds = state().take_rewinds();
  ASSERT_EQ(rewinds.size(), 1u);
  EXPECT_EQ(rewinds[0], std::pair(retry_zero, Offset{1}));
  EXPECT_TRUE(state().take_rewinds().empty());
  const TimePoint resumes = state().next_resume(start);
  EXPECT_GE(resumes, start + 6s);
  EXPECT_LE(resumes, start + 6'500ms);
  EXPECT_TRUE(state().update_pauses(false, start + 5s).resume.empty());
  EXPECT_TRUE(state().may_resume(resumes));
  EXPECT_EQ(state().update_pauses(false, resumes).resume, std::vector{retry_zero});
  EXPECT_EQ(state().next_resume(resumes), never);
  deliver_retry(1, Timestamp{wall.value - 4'000}, resumes);
  EXPECT_EQ(handled()->offset, Offset{1});
}

TEST_F(RedirectingState, commits_nothing_of_a_retry_topic_that_was_deleted_into_its_successor) {
  deliver_retry(7, Timestamp{wall.value - 10'000});
  handled();
  const auto due_of_retries = [&] { return state().final_commit({&retry_zero, 1}); };
  ASSERT_EQ(due_of_retries().size(), 1u);
  deliver_retry(0, wall);
  EXPECT_EQ(state().take_rewinds().size(), 1u) << "the new topic's first record waits";
  EXPECT_TRUE(due_of_retries().empty()) << "8 was a position in the topic that is gone";
}

TEST_F(RedirectingState, waits_no_longer_than_the_delay_for_a_record_of_the_future) {
  const Timestamp future{wall.value + 3'600'000};
  deliver_retry(0, future);
  EXPECT_EQ(state().take_rewinds().size(), 1u);
  const TimePoint resumes = state().next_resume(start);
  EXPECT_GE(resumes, start + 10s);
  EXPECT_LE(resumes, start + 11s);
  deliver_retry(0, future, resumes - 1ms);
  EXPECT_EQ(handled(), nullptr);
  EXPECT_EQ(state().take_rewinds().size(), 1u);
  EXPECT_EQ(state().next_resume(start), resumes) << "its wait does not start again";
  deliver_retry(0, future, resumes);
  EXPECT_EQ(handled()->offset, Offset{0});
  EXPECT_TRUE(state().take_rewinds().empty());
}

TEST_F(RedirectingState, hands_out_a_record_of_the_lowest_timestamp_at_once) {
  deliver_retry(0, Timestamp{INT64_MIN});
  EXPECT_EQ(handled()->offset, Offset{0});
}

TEST_F(RedirectingState, counts_attempts_over_retry_topics) {
  const std::string attempts = std::string(1, 28) + "dohle-attempts" + std::string(1, 2) + "4";
  ConsumerRecord record;
  record.topic = retry_zero.topic;
  record.partition = PartitionId{0};
  record.offset = Offset{0};
  record.timestamp = Timestamp{0};
  record.headers = HeaderRange(reinterpret_cast<const std::byte*>(attempts.data()), 1);
  state().on_records({&record, 1}, nullptr, {start, wall});
  EXPECT_EQ(handled()->attempts(), 5);
}

TEST_F(RedirectingState, drops_waiting_messages_when_a_partition_is_given_up) {
  deliver(0);
  handled(fail(broken()));
  state().on_redirected(redirect().id, fail(Error::broker(29, "produce")), start);
  state().on_revoking(only_zero);
  EXPECT_FALSE(state().is_running_in(only_zero)) << "its next owner handles it again";
  EXPECT_FALSE(state().take_redirect(start + 1h).has_value());
  state().check_invariants();
}

TEST_F(RedirectingState, stores_messages_under_way_before_a_partition_is_given_up) {
  deliver(0);
  handled(fail(broken()));
  const Redirect sent = redirect();
  state().on_revoking(only_zero);
  EXPECT_TRUE(state().is_running_in(only_zero));
  state().on_redirected(sent.id, stored(), start);
  EXPECT_FALSE(state().is_running_in(only_zero));
  EXPECT_EQ(due(), 1);
}

TEST_F(RedirectingState, ignores_an_outcome_of_an_earlier_assignment) {
  deliver(0);
  handled(fail(broken()));
  const Redirect sent = redirect();
  state().on_given_up(only_zero);
  state().on_assigned(only_zero);
  deliver(0);
  state().on_redirected(sent.id, stored(), start);
  state().check_invariants();
  EXPECT_EQ(due(), 0);
  EXPECT_EQ(handled()->offset, Offset{0}) << "the lane is free again";
}

TEST_F(RedirectingState, redirects_nothing_more_once_stopped) {
  deliver(0);
  deliver(1, "other");
  handled(fail(broken()));
  handled(fail(broken()));
  const auto sent = state().take_redirect(start);
  ASSERT_TRUE(sent);
  state().stop();
  EXPECT_FALSE(state().take_redirect(start + 1h).has_value());
  EXPECT_EQ(state().redirecting(), 1u);
  state().on_redirected(sent->id, stored(), start);
  EXPECT_EQ(state().redirecting(), 0u);
  state().check_invariants();
  EXPECT_EQ(due(), 1);
}

TEST_F(RedirectingState, retries_after_the_delay_that_the_handler_asked_for) {
  deliver(0);
  const EventPointer event = state().take_work(start);
  EXPECT_TRUE(state().retry_after(event, 11s, start).error().is(Errc::invalid_argument));
  ASSERT_TRUE(state().retry_after(event, 3s, start).has_value());
  EXPECT_TRUE(state().ack(*event).error().is(Errc::invalid_argument));
  EXPECT_TRUE(state().retry_after(event, 3s, start).error().is(Errc::invalid_argument));
  EXPECT_FALSE(state().on_handled(event, {}, start).has_value());
  EXPECT_EQ(redirect().to->name, retry_zero.topic);
}

TEST_F(RedirectingState, redirects_a_message_whose_handler_has_already_returned) {
  made.reset();
  settings.auto_ack = false;
  state();
  deliver(0);
  const EventPointer event = handled();
  ASSERT_TRUE(state().retry_after(event, 10s, start).has_value());
  const Redirect sent = redirect();
  deliver(1);
  EXPECT_TRUE(state().take_work(start)) << "the handler left its lane";
  state().on_redirected(sent.id, stored(), start);
  EXPECT_EQ(due(), 1);
}

TEST_F(RedirectingState, follows_the_decision_of_the_program) {
  deliver(0);
  const EventPointer event = state().take_work(start);
  report = state().on_handled(event, fail(broken()), start, FailureAction::skip);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(due(), 1);
  EXPECT_FALSE(state().take_redirect(start).has_value());
}

RedirectTopics redirects_of(const std::string& source) {
  return {.retries = {{.name = source + ".g.retry.1s", .delay = 1s}},
          .dead_letters = RedirectTopic{.name = source + ".g.dlt"}};
}

/// A subscription to several topics.
struct SeveralSources : testing::Test {
  SubscriptionSettings settings;
  std::optional<SubscriptionState> made;

  SeveralSources() {
    settings.max_retries = 0;
    settings.failure_policy = FailurePolicy::dead_letter;
    settings.redirects = redirects_of("");
  }
  SubscriptionState& state() {
    if (!made) made.emplace(settings);
    return *made;
  }
  void assign(const std::string& topic) {
    const TopicPartition name{topic, PartitionId{0}};
    state().on_assigned({&name, 1});
  }
  void give_up(const std::string& topic) {
    const TopicPartition name{topic, PartitionId{0}};
    state().on_given_up({&name, 1});
  }
  void deliver(std::string_view topic, std::int64_t offset) {
    ConsumerRecord record;
    record.topic = topic;
    record.partition = PartitionId{0};
    record.offset = Offset{offset};
    // Older than any delay.
    record.timestamp = Timestamp{0};
    state().on_records({&record, 1}, nullptr, {start, wall});
  }
  /// The topic that the next message goes to after it failed.
  std::string redirected() {
    const EventPointer event = state().take_work(start);
    if (!event) return "no message";
    (void)state().on_handled(event, fail(broken()), start);
    const auto redirect = state().take_redirect(start);
    if (!redirect) return "nowhere";
    // Its lane goes on.
    state().on_redirected(redirect->id, Receipt{}, start);
    state().check_invariants();
    return redirect->to->name;
  }
  /// The partitions with something to commit.
  std::vector<std::string> due() {
    std::vector<std::string> topics;
    for (const PartitionOffset& each : state().start_commit(start)) {
      topics.push_back(each.partition.topic);
    }
    state().check_invariants();
    return topics;
  }
};

TEST_F(SeveralSources, send_failed_messages_to_their_own_topics) {
  settings.redirects_of = {{"a", redirects_of("a")}, {"b", redirects_of("b")}};
  for (const char* topic : {"a", "b", "b.g.retry.1s"}) assign(topic);
  deliver("a", 0);
  EXPECT_EQ(redirected(), "a.g.retry.1s");
  deliver("b", 0);
  EXPECT_EQ(redirected(), "b.g.retry.1s");
  deliver("b.g.retry.1s", 0);
  EXPECT_EQ(redirected(), "b.g.dlt");
}

TEST_F(SeveralSources, may_be_added_and_dropped_later) {
  state().on_redirects("a", redirects_of("a"));
  assign("a");
  state().on_dropped("a");
  deliver("a", 5);
  EXPECT_EQ(redirected(), "a.g.retry.1s") << "its partition is still assigned";
  // It was deleted and created again.
  deliver("a", 0);
  EXPECT_EQ(redirected(), "a.g.retry.1s");
  give_up("a");
  state().on_redirects("a", redirects_of("a"));
  assign("a");
  deliver("a", 0);
  EXPECT_EQ(redirected(), "a.g.retry.1s");
}

TEST_F(SeveralSources, are_distinguished_from_their_retry_topics) {
  settings.redirects_of = {{"a", redirects_of("a")}, {"b", redirects_of("b")}};
  for (const char* topic : {"b", "a.g.retry.1s", "a"}) assign(topic);
  const std::vector<TopicPartition> sources{{"a", PartitionId{0}}, {"b", PartitionId{0}}};
  EXPECT_EQ(state().assignment_of_sources(), sources);
  EXPECT_EQ(state().assignment().size(), 3u);
}

TEST_F(SeveralSources, are_committed_only_if_they_have_new_offsets) {
  settings.redirects = {};
  for (const char* topic : {"a", "b", "c"}) assign(topic);
  EXPECT_FALSE(state().is_commit_due(start));
  for (const char* topic : {"a", "c"}) {
    deliver(topic, 7);
    (void)state().on_handled(state().take_work(start), {}, start);
  }
  EXPECT_TRUE(state().is_commit_due(start));
  give_up("c");
  EXPECT_EQ(due(), (std::vector<std::string>{"a"}));
  EXPECT_FALSE(state().is_commit_due(start)) << "one commit at a time";
  (void)state().on_commit_done({{{"a", PartitionId{0}}, {.offset = Offset{8}}}}, {}, start);
  EXPECT_FALSE(state().is_commit_due(start));
}

/// Two sources, of which the coordinator refuses "b".
struct RefusedCommit : SeveralSources {
  const TopicPartition a{"a", PartitionId{0}}, b{"b", PartitionId{0}};

  RefusedCommit() {
    settings.redirects = {};
    settings.failure_policy = FailurePolicy::hold;
    for (const char* topic : {"a", "b"}) {
      assign(topic);
      handle(topic, 7);
    }
  }
  void handle(const std::string& topic, std::int64_t offset) {
    deliver(topic, offset);
    (void)state().on_handled(state().take_work(start), {}, start);
  }
  static std::vector<TopicPartition> names_of(const std::vector<PartitionOffset>& offsets) {
    std::vector<TopicPartition> names;
    for (const PartitionOffset& each : offsets) names.push_back(each.partition);
    return names;
  }
  /// Commits due offsets. Returns the committed partitions, and the reports.
  std::pair<std::vector<TopicPartition>, std::vector<Report>> commit(TimePoint now) {
    const auto offsets = state().start_commit(now);
    client::CommitOutcome outcome{.offsets = offsets.size()};
    for (const PartitionOffset& each : offsets) {
      if (each.partition != b || !is_refusing) continue;
      outcome.refused.push_back({b, Error::broker(code::topic_authorization_failed, "commit b-0")});
    }
    auto reports = state().on_commit_done(offsets, outcome, now);
    state().check_invariants();
    return {names_of(offsets), std::move(reports)};
  }
  bool is_refusing = true;
};

TEST_F(RefusedCommit, of_one_partition_leaves_the_others_committed) {
  const auto [sent, reports] = commit(start);
  EXPECT_EQ(sent, (std::vector{a, b}));
  EXPECT_EQ(state().committed(a), Offset{8});
  EXPECT_TRUE(state().committed(b)->is_none());
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].kind, Failure::Kind::subscription);
  EXPECT_EQ(reports[0].partition, b);
  EXPECT_EQ(reports[0].offset, Offset{8});
  EXPECT_EQ(reports[0].event, nullptr);
  EXPECT_TRUE(reports[0].error.is_broker(code::topic_authorization_failed));
  EXPECT_TRUE(reports[0].error.message().starts_with("offset 8 of b-0 is not committed"))
      << reports[0].error.message();
  // The other partition goes on without the refused one.
  EXPECT_FALSE(state().is_commit_due(start + 1ms));
  handle("a", 8);
  EXPECT_FALSE(state().is_commit_due(start)) << "two commits are at least a millisecond apart";
  EXPECT_TRUE(state().is_commit_due(start + 1ms));
  EXPECT_EQ(commit(start + 1ms).first, std::vector{a});
  EXPECT_EQ(state().committed(a), Offset{9});
}

TEST_F(RefusedCommit, is_tried_again_after_a_backoff_and_reported_every_minute_with_a_count) {
  EXPECT_EQ(commit(start).second.size(), 1u);
  EXPECT_EQ(state().next_commit_at(), start + 100ms);
  EXPECT_FALSE(state().is_commit_due(start + 99ms));
  std::uint64_t untold = 0;
  TimePoint now = start;
  std::vector<Report> reports;
  while (reports.empty()) {
    now = state().next_commit_at();
    ASSERT_LE(now, start + 1min + 1s);
    auto [sent, told] = commit(now);
    EXPECT_EQ(sent, std::vector{b});
    reports = std::move(told);
    if (reports.empty()) ++untold;
  }
  EXPECT_GE(now, start + 1min);
  EXPECT_GT(untold, 50u) << "once a second at last";
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_NE(reports[0].error.message().find("refused " + std::to_string(untold) +
                                            " more times since the last report"),
            std::string_view::npos)
      << reports[0].error.message();
  is_refusing = false;
  now = state().next_commit_at();
  EXPECT_EQ(commit(now).first, std::vector{b});
  EXPECT_EQ(state().committed(b), Offset{8});
  EXPECT_FALSE(state().is_commit_due(now + 1h));
  // The next refusal is the first one again.
  is_refusing = true;
  handle("b", 8);
  now += 1ms;
  EXPECT_EQ(commit(now).second.size(), 1u);
  EXPECT_EQ(state().next_commit_at(), now + 100ms);
}

TEST_F(RefusedCommit, is_forgotten_with_its_partition) {
  (void)commit(start);
  give_up("b");
  state().check_invariants();
  EXPECT_FALSE(state().is_commit_due(start + 1h));
  assign("b");
  handle("b", 7);
  EXPECT_TRUE(state().is_commit_due(start + 1ms))
      << "a new assignment does not wait for its backoff";
}

TEST_F(RefusedCommit, is_repeated_in_the_last_commit) {
  (void)commit(start);
  EXPECT_EQ(names_of(state().final_commit(std::vector{a, b})), std::vector{b});
  EXPECT_TRUE(state().on_committed({{b, {.offset = Offset{8}}}}, {}, start).empty());
  EXPECT_EQ(state().committed(b), Offset{8});
  state().check_invariants();
}

}  // namespace
}  // namespace dohle::messaging
