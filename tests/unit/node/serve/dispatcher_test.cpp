#include "node/serve/dispatcher.hpp"

#include "../node_world.hpp"
#include "node/limits.hpp"
#include "node/serve/call.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/list_groups.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;

class TurnQueueTest : public testing::Test {
 protected:
  /// Each connection waits again after its turn, which takes the given time. Returns the
  /// connections in the order of their turns.
  std::vector<std::uint64_t> go(int count, const std::map<std::uint64_t, Duration>& uses) {
    std::vector<std::uint64_t> went;
    for (int i = 0; i < count; ++i) {
      const auto next = queue.take();
      if (!next) break;
      went.push_back(*next);
      if (!uses.contains(*next)) continue;
      queue.charge(marks[*next], uses.at(*next));
      queue.wait(*next, marks[*next]);
    }
    return went;
  }
  void wait(std::uint64_t who) { queue.wait(who, marks[who]); }

  TurnQueue queue;
  std::map<std::uint64_t, TurnQueue::Mark> marks;
};

TEST_F(TurnQueueTest, GivesEqualConnectionsEqualTurns) {
  for (const std::uint64_t who : {1u, 2u, 3u}) wait(who);
  EXPECT_THAT(go(6, {{1, 1ms}, {2, 1ms}, {3, 1ms}}), ElementsAre(1, 2, 3, 1, 2, 3));
}

TEST_F(TurnQueueTest, GivesConnectionsThatUseLittleMoreTurns) {
  for (const std::uint64_t who : {1u, 2u}) wait(who);
  const auto went = go(40, {{1, 9ms}, {2, 1ms}});
  EXPECT_GE(std::ranges::count(went, 1u), 3);
  EXPECT_LE(std::ranges::count(went, 1u), 5);
}

TEST_F(TurnQueueTest, LetsAnIdleConnectionGoBeforeAThousandBusyOnes) {
  std::map<std::uint64_t, Duration> busy;
  for (std::uint64_t who = 1; who <= 1'000; ++who) {
    wait(who);
    busy[who] = 1ms;
  }
  (void)go(1'500, busy);
  for (int i = 0; i < 10; ++i) {
    wait(5'000);
    EXPECT_EQ(queue.take(), 5'000u);
    queue.charge(marks[5'000], 10us);
    (void)go(20, busy);
  }
}

TEST_F(TurnQueueTest, LetsNoConnectionSaveUpTurns) {
  wait(1);
  (void)go(100, {{1, 1ms}});  // 2 is idle meanwhile
  wait(2);
  const auto went = go(10, {{1, 1ms}, {2, 1ms}});
  EXPECT_LE(std::ranges::count(went, 2u), 6);
}

TEST_F(TurnQueueTest, ForgetsConnectionsThatClose) {
  for (const std::uint64_t who : {1u, 2u, 3u}) wait(who);
  queue.forget(2);
  EXPECT_THAT(go(5, {}), ElementsAre(1, 3));
  EXPECT_TRUE(queue.empty());
}

class DispatcherTest : public NodeWorld {
 protected:
  /// 100 topics of 25 partitions: the answer that lists them takes about 68 KB.
  void make_many_partitions() {
    for (int i = 0; i < 100; ++i) create("topic-" + std::to_string(i), 25);
  }
  Awaited<wire::MetadataRequest> ask_for_all(std::string_view from) {
    return send(all_topics, 9, from);
  }

  const wire::MetadataRequest all_topics = [] {
    wire::MetadataRequest request;
    request.topics.reset();
    return request;
  }();
};

TEST_F(DispatcherTest, AnswersAllInOrderThoughEachTurnHasTimeForOneRequest) {
  turns_are_short = true;
  create("t");
  std::vector<Awaited<wire::ListGroupsRequest>> groups;
  std::vector<Awaited<wire::ProduceRequest>> produced;
  for (int i = 0; i < 50; ++i) {
    for (const std::string from : {"one", "two", "three"}) {
      groups.push_back(send(wire::ListGroupsRequest{}, 4, from));
      produced.push_back(send(produce_request("t", batch_of({from})), 12, from));
    }
  }
  for (const auto& answer : groups) EXPECT_EQ(wait<wire::ListGroupsRequest>(answer).error_code, 0);
  for (const auto& answer : produced) {
    EXPECT_EQ(wait<wire::ProduceRequest>(answer).responses[0].partition_responses[0].error_code, 0);
  }
  EXPECT_EQ(values("t", {.max_bytes = 1 << 20}).size(), 150u);
}

TEST_F(DispatcherTest, ServesOthersBetweenTheSlicesOfALongRequest) {
  turns_are_short = true;
  create("t");
  wire::MetadataRequest unknown;
  unknown.topics.emplace();
  for (int i = 0; i < 500; ++i) unknown.topics->emplace_back().name = "new-" + std::to_string(i);
  const auto all = send(unknown, 9, "attacker");
  const auto listed = send(wire::ListGroupsRequest{}, 4, "attacker");
  world.run_for(1ms);
  EXPECT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  EXPECT_FALSE(all->has_value());
  EXPECT_FALSE(listed->has_value());
  const auto answer = wait<wire::MetadataRequest>(all);
  ASSERT_EQ(answer.topics.size(), 500u);
  for (std::size_t i = 0; i < 500; ++i) {
    EXPECT_EQ(answer.topics[i].name, "new-" + std::to_string(i));
    EXPECT_EQ(answer.topics[i].error_code, 0);
  }
  EXPECT_EQ(wait<wire::ListGroupsRequest>(listed).error_code, 0);
}

TEST_F(DispatcherTest, CreatesAndDeletesTopicsInSlices) {
  turns_are_short = true;
  create("t");
  wire::CreateTopicsRequest made;
  wire::DeleteTopicsRequest deleted;
  for (int i = 0; i < 200; ++i) {
    auto& topic = made.topics.emplace_back();
    topic.name = "topic-" + std::to_string(i);
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    deleted.topics.emplace_back().name = topic.name;
  }
  made.topics.push_back(made.topics[7]);
  const auto creating = send(made, 7, "attacker");
  world.run_for(500us);
  EXPECT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  EXPECT_FALSE(creating->has_value());
  const auto created = wait<wire::CreateTopicsRequest>(creating);
  ASSERT_EQ(created.topics.size(), 201u);
  for (std::size_t i = 0; i < 201; ++i) {
    EXPECT_EQ(created.topics[i].error_code,
              i == 7 || i == 200 ? broker_error::invalid_request : broker_error::none);
  }
  const auto deleting = send(deleted, 6, "attacker");
  world.run_for(1ms);
  EXPECT_EQ(produce("t", batch_of({"b"})).error_code, 0);
  const auto gone = wait<wire::DeleteTopicsRequest>(deleting);
  ASSERT_EQ(gone.responses.size(), 200u);
  for (std::size_t i = 0; i < 200; ++i) {
    EXPECT_EQ(gone.responses[i].error_code,
              i == 7 ? broker_error::unknown_topic_or_partition : broker_error::none);
  }
}

TEST_F(DispatcherTest, DropsTheRestOfARequestOfAClosedConnection) {
  turns_are_short = true;
  create("t");
  wire::MetadataRequest unknown;
  unknown.topics.emplace();
  for (int i = 0; i < 500; ++i) unknown.topics->emplace_back().name = "new-" + std::to_string(i);
  (void)send(unknown, 9, "attacker");
  world.run_for(1ms);
  client("attacker").close();
  world.run_for(1s);
  EXPECT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  EXPECT_LT(ask(all_topics, 9).topics.size(), 501u);
}

TEST_F(DispatcherTest, KeepsUnreadAnswersOfAllConnectionsWithinTheBudget) {
  settings.max_unread_answer_bytes = 1_MiB;
  make_many_partitions();
  std::vector<std::string> names;
  for (int i = 0; i < 10; ++i) names.push_back("lazy " + std::to_string(i));
  for (const std::string& name : names) client(name).stop_reading();
  std::vector<Awaited<wire::MetadataRequest>> answers;
  for (const std::string& name : names) {
    for (int i = 0; i < 30; ++i) answers.push_back(ask_for_all(name));
  }
  world.run_for(2s);
  // The answers have 20 MB; beyond the budget each connection gets one answer of 68 KB.
  EXPECT_LT(running().engine.part<Dispatcher>().unread_bytes(), 1_MiB + 11 * 69'000);
  EXPECT_EQ(produce("topic-1", batch_of({"a"})).error_code, 0) << "others go one at a time";
  for (const std::string& name : names) client(name).go_on_reading();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    ASSERT_EQ(wait<wire::MetadataRequest>(answers[i]).topics.size(), 100u)
        << i << " of " << testing::PrintToString(logger.lines)
        << running().engine.part<Dispatcher>().unread_bytes();
  }
  EXPECT_EQ(logger.count("closing"), 0u);
  EXPECT_EQ(ask(all_topics, 9).topics.size(), 100u);
}

TEST_F(DispatcherTest, ClosesAConnectionThatReadsNothingFor10sWhileOthersWaitForTheBudget) {
  settings.max_unread_answer_bytes = 1_MiB;
  make_many_partitions();
  WireClient& lazy = client("lazy");
  lazy.stop_reading();
  for (int i = 0; i < 60; ++i) (void)ask_for_all("lazy");
  world.run_for(30s);
  EXPECT_EQ(logger.count("closing"), 0u) << "nobody else waits";
  client("other").stop_reading();
  for (int i = 0; i < 60; ++i) (void)ask_for_all("other");
  EXPECT_TRUE(world.run_until([&] { return logger.count("it has read nothing of ") > 0; }, 20s));
  lazy.go_on_reading();
  EXPECT_TRUE(world.run_until([&] { return lazy.is_closed; }, 20s));
  EXPECT_GE(logger.count("(1048576 bytes, max_unread_answer_bytes)"), 1u);
  EXPECT_EQ(produce("topic-1", batch_of({"a"})).error_code, 0);
}

TEST(KeepApart, MovesLargePiecesToBlocksOfAMegabyteAtMost) {
  std::string large(5'000'000, 'x');
  for (std::size_t i = 0; i < large.size(); i += 1'000) large[i] = static_cast<char>('a' + i % 26);
  Chain answer(Slice::copy_of("small"));
  answer.append(Slice::copy_of(large));
  const Slice shared = Slice::copy_of(large);
  answer.append(shared);
  keep_apart(answer);
  std::size_t largest = 0;
  for (std::size_t i = 0; i + 1 < answer.pieces().size(); ++i) {
    largest = std::max(largest, std::get<Slice>(answer.pieces()[i]).size());
  }
  EXPECT_EQ(largest, limits::max_apart_bytes);
  EXPECT_EQ(std::get<Slice>(answer.pieces().back()).data(), shared.data()) << "its block is used";
  EXPECT_EQ(answer.flatten()->text(), "small" + large + large);
}

}  // namespace
}  // namespace dohle::node
