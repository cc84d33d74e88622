#include "client/consume/fetch_session.hpp"

#include <gtest/gtest.h>

#include "base/broker_errors.hpp"
#include "client/cluster/fit_version.hpp"

namespace dohle::client {
namespace {

FetchWish wish(std::int32_t partition, std::int64_t offset) {
  const TopicPartition where{"orders", PartitionId{partition}};
  return {std::make_shared<const TopicPartition>(where), TopicId{{1}}, Offset{offset},
          LeaderEpoch{1}, 1'000};
}

wire::FetchRequest plan(FetchSession& session, std::vector<FetchWish> wishes) {
  wire::FetchRequest request;
  session.plan(wishes, request);
  return request;
}

wire::FetchResponse answer(std::int32_t session_id, std::int16_t error = 0) {
  wire::FetchResponse made;
  made.session_id = session_id;
  made.error_code = error;
  return made;
}

TEST(FetchSession, names_only_changed_partitions_once_the_server_opened_one) {
  FetchSession session;
  const auto first = plan(session, {wish(0, 5), wish(1, 7)});
  EXPECT_EQ(first.session_id, 0);
  EXPECT_EQ(first.session_epoch, 0);
  ASSERT_EQ(first.topics.size(), 1U);
  EXPECT_EQ(first.topics[0].partitions.size(), 2U);
  ASSERT_TRUE(session.on_answer(answer(42)));

  const auto second = plan(session, {wish(0, 9), wish(2, 0)});
  EXPECT_EQ(second.session_id, 42);
  EXPECT_EQ(second.session_epoch, 1);
  ASSERT_EQ(second.topics.size(), 1U);
  EXPECT_EQ(second.topics[0].partitions.size(), 2U);
  ASSERT_EQ(second.forgotten_topics_data.size(), 1U);
  EXPECT_EQ(second.forgotten_topics_data[0].partitions, std::vector{PartitionId{1}});
  ASSERT_TRUE(session.on_answer(answer(42)));

  const auto third = plan(session, {wish(0, 9), wish(2, 0)});
  EXPECT_EQ(third.session_epoch, 2);
  EXPECT_TRUE(third.topics.empty());
}

TEST(FetchSession, recognizes_a_partition_that_was_assigned_again_by_its_name) {
  FetchSession session;
  (void)plan(session, {wish(0, 5), wish(1, 7), wish(2, 0)});
  ASSERT_TRUE(session.on_answer(answer(42)));
  const auto same = plan(session, {wish(0, 5), wish(1, 7), wish(2, 0)});
  EXPECT_TRUE(same.topics.empty());
  EXPECT_TRUE(same.forgotten_topics_data.empty());
  ASSERT_TRUE(session.on_answer(answer(42)));
  const auto less = plan(session, {wish(1, 7)});
  EXPECT_TRUE(less.topics.empty());
  ASSERT_EQ(less.forgotten_topics_data.size(), 1U);
  EXPECT_EQ(less.forgotten_topics_data[0].partitions,
            (std::vector{PartitionId{0}, PartitionId{2}}));
}

TEST(FetchSession, forgets_a_topic_that_another_of_its_name_replaced) {
  FetchSession session;
  (void)plan(session, {wish(0, 5)});
  ASSERT_TRUE(session.on_answer(answer(42)));
  FetchWish anew = wish(0, 5);
  anew.topic_id = TopicId{{2}};
  const auto next = plan(session, {anew});
  ASSERT_EQ(next.topics.size(), 1U);
  EXPECT_EQ(next.topics[0].topic_id, (TopicId{{2}}));
  ASSERT_EQ(next.forgotten_topics_data.size(), 1U);
  EXPECT_EQ(next.forgotten_topics_data[0].topic_id, (TopicId{{1}}));
}

TEST(FetchSession, continues_by_name_where_topics_have_no_ids) {
  FetchSession session;
  FetchWish nameless = wish(0, 5);
  nameless.topic_id = TopicId{};
  (void)plan(session, {nameless, wish(1, 0)});
  ASSERT_TRUE(session.on_answer(answer(42)));
  const auto next = plan(session, {nameless, wish(1, 0)});
  EXPECT_EQ(highest_version(next), 12);
  EXPECT_EQ(highest_version(plan(session, {wish(1, 0)})), 12) << "it forgets one by its name";
}

TEST(FetchSession, starts_over_when_the_server_forgot_it) {
  FetchSession session;
  (void)plan(session, {wish(0, 5)});
  ASSERT_TRUE(session.on_answer(answer(42)));
  (void)plan(session, {wish(0, 5)});
  const auto taken = session.on_answer(answer(0, broker_error::fetch_session_id_not_found));
  ASSERT_FALSE(taken);
  EXPECT_TRUE(FetchSession::is_session_error(taken.error().code()));
  const auto next = plan(session, {wish(0, 5)});
  EXPECT_EQ(next.session_id, 0);
  EXPECT_EQ(next.session_epoch, 0);
  EXPECT_EQ(next.topics.size(), 1U);
}

TEST(FetchSession, a_server_without_sessions_gets_all_partitions_each_time) {
  FetchSession session;
  (void)plan(session, {wish(0, 5)});
  ASSERT_TRUE(session.on_answer(answer(0)));
  const auto next = plan(session, {wish(0, 5)});
  EXPECT_EQ(next.session_epoch, 0);
  EXPECT_EQ(next.topics.size(), 1U);
}

}  // namespace
}  // namespace dohle::client
