#include "node_world.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/list_offsets.hpp"
#include "wire/messages/offset_for_leader_epoch.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A fetch that is answered at its first attempt.
class AnsweredAtOnce final : public WaitingFetch {
 public:
  explicit AnsweredAtOnce(std::function<void()> answer = [] {}) : answer_(std::move(answer)) {}
  std::optional<std::size_t> attempt(bool) override {
    answer_();
    return 0;
  }
  [[nodiscard]] Seen seen() const override { return {}; }

 private:
  std::function<void()> answer_;
};

class FetchTest : public NodeWorld {
 protected:
  Awaited<wire::FetchRequest> start_fetch(const FetchFrom& from) {
    return send(fetch_request("t", from), 12, "reader");
  }
  std::vector<std::string> values_of(const Awaited<wire::FetchRequest>& answer) {
    return values_in(wait<wire::FetchRequest>(answer).responses.at(0).partitions.at(0).records);
  }
};

TEST_F(FetchTest, WaitsForTheAppendThatSatisfiesIt) {
  create("t");
  const auto answer = start_fetch({.max_wait_ms = 20'000});
  world.run_for(5s);
  EXPECT_FALSE(answer->has_value());
  const TimePoint before = world.now();
  ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  EXPECT_THAT(values_of(answer), ElementsAre("a"));
  EXPECT_LT(world.now() - before, 100ms);
}

TEST_F(FetchTest, LeavesTheRecordsThatItWaitedForInMemory) {
  create("t");
  const auto answer = start_fetch({.max_wait_ms = 20'000});
  world.run_for(10ms);
  ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  EXPECT_THAT(values_of(answer), ElementsAre("a"));
  const PartitionRef partition = *topics().find("t")->partition(PartitionId{0});
  const auto fetched =
      running().engine.part<Storage>().fetch(*partition, Offset{0}, Offset{1}, 1'000'000, true);
  ASSERT_TRUE(fetched);
  EXPECT_TRUE(std::holds_alternative<Slice>(fetched->bytes.pieces().front()));
  // Nobody waits for it.
  ASSERT_EQ(produce("t", batch_of({"b"})).error_code, 0);
  const auto later =
      running().engine.part<Storage>().fetch(*partition, Offset{1}, Offset{2}, 1'000'000, true);
  ASSERT_TRUE(later);
  EXPECT_TRUE(std::holds_alternative<FileRange>(later->bytes.pieces().front()));
}

TEST_F(FetchTest, CountsBytesUpToItsMinimum) {
  create("t");
  const auto answer = start_fetch({.min_bytes = 300, .max_wait_ms = 20'000});
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(produce("t", batch_of({std::string(60, 'x')})).error_code, 0);
    world.run_for(100ms);
    EXPECT_FALSE(answer->has_value()) << i;
  }
  ASSERT_EQ(produce("t", batch_of({std::string(60, 'x')})).error_code, 0);
  EXPECT_EQ(values_of(answer).size(), 3u);
}

TEST_F(FetchTest, IsAnsweredWithoutRecordsAfterItsMaxWait) {
  create("t");
  const TimePoint before = world.now();
  const auto answer = start_fetch({.max_wait_ms = 700});
  EXPECT_THAT(values_of(answer), IsEmpty());
  EXPECT_GE(world.now() - before, 700ms);
  EXPECT_LT(world.now() - before, 800ms);
}

TEST_F(FetchTest, DoesNotWaitForMoreThanOneAnswerTakes) {
  create("t");
  for (int i = 0; i < 5; ++i)
    ASSERT_EQ(produce("t", batch_of({std::string(90, 'x')})).error_code, 0);
  const TimePoint before = world.now();
  const auto answer = start_fetch({.min_bytes = 100'000, .max_wait_ms = 20'000, .max_bytes = 350});
  EXPECT_EQ(values_of(answer).size(), 2u);
  EXPECT_LT(world.now() - before, 100ms);
}

TEST_F(FetchTest, ContinuesAtTheNextSegmentWithoutWaiting) {
  create("t", 1, {{"segment.bytes", "1024"}});
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(produce("t", batch_of({std::string(500, 'x')})).error_code, 0);
  }
  std::int64_t next = 0;
  const TimePoint before = world.now();
  while (next < 4) {
    const auto got = values("t", {.offset = next, .min_bytes = 1'000'000, .max_wait_ms = 20'000});
    ASSERT_FALSE(got.empty());
    next += static_cast<std::int64_t>(got.size());
    if (next == 4) break;
    EXPECT_LT(world.now() - before, 1s);
  }
}

TEST_F(FetchTest, ReturnsTheFirstBatchAtAnySize) {
  create("t", 2);
  ASSERT_EQ(produce("t", batch_of({std::string(5'000, 'x')})).error_code, 0);
  ASSERT_EQ(produce("t", batch_of({std::string(5'000, 'y')}), -1, 1).error_code, 0);
  auto request = fetch_request("t", {.max_bytes = 10});
  request.topics[0].partitions.push_back(request.topics[0].partitions[0]);
  request.topics[0].partitions[1].partition = PartitionId{1};
  const auto answer = ask(request, 12);
  ASSERT_EQ(answer.responses[0].partitions.size(), 2u);
  EXPECT_EQ(values_in(answer.responses[0].partitions[0].records).size(), 1u);
  EXPECT_THAT(values_in(answer.responses[0].partitions[1].records), IsEmpty());
}

TEST_F(FetchTest, FindsRecordsThatComeWhileItReadsItsPartitions) {
  settings.durability = Durability::os;
  turns_are_short = true;
  create("t", 100);
  auto request = fetch_request("t", {.max_wait_ms = 20'000});
  auto& partitions = request.topics[0].partitions;
  for (int i = 1; i < 100; ++i) {
    partitions.push_back(partitions[0]);
    partitions.back().partition = PartitionId{i};
  }
  (void)client("wide");
  for (int i = 0; i < 40; ++i) {
    partitions[0].fetch_offset = Offset{i};
    const auto answer = send(request, 12, "wide");
    world.run_for(i * 25us);
    ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
    const TimePoint before = world.now();
    (void)wait<wire::FetchRequest>(answer);
    EXPECT_LT(world.now() - before, 1s) << "after " << i * 25 << " us";
  }
}

TEST_F(FetchTest, AboveTheBoundOnPairsIsCheckedPeriodically) {
  settings.max_fetch_wait_pairs = 3;
  create("t", 4);
  auto request = fetch_request("t", {.max_wait_ms = 10'000});
  for (int i = 1; i < 4; ++i) {
    auto next = request.topics[0].partitions[0];
    next.partition = PartitionId{i};
    request.topics[0].partitions.push_back(next);
  }
  const auto polled = send(request, 12, "wide");
  const auto pointed_at = start_fetch({.max_wait_ms = 10'000});
  world.run_for(500ms);
  const FetchWaits& waits = running().engine.part<FetchWaits>();
  EXPECT_EQ(waits.size(), 2u);
  EXPECT_EQ(waits.pairs(), 1u);
  const TimePoint before = world.now();
  EXPECT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  EXPECT_THAT(values_of(pointed_at), ElementsAre("a"));
  EXPECT_THAT(values_in(wait<wire::FetchRequest>(polled).responses.at(0).partitions.at(0).records),
              ElementsAre("a"));
  EXPECT_LT(world.now() - before, 150ms);
  EXPECT_EQ(waits.size(), 0u);
  EXPECT_EQ(waits.pairs(), 0u);
}

TEST_F(FetchTest, AboveTheBoundOnPairsIsAnsweredInTime) {
  settings.max_fetch_wait_pairs = 0;
  create("t");
  const TimePoint before = world.now();
  EXPECT_THAT(values("t", {.max_wait_ms = 250}), ElementsAre());
  EXPECT_GE(world.now() - before, 250ms);
  EXPECT_LT(world.now() - before, 300ms);
}

TEST_F(FetchTest, ClosingManyWaitsOfManyPartitionsIsLinear) {
  // Removing 2,000 waits of 500 partitions one by one took 500 million steps; now it takes a
  // million.
  constexpr int waits_count = 2'000;
  constexpr int partitions_count = 500;
  std::vector<PartitionRef> partitions;
  for (int i = 0; i < partitions_count; ++i) {
    partitions.push_back(std::make_shared<node::Partition>("t", PartitionId{i},
                                                           Error::client(Errc::closed, "no log")));
  }
  FetchWaits waits(node().executor(), {});
  for (int i = 0; i < waits_count; ++i) {
    waits.add(static_cast<std::uint64_t>(i % 7), partitions, 1, never,
              std::make_unique<AnsweredAtOnce>());
  }
  EXPECT_EQ(waits.pairs(), std::size_t{waits_count} * partitions_count);
  std::size_t left = waits_count;
  for (std::uint64_t connection = 0; connection < 7; ++connection) {
    waits.forget(connection);
    left = waits.size();
    // The remaining waits are registered at their partitions.
    EXPECT_EQ(partitions[3]->waits.size(), left);
    EXPECT_EQ(waits.pairs(), left * partitions_count);
  }
  EXPECT_EQ(left, 0u);
}

TEST_F(FetchTest, ReturnsErrorsAtOnce) {
  create("t");
  EXPECT_EQ(fetch("t", {.offset = 5}).error_code, broker_error::offset_out_of_range);
  EXPECT_EQ(fetch("t", {.partition = 3}).error_code, broker_error::unknown_topic_or_partition);
  EXPECT_EQ(fetch("u").error_code, broker_error::unknown_topic_or_partition);
  auto request = fetch_request("t");
  request.topics[0].partitions[0].current_leader_epoch = LeaderEpoch{3};
  EXPECT_EQ(ask(request, 12).responses[0].partitions[0].error_code,
            broker_error::unknown_leader_epoch);
}

TEST_F(FetchTest, IsAnsweredWhenItsTopicIsDeleted) {
  create("t");
  const auto answer = start_fetch({.max_wait_ms = 20'000});
  world.run_for(10ms);
  wire::DeleteTopicsRequest request;
  request.topics.push_back({"t", {}});
  EXPECT_EQ(ask(request).responses[0].error_code, 0);
  EXPECT_EQ(wait<wire::FetchRequest>(answer, 1s).responses[0].partitions[0].error_code,
            broker_error::unknown_topic_or_partition);
}

TEST_F(FetchTest, OfAClosedConnectionIsForgotten) {
  create("t");
  (void)start_fetch({.max_wait_ms = 60'000});
  world.run_for(10ms);
  EXPECT_EQ(running().engine.part<FetchWaits>().size(), 1u);
  client("reader").close();
  world.run_for(100ms);
  EXPECT_EQ(running().engine.part<FetchWaits>().size(), 0u);
}

TEST_F(FetchTest, IsAnsweredBeforeTheAcknowledgementOfItsRecords) {
  create("t");
  const PartitionRef partition = *topics().find("t")->partition(PartitionId{0});
  FetchWaits& waits = running().engine.part<FetchWaits>();
  std::vector<std::string> order;
  waits.after_ready([&] { order.emplace_back("nobody waits"); });
  waits.add(99, {partition}, 1, world.now() + 10s,
            std::make_unique<AnsweredAtOnce>([&] { order.emplace_back("fetch"); }));
  waits.advanced(*partition, 1);
  waits.after_ready([&] { order.emplace_back("acknowledgement"); });
  world.run_for(10ms);
  EXPECT_THAT(order, testing::ElementsAre("nobody waits", "fetch", "acknowledgement"));
}

// --- checks before the first range of a segment is served

class CheckedFetchTest : public FetchTest {
 protected:
  /// A partition without checked segments since the start.
  void fill_and_restart() {
    create("t");
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(produce("t", batch_of({std::to_string(i)})).error_code, 0);
    }
    ASSERT_TRUE(stop_cleanly());
    restart_after_kill();
  }
};

TEST_F(CheckedFetchTest, WaitsLikeALongPoll) {
  fill_and_restart();
  EXPECT_EQ(values("t").size(), 10u);
  EXPECT_THAT(logger.lines, IsEmpty());
}

TEST_F(CheckedFetchTest, DamageTakesThePartitionOfflineBeforeItIsReturned) {
  create("t");
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(produce("t", batch_of({std::to_string(i)})).error_code, 0);
  }
  ASSERT_TRUE(stop_cleanly());
  node().kill();
  ASSERT_TRUE(world.machine("node").disk().flip_bit("/data/t-0/00000000000000000000.log", 300, 2));
  restart_after_kill();
  EXPECT_EQ(fetch("t", {.max_wait_ms = 10'000}).error_code, broker_error::kafka_storage_error);
  EXPECT_EQ(logger.count("error node: partition t-0 is offline until a restart"), 1u);
  EXPECT_EQ(logger.count("restore the file from a copy, or delete the topic"), 1u);
}

TEST_F(CheckedFetchTest, UnreadSegmentsAreCheckedInTheBackground) {
  create("t");
  ASSERT_EQ(produce("t", batch_of({std::string(1'000, 'x')})).error_code, 0);
  ASSERT_TRUE(stop_cleanly());
  node().kill();
  ASSERT_TRUE(world.machine("node").disk().flip_bit("/data/t-0/00000000000000000000.log", 300, 2));
  restart_after_kill();
  world.run_for(2s);
  EXPECT_EQ(logger.count("error node: partition t-0 is offline until a restart"), 1u);
}

// --- sessions (KIP-227)

class FetchSessionTest : public NodeWorld {
 protected:
  static wire::FetchRequest of_session(std::int32_t id, std::int32_t epoch) {
    wire::FetchRequest request;
    request.session_id = id;
    request.session_epoch = epoch;
    return request;
  }
  wire::FetchResponse begin(std::int32_t partitions) {
    auto request = fetch_request("t", {.max_wait_ms = 0});
    request.session_epoch = 0;
    for (std::int32_t i = 1; i < partitions; ++i) {
      request.topics[0].partitions.push_back(request.topics[0].partitions[0]);
      request.topics[0].partitions.back().partition = PartitionId{i};
    }
    return ask(request, 12);
  }
};

TEST_F(FetchSessionTest, AnswersOnlyChangedPartitions) {
  create("t", 3);
  const auto full = begin(3);
  EXPECT_NE(full.session_id, 0);
  EXPECT_EQ(full.responses[0].partitions.size(), 3u);

  const auto nothing = ask(of_session(full.session_id, 1), 12);
  EXPECT_EQ(nothing.session_id, full.session_id);
  EXPECT_THAT(nothing.responses, IsEmpty());

  ASSERT_EQ(produce("t", batch_of({"a"}), -1, 2).error_code, 0);
  const auto news = ask(of_session(full.session_id, 2), 12);
  ASSERT_EQ(news.responses.size(), 1u);
  ASSERT_EQ(news.responses[0].partitions.size(), 1u);
  EXPECT_EQ(news.responses[0].partitions[0].partition_index, PartitionId{2});
  EXPECT_THAT(values_in(news.responses[0].partitions[0].records), ElementsAre("a"));
}

TEST_F(FetchSessionTest, ForgetsTheForgottenTopicsOfARequest) {
  create("t", 2);
  const auto full = begin(2);
  ASSERT_EQ(produce("t", batch_of({"a"}), -1, 0).error_code, 0);
  ASSERT_EQ(produce("t", batch_of({"b"}), -1, 1).error_code, 0);
  auto request = of_session(full.session_id, 1);
  request.forgotten_topics_data.push_back({"t", {}, {PartitionId{0}}});
  const auto answer = ask(request, 12);
  ASSERT_EQ(answer.responses.size(), 1u);
  ASSERT_EQ(answer.responses[0].partitions.size(), 1u);
  EXPECT_EQ(answer.responses[0].partitions[0].partition_index, PartitionId{1});
}

TEST_F(FetchSessionTest, RefusesUnknownSessionsAndEpochs) {
  create("t");
  EXPECT_EQ(ask(of_session(77, 1), 12).error_code, broker_error::fetch_session_id_not_found);
  const auto full = begin(1);
  EXPECT_EQ(ask(of_session(full.session_id, 2), 12).error_code,
            broker_error::invalid_fetch_session_epoch);
  EXPECT_EQ(ask(of_session(full.session_id, 1), 13).error_code,
            broker_error::fetch_session_topic_id_error);
}

// --- offsets

class ListOffsetsTest : public NodeWorld {
 protected:
  wire::ListOffsetsResponse::ListOffsetsPartitionResponse list(std::int64_t timestamp,
                                                               std::int16_t version = 11) {
    wire::ListOffsetsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({PartitionId{0}, {}, Timestamp{timestamp}});
    return ask(request, version).topics.at(0).partitions.at(0);
  }
};

TEST_F(ListOffsetsTest, FindsByTimeAndByPosition) {
  create("t");
  ASSERT_EQ(produce("t", batch_of({"a", "b"}, {}, 1'000)).error_code, 0);
  ASSERT_EQ(produce("t", batch_of({"c"}, {}, 5'000)).error_code, 0);
  ASSERT_EQ(produce("t", batch_of({"d"}, {}, 3'000)).error_code, 0);
  EXPECT_EQ(list(-1).offset, Offset{4});
  EXPECT_EQ(list(-1).leader_epoch, LeaderEpoch{0});
  EXPECT_EQ(list(-2).offset, Offset{0});
  EXPECT_EQ(list(0).offset, Offset{0});
  EXPECT_EQ(list(1'001).offset, Offset{1});
  EXPECT_EQ(list(1'001).timestamp, Timestamp{1'001});
  EXPECT_EQ(list(1'002).offset, Offset{2});
  EXPECT_EQ(list(-3).offset, Offset{2});
  const auto later = list(9'000);
  EXPECT_EQ(later.error_code, 0);
  EXPECT_TRUE(later.offset.is_none());
  EXPECT_EQ(list(-3, 6).error_code, broker_error::unsupported_version);
  EXPECT_EQ(list(-9).error_code, broker_error::unsupported_version);
}

TEST_F(ListOffsetsTest, SaysWhereALeaderEpochEnds) {
  create("t");
  const auto end_of = [&](std::int32_t epoch) {
    wire::OffsetForLeaderEpochRequest request;
    auto& topic = request.topics.emplace_back();
    topic.topic = "t";
    topic.partitions.push_back({PartitionId{0}, {}, LeaderEpoch{epoch}});
    return ask(request).topics.at(0).partitions.at(0);
  };
  EXPECT_EQ(end_of(0).end_offset, Offset{0});
  ASSERT_EQ(produce("t", batch_of({"a", "b"})).error_code, 0);
  EXPECT_EQ(end_of(0).leader_epoch, LeaderEpoch{0});
  EXPECT_EQ(end_of(0).end_offset, Offset{2});
  EXPECT_TRUE(end_of(1).end_offset.is_none());
  EXPECT_TRUE(end_of(1).leader_epoch.is_none());
}

}  // namespace
}  // namespace dohle::node
