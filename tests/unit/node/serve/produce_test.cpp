#include "node_world.hpp"
#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/compression.hpp"
#include "wire/crc32c.hpp"
#include "wire/messages/init_producer_id.hpp"
#include "wire/messages/list_offsets.hpp"

namespace dohle::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using ProduceTest = NodeWorld;

TEST_F(ProduceTest, AnswersWithTheOffsetAndServesTheRecords) {
  create("t", 2);
  EXPECT_EQ(produce("t", batch_of({"a", "b"})).base_offset, Offset{0});
  const auto answer = produce("t", batch_of({"c"}));
  EXPECT_EQ(answer.error_code, 0);
  EXPECT_EQ(answer.base_offset, Offset{2});
  EXPECT_EQ(answer.log_start_offset, Offset{0});
  EXPECT_TRUE(answer.log_append_time_ms.is_none());
  EXPECT_THAT(values("t"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(values("t", {.offset = 2}), ElementsAre("c"));
  EXPECT_THAT(values("t", {.partition = 1, .max_wait_ms = 0}), ElementsAre());
}

TEST_F(ProduceTest, RecordsAcknowledgedWithAcksAllSurviveAPowerLoss) {
  create("t");
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(produce("t", batch_of({std::to_string(i)})).error_code, 0);
  }
  restart_after_power_loss();
  const auto found = values("t");
  ASSERT_GE(found.size(), 20u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(found[static_cast<std::size_t>(i)], std::to_string(i));
}

TEST_F(ProduceTest, RecordsOfAcksOneAreAnsweredBeforeTheSyncAndVisibleAfterIt) {
  create("t");
  world.machine("node").disk().set_slow(1'000);
  const auto answer = produce("t", batch_of({"a"}), 1);
  EXPECT_EQ(answer.error_code, 0);
  EXPECT_EQ(answer.base_offset, Offset{0});
  const auto before = fetch("t", {.max_wait_ms = 0});
  EXPECT_EQ(before.high_watermark, Offset{0});
  EXPECT_THAT(values_in(before.records), ElementsAre());
  world.machine("node").disk().set_slow(1);
  EXPECT_THAT(values("t", {.max_wait_ms = 10'000}), ElementsAre("a"));
}

TEST_F(ProduceTest, AcksNoneGetsNoAnswerAndAnErrorClosesTheConnection) {
  create("t");
  client().send_unanswered(produce_request("t", batch_of({"a"}), 0), 12);
  EXPECT_THAT(values("t"), ElementsAre("a"));
  EXPECT_FALSE(client().is_closed);

  WireClient& one = client();
  one.send_unanswered(produce_request("unknown", batch_of({"a"}), 0), 12);
  EXPECT_TRUE(world.run_until([&] { return one.is_closed; }, 1s));
}

TEST_F(ProduceTest, RefusesInvalidAcks) {
  create("t");
  EXPECT_EQ(produce("t", batch_of({"a"}), 2).error_code, broker_error::invalid_required_acks);
  EXPECT_THAT(values("t", {.max_wait_ms = 0}), ElementsAre());
}

TEST_F(ProduceTest, FindsTopicsByIdFromVersion13) {
  const TopicId id = create("t");
  auto request = produce_request("", batch_of({"a"}));
  request.topic_data[0].topic_id = id;
  const auto answer = ask(request, 13);
  EXPECT_EQ(answer.responses[0].topic_id, id);
  EXPECT_EQ(answer.responses[0].partition_responses[0].error_code, 0);
  request.topic_data[0].topic_id.bytes[0] ^= 1;
  EXPECT_EQ(ask(request, 13).responses[0].partition_responses[0].error_code,
            broker_error::unknown_topic_id);
}

TEST_F(ProduceTest, AnswersEachPartitionWithItsOwnOutcome) {
  create("t", 1, {{"max.message.bytes", "200"}});
  auto request = produce_request("t", batch_of({"a"}));
  request.topic_data[0].partition_data.push_back({PartitionId{7}, batch_of({"a"})});
  auto& other = request.topic_data.emplace_back();
  other.name = "unknown";
  other.partition_data.push_back({PartitionId{0}, batch_of({"a"})});
  const auto answer = ask(request, 12);
  EXPECT_EQ(answer.responses[0].partition_responses[0].error_code, 0);
  EXPECT_EQ(answer.responses[0].partition_responses[1].error_code,
            broker_error::unknown_topic_or_partition);
  EXPECT_EQ(answer.responses[1].partition_responses[0].error_code,
            broker_error::unknown_topic_or_partition);
  const auto large = produce("t", batch_of({std::string(300, 'x')}));
  EXPECT_EQ(large.error_code, broker_error::message_too_large);
  EXPECT_THAT(large.error_message.value_or(""), HasSubstr("max.message.bytes 200"));
}

TEST_F(ProduceTest, RefusesBytesThatAreNotOneWholeBatch) {
  create("t");
  Slice batch = *batch_of({"abc"}).flatten();
  const auto broken = Slice::made(batch.size(), [&](std::span<std::byte> to) {
    std::ranges::copy(batch.bytes(), to.begin());
    to.back() ^= std::byte{1};
  });
  EXPECT_EQ(produce("t", Chain(broken)).error_code, broker_error::corrupt_message);
  EXPECT_EQ(produce("t", Chain(batch.sub(0, batch.size() - 1))).error_code,
            broker_error::invalid_record);
  EXPECT_EQ(produce("t", Chain()).error_code, broker_error::invalid_record);
  EXPECT_THAT(values("t", {.max_wait_ms = 0}), ElementsAre());
}

TEST_F(ProduceTest, StampsTheNodesTimeIfTheTopicUsesLogAppendTime) {
  create("t", 1, {{"message.timestamp.type", "LogAppendTime"}});
  const auto answer = produce("t", batch_of({"a"}));
  EXPECT_GE(answer.log_append_time_ms, world.options().wall_start);
  const auto found = fetch("t");
  const auto reader = wire::BatchReader::open(*found.records->flatten());
  ASSERT_TRUE(reader.has_value());
  RecordView record;
  auto records = *reader;
  ASSERT_TRUE(records.next(record));
  EXPECT_EQ(record.timestamp, answer.log_append_time_ms);
}

Chain compressed_batch(wire::Compression codec, std::size_t value_bytes, int count = 1,
                       const std::string& value = {}) {
  static Budget budget{1_GiB};
  wire::BatchBuilder builder(budget, 512_MiB);
  const std::string content = value.empty() ? std::string(value_bytes, '\0') : value;
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(builder.append({.value = as_bytes(content)}, Timestamp{wall_start_ms}),
              wire::BatchBuilder::Appended::ok);
  }
  wire::BatchBuilder::Seal seal;
  seal.compression = codec;
  seal.compressed = *wire::compress(codec, std::nullopt, builder.records());
  return builder.seal(std::move(seal));
}

TEST_F(ProduceTest, ZstdOfTwentyMegabytesOfZerosIsStoredAndRead) {
  create("t");
  const Chain batch = compressed_batch(wire::Compression::zstd, 20'000'000);
  ASSERT_LT(batch.size(), 20'000'000u / 1'032);
  const auto answer = produce("t", batch);
  EXPECT_EQ(answer.error_code, 0) << answer.error_message.value_or("");
  const auto found = values("t");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].size(), 20'000'000u);
}

TEST_F(ProduceTest, ABatchThatDecompressesToMoreThanItsTopicAllowsIsRefused) {
  create("t", 1, {{"max.message.bytes", "100000"}});  // decompresses to at most 64 MiB
  for (const auto codec : {wire::Compression::gzip, wire::Compression::zstd}) {
    const auto refused = produce("t", compressed_batch(codec, 65_MiB));
    EXPECT_EQ(refused.error_code, broker_error::invalid_record);
    EXPECT_THAT(refused.error_message.value_or(""), HasSubstr("limit of 67108864 bytes"));
    EXPECT_EQ(produce("t", compressed_batch(codec, 63_MiB)).error_code, 0);
  }
}

TEST_F(ProduceTest, TheSizeIsCheckedBeforeAnythingIsDecompressed) {
  create("t", 1, {{"max.message.bytes", "1000"}});
  const auto refused = produce("t", compressed_batch(wire::Compression::gzip, 10_MiB));
  EXPECT_EQ(refused.error_code, broker_error::message_too_large);
  EXPECT_EQ(running().engine.part<BatchChecks>().size(), 0u);
}

TEST_F(ProduceTest, BatchesOfOnePartitionKeepTheirOrderForAnyTimesOfValidation) {
  create("t", 2);
  // On one connection, and on another that comes later.
  std::vector<Awaited<wire::ProduceRequest>> answers;
  answers.push_back(send(produce_request("t", compressed_batch(wire::Compression::gzip, 0, 3,
                                                               std::string(1_MiB, 'a'))),
                         12, "one"));
  answers.push_back(send(produce_request("t", batch_of({"b"})), 12, "one"));
  ASSERT_TRUE(world.run_until([&] { return running().engine.part<BatchChecks>().size() > 0; }, 1s));
  answers.push_back(send(produce_request("t", batch_of({"c"})), 12, "two"));
  answers.push_back(send(produce_request("t", batch_of({"d"}), -1, 1), 12, "three"));
  EXPECT_EQ(wait<wire::ProduceRequest>(answers[3]).responses[0].partition_responses[0].base_offset,
            Offset{0});
  std::vector<std::int64_t> offsets;
  for (int i = 0; i < 3; ++i) {
    const auto answer = wait<wire::ProduceRequest>(answers[static_cast<std::size_t>(i)]);
    const auto& partition = answer.responses[0].partition_responses[0];
    EXPECT_EQ(partition.error_code, 0) << partition.error_message.value_or("");
    offsets.push_back(partition.base_offset.value);
  }
  EXPECT_EQ(offsets[0], 0);
  EXPECT_EQ(values("t", {.offset = 3, .max_bytes = 16 << 20}).size(), 2u);
  EXPECT_EQ(running().engine.part<BatchChecks>().size(), 0u);
}

TEST_F(ProduceTest, ConnectionsTakeTurnsWhileBatchesAreValidated) {
  create("t", 40);
  wire::ProduceRequest many;
  many.acks = -1;
  many.timeout_ms = 1'000;
  auto& data = many.topic_data.emplace_back();
  data.name = "t";
  for (int i = 0; i < 30; ++i) {
    data.partition_data.push_back(
        {PartitionId{i}, compressed_batch(wire::Compression::gzip, 1_MiB)});
  }
  const auto slow = send(many, 12, "attacker");
  ASSERT_TRUE(world.run_until([&] { return running().engine.part<BatchChecks>().size() > 5; }, 1s));
  const auto probe = send(
      produce_request("t", compressed_batch(wire::Compression::lz4, 200'000), -1, 35), 12, "probe");
  EXPECT_EQ(wait<wire::ProduceRequest>(probe).responses[0].partition_responses[0].error_code, 0);
  EXPECT_FALSE(slow->has_value()) << "the probe waited for all of them";
  const auto answer = wait<wire::ProduceRequest>(slow);
  for (const auto& partition : answer.responses[0].partition_responses) {
    EXPECT_EQ(partition.error_code, 0);
  }
}

TEST_F(ProduceTest, BatchesThatWaitForAnotherAreAppendedInTheirOrderInShortTurns) {
  turns_are_short = true;
  create("t");
  std::vector<Awaited<wire::ProduceRequest>> answers;
  answers.push_back(
      send(produce_request("t", compressed_batch(wire::Compression::gzip, 1_MiB)), 12, "first"));
  ASSERT_TRUE(world.run_until([&] { return running().engine.part<BatchChecks>().size() > 0; }, 1s));
  for (int i = 1; i < 20; ++i) {
    const std::string name = std::to_string(i);
    (void)client(name);
    answers.push_back(send(produce_request("t", batch_of({name})), 12, name));
    world.run_for(10us);
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto answer = wait<wire::ProduceRequest>(answers[i]);
    EXPECT_EQ(answer.responses[0].partition_responses[0].base_offset,
              Offset{static_cast<std::int64_t>(i)});
  }
}

/// Larger than the node's thread writes.
Chain large_batch(char filling) {
  return batch_of({std::string(limits::max_written_at_once + 1, filling)});
}

TEST_F(ProduceTest, ABatchThatADiskThreadWritesKeepsItsPlace) {
  create("t", 1, {{"max.message.bytes", "10000000"}});
  std::vector<Awaited<wire::ProduceRequest>> answers;
  for (const char filling : {'a', 'b', 'c'}) {
    const std::string from(1, filling);
    answers.push_back(send(produce_request("t", large_batch(filling)), 12, from));
    answers.push_back(send(produce_request("t", batch_of({from})), 12, from));
  }
  std::vector<Offset> offsets;
  for (const auto& answer : answers) {
    const auto partition = wait<wire::ProduceRequest>(answer).responses[0].partition_responses[0];
    EXPECT_EQ(partition.error_code, 0) << partition.error_message.value_or("");
    offsets.push_back(partition.base_offset);
  }
  for (std::size_t i = 0; i < offsets.size(); i += 2) EXPECT_LT(offsets[i], offsets[i + 1]);
  std::ranges::sort(offsets);
  EXPECT_EQ(offsets.back(), Offset{5});
  EXPECT_EQ(std::ranges::unique(offsets).begin(), offsets.end());
  EXPECT_EQ(values("t", {.max_bytes = 64 << 20}).size(), 6u);
}

TEST_F(ProduceTest, ABatchThatADiskThreadWritesIsWholeOrAbsentAfterAPowerLoss) {
  create("t", 1, {{"max.message.bytes", "10000000"}, {"segment.bytes", "12000000"}});
  std::int64_t end = 0;
  int kept = 0;
  constexpr int rounds = 30;
  for (int round = 0; round < rounds; ++round) {
    ASSERT_EQ(produce("t", batch_of({"small"})).base_offset, Offset{end++});
    (void)send(produce_request("t", large_batch('a')), 12);
    world.run_for(std::chrono::milliseconds(5 * round));
    restart_after_power_loss();
    EXPECT_EQ(values("t", {.offset = end - 1, .max_bytes = 1}).at(0), "small");
    const auto large = values("t", {.offset = end, .max_wait_ms = 0, .max_bytes = 64 << 20});
    if (large.empty()) continue;
    EXPECT_EQ(large[0].size(), limits::max_written_at_once + 1);
    ++end;
    ++kept;
  }
  EXPECT_GT(kept, 0);
  EXPECT_LT(kept, rounds);
}

TEST_F(ProduceTest, APartitionNamedTwiceIsRefusedWithoutAnAppend) {
  create("t", 2);
  auto request = produce_request("t", batch_of({"a"}));
  request.topic_data[0].partition_data.push_back({PartitionId{0}, batch_of({"b"})});
  request.topic_data[0].partition_data.push_back({PartitionId{1}, batch_of({"c"})});
  const auto answer = ask(request, 12);
  EXPECT_EQ(answer.responses[0].partition_responses[0].error_code, broker_error::invalid_request);
  EXPECT_EQ(answer.responses[0].partition_responses[1].error_code, broker_error::invalid_request);
  EXPECT_EQ(answer.responses[0].partition_responses[2].error_code, 0);
  auto again = produce_request("t", batch_of({"d"}));
  again.topic_data.push_back(again.topic_data[0]);
  EXPECT_EQ(ask(again, 12).responses[1].partition_responses[0].error_code,
            broker_error::invalid_request);
  EXPECT_THAT(values("t", {.max_wait_ms = 0}), ElementsAre());

  wire::ListOffsetsRequest list;
  auto& wanted = list.topics.emplace_back();
  wanted.name = "t";
  for (const int i : {0, 0, 1}) {
    wanted.partitions.emplace_back().partition_index = PartitionId{i};
    wanted.partitions.back().timestamp = Timestamp{-1};
  }
  const auto offsets = ask(list).topics[0].partitions;
  EXPECT_EQ(offsets[0].error_code, broker_error::invalid_request);
  EXPECT_EQ(offsets[1].error_code, broker_error::invalid_request);
  EXPECT_EQ(offsets[2].offset, Offset{1});
}

TEST_F(ProduceTest, TimesThatLieTooFarFromTheNodesAreRefusedByName) {
  create("t");
  const auto far = produce("t", batch_of({"a"}, {}, INT64_MAX));
  EXPECT_EQ(far.error_code, broker_error::invalid_timestamp);
  EXPECT_THAT(far.error_message.value_or(""), HasSubstr("Timestamp 9223372036854775807 of a record "
                                                        "is out of range. The timestamp should be "
                                                        "within [-"));
  EXPECT_THAT(far.error_message.value_or(""), HasSubstr("from the node's time 17356896"));
  const std::int64_t hour = 3'600'000;
  EXPECT_EQ(produce("t", batch_of({"a"}, {}, wall_start_ms + hour - 1'000)).error_code, 0);
  EXPECT_EQ(produce("t", batch_of({"a"}, {}, wall_start_ms + 2 * hour)).error_code,
            broker_error::invalid_timestamp);
  EXPECT_EQ(produce("t", batch_of({"a"}, {}, 0)).error_code, 0);
  create("old", 1, {{"message.timestamp.before.max.ms", "1000"}});
  EXPECT_EQ(produce("old", batch_of({"a"}, {}, wall_start_ms - 60'000)).error_code,
            broker_error::invalid_timestamp);
  create("any", 1, {{"message.timestamp.after.max.ms", "9223372036854775807"}});
  EXPECT_EQ(produce("any", batch_of({"a"}, {}, INT64_MAX)).error_code, 0);
  create("stamped", 1, {{"message.timestamp.type", "LogAppendTime"}});
  EXPECT_EQ(produce("stamped", batch_of({"a"}, {}, INT64_MAX)).error_code, 0);
}

TEST_F(ProduceTest, TheNodesOptionIsTheDefaultOfItsTopics) {
  settings.max_timestamp_before = 1s;
  create("t");
  EXPECT_EQ(produce("t", batch_of({"a"}, {}, wall_start_ms - 60'000)).error_code,
            broker_error::invalid_timestamp);
}

TEST_F(ProduceTest, AFalseMaxTimestampIsReplacedByThatOfTheRecords) {
  create("t");
  const Slice honest = *batch_of({"a", "b"}).flatten();
  const Slice lie = Slice::made(honest.size(), [&](std::span<std::byte> to) {
    std::ranges::copy(honest.bytes(), to.begin());
    wire::store_big_endian(to.data() + wire::batch_at::max_timestamp, wall_start_ms + 99'999'999);
    wire::store_big_endian(to.data() + wire::batch_at::crc,
                           wire::crc32c(0, Bytes(to).subspan(wire::batch_at::crc_begin)));
  });
  EXPECT_EQ(produce("t", Chain(lie)).error_code, 0);
  const Slice stored = *fetch("t").records->flatten();
  EXPECT_EQ(wire::read_batch_header(stored.bytes())->max_timestamp, Timestamp{wall_start_ms + 1});
  EXPECT_TRUE(wire::batch_crc_matches(stored.bytes()));
  EXPECT_THAT(values("t"), ElementsAre("a", "b"));
}

TEST_F(ProduceTest, NoClientMayWriteToTheNodesOwnTopic) {
  (void)produce("__consumer_offsets", batch_of({"a"}));
  EXPECT_EQ(try_create("__consumer_offsets").error_code, broker_error::invalid_topic_exception);
}

class IdempotenceTest : public NodeWorld {
 protected:
  std::int64_t new_producer() {
    wire::InitProducerIdRequest request;
    request.transactional_id.reset();
    const auto answer = ask(request);
    EXPECT_EQ(answer.error_code, 0);
    EXPECT_EQ(answer.producer_epoch, ProducerEpoch{0});
    return answer.producer_id.value;
  }
  auto numbered(std::int64_t id, std::int32_t sequence, std::int16_t epoch = 0) {
    return produce("t", batch_of({std::to_string(sequence)}, {id, epoch, sequence}));
  }
};

TEST_F(IdempotenceTest, NeverReturnsAProducerIdTwice) {
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(new_producer());
  restart_after_power_loss();
  for (int i = 0; i < 5; ++i) ids.push_back(new_producer());
  std::ranges::sort(ids);
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
}

TEST_F(IdempotenceTest, AnswersTheLastFiveAgainWithTheirFirstOffset) {
  create("t");
  const auto id = new_producer();
  for (int i = 0; i < 6; ++i) ASSERT_EQ(numbered(id, i).base_offset, Offset{i});
  for (int i = 1; i < 6; ++i) {
    const auto again = numbered(id, i);
    EXPECT_EQ(again.error_code, 0);
    EXPECT_EQ(again.base_offset, Offset{i});
  }
  EXPECT_EQ(numbered(id, 0).error_code, broker_error::out_of_order_sequence_number);
  EXPECT_THAT(values("t"), ElementsAre("0", "1", "2", "3", "4", "5"));
}

TEST_F(IdempotenceTest, RemembersItsProducersAfterACrash) {
  create("t");
  const auto id = new_producer();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(numbered(id, i).error_code, 0);
  restart_after_power_loss();
  EXPECT_EQ(numbered(id, 2).base_offset, Offset{2});
  EXPECT_EQ(numbered(id, 4).error_code, broker_error::out_of_order_sequence_number);
  EXPECT_EQ(numbered(id, 3).base_offset, Offset{3});
}

TEST_F(IdempotenceTest, RefusesAGapAndAnOldEpoch) {
  create("t");
  const auto id = new_producer();
  ASSERT_EQ(numbered(id, 0).error_code, 0);
  EXPECT_EQ(numbered(id, 2).error_code, broker_error::out_of_order_sequence_number);
  EXPECT_EQ(numbered(id, 1, 1).error_code, broker_error::out_of_order_sequence_number);
  EXPECT_EQ(numbered(id, 0, 1).base_offset, Offset{1});
  EXPECT_EQ(numbered(id, 1, 0).error_code, broker_error::invalid_producer_epoch);
}

TEST_F(IdempotenceTest, ADuplicateIsAcknowledgedOnlyOnceTheFirstIsDurable) {
  create("t");
  const auto id = new_producer();
  world.machine("node").disk().set_slow(10'000);
  const auto request = produce_request("t", batch_of({"a"}, {id, 0, 0}));
  const auto first = send(request, 12);
  const auto again = send(request, 12);
  world.run_for(5ms);
  EXPECT_FALSE(first->has_value());
  EXPECT_FALSE(again->has_value());
  world.machine("node").disk().set_slow(1);
  const auto answer = wait<wire::ProduceRequest>(again, 60s);
  EXPECT_EQ(answer.responses[0].partition_responses[0].base_offset, Offset{0});
}

using TroubleTest = NodeWorld;

TEST_F(TroubleTest, AFullDiskRefusesProducersServesReadersAndRecovers) {
  create("t");
  ASSERT_EQ(produce("t", batch_of({"before"})).error_code, 0);
  world.machine("node").disk().set_full(true);
  std::int16_t error = 0;
  std::size_t stored = 0;
  // Space reserved earlier may still be used.
  for (int i = 0; i < 200 && error == 0; ++i) {
    error = produce("t", batch_of({std::string(100'000, 'x')})).error_code;
    if (error == 0) ++stored;
  }
  EXPECT_EQ(error, broker_error::kafka_storage_error);
  EXPECT_THAT(values("t", {.max_bytes = 1'000}), ElementsAre("before"));
  world.machine("node").disk().set_full(false);
  EXPECT_EQ(produce("t", batch_of({"after"})).base_offset,
            Offset{static_cast<std::int64_t>(1 + stored)});
}

TEST_F(TroubleTest, AFailedSyncTakesOnlyItsPartitionOfflineWithALine) {
  create("good");
  create("bad");
  ASSERT_EQ(produce("bad", batch_of({"first"})).error_code, 0);
  const auto waiting = send(fetch_request("bad", {.offset = 1, .max_wait_ms = 20'000}), 12, "two");
  world.run_for(10ms);
  world.machine("node").disk().fail_syncs("/data/bad-0/", 1'000);
  auto request = produce_request("bad", batch_of({"a"}));
  auto& other = request.topic_data.emplace_back();
  other.name = "good";
  other.partition_data.push_back({PartitionId{0}, batch_of({"b"})});
  const auto answer = ask(request, 12);
  EXPECT_EQ(answer.responses[0].partition_responses[0].error_code,
            broker_error::kafka_storage_error);
  EXPECT_TRUE(answer.responses[0].partition_responses[0].base_offset.is_none());
  EXPECT_EQ(answer.responses[1].partition_responses[0].error_code, 0);
  EXPECT_EQ(logger.count("error node: partition bad-0 is offline until a restart"), 1u);
  const auto fetched = wait<wire::FetchRequest>(waiting, 1s);
  EXPECT_EQ(fetched.responses[0].partitions[0].error_code, broker_error::kafka_storage_error);
  EXPECT_EQ(produce("bad", batch_of({"c"})).error_code, broker_error::kafka_storage_error);
  EXPECT_EQ(produce("good", batch_of({"c"})).base_offset, Offset{1});
}

TEST_F(TroubleTest, AFailedCheckpointTakesThePartitionOfflineToo) {
  create("t");
  ASSERT_EQ(produce("t", batch_of({"a"})).error_code, 0);
  world.machine("node").disk().fail_syncs("/data/t-0/dohle-log", 1'000);
  world.run_for(5s);
  EXPECT_EQ(logger.count("partition t-0 is offline until a restart"), 1u);
  EXPECT_EQ(produce("t", batch_of({"b"})).error_code, broker_error::kafka_storage_error);
}

}  // namespace
}  // namespace dohle::node
