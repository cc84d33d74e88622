// The consumer against scripted servers, over the simulated network.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "base/broker_errors.hpp"
#include "client/consume/consumer_loop.hpp"
#include "client/consume/make_consumer.hpp"
#include "made_batch.hpp"
#include "scripted_answers.hpp"
#include "scripted_cluster.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/list_offsets.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
namespace code = broker_error;

TopicPartition orders(std::int32_t partition) {
  return {"orders", PartitionId{partition}};
}

/// Reads topics that were created again from their first record.
const IsReadFromFirst is_made_again = [](std::string_view, bool made_again) { return made_again; };

class ConsumerOnCluster : public testing::Test, public ScriptedWorld {
 protected:
  ConsumerOnCluster() {
    script.on<wire::FetchRequest>(
        [this](NodeId at, const wire::FetchRequest& asked) { return fetched(at, asked); });
    script.on<wire::ListOffsetsRequest>([this](NodeId, const wire::ListOffsetsRequest& asked) {
      return answer_each(asked, [this](const auto& wanted, auto& found) {
        looked_up_.push_back(wanted.timestamp);
        found.offset = Offset{wanted.timestamp.value == -2   ? 0
                              : wanted.timestamp.value == -1 ? end_
                                                             : wanted.timestamp.value / 1'000};
      });
    });
  }
  void TearDown() override {
    if (consumer_) consumer_->close_by(CallTime::from(world.now(), 0s), [](Result<void>) {});
    world.run_for(1s);
  }

  /// From now on each fetch gets a batch whose last byte is another.
  void serve_damage() {
    script.on<wire::FetchRequest>([](NodeId, const wire::FetchRequest& asked) {
      return answer_each(asked, [](const auto&, auto& data) {
        std::string damaged(plain_batch(0, 3).bytes().text());
        damaged.back() ^= 1;
        data.records = Chain(Slice::copy_of(damaged));
      });
    });
  }
  /// Partitions hold the offsets 0 to `end_`. The servers have no fetch sessions.
  wire::FetchResponse fetched(NodeId at, const wire::FetchRequest& asked) {
    fetches_.push_back(asked);
    bool has_records = false;
    const bool is_of_other_id = std::ranges::any_of(asked.topics, [this](const auto& topic) {
      return !topic.topic_id.is_none() && topic.topic_id != script.topic_id;
    });
    auto answer = answer_each(asked, [&](const auto& wanted, auto& data) {
      if (is_of_other_id) {
        data.error_code = code::unknown_topic_id;
        has_records = true;
        return;
      }
      data.high_watermark = Offset{end_};
      const auto index = static_cast<std::size_t>(wanted.partition.value);
      if (script.leaders.at(index).node != at) {
        data.error_code = code::not_leader_or_follower;
        return;
      }
      const std::int64_t from = wanted.fetch_offset.value;
      if (from > end_) data.error_code = code::offset_out_of_range;
      if (from >= end_) return;
      data.records = Chain(
          plain_batch(from, static_cast<int>(std::min<std::int64_t>(end_ - from, 10))).bytes());
      has_records = true;
    });
    if (!has_records) script.answer_after = std::chrono::milliseconds(asked.max_wait_ms);
    return answer;
  }
  void start(ConsumerOptions options = {.offset_reset = OffsetReset::earliest},
             IsReadFromFirst is_read_from_first = nullptr) {
    ScriptedWorld::start([&](const std::shared_ptr<SimulatedClient>& made, sim::Process&) {
      consumer_ = std::make_shared<client::ConsumerLoop>(made, options, is_read_from_first);
      consumer_->start();
      return made;
    });
  }
  void assign(std::vector<TopicPartition> partitions) {
    on_loop([=, this] { consumer_->assign(partitions); });
  }
  /// Changes the table as a calling thread does, then wakes the loop.
  template <class F>
  void change(F f) {
    ASSERT_TRUE(consumer_->desk().with([&](PollTable& table) { return f(table.fetch); }));
    consumer_->kick();
  }
  void seek(StartingPoint to) {
    change([&](FetchPlanner& fetch) { return fetch.seek(orders(0), to); });
  }
  [[nodiscard]] Offset position(std::int32_t partition) const {
    return consumer_->desk()
        .with([&](PollTable& table) { return table.fetch.position(orders(partition)); })
        .value();
  }
  /// Polls until there is a result or the time is up.
  Result<Records> poll(Duration time = 2s) {
    consumer_->begin_poll();
    world.run_until([this] { return consumer_->desk().with(client::ConsumerLoop::has_something); },
                    time);
    consumer_->end_poll();
    return consumer_->take();
  }
  /// Reads the next `count` records as "partition:offset".
  std::vector<std::string> read(std::size_t count, Duration time = 2s) {
    std::vector<std::string> all;
    while (all.size() < count) {
      auto records = poll(time);
      EXPECT_TRUE(records) << records.error().to_string();
      if (!records || records->empty()) break;
      for (const ConsumerRecord& record : *records) {
        all.push_back(std::to_string(record.partition.value) + ":" +
                      std::to_string(record.offset.value));
      }
    }
    return all;
  }

  std::int64_t end_ = 3;
  std::vector<wire::FetchRequest> fetches_;
  std::vector<Timestamp> looked_up_;
  std::shared_ptr<client::ConsumerLoop> consumer_;
};

using Strings = std::vector<std::string>;

TEST_F(ConsumerOnCluster, ContinuesAtTheNextLeaderWhileTheFrozenOneHasNotAnsweredAFetch) {
  // The script outlives this body.
  const auto is_frozen = std::make_shared<bool>(false);
  script.on<wire::FetchRequest>(
      [this, is_frozen](NodeId at,
                        const wire::FetchRequest& asked) -> std::optional<wire::FetchResponse> {
        if (*is_frozen && at == NodeId{1}) return std::nullopt;
        return fetched(at, asked);
      });
  start();
  assign({orders(0)});
  EXPECT_EQ(read(3), (Strings{"0:0", "0:1", "0:2"}));
  *is_frozen = true;
  // The fetch that is under way may still be answered.
  world.run_for(2s);
  end_ = 6;
  script.move_leader(0, NodeId{2});
  const TimePoint began = world.now();
  EXPECT_EQ(read(3, 1min), (Strings{"0:3", "0:4", "0:5"}));
  EXPECT_LE((world.now() - began) / 1ms, 7'000) << "not as long as the fetch may take";
}

TEST_F(ConsumerOnCluster, ReadsEachPartitionFromItsLeader) {
  start();
  assign({orders(0), orders(1)});
  auto all = read(6);
  std::ranges::sort(all);
  EXPECT_EQ(all, (Strings{"0:0", "0:1", "0:2", "1:0", "1:1", "1:2"}));
  EXPECT_EQ(looked_up_, (std::vector{Timestamp{-2}, Timestamp{-2}}));
}

TEST_F(ConsumerOnCluster, FollowsAPartitionToItsNewLeader) {
  start();
  assign({orders(0)});
  EXPECT_EQ(read(3).size(), 3U);
  script.move_leader(0, NodeId{2});
  end_ = 5;
  EXPECT_EQ(read(2, 10s), (Strings{"0:3", "0:4"}));
}

TEST_F(ConsumerOnCluster, ContinuesWhenTheServerComesBack) {
  start();
  assign({orders(0)});
  EXPECT_EQ(read(3).size(), 3U);
  sim::Machine& broker = world.machine("broker-1");
  broker.process("broker-1")->kill();
  world.run_for(5s);
  broker.process("broker-1")->restart();
  end_ = 4;
  EXPECT_EQ(read(1, 10s), (Strings{"0:3"}));
}

TEST_F(ConsumerOnCluster, SeeksByOffsetAndByTime) {
  end_ = 60;
  start();
  assign({orders(0)});
  (void)read(10);
  change([](FetchPlanner& fetch) { return fetch.seek(orders(0), Offset{42}); });
  EXPECT_EQ(read(1).at(0), "0:42");
  seek({StartingPoint::Kind::time, Timestamp{17'000}});
  EXPECT_EQ(read(1).at(0), "0:17");
  EXPECT_EQ(looked_up_.back(), Timestamp{17'000});
  seek({StartingPoint::Kind::latest});
  world.run_for(1s);
  EXPECT_EQ(position(0), Offset{60});
  seek({StartingPoint::Kind::earliest});
  EXPECT_EQ(read(1).at(0), "0:0");
}

TEST_F(ConsumerOnCluster, SeeksAtOnceAndReadsAfterTheFetchUnderWay) {
  start();
  assign({orders(0)});
  EXPECT_EQ(read(3).size(), 3U);
  world.run_for(100ms);
  const auto polls = fetches_.size();
  change([](FetchPlanner& fetch) { return fetch.seek(orders(0), Offset{1}); });
  const TimePoint sought = world.now();
  EXPECT_EQ(position(0), Offset{1});
  EXPECT_EQ(read(1).at(0), "0:1");
  EXPECT_EQ(fetches_.at(polls).topics.at(0).partitions.at(0).fetch_offset, Offset{1});
  EXPECT_GT(world.now() - sought, 300ms) << "nothing was under way";
  EXPECT_LT(world.now() - sought, 500ms);
}

TEST_F(ConsumerOnCluster, ReadsNoRecordsOfPausedPartitions) {
  start();
  assign({orders(0), orders(1)});
  change([](FetchPlanner& fetch) { return fetch.pause(orders(0), true); });
  EXPECT_EQ(read(3), (Strings{"1:0", "1:1", "1:2"}));
  EXPECT_TRUE(poll()->empty());
  change([](FetchPlanner& fetch) { return fetch.pause(orders(0), false); });
  EXPECT_EQ(read(3), (Strings{"0:0", "0:1", "0:2"}));
}

TEST_F(ConsumerOnCluster, ReturnsFromOnePollPerWakeup) {
  start();
  assign({orders(0)});
  consumer_->desk().with([](PollTable& table) { table.is_woken = true; });
  EXPECT_TRUE(poll(0s).error().is(Errc::cancelled));
  EXPECT_EQ(read(3).size(), 3U);
}

TEST_F(ConsumerOnCluster, LogsOnceThatItsTopicStaysMissing) {
  auto error = code::unknown_topic_or_partition;
  script.on<wire::MetadataRequest>([&](NodeId, const wire::MetadataRequest&) {
    wire::MetadataResponse answer;
    answer.brokers.push_back({NodeId{1}, "broker-1", 9092, {}});
    auto& topic = answer.topics.emplace_back();
    topic.name = "orders";
    topic.error_code = error;
    if (error != code::none) return answer;
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = PartitionId{0};
    partition.leader_id = NodeId{1};
    return answer;
  });
  start();
  assign({orders(0)});
  world.run_for(4s);
  EXPECT_TRUE(warnings.empty()) << "it may be in the making";
  world.run_for(1min);
  const Error why = Error::broker(error, "look for topic orders");
  EXPECT_EQ(warnings, Strings{"consumer: still waiting: " + why.to_string()});
  const auto last_word = [&] {
    return consumer_->desk().with([](const PollTable& table) { return table.topic_errors; });
  };
  ASSERT_EQ(last_word().count("orders"), 1U);
  EXPECT_EQ(last_word().at("orders").to_string(), why.to_string());
  error = code::none;
  EXPECT_EQ(read(3), (Strings{"0:0", "0:1", "0:2"}));
  EXPECT_TRUE(last_word().empty());
}

TEST_F(ConsumerOnCluster, LogsAtOnceThatATopicIsMissingWhereTheServerIsInTheProcess) {
  engine_options.max_unknown_answers = 1;
  script.on<wire::MetadataRequest>([](NodeId, const wire::MetadataRequest&) {
    wire::MetadataResponse answer;
    answer.brokers.push_back({NodeId{1}, "broker-1", 9092, {}});
    answer.topics.emplace_back().name = "orders";
    answer.topics.back().error_code = code::unknown_topic_or_partition;
    return answer;
  });
  start();
  assign({orders(0)});
  world.run_for(100ms);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("look for topic orders"), std::string::npos) << warnings[0];
}

TEST_F(ConsumerOnCluster, NamesThePartitionThatItCannotRead) {
  serve_damage();
  start();
  assign({orders(0)});
  auto records = poll();
  ASSERT_TRUE(records);
  EXPECT_EQ(records->begin(), records->end());
  ASSERT_NE(records->error(), nullptr);
  const std::string text(records->error()->message());
  EXPECT_NE(text.find("orders-0"), std::string::npos) << text;
  const auto again = poll();
  ASSERT_FALSE(again);
  EXPECT_EQ(std::string(again.error().message()), text);
  EXPECT_EQ(position(0), Offset{0});
}

TEST_F(ConsumerOnCluster, ReportsADamagedBatchAfterDelaysThatDoubleUntilASeek) {
  serve_damage();
  start();
  assign({orders(0)});
  {
    auto first = poll();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->begin(), first->end());
  }
  ASSERT_FALSE(poll());
  EXPECT_FALSE(consumer_->desk().with(ConsumerLoop::has_something))
      << "a poll without end would return at once";
  EXPECT_GT(consumer_->until_error(10s), 50ms);
  EXPECT_LT(consumer_->until_error(10s), 200ms);
  EXPECT_TRUE(warnings.empty());
  world.run_for(1s);
  ASSERT_FALSE(poll());
  EXPECT_GT(consumer_->until_error(10s), 150ms);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("orders-0"), std::string::npos) << warnings[0];
  for (int i = 0; i < 3; ++i) {
    world.run_for(2s);
    ASSERT_FALSE(poll());
  }
  EXPECT_EQ(warnings.size(), 1U) << "once a minute";
  on_loop(
      [this] { consumer_->close_by(CallTime::from(world.now(), 1s), [](const Result<void>&) {}); });
  world.run_for(1s);
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_NE(warnings[1].find("3 more errors since the last line"), std::string::npos)
      << warnings[1];
}

TEST_F(ConsumerOnCluster, StartsByTheResetPolicyInATopicThatWasCreatedAgain) {
  end_ = 10;
  script.versions_up_to = 16;
  start();
  assign({orders(0)});
  EXPECT_EQ(read(10).size(), 10U);
  // No error announces it, and the new topic has more records than the old one.
  script.topic_id = TopicId{{2}};
  end_ = 12;
  const auto read_anew = read(12, 5s);
  ASSERT_EQ(read_anew.size(), 12U);
  EXPECT_EQ(read_anew.front(), "0:0");
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("topic orders was deleted and created again"), std::string::npos);
  EXPECT_NE(warnings[0].find("position in partition 0 was 10"), std::string::npos) << warnings[0];
}

TEST_F(ConsumerOnCluster, ReadsATopicThatWasCreatedAgainFromItsFirstRecordIfAsked) {
  end_ = 10;
  script.versions_up_to = 16;
  start({.offset_reset = OffsetReset::latest}, is_made_again);
  assign({orders(0)});
  ASSERT_TRUE(world.run_until([this] { return position(0) == Offset{10}; }, 2s));
  // The new topic has records before the consumer hears of it.
  script.topic_id = TopicId{{2}};
  end_ = 12;
  const auto read_anew = read(12, 5s);
  ASSERT_EQ(read_anew.size(), 12U);
  EXPECT_EQ(read_anew.front(), "0:0");
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("from their first record"), std::string::npos) << warnings[0];
}

TEST_F(ConsumerOnCluster, FetchesNoMoreThanFitsIntoAnAnswer) {
  engine_options.link.limits.max_frame_bytes = 80'000;
  start();
  assign({orders(0)});
  EXPECT_EQ(read(3).size(), 3U);
  EXPECT_EQ(fetches_.at(0).max_bytes, 70'000);
  EXPECT_EQ(fetches_.at(0).topics.at(0).partitions.at(0).partition_max_bytes, 70'000);
}

// A server returns the first batch of a fetch whole, at any size.
TEST_F(ConsumerOnCluster, ReadsOtherPartitionsBesideABatchThatIsTooLargeForAnyAnswer) {
  constexpr std::int32_t partitions = 5, large = 2;
  engine_options.link.limits.max_frame_bytes = 8'192;
  script.leaders.assign(partitions, {NodeId{1}, LeaderEpoch{0}});
  // The server answers until the world ends.
  const auto is_large = std::make_shared<bool>(true);
  script.on<wire::FetchRequest>([is_large, this](NodeId at, const wire::FetchRequest& asked) {
    auto answer = fetched(at, asked);
    for (auto& data : answer.responses.at(0).partitions) {
      if (!*is_large || data.partition_index.value != large) continue;
      MadeBatch batch = plain_batch(0, 3);
      batch.records.at(0).second.assign(20'000, 'x');
      data.records = Chain(batch.bytes());
    }
    return answer;
  });
  start();
  std::vector<TopicPartition> all;
  for (std::int32_t each = 0; each < partitions; ++each) all.push_back(orders(each));
  assign(all);
  int read_so_far = 0, failures = 0;
  std::string last;
  const TimePoint begin = world.now();
  while (world.now() < begin + 1min) {
    auto records = poll(100ms);
    if (records) read_so_far += static_cast<int>(records->count());
    if (records) continue;
    ++failures;
    last = records.error().message();
    EXPECT_TRUE(records.error().is(Errc::too_large)) << last;
    EXPECT_NE(last.find("orders-2"), std::string::npos) << last;
    EXPECT_NE(last.find("max_response_bytes"), std::string::npos) << last;
  }
  EXPECT_EQ(read_so_far, 3 * (partitions - 1));
  EXPECT_GE(failures, 10);
  EXPECT_LE(failures, 100);
  EXPECT_LE(fetches_.size(), 700U);
  ASSERT_FALSE(warnings.empty());
  EXPECT_NE(warnings[0].find("the answer to Fetch is above max_response_bytes: "),
            std::string::npos)
      << warnings[0];
  // The batch is deleted, or the consumer seeks past it.
  *is_large = false;
  auto rest = poll(5s);
  while (!rest) rest = poll(5s);
  EXPECT_EQ(rest->count(), 3U);
}

TEST_F(ConsumerOnCluster, NeverCreatesATopicByReadingIt) {
  const auto asked = std::make_shared<int>(0), creating = std::make_shared<int>(0);
  script.on<wire::MetadataRequest>([=](NodeId, const wire::MetadataRequest& request) {
    ++*asked;
    if (request.allow_auto_topic_creation) ++*creating;
    wire::MetadataResponse answer;
    answer.brokers.push_back({NodeId{1}, "broker-1", 9092, {}});
    auto& topic = answer.topics.emplace_back();
    topic.name = "orders";
    topic.error_code = code::unknown_topic_or_partition;
    return answer;
  });
  start();
  assign({orders(0)});
  world.run_for(10s);
  EXPECT_GT(*asked, 3);
  EXPECT_EQ(*creating, 0);
}

TEST_F(ConsumerOnCluster, AsksNoMoreForADeletedTopicThatItHasGivenUp) {
  int named = 0;
  script.on<wire::MetadataRequest>([&named](NodeId, const wire::MetadataRequest& request) {
    wire::MetadataResponse answer;
    answer.brokers.push_back({NodeId{1}, "broker-1", 9092, {}});
    if (!request.topics) return answer;
    for (const auto& each : *request.topics) {
      if (each.name == "orders") ++named;
      auto& topic = answer.topics.emplace_back();
      topic.name = each.name;
      topic.error_code = code::unknown_topic_or_partition;
    }
    return answer;
  });
  start();
  assign({orders(0)});
  world.run_for(10s);
  EXPECT_GT(named, 3);
  assign({});
  world.run_for(2s);
  named = 0;
  world.run_for(1min);
  EXPECT_EQ(named, 0);
}

TEST_F(ConsumerOnCluster, RefusesNamesThatNoTopicHasAtTheCall) {
  start({.group_id = "g"});
  Consumer consumer = make_consumer(client, {.group_id = "g"}).value();
  for (const std::string name : {"a/b", "^f.*", "", "..", "two words", "new\nline"}) {
    const auto subscribed = consumer.subscribe({"orders", name});
    ASSERT_FALSE(subscribed) << name;
    EXPECT_TRUE(subscribed.error().is(Errc::invalid_argument));
    const auto assigned = consumer.assign({{name, PartitionId{0}}});
    ASSERT_FALSE(assigned) << name;
    EXPECT_TRUE(assigned.error().is(Errc::invalid_argument));
  }
  const auto pattern = consumer.subscribe({"^f.*"});
  EXPECT_NE(pattern.error().message().find("\"^f.*\" is a pattern"), std::string_view::npos)
      << pattern.error().message();
}

/// A consumer as the only member of a group, with server 1 as coordinator.
class GroupMemberOnCluster : public ConsumerOnCluster {
 protected:
  GroupMemberOnCluster() {
    script.on<wire::FindCoordinatorRequest>([](NodeId, const wire::FindCoordinatorRequest& asked) {
      wire::FindCoordinatorResponse answer;
      for (const auto& key : asked.coordinator_keys) {
        auto& found = answer.coordinators.emplace_back();
        found.key = key;
        found.node_id = NodeId{1};
      }
      return answer;
    });
    script.on<wire::JoinGroupRequest>(
        [this](NodeId,
               const wire::JoinGroupRequest& asked) -> std::optional<wire::JoinGroupResponse> {
          ++joins_;
          if (holds_joins_) return std::nullopt;
          wire::JoinGroupResponse answer;
          answer.generation_id = generation_;
          answer.protocol_type = "consumer";
          answer.protocol_name = "range";
          answer.leader = answer.member_id = "m";
          answer.members.push_back({"m", std::nullopt, asked.protocols.at(0).metadata});
          return answer;
        });
    script.on<wire::SyncGroupRequest>([](NodeId, const wire::SyncGroupRequest& asked) {
      wire::SyncGroupResponse answer;
      answer.assignment = asked.assignments.at(0).assignment;
      return answer;
    });
    script.on<wire::HeartbeatRequest>([this](NodeId, const wire::HeartbeatRequest& asked) {
      wire::HeartbeatResponse answer;
      if (asked.generation_id != generation_) answer.error_code = code::unknown_member_id;
      return answer;
    });
    script.on<wire::LeaveGroupRequest>([this](NodeId, const wire::LeaveGroupRequest&) {
      ++leaves_;
      return wire::LeaveGroupResponse{};
    });
    script.on<wire::OffsetFetchRequest>([](NodeId, const wire::OffsetFetchRequest& asked) {
      wire::OffsetFetchResponse answer;
      auto& group = answer.groups.emplace_back();
      group.group_id = asked.groups.at(0).group_id;
      return answer;
    });
    script.on<wire::OffsetCommitRequest>([this](NodeId, const wire::OffsetCommitRequest& asked) {
      commits_.push_back(asked);
      script.answer_after = commit_takes_;
      return answer_each(asked, [this](const auto&) { return commit_error_; });
    });
  }
  static ConsumerOptions group_options() {
    return {.group_id = "g", .offset_reset = OffsetReset::earliest};
  }
  void subscribe() {
    on_loop([this] { consumer_->subscribe({"orders"}); });
    consumer_->begin_poll();
  }
  /// Passes the group's news to the caller.
  void hear_assigned() {
    const auto has_news = [this] {
      return consumer_->desk().with([](PollTable& table) { return !table.news.empty(); });
    };
    ASSERT_TRUE(world.run_until(has_news, 10s));
    consumer_->desk().with([](PollTable& table) {
      EXPECT_TRUE(std::holds_alternative<group_action::Assigned>(table.news.front()));
      table.news.pop_front();
    });
    consumer_->end_poll();
    on_loop([this] { consumer_->on_told_assigned(); });
  }
  void join_and_read(std::size_t count) {
    start(group_options());
    subscribe();
    hear_assigned();
    ASSERT_EQ(read(count).size(), count);
  }

  int joins_ = 0;
  Generation generation_{5};
  bool holds_joins_ = false;
  int leaves_ = 0;
  std::int16_t commit_error_ = 0;
  Duration commit_takes_{};
  std::vector<wire::OffsetCommitRequest> commits_;
};

TEST_F(GroupMemberOnCluster, WaitsForAJoinAsLongAsItsRequestTimeoutSays) {
  holds_joins_ = true;
  ConsumerOptions options = group_options();
  options.session_timeout = 10s;
  options.max_poll_interval = 10s;
  options.request_timeout = 90s;
  start(options);
  subscribe();
  world.run_for(80s);
  EXPECT_EQ(joins_, 1);
  world.run_for(30s);
  EXPECT_GT(joins_, 1);
}

TEST_F(GroupMemberOnCluster, JoinsSoonAfterItsServerCameBack) {
  script.brokers = {NodeId{1}};
  script.leaders = {{NodeId{1}, LeaderEpoch{0}}};
  engine_options.max_reconnect_backoff = 100ms;
  engine_options.max_retry_backoff = 1min;
  start(group_options());
  sim::Process& broker = *world.machine("broker-1").process("broker-1");
  broker.kill();
  subscribe();
  world.run_for(50s);
  EXPECT_EQ(joins_, 0);
  broker.restart();
  world.run_for(2s);
  EXPECT_EQ(joins_, 1);
}

// The leader does not create the topics of other members that it looks up, nor a member the topics
// of its assignment.
TEST_F(GroupMemberOnCluster, NeverCreatesATopicByReadingItInAGroup) {
  const auto asked = std::make_shared<int>(0), creating = std::make_shared<int>(0);
  script.on<wire::MetadataRequest>([=](NodeId, const wire::MetadataRequest& request) {
    ++*asked;
    if (request.allow_auto_topic_creation) ++*creating;
    wire::MetadataResponse answer;
    answer.brokers.push_back({NodeId{1}, "broker-1", 9092, {}});
    for (const auto& each : *request.topics) {
      auto& topic = answer.topics.emplace_back();
      topic.name = each.name;
      topic.error_code = code::unknown_topic_or_partition;
    }
    return answer;
  });
  start(group_options());
  on_loop([this] { consumer_->subscribe({"missing", "orders"}); });
  consumer_->begin_poll();
  world.run_for(1min);
  EXPECT_GE(joins_, 1);
  EXPECT_GT(*asked, 3);
  EXPECT_EQ(*creating, 0);
  const auto about = [this](std::string_view topic) {
    return std::ranges::count_if(warnings, [&](const std::string& line) {
      return line.starts_with("consumer: still waiting: ") &&
             line.find("look for topic " + std::string(topic)) != std::string::npos;
    });
  };
  EXPECT_EQ(about("missing"), 1) << "the user hears of what it waits for";
  EXPECT_EQ(about("orders"), 1) << testing::PrintToString(warnings);
}

TEST_F(GroupMemberOnCluster, ReadsATopicThatWasCreatedAgainBeforeItsFirstAssignment) {
  script.versions_up_to = 16;
  ConsumerOptions options = group_options();
  options.offset_reset = OffsetReset::latest;
  start(options, is_made_again);
  // Without a poll it does not join.
  on_loop([this] { consumer_->subscribe({"orders"}); });
  world.run_for(1s);
  EXPECT_EQ(joins_, 0);
  script.topic_id = TopicId{{2}};
  on_loop([this] { client->cluster().doubt(); });
  world.run_for(2s);
  consumer_->begin_poll();
  hear_assigned();
  const auto records = read(6);
  ASSERT_EQ(records.size(), 6U);
  for (const std::string first : {"0:0", "1:0"}) {
    EXPECT_NE(std::ranges::find(records, first), records.end()) << first;
  }
}

TEST_F(GroupMemberOnCluster, CommitsNoOffsetOfADeletedTopicWhenTheNewOneHasMorePartitions) {
  script.versions_up_to = 16;
  join_and_read(6);
  consumer_->desk().with([](PollTable& table) { table.fetch.settle(); });
  const int joins = joins_;
  script.topic_id = TopicId{{2}};
  script.leaders.push_back(script.leaders.front());
  on_loop([this] { client->cluster().doubt(); });
  world.run_for(1s);
  EXPECT_TRUE(
      consumer_->desk().with([](const PollTable& table) { return table.fetch.has_replaced(); }));
  EXPECT_GE(joins_, joins);
  EXPECT_TRUE(commits_.empty()) << "the group gives its partitions up after the news of the topic";
}

TEST_F(GroupMemberOnCluster, CommitsAutomaticallyOnlyHandledRecords) {
  join_and_read(6);
  EXPECT_TRUE(commits_.empty());
  // The next poll shows that the caller is done with the earlier records.
  consumer_->desk().with([](PollTable& table) { table.fetch.settle(); });
  world.run_for(6s);
  ASSERT_EQ(commits_.size(), 1U);
  EXPECT_EQ(commits_[0].generation_id_or_member_epoch, Generation{5});
  EXPECT_EQ(commits_[0].topics.at(0).partitions.at(1).committed_offset, Offset{3});
  world.run_for(10s);
  EXPECT_EQ(commits_.size(), 1U);
}

TEST_F(GroupMemberOnCluster, CommitsOnlyRefusedPartitionsAgain) {
  script.on<wire::OffsetCommitRequest>([this](NodeId, const wire::OffsetCommitRequest& asked) {
    commits_.push_back(asked);
    return answer_each(asked, [](const auto& wanted) {
      return wanted.partition_index == PartitionId{1} ? code::topic_authorization_failed
                                                      : std::int16_t{0};
    });
  });
  join_and_read(6);
  consumer_->desk().with([](PollTable& table) { table.fetch.settle(); });
  world.run_for(11s);
  ASSERT_EQ(commits_.size(), 2U);
  EXPECT_EQ(commits_[0].topics.at(0).partitions.size(), 2U);
  const auto& again = commits_[1].topics.at(0).partitions;
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].partition_index, PartitionId{1});
  ASSERT_FALSE(warnings.empty());
  EXPECT_NE(warnings[0].find("orders-1 (the other offset is committed)"), std::string::npos)
      << warnings[0];
}

// The request may be delayed and arrive after later commits.
TEST_F(GroupMemberOnCluster, RepeatsCommitsThatAnUnansweredOneMayOverwrite) {
  join_and_read(6);
  consumer_->desk().with([](PollTable& table) { table.fetch.settle(); });
  commit_takes_ = 10min;
  ASSERT_TRUE(world.run_until([this] { return commits_.size() == 1; }, 10s));
  commit_takes_ = {};
  world.network().reset("client", "broker-1");
  world.run_for(20s);
  EXPECT_GE(commits_.size(), 4U);
  EXPECT_EQ(commits_.back().topics.at(0).partitions.at(1).committed_offset, Offset{3});
}

// During the close the group drops it, and it joins again before it can leave. Other members may
// have committed meanwhile.
TEST_F(GroupMemberOnCluster, CommitsNothingOfALostGenerationWhenItCloses) {
  join_and_read(6);
  consumer_->desk().with([](PollTable& table) { table.fetch.settle(); });
  commit_error_ = code::coordinator_load_in_progress;
  generation_ = Generation{7};
  std::optional<Result<void>> outcome;
  on_loop([&, this] {
    consumer_->close_by(CallTime::from(world.now(), 9s),
                        [&](Result<void> done) { outcome = std::move(done); });
  });
  world.run_for(10s);
  ASSERT_TRUE(outcome);
  ASSERT_FALSE(commits_.empty());
  for (const auto& commit : commits_) {
    EXPECT_EQ(commit.generation_id_or_member_epoch, Generation{5});
  }
  EXPECT_GT(joins_, 1) << "this is about one that joins again";
}

// The group is empty then and accepts offsets from any client.
TEST_F(GroupMemberOnCluster, CommitsNothingWhileItIsNoMemberOfItsGroup) {
  ConsumerOptions options = group_options();
  options.max_poll_interval = 10s;
  options.auto_commit = false;
  start(options);
  subscribe();
  hear_assigned();
  ASSERT_EQ(read(6).size(), 6U);
  world.run_for(15s);
  ASSERT_EQ(leaves_, 1) << "no poll for max_poll_interval";
  std::optional<Result<void>> outcome;
  const auto commit = [&](Offset offset) {
    outcome.reset();
    on_loop([&, offset] {
      consumer_->commit({{orders(0), {offset}}},
                        [&](Result<void> done) { outcome = std::move(done); });
    });
    world.run_for(1s);
  };
  commit(Offset{5});
  ASSERT_TRUE(outcome);
  ASSERT_FALSE(*outcome);
  EXPECT_TRUE(outcome->error().is(Errc::not_owner)) << outcome->error().to_string();
  EXPECT_NE(outcome->error().message().find("no member of group g"), std::string_view::npos);
  EXPECT_TRUE(commits_.empty());
  // It joins again and commits as a member.
  generation_ = Generation{6};
  consumer_->begin_poll();
  const auto lost = consumer_->desk().with([](PollTable& table) {
    const auto news = std::get<group_action::Lose>(table.news.front()).partitions;
    table.news.pop_front();
    return news;
  });
  on_loop([&, this] { consumer_->on_told_released(lost); });
  hear_assigned();
  commit(Offset{6});
  ASSERT_TRUE(outcome && *outcome) << outcome->error().to_string();
  ASSERT_EQ(commits_.size(), 1U);
  EXPECT_EQ(commits_[0].generation_id_or_member_epoch, Generation{6});
}

TEST_F(GroupMemberOnCluster, LosesItsPartitionsOnceACommitIsRefusedForItsOldGeneration) {
  join_and_read(6);
  commit_error_ = code::illegal_generation;
  std::optional<Result<void>> outcome;
  on_loop([&, this] {
    consumer_->commit({{orders(0), {Offset{3}}}},
                      [&](Result<void> done) { outcome = std::move(done); });
  });
  world.run_for(1s);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->error().is_broker(code::illegal_generation));
  consumer_->desk().with([](PollTable& table) {
    ASSERT_EQ(table.news.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<group_action::Lose>(table.news.front()));
  });
}

TEST_F(GroupMemberOnCluster, LeavesItsGroupWhenItsLastHandleIsDestroyed) {
  join_and_read(6);
  consumer_->desk().with([](PollTable& table) { table.fetch.settle(); });
  std::optional<Result<void>> outcome;
  on_loop([&, this] {
    consumer_->close_by(CallTime::from(world.now(), 5s),
                        [&](Result<void> done) { outcome = std::move(done); });
    consumer_.reset();
  });
  world.run_for(3s);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(*outcome) << outcome->error().to_string();
  EXPECT_EQ(commits_.size(), 1U);
  EXPECT_EQ(leaves_, 1);
}

TEST_F(GroupMemberOnCluster, AnswersCommitsOfADestroyedHandle) {
  commit_takes_ = 500ms;
  join_and_read(6);
  std::optional<Result<void>> outcome;
  {
    Consumer handle = make_consumer(client, group_options()).value();
    handle.commit_async({{orders(0), {Offset{1}}}},
                        [&](Result<void> done) { outcome = std::move(done); });
  }
  world.run_for(2s);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(*outcome) << outcome->error().to_string();
}

TEST_F(GroupMemberOnCluster, LogsFailuresThatNoCallReturns) {
  join_and_read(6);
  commit_error_ = code::group_authorization_failed;
  {
    make_consumer(client, group_options()).value().commit_async({{orders(0), {Offset{1}}}});
  }
  world.run_for(3s);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("consumer: commit: "), std::string::npos) << warnings[0];
  // A commit without an answer keeps the close from ending in time.
  script.on<wire::OffsetCommitRequest>(
      [](NodeId, const wire::OffsetCommitRequest&) -> std::optional<wire::OffsetCommitResponse> {
        return std::nullopt;
      });
  {
    make_consumer(client, group_options()).value().commit_async({{orders(0), {Offset{1}}}});
  }
  world.run_for(10s);
  ASSERT_EQ(warnings.size(), 4U);
  EXPECT_NE(warnings[2].find("close by the destructor: "), std::string::npos) << warnings[2];
  // The warning of the other member.
  EXPECT_NE(warnings[3].find("auto-commit: "), std::string::npos) << warnings[3];
}

}  // namespace
}  // namespace dohle::client
