#include "client/consume/fetch_planner.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/broker_errors.hpp"
#include "client/consume/records_walk.hpp"
#include "made_batch.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
namespace code = broker_error;
using Kind = StartingPoint::Kind;
using PartitionData = wire::FetchResponse::PartitionData;

constexpr NodeId one{1};
constexpr NodeId two{2};

TopicPartition t(std::int32_t partition) {
  return {"t", PartitionId{partition}};
}

/// Servers with given answers, and a caller that polls.
class Fetching : public testing::Test {
 protected:
  Fetching() { lead({one, one, one}); }

  /// Topic "t" has one partition per entry, with that leader.
  void lead(const std::vector<NodeId>& leaders, TopicId id = {}) {
    wire::MetadataResponse answer;
    for (const NodeId node : {one, two}) answer.brokers.push_back({node, "host", 9092, {}});
    auto& topic = answer.topics.emplace_back();
    topic.name = "t";
    topic.topic_id = id;
    ++leader_epoch_;
    for (std::size_t i = 0; i < leaders.size(); ++i) {
      auto& partition = topic.partitions.emplace_back();
      partition.partition_index = PartitionId{static_cast<std::int32_t>(i)};
      partition.leader_id = leaders[i];
      partition.leader_epoch = LeaderEpoch{leader_epoch_};
    }
    view_.need("t", false);
    (void)view_.ask(now_);
    ASSERT_TRUE(view_.on_answer(answer, now_));
  }
  /// Reads these partitions from offset 0.
  void start(const std::vector<TopicPartition>& partitions = {t(0)}) {
    planner_.emplace(options_, account_, random_);
    planner_->assign(partitions, false);
    for (const auto& each : partitions) ASSERT_TRUE(planner_->seek(each, Offset{0}));
  }

  std::optional<Error> take_error() { return planner_->take_error(now_, is_again_); }
  std::vector<FetchPlanner::Lookup> lookups() {
    std::vector<FetchPlanner::Lookup> found;
    planner_->lookups(now_, found);
    return found;
  }
  std::vector<FetchPlanner::Ask> plan() {
    // In this order, as in ConsumerLoop: lookups() resets next_at.
    (void)lookups();
    std::vector<FetchPlanner::Ask> asks;
    planner_->plan(now_, view_, asks);
    return asks;
  }
  /// The only fetch to send.
  wire::FetchRequest ask(NodeId node = one) {
    auto asks = plan();
    EXPECT_EQ(asks.size(), 1U);
    if (asks.size() != 1) return {};
    EXPECT_EQ(asks[0].node, node);
    return asks[0].message;
  }
  static wire::FetchResponse empty_answer(std::int32_t session = 0) {
    wire::FetchResponse made;
    made.session_id = session;
    auto& topic = made.responses.emplace_back();
    topic.topic = "t";
    return made;
  }
  static PartitionData& add(wire::FetchResponse& to, std::int32_t partition) {
    auto& data = to.responses.at(0).partitions.emplace_back();
    data.partition_index = PartitionId{partition};
    return data;
  }
  static void add(wire::FetchResponse& to, std::int32_t partition, const Slice& batches) {
    auto& data = add(to, partition);
    data.high_watermark = Offset{1'000};
    data.records = Chain(batches);
  }
  FetchPlanner::News give(Result<wire::FetchResponse> answer, NodeId node = one) {
    FetchPlanner::News news;
    planner_->on_answer(node, std::move(answer), now_, news);
    return news;
  }
  FetchPlanner::News give(const Slice& batches) {
    auto answer = empty_answer();
    add(answer, 0, batches);
    return give(answer);
  }
  FetchPlanner::News refuse(std::int16_t error) {
    auto answer = empty_answer();
    add(answer, 0).error_code = error;
    return give(answer);
  }
  FetchPlanner::News lose() { return give(fail(Error::client(Errc::connection_lost, "gone"))); }

  client::RecordsWalk poll(std::size_t max_records = 1'000) {
    std::vector<RecordsRun> runs;
    bool freed = false;
    const std::size_t count = planner_->take(max_records, runs, freed);
    damage_ = std::make_shared<Damage>(*planner_);
    return {std::move(runs), count, {true, account_, damage_}};
  }
  /// "0:value" of each record, with the offset first.
  static std::vector<std::string> walk(client::RecordsWalk records) {
    std::vector<std::string> all;
    while (const ConsumerRecord* record = records.next()) {
      all.push_back(std::to_string(record->offset.value) + ":" +
                    std::string(as_text(*record->value)));
    }
    return all;
  }
  [[nodiscard]] Offset position(std::int32_t partition = 0) const {
    return planner_->position(t(partition)).value();
  }
  static Slice joined(const std::vector<Slice>& slices) {
    std::string all;
    for (const Slice& each : slices) all += each.text();
    return Slice::copy_of(all);
  }

  struct Damage final : DamageReports {
    explicit Damage(FetchPlanner& to_) : to(to_) {}
    void on_damage(const TopicPartition& where, std::uint64_t serial, Offset next,
                   const Error& why) override {
      to.on_damage(where, serial, next, why);
    }
    FetchPlanner& to;
  };

  TimePoint now_{1h};
  SeededRandom random_{1};
  int leader_epoch_ = 0;
  int rooms_ = 0;
  ClusterView view_{{}};
  FetchPlanner::Options options_;
  std::shared_ptr<BufferAccount> account_ =
      std::make_shared<BufferAccount>(std::size_t{64} << 20, [this] { ++rooms_; });
  std::shared_ptr<Damage> damage_;
  std::optional<FetchPlanner> planner_;
  bool is_again_ = false;
};

using Strings = std::vector<std::string>;

// Start positions.

TEST_F(Fetching, BeginsAtTheOptionsPosition) {
  for (const auto& [reset, kind] : {std::pair(OffsetReset::earliest, Kind::earliest),
                                    std::pair(OffsetReset::latest, Kind::latest)}) {
    options_.reset = reset;
    FetchPlanner planner(options_, account_, random_);
    planner.assign({t(0)}, false);
    std::vector<FetchPlanner::Lookup> found;
    planner.lookups(now_, found);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].from.kind, kind);
    // Each lookup is made once.
    planner.lookups(now_, found);
    EXPECT_EQ(found.size(), 1U);
    planner.on_found(found[0], Offset{17}, LeaderEpoch{2}, now_);
    EXPECT_EQ(planner.position(t(0)), Offset{17});
  }
}

TEST_F(Fetching, BeginsAtTheCommittedOffsetOfItsGroup) {
  options_.has_group = true;
  options_.reset = OffsetReset::earliest;
  planner_.emplace(options_, account_, random_);
  planner_->assign({t(0), t(1)}, false);
  const auto asked = lookups();
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].from.kind, Kind::committed);
  planner_->on_found(asked[0], Offset{8}, LeaderEpoch{1}, now_);
  EXPECT_EQ(position(0), Offset{8});
  planner_->on_found(asked[1], Offset{}, LeaderEpoch{}, now_);
  const auto again = lookups();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].where, t(1));
  EXPECT_EQ(again[0].from.kind, Kind::earliest);
}

TEST_F(Fetching, ReportsAMissingCommittedOffsetWhenItMayNotReset) {
  options_.has_group = true;
  options_.reset = OffsetReset::fail;
  planner_.emplace(options_, account_, random_);
  planner_->assign({t(0)}, false);
  planner_->on_found(lookups().at(0), Offset{}, LeaderEpoch{}, now_);
  EXPECT_TRUE(lookups().empty());
  for (int i = 0; i < 2; ++i) {
    const auto why = take_error();
    ASSERT_TRUE(why);
    EXPECT_TRUE(why->is(Errc::no_offset));
    EXPECT_NE(why->message().find("t-0"), std::string_view::npos) << why->message();
    now_ = planner_->error_at();
  }
  ASSERT_TRUE(planner_->seek(t(0), Offset{0}));
  EXPECT_FALSE(take_error());
}

TEST_F(Fetching, RepeatsAFailedLookupAfterABackoff) {
  planner_.emplace(options_, account_, random_);
  planner_->assign({t(0)}, false);
  const auto asked = lookups().at(0);
  planner_->on_not_found(asked, Error::client(Errc::connection_lost, "gone").with_retriable(true),
                         now_);
  EXPECT_TRUE(lookups().empty());
  EXPECT_FALSE(take_error());
  const TimePoint next = planner_->next_at();
  ASSERT_NE(next, never);
  now_ = next;
  EXPECT_EQ(lookups().size(), 1U);
}

TEST_F(Fetching, LooksUpAStoppedPartitionAgainThatIsAssignedAgain) {
  planner_.emplace(options_, account_, random_);
  planner_->assign({t(0)}, false);
  const auto asked = lookups();
  ASSERT_EQ(asked.size(), 1U);
  planner_->stop({t(0)});
  planner_->on_found(asked[0], Offset{7}, LeaderEpoch{}, now_);
  EXPECT_TRUE(position().is_none());
  EXPECT_TRUE(lookups().empty());
  planner_->assign({t(0)}, false);
  EXPECT_EQ(lookups().size(), 1U);
}

TEST_F(Fetching, SeeksByTimeAndToTheEndWhereNoRecordIsSoLate) {
  start();
  ASSERT_TRUE(planner_->seek(t(0), StartingPoint{Kind::time, Timestamp{5'000}}));
  const auto asked = lookups().at(0);
  EXPECT_EQ(asked.from.kind, Kind::time);
  EXPECT_EQ(asked.from.time, Timestamp{5'000});
  planner_->on_found(asked, Offset{}, LeaderEpoch{}, now_);
  const auto next = lookups().at(0);
  EXPECT_EQ(next.from.kind, Kind::latest);
  planner_->on_found(next, Offset{70}, LeaderEpoch{}, now_);
  EXPECT_EQ(position(), Offset{70});
}

TEST_F(Fetching, RefusesToSeekInPartitionsThatAreNotAssigned) {
  start();
  EXPECT_TRUE(planner_->seek(t(2), Offset{0}).error().is(Errc::invalid_argument));
  EXPECT_TRUE(planner_->seek(t(0), Offset{-5}).error().is(Errc::invalid_argument));
  EXPECT_TRUE(planner_->pause(t(2), true).error().is(Errc::invalid_argument));
  EXPECT_TRUE(planner_->position(t(2)).error().is(Errc::invalid_argument));
}

// Fetches.

TEST_F(Fetching, AsksTheLeaderForTheNextRecords) {
  options_.min_bytes = 7;
  options_.max_wait = 250ms;
  start();
  const auto request = ask();
  EXPECT_EQ(request.max_wait_ms, 250);
  EXPECT_EQ(request.min_bytes, 7);
  EXPECT_EQ(request.max_bytes, 1 << 20);
  const auto& partition = request.topics.at(0).partitions.at(0);
  EXPECT_EQ(partition.fetch_offset, Offset{0});
  EXPECT_EQ(partition.current_leader_epoch, LeaderEpoch{leader_epoch_});
  EXPECT_EQ(partition.partition_max_bytes, 1 << 20);
  EXPECT_TRUE(plan().empty());
  give(plain_batch(0, 5).bytes());
  // It fetches the next records before those are taken.
  EXPECT_EQ(ask().topics.at(0).partitions.at(0).fetch_offset, Offset{5});
  EXPECT_EQ(position(), Offset{0});
  EXPECT_EQ(walk(poll()), (Strings{"0:0", "1:1", "2:2", "3:3", "4:4"}));
  EXPECT_EQ(position(), Offset{5});
  EXPECT_EQ(planner_->lag(t(0)), 995);
}

TEST_F(Fetching, AsksEachLeaderForItsPartitions) {
  lead({one, two, one});
  start({t(0), t(1), t(2)});
  const auto asks = plan();
  ASSERT_EQ(asks.size(), 2U);
  EXPECT_EQ(asks[0].message.topics.at(0).partitions.size(), 2U);
  EXPECT_EQ(asks[1].node, two);
  EXPECT_EQ(asks[1].message.topics.at(0).partitions.at(0).partition, PartitionId{1});
}

TEST_F(Fetching, NamesInASessionOnlyChangedPartitions) {
  start({t(0), t(1), t(2)});
  EXPECT_EQ(ask().session_epoch, 0);
  auto answer = empty_answer(42);
  add(answer, 1, plain_batch(0, 3).bytes());
  give(answer);
  planner_->assign({t(0), t(1)}, false);
  const auto next = ask();
  EXPECT_EQ(next.session_id, 42);
  EXPECT_EQ(next.session_epoch, 1);
  ASSERT_EQ(next.topics.at(0).partitions.size(), 1U);
  EXPECT_EQ(next.topics[0].partitions[0].partition, PartitionId{1});
  EXPECT_EQ(next.topics[0].partitions[0].fetch_offset, Offset{3});
  ASSERT_EQ(next.forgotten_topics_data.size(), 1U);
  EXPECT_EQ(next.forgotten_topics_data[0].partitions, std::vector{PartitionId{2}});
}

TEST_F(Fetching, OpensANewSessionWhenTheServerForgotItFirstAtOnceThenAfterAWait) {
  for (const auto error : {code::fetch_session_id_not_found, code::invalid_fetch_session_epoch}) {
    start({t(0), t(1)});
    ask();
    give(empty_answer(42));
    EXPECT_EQ(ask().session_epoch, 1);
    wire::FetchResponse refusal;
    refusal.error_code = error;
    EXPECT_FALSE(give(refusal).doubt);
    const auto again = ask();
    EXPECT_EQ(again.session_id, error == code::fetch_session_id_not_found ? 0 : 42);
    EXPECT_EQ(again.session_epoch, 0);
    EXPECT_EQ(again.topics.at(0).partitions.size(), 2U);
    EXPECT_TRUE(give(refusal).doubt);
    EXPECT_TRUE(plan().empty());
    now_ = planner_->next_at();
    EXPECT_EQ(ask().session_epoch, 0);
    EXPECT_FALSE(take_error());
  }
}

TEST_F(Fetching, OpensANewSessionAfterALostConnection) {
  start({t(0), t(1)});
  ask();
  give(empty_answer(42));
  ask();
  EXPECT_TRUE(lose().doubt);
  EXPECT_TRUE(plan().empty());
  EXPECT_GT(planner_->next_at(), now_);
  now_ = planner_->next_at();
  const auto again = ask();
  EXPECT_EQ(again.session_epoch, 0);
  EXPECT_EQ(again.topics.at(0).partitions.size(), 2U);
  EXPECT_FALSE(take_error());
}

TEST_F(Fetching, FollowsAMovedPartitionOnceMetadataNamesItsLeader) {
  start({t(0), t(1)});
  ask();
  EXPECT_TRUE(refuse(code::not_leader_or_follower).doubt);
  // The other partition is fetched meanwhile.
  EXPECT_EQ(ask().topics.at(0).partitions.at(0).partition, PartitionId{1});
  lead({two, one});
  now_ = planner_->next_at();
  const auto moved = ask(two);
  EXPECT_EQ(moved.topics.at(0).partitions.at(0).partition, PartitionId{0});
  EXPECT_EQ(moved.topics[0].partitions[0].current_leader_epoch, LeaderEpoch{leader_epoch_});
}

TEST_F(Fetching, FollowsAtOnceTheLeaderThatTheServerNames) {
  start();
  ask();
  auto answer = empty_answer();
  auto& data = add(answer, 0);
  data.error_code = code::not_leader_or_follower;
  data.current_leader = {two, LeaderEpoch{9}};
  const auto news = give(answer);
  ASSERT_EQ(news.leaders.size(), 1U);
  EXPECT_EQ(news.leaders[0].first, t(0));
  EXPECT_EQ(news.leaders[0].second.node, two);
  ASSERT_TRUE(view_.on_leader("t", PartitionId{0}, news.leaders[0].second));
  EXPECT_EQ(ask(two).topics.at(0).partitions.at(0).current_leader_epoch, LeaderEpoch{9});
}

TEST_F(Fetching, AsksANewLeaderWhileTheEarlierOneHasNotAnswered) {
  lead({one, one});
  start({t(0), t(1)});
  EXPECT_EQ(ask(one).topics.at(0).partitions.size(), 2U);
  lead({two, one});
  FetchPlanner::News news;
  planner_->note_topics(view_, news);
  const auto request = ask(two);
  ASSERT_EQ(request.topics.at(0).partitions.size(), 1U);
  EXPECT_EQ(request.topics[0].partitions[0].partition, PartitionId{0});
  auto answer = empty_answer();
  add(answer, 0, plain_batch(0, 2).bytes());
  give(answer, two);
  // The earlier leader answers late. Only the partition that it still leads counts.
  auto late = empty_answer();
  add(late, 0, plain_batch(0, 5).bytes());
  add(late, 1, plain_batch(0, 1).bytes());
  give(late, one);
  EXPECT_EQ(walk(poll()), (Strings{"0:0", "1:1", "0:0"}));
  EXPECT_EQ(position(0), Offset{2});
  EXPECT_EQ(position(1), Offset{1});
}

TEST_F(Fetching, LooksUpAtANewLeaderWhileTheEarlierOneHasNotAnswered) {
  planner_.emplace(options_, account_, random_);
  lead({one, one});
  planner_->assign({t(0), t(1)}, false);
  const auto asked = lookups();
  ASSERT_EQ(asked.size(), 2U);
  for (const auto& each : asked) planner_->on_looked_up_at(each, one);
  lead({two, one});
  FetchPlanner::News news;
  planner_->note_topics(view_, news);
  const auto again = lookups();
  ASSERT_EQ(again.size(), 1U) << "the other one's leader has not moved";
  EXPECT_EQ(again[0].where, t(0));
  EXPECT_EQ(again[0].from.kind, asked[0].from.kind);
  planner_->on_found(again[0], Offset{7}, LeaderEpoch{2}, now_);
  // The earlier leader answers late. Only the partition that it still leads counts.
  planner_->on_found(asked[0], Offset{3}, LeaderEpoch{1}, now_);
  planner_->on_found(asked[1], Offset{4}, LeaderEpoch{1}, now_);
  EXPECT_EQ(position(0), Offset{7});
  EXPECT_EQ(position(1), Offset{4});
}

TEST_F(Fetching, WaitsAfterRetriableErrorsAndDoubtsMetadataAfterSomeOfThem) {
  start();
  for (const auto error : {code::unknown_leader_epoch, code::offset_not_available}) {
    ask();
    EXPECT_FALSE(refuse(error).doubt) << error;
    EXPECT_TRUE(plan().empty());
    EXPECT_FALSE(take_error());
    now_ = planner_->next_at();
  }
  for (const auto error :
       {code::fenced_leader_epoch, code::unknown_topic_or_partition, code::kafka_storage_error}) {
    ask();
    EXPECT_TRUE(refuse(error).doubt) << error;
    EXPECT_FALSE(take_error());
    now_ += 10s;
  }
  ask();
}

TEST_F(Fetching, ReportsOnceAPartitionThatItMayNotRead) {
  start();
  ask();
  refuse(code::topic_authorization_failed);
  const auto why = take_error();
  ASSERT_TRUE(why);
  EXPECT_TRUE(why->is_broker(code::topic_authorization_failed));
  EXPECT_NE(why->message().find("t-0"), std::string_view::npos) << why->message();
  EXPECT_FALSE(take_error());
  now_ += 10s;
  ask();
}

// Out of range.

TEST_F(Fetching, ResetsAnOffsetThatIsOutOfRange) {
  for (const auto& [reset, kind] : {std::pair(OffsetReset::earliest, Kind::earliest),
                                    std::pair(OffsetReset::latest, Kind::latest)}) {
    options_.reset = reset;
    start();
    ask();
    refuse(code::offset_out_of_range);
    const auto asked = lookups();
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0].from.kind, kind);
    EXPECT_TRUE(plan().empty());
    planner_->on_found(asked[0], Offset{40}, LeaderEpoch{1}, now_);
    EXPECT_EQ(ask().topics.at(0).partitions.at(0).fetch_offset, Offset{40});
  }
}

TEST_F(Fetching, SaysWhichOffsetIsOutOfRangeWhenItMayNotReset) {
  options_.reset = OffsetReset::fail;
  start();
  ASSERT_TRUE(planner_->seek(t(0), Offset{77}));
  ask();
  refuse(code::offset_out_of_range);
  const auto why = take_error();
  ASSERT_TRUE(why);
  EXPECT_TRUE(why->is(Errc::no_offset));
  EXPECT_NE(why->message().find("t-0"), std::string_view::npos) << why->message();
  EXPECT_NE(why->message().find("77"), std::string_view::npos) << why->message();
  now_ = planner_->error_at();
  EXPECT_TRUE(take_error());
  EXPECT_TRUE(plan().empty());
}

TEST_F(Fetching, WaitsLongerEachTimeThatAResetFindsAnOffsetOutOfRange) {
  options_.reset = OffsetReset::earliest;
  start();
  std::vector<Duration> waits;
  std::size_t lines = 0;
  for (int i = 0; i < 8; ++i) {
    ask();
    lines += refuse(code::offset_out_of_range).lines.size();
    EXPECT_EQ(lines, i == 0 ? 0U : 1U) << i;
    const TimePoint refused_at = now_;
    auto asked = lookups();
    if (asked.empty()) {
      now_ = planner_->next_at();
      asked = lookups();
    }
    ASSERT_EQ(asked.size(), 1U);
    waits.push_back(now_ - refused_at);
    planner_->on_found(asked[0], Offset{40}, LeaderEpoch{1}, now_);
  }
  EXPECT_EQ(waits[0], Duration::zero());
  EXPECT_GE(waits[1], 150ms);
  EXPECT_GE(waits[2], 300ms);
  EXPECT_GE(waits[7], 800ms);
  EXPECT_LE(waits[7], 1'200ms);
  ask();
  give(empty_answer());
  ask();
  auto good = empty_answer();
  add(good, 0);
  now_ += 1s;
  give(good);
  ask();
  EXPECT_TRUE(refuse(code::offset_out_of_range).lines.empty());
  EXPECT_EQ(lookups().size(), 1U) << "it was in range meanwhile";
}

TEST_F(Fetching, FollowsTheLeaderThatTheServerNamesAtOnceOnlyTheFirstTime) {
  start();
  for (int i = 0; i < 3; ++i) {
    ask();
    auto answer = empty_answer();
    auto& data = add(answer, 0);
    data.error_code = code::not_leader_or_follower;
    data.current_leader = {one, LeaderEpoch{1}};
    give(answer);
    if (i == 0) continue;
    EXPECT_TRUE(plan().empty()) << i;
    now_ = planner_->next_at();
  }
}

TEST_F(Fetching, ReportsAPersistentErrorAgainAfterADelayThatDoubles) {
  start({t(0), t(1)});
  ask();
  auto answer = empty_answer();
  add(answer, 0, joined({plain_batch(0, 1).bytes(), Slice::copy_of(std::string(100, 'x'))}));
  add(answer, 1, plain_batch(0, 2).bytes());
  give(answer);
  (void)walk(poll());
  (void)walk(poll());
  ASSERT_TRUE(take_error());
  EXPECT_FALSE(is_again_);
  Duration before{};
  for (int i = 0; i < 6; ++i) {
    EXPECT_FALSE(planner_->has_error()) << "a poll would return at once";
    EXPECT_FALSE(take_error());
    const Duration wait = planner_->error_at() - now_;
    EXPECT_TRUE(wait > before || wait == options_.max_retry_backoff);
    before = wait;
    now_ = planner_->error_at();
    ASSERT_TRUE(take_error());
    EXPECT_TRUE(is_again_);
  }
  EXPECT_EQ(before, options_.max_retry_backoff);
  // The other partition is fetched meanwhile.
  ask();
  auto next = empty_answer();
  add(next, 1, plain_batch(2, 1).bytes());
  give(next);
  EXPECT_EQ(walk(poll()), (Strings{"2:2"}));
  ASSERT_TRUE(planner_->pause(t(0), true));
  now_ += 1h;
  EXPECT_FALSE(take_error());
  ASSERT_TRUE(planner_->pause(t(0), false));
  EXPECT_TRUE(planner_->has_error());
  EXPECT_TRUE(take_error());
}

// For instance a server that does not delay fetches, or that repeats old records.
TEST_F(Fetching, WaitsForAServerThatAnswersAtOnceAndBringsNothingNew) {
  for (const bool has_old_records : {false, true}) {
    start();
    ASSERT_TRUE(planner_->seek(t(0), Offset{5}));
    std::vector<TimePoint> asked_at;
    for (int i = 0; i < 6; ++i) {
      if (plan().empty()) {
        now_ = planner_->next_at();
        ASSERT_EQ(plan().size(), 1U);
      }
      asked_at.push_back(now_);
      now_ += 1ms;
      auto answer = empty_answer();
      if (has_old_records) {
        add(answer, 0, plain_batch(0, 2).bytes());
      } else {
        add(answer, 0);
      }
      give(answer);
      (void)walk(poll());
    }
    EXPECT_LT(asked_at[1] - asked_at[0], 50ms);
    EXPECT_GT(asked_at[3] - asked_at[2], 100ms);
    EXPECT_GT(asked_at[5] - asked_at[4], 500ms);
    now_ = planner_->next_at();
    ask();
    now_ += 500ms;
    give(empty_answer());
    EXPECT_EQ(plan().size(), 1U) << "it has let this one wait";
  }
}

TEST_F(Fetching, LooksUpAMissingEndAgainAfterABackoff) {
  start();
  ASSERT_TRUE(planner_->seek(t(0), StartingPoint{Kind::latest}));
  planner_->on_found(lookups().at(0), Offset{}, LeaderEpoch{}, now_);
  EXPECT_TRUE(lookups().empty());
  now_ = planner_->next_at();
  EXPECT_EQ(lookups().at(0).from.kind, Kind::latest);
}

// A topic that was deleted and created again.

TEST_F(Fetching, StartsByTheResetPolicyInATopicThatReplacedAnother) {
  const TopicId first{{1}}, second{{2}};
  options_.reset = OffsetReset::earliest;
  options_.has_group = true;
  lead({one, one}, first);
  start({t(0), t(1)});
  const auto note = [&] {
    FetchPlanner::News news;
    planner_->note_topics(view_, news);
    return news;
  };
  EXPECT_TRUE(note().lines.empty());
  EXPECT_EQ(ask().topics.at(0).topic_id, first);
  give(plain_batch(0, 50).bytes());
  (void)walk(poll());
  planner_->settle();
  EXPECT_EQ(position(), Offset{50});
  ask();
  // It has 60 records when metadata shows it.
  lead({one, one}, second);
  const auto news = note();
  EXPECT_EQ(news.replaced, (std::vector{t(0), t(1)}));
  ASSERT_EQ(news.lines.size(), 1U);
  EXPECT_NE(news.lines[0].find("topic t was deleted and created again"), std::string::npos);
  EXPECT_NE(news.lines[0].find("earliest"), std::string::npos) << news.lines[0];
  EXPECT_TRUE(planner_->settled().empty()) << "the old position is nothing to commit";
  EXPECT_TRUE(planner_->taken().empty());
  // An answer to a fetch of the old topic does not count for the new one.
  auto late = empty_answer();
  late.responses[0].topic.clear();
  late.responses[0].topic_id = first;
  add(late, 0, plain_batch(50, 5).bytes());
  give(late);
  EXPECT_FALSE(planner_->has_records());
  const auto asked = lookups();
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].from.kind, Kind::earliest) << "not where the old one was committed";
  for (const auto& each : asked) planner_->on_found(each, Offset{0}, LeaderEpoch{0}, now_);
  const auto next = ask();
  EXPECT_EQ(next.topics.at(0).topic_id, second);
  EXPECT_EQ(next.topics.at(0).partitions.at(0).fetch_offset, Offset{0});
  auto answer = empty_answer();
  answer.responses[0].topic.clear();
  answer.responses[0].topic_id = second;
  add(answer, 0, plain_batch(0, 1).bytes());
  give(answer);
  EXPECT_EQ(walk(poll()).size(), 1U) << "answers name topics by their ids";
  EXPECT_TRUE(note().lines.empty());
}

TEST_F(Fetching, ReadsATopicThatReplacedAnotherFromItsFirstRecordIfAsked) {
  options_.reset = OffsetReset::latest;
  options_.has_group = true;
  std::uint8_t last_id = 0;
  const auto note = [&](TopicId id) {
    lead({one}, id);
    FetchPlanner::News news;
    planner_->note_topics(view_, news);
    return news;
  };
  const auto next_id = [&] { return TopicId{{++last_id}}; };
  /// Where a newly assigned partition without a committed offset begins.
  const auto begin = [&] {
    planner_->assign({t(0)}, false);
    const auto committed = lookups();
    EXPECT_EQ(committed.at(0).from.kind, Kind::committed);
    planner_->on_found(committed.at(0), Offset{}, LeaderEpoch{}, now_);
    return lookups().at(0);
  };
  for (const bool is_asked : {false, true}) {
    const Kind after = is_asked ? Kind::earliest : Kind::latest;
    options_.is_read_from_first = [=](std::string_view, bool is_made_again) {
      return is_asked && is_made_again;
    };
    planner_.emplace(options_, account_, random_);
    planner_->remember_topics({"t"});
    EXPECT_TRUE(note(next_id()).lines.empty());
    const auto first = begin();
    EXPECT_EQ(first.from.kind, Kind::latest) << "the first topic is read by the reset policy";
    planner_->on_found(first, Offset{10}, LeaderEpoch{0}, now_);
    EXPECT_TRUE(note(TopicId{{last_id}}).lines.empty());
    EXPECT_FALSE(planner_->is_made_again("t"));
    EXPECT_FALSE(planner_->has_replaced());
    const auto news = note(next_id());
    EXPECT_TRUE(planner_->is_made_again("t"));
    ASSERT_TRUE(planner_->has_replaced());
    EXPECT_EQ(planner_->take_replaced(), std::vector{t(0)});
    EXPECT_FALSE(planner_->has_replaced()) << "each is told once";
    EXPECT_EQ(lookups().at(0).from.kind, after);
    ASSERT_EQ(news.lines.size(), 1U);
    const bool says_first = news.lines[0].find("from their first record") != std::string::npos;
    EXPECT_EQ(says_first, is_asked) << news.lines[0];
    planner_->remove({t(0)});
    EXPECT_EQ(begin().from.kind, after) << "also if the group assigns the partition anew";
  }
}

TEST_F(Fetching, RemembersThatATopicWasReplacedWhileNoneOfItsPartitionsIsAssigned) {
  options_.reset = OffsetReset::latest;
  options_.is_read_from_first = [](std::string_view, bool is_made_again) { return is_made_again; };
  planner_.emplace(options_, account_, random_);
  const auto note = [&](TopicId id) {
    lead({one}, id);
    FetchPlanner::News news;
    planner_->note_topics(view_, news);
  };
  planner_->remember_topics({"t"});
  note(TopicId{{1}});
  note(TopicId{{2}});
  planner_->assign({t(0)}, false);
  EXPECT_EQ(lookups().at(0).from.kind, Kind::earliest);
  planner_->remove({t(0)});
  planner_->remember_topics({"other"});
  planner_->remember_topics({"t"});
  note(TopicId{{2}});
  planner_->assign({t(0)}, false);
  EXPECT_EQ(lookups().at(0).from.kind, Kind::latest) << "it is read for the first time again";
}

TEST_F(Fetching, ReturnsQueuedRecordsBeforeItResets) {
  options_.reset = OffsetReset::latest;
  start();
  ask();
  give(plain_batch(0, 2).bytes());
  ask();
  refuse(code::offset_out_of_range);
  EXPECT_TRUE(lookups().empty());
  EXPECT_EQ(walk(poll()).size(), 2U);
  now_ += 10s;
  ask();
  refuse(code::offset_out_of_range);
  EXPECT_EQ(lookups().size(), 1U);
}

// Contents of batches.

TEST_F(Fetching, ReadsBatchesOfEveryCodec) {
  using wire::Compression;
  for (const auto codec : {Compression::none, Compression::gzip, Compression::snappy,
                           Compression::lz4, Compression::zstd}) {
    start();
    ask();
    MadeBatch made = plain_batch(0, 40);
    made.codec = codec;
    give(made.bytes());
    const auto records = walk(poll());
    ASSERT_EQ(records.size(), 40U) << static_cast<int>(codec);
    EXPECT_EQ(records[39], "39:39");
    EXPECT_EQ(account_->used(), 0U);
  }
}

TEST_F(Fetching, CountsDecompressedBytesUntilTheRecordsAreGone) {
  start();
  ask();
  MadeBatch made{.records = {{0, std::string(100'000, 'x')}}, .codec = wire::Compression::gzip};
  const Slice stored = made.bytes();
  give(stored);
  EXPECT_EQ(account_->used(), stored.size());
  {
    auto records = poll();
    ASSERT_NE(records.next(), nullptr);
    EXPECT_GE(account_->used(), 100'000 + stored.size());
  }
  EXPECT_EQ(account_->used(), 0U);
}

TEST_F(Fetching, TakesOneBombAtATimeAboveTheBoundOfTheBuffer) {
  constexpr std::size_t value_bytes = 20'000'000;
  for (const auto codec : {wire::Compression::zstd, wire::Compression::gzip}) {
    account_ = std::make_shared<BufferAccount>(std::size_t{48} << 20, nullptr);
    start();
    ask();
    std::vector<Slice> bombs;
    for (int i = 0; i < 8; ++i) {
      bombs.push_back(MadeBatch{
          .base_offset = i, .records = {{0, std::string(value_bytes, '\0')}}, .codec = codec}
                          .bytes());
    }
    give(joined(bombs));
    std::size_t highest = 0;
    int read = 0;
    for (int polls = 0; polls < 8 && read < 8; ++polls) {
      auto records = poll();
      while (const ConsumerRecord* record = records.next()) {
        EXPECT_EQ(record->value->size(), value_bytes);
        highest = std::max(highest, account_->used());
        ++read;
      }
    }
    EXPECT_EQ(read, 8);
    EXPECT_LE(highest, account_->limit() + value_bytes + 100'000);
    EXPECT_EQ(account_->used(), 0U);
  }
}

TEST_F(Fetching, GivesSmallCompressedBatchesAllAtOnce) {
  start();
  ask();
  std::vector<Slice> batches;
  for (int i = 0; i < 50; ++i) {
    MadeBatch made = plain_batch(i * 10, 10);
    made.codec = wire::Compression::lz4;
    batches.push_back(made.bytes());
  }
  give(joined(batches));
  EXPECT_EQ(walk(poll()).size(), 500U);
}

TEST_F(Fetching, ContinuesAfterGapsOfCompaction) {
  start();
  ask();
  const MadeBatch holes{
      .base_offset = 10, .records = {{0, "a"}, {3, "b"}, {7, "c"}}, .last_offset_delta = 9};
  const MadeBatch nothing_left{.base_offset = 40, .last_offset_delta = 4};
  give(joined({holes.bytes(), plain_batch(30, 1).bytes(), nothing_left.bytes()}));
  EXPECT_EQ(ask().topics.at(0).partitions.at(0).fetch_offset, Offset{45});
  EXPECT_EQ(walk(poll()), (Strings{"10:a", "13:b", "17:c", "30:30"}));
  EXPECT_EQ(position(), Offset{45});
}

TEST_F(Fetching, BeginsInTheMiddleOfABatch) {
  start();
  ASSERT_TRUE(planner_->seek(t(0), Offset{12}));
  ask();
  give(MadeBatch{.base_offset = 10, .records = {{0, "a"}, {1, "b"}, {3, "c"}}}.bytes());
  EXPECT_EQ(walk(poll()), (Strings{"13:c"}));
}

TEST_F(Fetching, SkipsControlBatchesOfTransactions) {
  start();
  ask();
  MadeBatch in_transaction = plain_batch(0, 2);
  in_transaction.attributes = 16;
  const MadeBatch mark{.base_offset = 2, .records = {{0, "mark"}}, .attributes = 16 | 32};
  give(joined(
      {in_transaction.bytes(), mark.bytes(), plain_batch(3, 1).bytes(),
       MadeBatch{.base_offset = 4, .records = {{0, "mark"}}, .attributes = 16 | 32}.bytes()}));
  auto records = poll();
  EXPECT_EQ(records.count(), 3U);
  EXPECT_EQ(walk(std::move(records)), (Strings{"0:0", "1:1", "3:3"}));
  EXPECT_EQ(position(), Offset{5});
}

TEST_F(Fetching, NamesTopicPartitionAndOffsetOfADamagedBatch) {
  start({t(0), t(1)});
  ask();
  std::string damaged(joined({plain_batch(0, 2).bytes(), plain_batch(2, 2).bytes()}).text());
  damaged.back() ^= 1;
  auto answer = empty_answer();
  add(answer, 0, Slice::copy_of(damaged));
  add(answer, 1, plain_batch(0, 1).bytes());
  give(answer);
  auto records = poll();
  Strings walked;
  while (const auto* record = records.next()) {
    walked.push_back(std::to_string(record->partition.value) + ":" +
                     std::to_string(record->offset.value));
  }
  EXPECT_EQ(walked, (Strings{"0:0", "0:1", "1:0"}));
  ASSERT_NE(records.error(), nullptr);
  const std::string text(records.error()->message());
  EXPECT_NE(text.find("t-0"), std::string::npos) << text;
  EXPECT_NE(text.find("2"), std::string::npos) << text;
  EXPECT_NE(text.find("CRC"), std::string::npos) << text;
  EXPECT_EQ(position(0), Offset{2});
  planner_->settle();
  EXPECT_EQ(planner_->settled().at(0).committed.offset, Offset{2});
  // The error stays, and the other partition is read.
  for (int i = 0; i < 2; ++i) {
    const auto why = take_error();
    ASSERT_TRUE(why);
    EXPECT_EQ(std::string(why->message()), text);
    now_ = planner_->error_at();
  }
  const auto request = ask();
  ASSERT_EQ(request.topics.at(0).partitions.size(), 1U);
  EXPECT_EQ(request.topics[0].partitions[0].partition, PartitionId{1});
  ASSERT_TRUE(planner_->seek(t(0), Offset{4}));
  EXPECT_FALSE(take_error());
}

TEST_F(Fetching, ReadsTopicsFromTheirFirstRecordIfTheResetPolicyDoesNotApply) {
  options_.reset = OffsetReset::latest;
  for (const bool is_excepted : {false, true}) {
    options_.is_read_from_first = [&](std::string_view topic, bool) {
      return is_excepted && topic == "t";
    };
    start();
    ask();
    refuse(code::offset_out_of_range);
    const auto found = lookups();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].from.kind, is_excepted ? Kind::earliest : Kind::latest);
  }
}

TEST_F(Fetching, SaysWhichPartitionHoldsABatchOfAnotherFormat) {
  start();
  ask();
  std::string old(plain_batch(0, 1).bytes().text());
  old[wire::batch_at::magic] = 1;
  give(joined({plain_batch(0, 1).bytes(), Slice::copy_of(old)}));
  EXPECT_EQ(walk(poll()), (Strings{"0:0"}));
  const auto why = take_error();
  ASSERT_TRUE(why);
  EXPECT_TRUE(why->is(Errc::unsupported_version)) << why->message();
  EXPECT_NE(why->message().find("t-0"), std::string_view::npos);
  EXPECT_TRUE(plan().empty());
}

TEST_F(Fetching, TakesABatchThatIsLargerThanItsShare) {
  options_.max_partition_bytes = 1'024;
  start();
  EXPECT_EQ(ask().max_bytes, 1'024);
  give(MadeBatch{.records = {{0, std::string(50'000, 'x')}}}.bytes());
  EXPECT_EQ(walk(poll()).size(), 1U);
  EXPECT_EQ(position(), Offset{1});
}

TEST_F(Fetching, LeavesATruncatedBatchForTheNextFetch) {
  start();
  ask();
  const Slice second = plain_batch(2, 2).bytes();
  give(joined({plain_batch(0, 2).bytes(), second.sub(0, second.size() - 1)}));
  EXPECT_EQ(walk(poll()), (Strings{"0:0", "1:1"}));
  EXPECT_EQ(ask().topics.at(0).partitions.at(0).fetch_offset, Offset{2});
  give(second.sub(0, second.size() - 1));
  const auto why = take_error();
  ASSERT_TRUE(why);
  EXPECT_TRUE(why->is(Errc::too_large));
  EXPECT_NE(why->message().find("t-0"), std::string_view::npos) << why->message();
  EXPECT_NE(why->message().find("max_partition_fetch_bytes"), std::string_view::npos);
}

// Memory bounds.

TEST_F(Fetching, ReservesMemoryForTheAnswerToAFetch) {
  account_ = std::make_shared<BufferAccount>(std::size_t{100} << 10, [this] { ++rooms_; });
  options_.max_partition_bytes = 60 << 10;
  lead({one, two});
  start({t(0), t(1)});
  const auto asks = plan();
  // The remaining room is too small for a fetch.
  ASSERT_EQ(asks.size(), 1U);
  EXPECT_EQ(asks[0].message.max_bytes, 60 << 10);
  EXPECT_EQ(account_->used(), 60U << 10);
  give(empty_answer(), asks[0].node);
  EXPECT_EQ(account_->used(), 0U);
  EXPECT_EQ(rooms_, 1);
}

TEST_F(Fetching, AsksForNoNotificationWhileItHasMemory) {
  account_ = std::make_shared<BufferAccount>(std::size_t{1} << 20, [this] { ++rooms_; });
  options_.max_partition_bytes = 60 << 10;
  start();
  ask();
  give(empty_answer());
  EXPECT_EQ(rooms_, 0);
}

TEST_F(Fetching, RequestsAFetchAfterATakeOnlyIfNoneIsInFlight) {
  start();
  ask();
  give(plain_batch(0, 1).bytes());
  std::vector<RecordsRun> runs;
  bool freed = false;
  EXPECT_EQ(planner_->take(10, runs, freed), 1U);
  EXPECT_TRUE(freed);
  ask();
  give(plain_batch(1, 1).bytes());
  ask();
  EXPECT_EQ(planner_->take(10, runs, freed), 1U);
  EXPECT_FALSE(freed);
}

TEST_F(Fetching, SendsNoFetchWhileItsMemoryIsFull) {
  account_ = std::make_shared<BufferAccount>(std::size_t{128} << 10, [this] { ++rooms_; });
  options_.max_partition_bytes = 128 << 10;
  start();
  ask();
  give(MadeBatch{.records = {{0, std::string(130 << 10, 'x')}}}.bytes());
  EXPECT_TRUE(plan().empty());
  {
    const auto held = poll();
    EXPECT_TRUE(plan().empty());
    EXPECT_FALSE(planner_->has_records());
    rooms_ = 0;
  }
  EXPECT_EQ(rooms_, 1);
  ask();
}

TEST_F(Fetching, StopsFetchingAPartitionThatHasItsShareQueued) {
  options_.max_partition_bytes = 1'024;
  start();
  ask();
  give(MadeBatch{.records = {{0, std::string(1'100, 'x')}}}.bytes());
  EXPECT_TRUE(plan().empty());
  std::vector<RecordsRun> runs;
  bool freed = false;
  EXPECT_EQ(planner_->take(10, runs, freed), 1U);
  EXPECT_TRUE(freed);
  ask();
}

// Taking records.

TEST_F(Fetching, ReturnsABatchInParts) {
  for (const auto codec : {wire::Compression::none, wire::Compression::gzip}) {
    start();
    ask();
    MadeBatch made = plain_batch(0, 10);
    made.codec = codec;
    give(made.bytes());
    EXPECT_EQ(walk(poll(4)), (Strings{"0:0", "1:1", "2:2", "3:3"}));
    EXPECT_EQ(position(), Offset{4});
    // The second part is read after the third.
    auto second = poll(3);
    EXPECT_EQ(walk(poll(5)), (Strings{"7:7", "8:8", "9:9"}));
    EXPECT_EQ(walk(std::move(second)), (Strings{"4:4", "5:5", "6:6"}));
    EXPECT_FALSE(planner_->has_records());
  }
}

TEST_F(Fetching, ReturnsSparseBatchesInParts) {
  start();
  ask();
  give(MadeBatch{.records = {{0, "a"}, {5, "b"}, {9, "c"}}, .last_offset_delta = 12}.bytes());
  Strings all;
  for (int i = 0; i < 20 && planner_->has_records(); ++i) {
    for (auto& each : walk(poll(1))) all.push_back(each);
  }
  EXPECT_EQ(all, (Strings{"0:a", "5:b", "9:c"}));
  EXPECT_EQ(position(), Offset{13});
}

TEST_F(Fetching, BeginsEachPollWithAnotherPartition) {
  start({t(0), t(1)});
  ask();
  auto answer = empty_answer();
  add(answer, 0, plain_batch(0, 4).bytes());
  add(answer, 1, plain_batch(100, 4).bytes());
  give(answer);
  EXPECT_EQ(walk(poll(2)), (Strings{"0:0", "1:1"}));
  EXPECT_EQ(walk(poll(2)), (Strings{"100:100", "101:101"}));
  EXPECT_EQ(walk(poll(2)), (Strings{"2:2", "3:3"}));
}

TEST_F(Fetching, CommitsOnlyRecordsOfEarlierPolls) {
  start();
  ask();
  give(plain_batch(0, 4).bytes());
  planner_->settle();
  (void)walk(poll(3));
  ASSERT_EQ(planner_->taken().size(), 1U);
  EXPECT_EQ(planner_->taken()[0].committed.offset, Offset{3});
  EXPECT_EQ(planner_->taken()[0].committed.leader_epoch, LeaderEpoch{3});
  EXPECT_EQ(planner_->settled().at(0).committed.offset, Offset{0});
  planner_->settle();
  EXPECT_EQ(planner_->settled().at(0).committed.offset, Offset{3});
}

TEST_F(Fetching, NeitherFetchesNorReturnsPausedPartitions) {
  start({t(0), t(1)});
  ask();
  auto answer = empty_answer();
  add(answer, 0, plain_batch(0, 2).bytes());
  add(answer, 1, plain_batch(0, 2).bytes());
  give(answer);
  ask();
  ASSERT_TRUE(planner_->pause(t(0), true));
  EXPECT_EQ(planner_->paused(), std::vector{t(0)});
  auto later = empty_answer();
  add(later, 0, plain_batch(2, 1).bytes());
  give(later);
  EXPECT_EQ(walk(poll()).size(), 2U);
  EXPECT_FALSE(planner_->has_records());
  const auto request = ask();
  ASSERT_EQ(request.topics.at(0).partitions.size(), 1U);
  EXPECT_EQ(request.topics[0].partitions[0].partition, PartitionId{1});
  ASSERT_TRUE(planner_->pause(t(0), false));
  EXPECT_EQ(walk(poll()), (Strings{"0:0", "1:1", "2:2"}));
}

TEST_F(Fetching, NeverCommitsPastDamageThatWasFoundLate) {
  start();
  ask();
  std::string damaged(plain_batch(0, 4).bytes().text());
  damaged.back() ^= 1;
  give(Slice::copy_of(damaged));
  auto records = poll();
  // The next poll begins before the records of the first one were read.
  planner_->settle();
  EXPECT_EQ(records.next(), nullptr);
  EXPECT_EQ(planner_->settled().at(0).committed.offset, Offset{0});
}

TEST_F(Fetching, DropsAnswersForAnEarlierPosition) {
  start();
  ask();
  give(plain_batch(0, 2).bytes());
  ask();
  ASSERT_TRUE(planner_->seek(t(0), Offset{50}));
  EXPECT_FALSE(planner_->has_records());
  give(plain_batch(2, 2).bytes());
  EXPECT_FALSE(planner_->has_records());
  EXPECT_EQ(ask().topics.at(0).partitions.at(0).fetch_offset, Offset{50});
  // Damage in records taken before the seek does not count either.
  planner_->on_damage(t(0), 0, Offset{0}, Error::client(Errc::malformed, "old"));
  EXPECT_FALSE(take_error());
}

TEST_F(Fetching, HoldsPartitionsUntilTheCallerKnowsOfThem) {
  planner_.emplace(options_, account_, random_);
  planner_->assign({t(0)}, true);
  EXPECT_TRUE(lookups().empty());
  ASSERT_TRUE(planner_->seek(t(0), Offset{3}));
  EXPECT_TRUE(plan().empty());
  planner_->release();
  EXPECT_EQ(ask().topics.at(0).partitions.at(0).fetch_offset, Offset{3});
}

TEST_F(Fetching, DropsAnswersForAnEarlierAssignmentOfAPartition) {
  start();
  ask();
  planner_->remove({t(0)});
  planner_->assign({t(0)}, false);
  give(plain_batch(0, 2).bytes());
  EXPECT_FALSE(planner_->has_records());
}

TEST_F(Fetching, KeepsThePositionsOfStoppedPartitions) {
  start({t(0), t(1)});
  ask();
  auto answer = empty_answer();
  add(answer, 0, plain_batch(0, 4).bytes());
  give(answer);
  (void)walk(poll(2));
  planner_->stop({t(0)});
  EXPECT_FALSE(planner_->has_records());
  EXPECT_EQ(position(), Offset{2});
  EXPECT_EQ(ask().topics.at(0).partitions.at(0).partition, PartitionId{1});
  planner_->remove({t(0)});
  EXPECT_EQ(planner_->assignment(), std::vector{t(1)});
  give(answer);
  EXPECT_FALSE(planner_->has_records());
}

}  // namespace
}  // namespace dohle::client
