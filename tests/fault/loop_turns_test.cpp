#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/broker_errors.hpp"
#include "base/budget.hpp"
#include "base/units.hpp"
#include "fault/attack.hpp"
#include "fault/measured.hpp"
#include "fault/measured_node.hpp"
#include "fault/measured_turns.hpp"
#include "fault/node_process.hpp"
#include "fault/pace.hpp"
#include "fault/small_disk.hpp"
#include "fault/wire_connection.hpp"
#include "fault/zeros_batch.hpp"
#include "wire/batch.hpp"
#include "wire/batch_builder.hpp"
#include "wire/compression.hpp"
#include "wire/messages/create_partitions.hpp"
#include "wire/messages/create_topics.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/list_offsets.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/offset_for_leader_epoch.hpp"
#include "wire/messages/produce.hpp"

// No turn of the node's loop uses more than 20 ms of its thread's CPU, for any requests.

namespace dohle::fault {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

/// Counts the calls that wait for the device.
class CountedSyncs final : public disk::SystemCalls {
 public:
  int sync_file(int descriptor) override {
    ++count_;
    return SystemCalls::sync_file(descriptor);
  }
  int sync_file_system(int descriptor) override {
    ++count_;
    return SystemCalls::sync_file_system(descriptor);
  }
  int sync_directory(int descriptor) override {
    ++count_;
    return SystemCalls::sync_directory(descriptor);
  }
  /// The number since the last call.
  [[nodiscard]] std::size_t take() { return count_.exchange(0); }

 private:
  std::atomic<std::size_t> count_ = 0;
};

/// The damage to a segment's index between two lives of the node.
enum class Lost : std::uint8_t { nothing, file, second_half, bytes };

void spoil(const fs::path& index, Lost what) {
  const auto size = fs::file_size(index);
  switch (what) {
    case Lost::nothing:
      return;
    case Lost::file:
      fs::remove(index);
      return;
    case Lost::second_half:
      return fs::resize_file(index, size / 24 * 12);  // whole entries of either index
    case Lost::bytes:
      fs::resize_file(index, 0);
      return fs::resize_file(index, size);  // zeros
  }
}

std::vector<fs::path> files_of(const fs::path& directory, const std::string& extension) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == extension) found.push_back(entry.path());
  }
  return found;
}

/// The size of the first batch of partition 0 of topic t.
std::int64_t end_of_first_batch(const fs::path& data) {
  std::ifstream log(data / "t-0/00000000000000000000.log", std::ios::binary);
  std::array<char, wire::batch_header_bytes> head{};
  log.read(head.data(), head.size());
  const auto header = wire::read_batch_header(std::as_bytes(std::span(head)));
  return header ? static_cast<std::int64_t>(header->size()) : -1;
}

/// The offset of the first record at or after that time. Errors: those of the node's answer.
Result<Offset> offset_at(WireConnection& at, const std::string& topic, std::int64_t time) {
  wire::ListOffsetsRequest request;
  auto& wanted = request.topics.emplace_back();
  wanted.name = topic;
  wanted.partitions.push_back({PartitionId{0}, {}, Timestamp{time}});
  const auto answer = at.ask(request, 7);
  if (!answer) return fail(answer.error());
  const auto& found = answer->topics.at(0).partitions.at(0);
  if (found.error_code != 0) return fail(Error::broker(found.error_code));
  return found.offset;
}

/// A batch of about that size, of records with values of one byte.
Chain small_records_batch(std::size_t bytes) {
  Budget budget(1_GiB);
  wire::BatchBuilder builder(budget, bytes);
  const auto now = to_timestamp(std::chrono::system_clock::now());
  while (builder.append({.value = as_bytes(std::string_view("x"))}, now) ==
         wire::BatchBuilder::Appended::ok) {
  }
  return builder.seal({});
}

/// The same batch for the first partitions of a topic.
wire::ProduceRequest produce_of(const std::string& topic, std::int32_t partitions,
                                const Chain& batch) {
  wire::ProduceRequest request;
  request.acks = 1;
  request.timeout_ms = 60'000;
  auto& data = request.topic_data.emplace_back();
  data.name = topic;
  for (std::int32_t i = 0; i < partitions; ++i) {
    data.partition_data.push_back({PartitionId{i}, batch});
  }
  return request;
}

void expect_accepted(WireConnection& by, const wire::ProduceRequest& request) {
  const auto answer = by.ask(request, 12);
  ASSERT_TRUE(answer) << answer.error().to_string();
  for (const auto& partition : answer->responses.at(0).partition_responses) {
    ASSERT_EQ(partition.error_code, 0) << partition.error_message.value_or("");
  }
}

class LoopTurns : public MeasuredTurns {
 protected:
  void start(Durability durability) { start(durability, *scratch_ / "data"); }
  void start(Durability durability, const fs::path& data) {
    node_.reset();
    node::NodeSettings settings;
    settings.data_directory = data;
    settings.durability = durability;
    settings.max_requests_bytes = max_requests_bytes_;
    settings.max_unread_answer_bytes = max_unread_answer_bytes_;
    disk::FileDiskOptions disk;
    disk.calls = &syncs_;
    node_.emplace(std::move(settings), disk);
    ASSERT_TRUE(node_->started()) << node_->started().error().to_string();
  }
  [[nodiscard]] std::uint16_t port() const { return node_->port(); }
  /// Bytes of answers that no client has read.
  [[nodiscard]] std::size_t unread_bytes() {
    std::size_t bytes = 0;
    node_->with_engine(
        [&](node::NodeEngine& engine) { bytes = engine.part<node::Dispatcher>().unread_bytes(); });
    return bytes;
  }
  /// Sends batches of one record for each producer in turn, with many requests in flight.
  void produce_many(const std::string& topic, std::size_t count, const std::string& value,
                    std::int64_t producers) {
    WireConnection to(port());
    constexpr std::size_t in_flight = 200;
    std::size_t answered = 0;
    for (std::size_t i = 0; i < count + in_flight; ++i) {
      if (i < count) {
        Producer by;
        if (producers > 0) {
          const auto number = static_cast<std::int64_t>(i);
          by = {number % producers, 0, static_cast<std::int32_t>(number / producers)};
        }
        ASSERT_TRUE(to.send(produce_request(topic, 0, value, by), 9));
      }
      if (i < in_flight || answered == count) continue;
      const auto answer = to.receive<wire::ProduceRequest>(9);
      ASSERT_TRUE(answer) << answer.error().to_string();
      const auto& partition = answer->responses.at(0).partition_responses.at(0);
      ASSERT_EQ(partition.error_code, 0);
      log_start_ = partition.log_start_offset;
      ++answered;
    }
    ASSERT_EQ(answered, count);
  }
  void prepare_round() override {
    (void)syncs_.take();
    log_start_ = Offset{0};
  }
  std::size_t max_requests_bytes_ = node::NodeSettings().max_requests_bytes;
  std::size_t max_unread_answer_bytes_ = node::NodeSettings().max_unread_answer_bytes;
  CountedSyncs syncs_;
  /// The log start in the last answer.
  Offset log_start_{0};
};

TEST_F(LoopTurns, are_short_while_segments_are_rolled_and_retired) {
  start(Durability::fsync);
  WireConnection client(port());
  ASSERT_TRUE(
      create_topic(client, "t", 1, {{"segment.bytes", "1048576"}, {"retention.bytes", "4194304"}}));
  (void)node_->longest_turn();
  const std::string value(50'000, 'x');
  // Until retention has run, which it does every 10 s.
  for (int i = 0; i < 4'000 && log_start_ == Offset{0} && !HasFatalFailure(); ++i) {
    produce_many("t", 40, value, 0);
  }
  EXPECT_GT(log_start_, Offset{0});
  expect_short_turns("rolls and retention");
}

TEST_F(LoopTurns, are_short_while_a_thousand_topics_are_created_and_deleted_with_few_syncs) {
  start(Durability::fsync);
  WireConnection client(port());
  wire::MetadataRequest unknown;
  wire::DeleteTopicsRequest deletion;
  unknown.topics.emplace();
  for (int i = 0; i < 1'000; ++i) {
    const std::string name = "n-" + std::to_string(i);
    unknown.topics->emplace_back().name = name;
    deletion.topics.emplace_back().name = name;
  }
  (void)node_->longest_turn();
  (void)syncs_.take();
  const auto made = client.ask(unknown, 9);
  ASSERT_TRUE(made) << made.error().to_string();
  for (const auto& topic : made->topics) ASSERT_EQ(topic.error_code, 0) << *topic.name;
  const std::size_t syncs = syncs_.take();
  std::printf("a thousand unknown names: %zu syncs\n", syncs);
  EXPECT_GT(syncs, 0u);
  // How many topics share a round depends on how long a sync takes.
  EXPECT_LE(syncs, 200u);
  expect_short_turns("a thousand unknown names");
  const auto deleted = client.ask(deletion, 6);
  ASSERT_TRUE(deleted) << deleted.error().to_string();
  for (const auto& topic : deleted->responses) ASSERT_EQ(topic.error_code, 0) << *topic.name;
  expect_short_turns("a thousand deletions");
}

TEST_F(LoopTurns, are_short_when_the_producers_of_a_long_tail_send_again) {
  start(Durability::os);
  constexpr std::size_t batches = is_measured ? 80'000 : 8'000;
  constexpr std::int64_t producers = batches / 4;
  WireConnection client(port());
  ASSERT_TRUE(create_topic(client, "t", 1));
  produce_many("t", batches, "some value", producers);
  ASSERT_TRUE(node_->stop());
  start(Durability::os);
  WireConnection again(port());
  const auto next = produce(again, "t", 0, "x", {7, 0, batches / producers});
  ASSERT_TRUE(next) << next.error().to_string();
  EXPECT_EQ(*next, Offset{batches});
  // The producer is known after the restart: its batch is in the log already.
  const auto twice = produce(again, "t", 0, "x", {7, 0, batches / producers - 1});
  ASSERT_TRUE(twice) << twice.error().to_string();
  EXPECT_EQ(*twice, Offset{static_cast<std::int64_t>(batches) - producers + 7});
  expect_short_turns("the first produce after a start");
}

TEST_F(LoopTurns, are_short_when_the_indexes_of_a_large_log_were_lost) {
  start(Durability::os);
  constexpr std::size_t batches = is_measured ? 120'000 : 3'000;
  const std::string value(900, 'x');
  WireConnection client(port());
  ASSERT_TRUE(create_topic(client, "t", 1));
  produce_many("t", batches, value, 0);
  const auto last = offset_at(client, "t", -3);
  ASSERT_TRUE(last) << last.error().to_string();
  Offset end{batches};
  const auto check = [&](const std::string& what) {
    WireConnection consumer(port());
    for (const std::int64_t from : {end.value / 2, end.value - 10}) {
      Offset next{from};
      const auto answer = consumer.ask(fetch_request("t", 0, next), fetch_version);
      ASSERT_TRUE(answer) << answer.error().to_string();
      const auto found = values_in(*answer, next);
      ASSERT_TRUE(found && !found->empty()) << what;
    }
    expect_short_turns(what + ": first fetches");
    const auto first = offset_at(consumer, "t", 0);
    ASSERT_TRUE(first) << first.error().to_string();
    EXPECT_EQ(*first, Offset{0});
    const auto newest = offset_at(consumer, "t", -3);
    ASSERT_TRUE(newest) << newest.error().to_string();
    EXPECT_GE(*newest, *last);
    expect_short_turns(what + ": offsets by time");
    const auto appended = produce(consumer, "t", 0, value);
    ASSERT_TRUE(appended) << appended.error().to_string();
    EXPECT_EQ(*appended, end);
    end = *appended + 1;
    expect_short_turns(what + ": the first produce");
  };
  for (const auto& [lost, what] : {std::pair{Lost::nothing, "whole indexes"},
                                   {Lost::file, "no indexes"},
                                   {Lost::second_half, "half of the indexes"},
                                   {Lost::bytes, "zeros for indexes"}}) {
    ASSERT_TRUE(node_->stop());
    node_.reset();
    const fs::path directory = *scratch_ / "data/t-0";
    for (const fs::path& index : files_of(directory, ".index")) spoil(index, lost);
    for (const fs::path& index : files_of(directory, ".timeindex")) spoil(index, lost);
    start(Durability::os);
    check(what);
    if (HasFatalFailure()) return;
  }
}

TEST_F(LoopTurns, are_short_while_retention_meets_segments_without_indexes) {
  start(Durability::os);
  WireConnection client(port());
  ASSERT_TRUE(create_topic(client, "t", 1, {{"segment.bytes", "16777216"}}));
  produce_many("t", is_measured ? 80'000 : 2'000, std::string(900, 'x'), 0);
  ASSERT_TRUE(node_->stop());
  node_.reset();
  for (const fs::path& index : files_of(*scratch_ / "data/t-0", ".timeindex")) fs::remove(index);
  start(Durability::os);
  // It comes by every 10 s, and has the indexes made.
  WireConnection again(port());
  const auto index = *scratch_ / "data/t-0/00000000000000000000.timeindex";
  for (int i = 0; i < 2'000'000 && !(fs::exists(index) && fs::file_size(index) > 0); ++i) {
    ASSERT_TRUE(offset_at(again, "t", -1));
  }
  EXPECT_TRUE(fs::exists(index));
  expect_short_turns("retention without indexes");
}

TEST_F(LoopTurns, are_short_when_many_partitions_are_fetched_for_the_first_time) {
  start(Durability::os);
  constexpr std::int32_t partitions = is_measured ? 1'000 : 200;
  WireConnection client(port());
  ASSERT_TRUE(create_topic(client, "t", partitions));
  expect_short_turns("creating a topic of many partitions");
  wire::ProduceRequest request;
  for (std::int32_t i = 0; i < partitions; ++i) {
    auto one = produce_request("t", i, "some value");
    if (i == 0) {
      request = std::move(one);
    } else {
      request.topic_data[0].partition_data.push_back(
          std::move(one.topic_data[0].partition_data[0]));
    }
  }
  ASSERT_TRUE(client.ask(request, 9));
  expect_short_turns("the first produce to many partitions");
  ASSERT_TRUE(node_->stop());
  start(Durability::os);
  WireConnection consumer(port());
  std::set<std::int32_t> read;
  for (int round = 0; round < 10'000 && read.size() < partitions; ++round) {
    auto wanted = fetch_request("t", 0, Offset{0}, 1'000);
    wanted.topics[0].partitions.clear();
    for (std::int32_t i = 0; i < partitions; ++i) {
      if (read.contains(i)) continue;
      auto& partition = wanted.topics[0].partitions.emplace_back();
      partition.partition = PartitionId{i};
      partition.fetch_offset = Offset{0};
      partition.partition_max_bytes = 1'000;
    }
    const auto answer = consumer.ask(wanted, fetch_version);
    ASSERT_TRUE(answer) << answer.error().to_string();
    for (const auto& data : answer->responses.at(0).partitions) {
      ASSERT_EQ(data.error_code, 0);
      if (!data.records->empty()) read.insert(data.partition_index.value);
    }
  }
  EXPECT_EQ(read.size(), static_cast<std::size_t>(partitions));
  expect_short_turns("first fetches of many partitions");
  const auto all = [&](std::int64_t time) {
    wire::ListOffsetsRequest list;
    auto& topic = list.topics.emplace_back();
    topic.name = "t";
    for (std::int32_t i = 0; i < partitions; ++i) {
      topic.partitions.push_back({PartitionId{i}, {}, Timestamp{time}});
    }
    const auto answer = consumer.ask(list, 7);
    ASSERT_TRUE(answer) << answer.error().to_string();
    for (const auto& found : answer->topics.at(0).partitions) ASSERT_EQ(found.error_code, 0);
  };
  all(-1);
  all(0);
  expect_short_turns("offsets of many partitions by time");
}

TEST_F(LoopTurns, are_short_when_a_full_disk_has_space_again) {
  constexpr std::size_t tail = is_measured ? 48_MiB : 4_MiB;
  SmallDisk disk{*scratch_ / "disk", 2 * tail + 32_MiB};
  ASSERT_EQ(disk.fault(), "");
  const fs::path data = disk.path() / "data";
  start(Durability::os, data);
  {
    WireConnection client(port());
    ASSERT_TRUE(create_topic(client, "t", 1));
    ASSERT_TRUE(produce(client, "t", 0, "first"));
  }
  node_.reset();
  {
    std::fstream log(data / "t-0/00000000000000000000.log",
                     std::ios::binary | std::ios::in | std::ios::out);
    log.seekp(200);
    const std::string torn(1_MiB, '\x55');
    for (std::size_t i = 0; i < tail / torn.size(); ++i) log << torn;
  }
  disk.take();
  start(Durability::os, data);
  WireConnection client(port());
  const auto kept = values(client, "t", 0);
  ASSERT_TRUE(kept) << kept.error().to_string();
  EXPECT_EQ(kept->size(), 1u);
  EXPECT_FALSE(produce(client, "t", 0, "refused"));
  disk.give_back();
  bool is_taken = false;
  for (int i = 0; i < 100'000 && !is_taken; ++i) {
    is_taken = produce(client, "t", 0, "second").has_value();
  }
  EXPECT_TRUE(is_taken);
  EXPECT_EQ(values(client, "t", 0)->size(), 2u);
  EXPECT_EQ(fs::file_size(data / "t-0/00000000000000000000.cut-1"),
            tail + 200 - static_cast<std::size_t>(end_of_first_batch(data)));
  expect_short_turns("the end of a full disk");
}

TEST_F(LoopTurns, are_short_when_a_segment_of_many_producers_is_rolled) {
  start(Durability::os);
  WireConnection client(port());
  constexpr std::int64_t producers = is_measured ? 200'000 : 2'000;
  ASSERT_TRUE(create_topic(client, "t", 1, {{"segment.bytes", "1048576"}}));
  // Few producers need large records to fill several segments.
  const std::string value(is_measured ? 10 : 1'000, 'x');
  produce_many("t", 3 * producers, value, producers);
  expect_short_turns("rolls with many producers");
  ASSERT_TRUE(node_->stop());
  EXPECT_GT(files_of(*scratch_ / "data/t-0", ".snapshot").size(), 1u);
  start(Durability::os);
  WireConnection again(port());
  const auto twice = produce(again, "t", 0, "x", {7, 0, 2});
  ASSERT_TRUE(twice) << twice.error().to_string();
  EXPECT_EQ(*twice, Offset{2 * producers + 7});
  expect_short_turns("the first produce beside many producers");
}

TEST_F(LoopTurns, are_short_while_many_recovery_points_are_written) {
  start(Durability::interval);
  WireConnection client(port());
  constexpr std::int32_t partitions = 1'000;
  ASSERT_TRUE(create_topic(client, "t", partitions));
  const fs::path last = *scratch_ / "data/t-999/dohle-log";
  std::ifstream before(last);
  const std::string state{std::istreambuf_iterator<char>(before), {}};
  for (std::int32_t i = 0; i < partitions; ++i) {
    ASSERT_TRUE(client.send(produce_request("t", i, "some value"), 9));
    ASSERT_TRUE(client.receive<wire::ProduceRequest>(9));
  }
  (void)node_->longest_turn();
  // They are written every 2 s.
  std::string now = state;
  for (int i = 0; i < 2'000'000 && now == state; ++i) {
    ASSERT_TRUE(offset_at(client, "t", -1));
    std::ifstream after(last);
    now.assign(std::istreambuf_iterator<char>(after), {});
  }
  EXPECT_NE(now, state);
  expect_short_turns("many recovery points");
}

TEST_F(LoopTurns, are_short_when_many_topics_are_created_listed_and_deleted) {
  start(Durability::os);
  WireConnection client(port());
  constexpr int topics = is_measured ? 1'000 : 100;
  const auto name = [](int i) { return "topic-" + std::to_string(i); };
  wire::CreateTopicsRequest create;
  for (int i = 0; i < topics; ++i) {
    auto& topic = create.topics.emplace_back();
    topic.name = name(i);
    topic.num_partitions = 1;
    topic.replication_factor = 1;
  }
  const auto created = client.ask(create);
  ASSERT_TRUE(created) << created.error().to_string();
  for (const auto& topic : created->topics) ASSERT_EQ(topic.error_code, 0);
  expect_short_turns("creating many topics");
  wire::MetadataRequest list;
  list.allow_auto_topic_creation = true;
  for (int i = 0; i < topics; ++i) list.topics->push_back({{}, name(i + topics / 2)});
  const auto listed = client.ask(list);
  ASSERT_TRUE(listed) << listed.error().to_string();
  ASSERT_EQ(listed->topics.size(), static_cast<std::size_t>(topics));
  expect_short_turns("metadata of many topics, half of them new");
  list.topics.reset();
  ASSERT_TRUE(client.ask(list));
  expect_short_turns("metadata of all topics");
  wire::DeleteTopicsRequest remove;
  for (int i = 0; i < topics; ++i) remove.topics.push_back({name(i), {}});
  const auto removed = client.ask(remove);
  ASSERT_TRUE(removed) << removed.error().to_string();
  for (const auto& topic : removed->responses) ASSERT_EQ(topic.error_code, 0);
  expect_short_turns("deleting many topics");
}

TEST_F(LoopTurns, are_short_when_requests_name_very_many_partitions) {
  start(Durability::os);
  WireConnection client(port());
  constexpr std::int32_t partitions = is_measured ? 20'000 : 2'000;
  constexpr std::int32_t named = is_measured ? 200'000 : 20'000;
  ASSERT_TRUE(create_topic(client, "t", partitions));
  expect_short_turns("a topic of very many partitions");

  // None has records, so that nothing is appended; those above the topic's number do not exist.
  wire::ProduceRequest produced;
  produced.acks = 1;
  auto& to = produced.topic_data.emplace_back();
  to.name = "t";
  for (std::int32_t i = 0; i < named; ++i) to.partition_data.push_back({PartitionId{i}, {}});
  const auto refused = client.ask(produced, 9);
  ASSERT_TRUE(refused) << refused.error().to_string();
  const auto& answers = refused->responses.at(0).partition_responses;
  ASSERT_EQ(answers.size(), static_cast<std::size_t>(named));
  EXPECT_EQ(answers.front().error_code, broker_error::invalid_record);
  EXPECT_EQ(answers.back().error_code, broker_error::unknown_topic_or_partition);
  expect_short_turns("a produce request that names very many partitions");

  WireConnection greedy(port());
  wire::ProduceRequest too_many;
  too_many.topic_data.resize(400'000);
  ASSERT_TRUE(greedy.send(too_many, 9));
  EXPECT_FALSE(greedy.receive<wire::ProduceRequest>(9)) << "it is closed";
  expect_short_turns("a produce request that names too many topics");

  wire::MetadataRequest metadata;
  metadata.topics.emplace().emplace_back().name = "t";
  const auto described = client.ask(metadata, 9);
  ASSERT_TRUE(described) << described.error().to_string();
  ASSERT_EQ(described->topics.at(0).partitions.size(), static_cast<std::size_t>(partitions));
  expect_short_turns("metadata of very many partitions");

  wire::ListOffsetsRequest list;
  auto& listed = list.topics.emplace_back();
  listed.name = "t";
  for (std::int32_t i = 0; i < named; ++i) {
    listed.partitions.push_back({PartitionId{i}, {}, Timestamp{-1}});
  }
  const auto offsets = client.ask(list, 7);
  ASSERT_TRUE(offsets) << offsets.error().to_string();
  ASSERT_EQ(offsets->topics.at(0).partitions.size(), static_cast<std::size_t>(named));
  expect_short_turns("offsets of very many partitions");

  wire::FetchRequest fetch;
  fetch.max_bytes = 1'000'000;
  fetch.session_epoch = 0;
  auto& fetched = fetch.topics.emplace_back();
  fetched.topic = "t";
  for (std::int32_t i = 0; i < named; ++i) {
    auto& partition = fetched.partitions.emplace_back();
    partition.partition = PartitionId{i};
    partition.fetch_offset = Offset{0};
    partition.partition_max_bytes = 1'000;
  }
  auto first = client.ask(fetch, 11);
  ASSERT_TRUE(first) << first.error().to_string();
  ASSERT_EQ(first->responses.at(0).partitions.size(), static_cast<std::size_t>(named));
  expect_short_turns("a fetch of very many partitions");
  fetch.session_id = first->session_id;
  fetch.session_epoch = 1;
  first = client.ask(fetch, 11);
  ASSERT_TRUE(first) << first.error().to_string();
  expect_short_turns("a fetch that changes very many partitions");
  fetch.session_epoch = 2;
  auto all_of_topic = std::move(fetched);
  all_of_topic.partitions.resize(partitions);
  fetch.topics.clear();
  first = client.ask(fetch, 11);
  ASSERT_TRUE(first) << first.error().to_string();
  expect_short_turns("a fetch of a session with very many partitions");
  // Waits until a record comes. All partitions exist, so that none is answered with an error.
  fetch.topics.push_back(all_of_topic);
  fetch.session_id = 0;
  fetch.session_epoch = 0;
  fetch.max_wait_ms = 60'000;
  fetch.min_bytes = 1;
  ASSERT_TRUE(client.send(fetch, 11));
  WireConnection producer(port());
  ASSERT_TRUE(offset_at(producer, "t", -1));
  ASSERT_TRUE(produce(producer, "t", partitions - 1, "some value"));
  first = client.receive<wire::FetchRequest>(11);
  ASSERT_TRUE(first) << first.error().to_string();
  expect_short_turns("a waiting fetch of very many partitions");

  wire::OffsetForLeaderEpochRequest epochs;
  auto& asked = epochs.topics.emplace_back();
  asked.topic = "t";
  for (std::int32_t i = 0; i < named; ++i) {
    asked.partitions.emplace_back().partition = PartitionId{i};
  }
  const auto ends = client.ask(epochs, 3);
  ASSERT_TRUE(ends) << ends.error().to_string();
  expect_short_turns("epochs of very many partitions");
}

TEST_F(LoopTurns, are_short_when_requests_name_one_topic_very_many_times) {
  start(Durability::os);
  WireConnection client(port());
  constexpr std::size_t named = is_measured ? 200'000 : 20'000;
  wire::CreatePartitionsRequest growth;
  growth.topics.resize(named);
  for (auto& topic : growth.topics) topic.name = "t";
  const auto grown = client.ask(growth);
  ASSERT_TRUE(grown) << grown.error().to_string();
  ASSERT_EQ(grown->results.size(), named);
  EXPECT_EQ(grown->results.back().error_code, broker_error::invalid_request);
  expect_short_turns("partitions for one topic very many times");

  wire::CreateTopicsRequest creation;
  creation.topics.resize(named);
  for (auto& topic : creation.topics) topic.name = "t";
  const auto created = client.ask(creation);
  ASSERT_TRUE(created) << created.error().to_string();
  ASSERT_EQ(created->topics.size(), named);
  EXPECT_EQ(created->topics.back().error_code, broker_error::invalid_request);
  expect_short_turns("one topic very many times");
}

TEST_F(LoopTurns, are_short_when_very_many_bytes_are_produced_and_fetched) {
  start(Durability::os);
  WireConnection client(port());
  constexpr std::int32_t partitions = is_measured ? 64 : 8;
  ASSERT_TRUE(create_topic(client, "t", partitions));
  wire::ProduceRequest request;
  request.acks = 1;
  request.timeout_ms = 60'000;
  auto& data = request.topic_data.emplace_back();
  data.name = "t";
  const Chain batch = small_records_batch(1'000'000);
  for (std::int32_t i = 0; i < partitions; ++i)
    data.partition_data.push_back({PartitionId{i}, batch});
  // The first append of each partition makes files.
  for (int round = 0; round < 2; ++round) {
    (void)node_->longest_turn();
    const auto produced = client.ask(request, 9);
    ASSERT_TRUE(produced) << produced.error().to_string();
    for (const auto& partition : produced->responses.at(0).partition_responses) {
      ASSERT_EQ(partition.error_code, 0);
    }
    expect_short_turns("a request with many batches of 1 MB");
  }

  ASSERT_TRUE(create_topic(client, "large", 1, {{"max.message.bytes", "104857600"}}));
  data.name = "large";
  data.partition_data.clear();
  data.partition_data.push_back(
      {PartitionId{0}, small_records_batch(is_measured ? 90'000'000 : 9'000'000)});
  for (int round = 0; round < 2; ++round) {
    (void)node_->longest_turn();
    const auto produced = client.ask(request, 9);
    ASSERT_TRUE(produced) << produced.error().to_string();
    ASSERT_EQ(produced->responses.at(0).partition_responses.at(0).error_code, 0);
    expect_short_turns("a batch of 90 MB");
  }
  const auto fetched = client.ask(fetch_request("large", 0, Offset{0}), fetch_version);
  ASSERT_TRUE(fetched) << fetched.error().to_string();
  const auto& records = fetched->responses.at(0).partitions.at(0).records;
  ASSERT_TRUE(records);
  EXPECT_EQ(records->size(), data.partition_data.at(0).records->size());
  expect_short_turns("a fetch of 90 MB");
}

TEST_F(LoopTurns, are_short_while_fetches_of_many_partitions_wait_and_close) {
  start(Durability::os);
  constexpr int connections = is_measured ? 40 : 4;
  constexpr int fetches_each = 125;
  constexpr std::int32_t partitions = 100;
  std::vector<std::unique_ptr<WireConnection>> waiting;
  WireConnection client(port());
  ASSERT_TRUE(create_topic(client, "t", partitions));
  wire::FetchRequest request = fetch_request("t", 0, Offset{0});
  request.max_wait_ms = 120'000;
  for (std::int32_t i = 1; i < partitions; ++i) {
    auto next = request.topics[0].partitions[0];
    next.partition = PartitionId{i};
    request.topics[0].partitions.push_back(next);
  }
  (void)node_->longest_turn();
  for (int i = 0; i < connections; ++i) {
    auto& connection = *waiting.emplace_back(std::make_unique<WireConnection>(port()));
    for (int j = 0; j < fetches_each; ++j) ASSERT_TRUE(connection.send(request, fetch_version));
  }
  // Answered after the fetches of the last connection were taken.
  ASSERT_TRUE(offset_at(client, "t", -1));
  expect_short_turns("fetches that begin to wait");
  ASSERT_TRUE(produce(client, "t", 0, "some value"));
  for (auto& connection : waiting) {
    const auto answer = connection->receive<wire::FetchRequest>(fetch_version);
    ASSERT_TRUE(answer) << answer.error().to_string();
  }
  expect_short_turns("a record for all waiting fetches");
  for (auto& connection : waiting) {
    for (int j = 0; j < fetches_each; ++j) ASSERT_TRUE(connection->send(request, fetch_version));
  }
  waiting.clear();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(offset_at(client, "t", -1));
  expect_short_turns("connections that close with waiting fetches");
}

TEST_F(LoopTurns, are_short_beside_sixty_connections_that_read_none_of_their_answers) {
  // The default takes a minute to fill.
  max_unread_answer_bytes_ = is_measured ? 64_MiB : 32_MiB;
  start(Durability::os);
  WireConnection client(port());
  constexpr int topics = 600;
  constexpr std::size_t connections = 60;
  const std::string prefix = "a-topic-of-very-many-";
  for (int i = 0; i < topics; ++i) {
    ASSERT_TRUE(create_topic(client, prefix + std::to_string(i), 6));
  }
  (void)node_->longest_turn();
  {
    const Attack attack(port(), {.connections = connections,
                                 .bytes = bytes_of(metadata_of(prefix, topics), 9),
                                 .rounds = 600,
                                 .reads = false});
    // Their answers fill the budget; 10 s later the node closes those that keep others waiting.
    wait_until(std::chrono::seconds(120), [&] { return attack.open_connections() < connections; });
    EXPECT_LT(attack.open_connections(), connections);
    ASSERT_TRUE(produce(client, prefix + "0", 0, "some value"));
    expect_short_turns("answers that nobody reads");
  }
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(offset_at(client, prefix + "0", -1));
  expect_short_turns("connections that close with unread answers");
}

TEST_F(LoopTurns, are_short_when_a_connection_closes_with_many_unread_answers) {
  if (!is_measured) max_unread_answer_bytes_ = 32_MiB;
  start(Durability::os);
  WireConnection client(port());
  constexpr int topics = 600;
  const std::string prefix = "a-topic-of-very-many-";
  for (int i = 0; i < topics; ++i) {
    ASSERT_TRUE(create_topic(client, prefix + std::to_string(i), 6));
  }
  const std::size_t most = is_measured ? 60_MiB : 30_MiB;
  {
    const Attack attack(port(), {.connections = 1,
                                 .bytes = bytes_of(metadata_of(prefix, topics), 9),
                                 .rounds = 600,
                                 .reads = false});
    wait_until(std::chrono::seconds(60), [&] { return unread_bytes() >= most; });
    EXPECT_GE(unread_bytes(), most);
    (void)node_->longest_turn();
  }
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(offset_at(client, prefix + "0", -1));
  // Half of the bound: before, all of it was freed in one event of 15 ms.
  expect_short_turns("a connection that closes with 64 MB of unread answers", milliseconds(10));
  // The last answer to `client` counts until the next one.
  wait_until(std::chrono::seconds(60), [&] { return unread_bytes() < 1_KiB; });
  EXPECT_LT(unread_bytes(), 1_KiB);
}

TEST_F(LoopTurns, are_short_when_batches_decompress_to_a_thousand_times_their_size) {
  start(Durability::os);
  WireConnection client(port());
  constexpr std::int32_t partitions = is_measured ? 100 : 10;
  constexpr std::size_t connections = 4;
  ASSERT_TRUE(create_topic(client, "bombs", partitions, {{"max.message.bytes", "2097152"}}));
  ASSERT_TRUE(create_topic(client, "plain", 1));
  const Chain bomb = zeros_batch(wire::Compression::gzip, is_measured ? 250'000'000 : 25'000'000);
  (void)node_->longest_turn();
  {
    const Attack attack(port(), {.connections = connections,
                                 .bytes = bytes_of(produce_of("bombs", partitions, bomb), 12)});
    const std::size_t whole = connections * partitions * bomb.size();
    wait_until(std::chrono::seconds(120), [&] { return attack.sent_bytes() >= whole; });
    ASSERT_GE(attack.sent_bytes(), whole);
    // Each of these waits for a bomb, so that bombs are appended meanwhile.
    const Chain compressed = zeros_batch(wire::Compression::lz4, 200'000);
    for (int i = 0; i < 3; ++i) expect_accepted(client, produce_of("plain", 1, compressed));
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(produce(client, "plain", 0, "some value"));
    expect_short_turns("batches of 250 KB that decompress to 250 MB");
  }
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(offset_at(client, "plain", -1));
  expect_short_turns("connections that close with such batches");
}

TEST_F(LoopTurns, are_short_when_a_request_has_a_thousand_batches_that_are_decompressed_at_once) {
  start(Durability::os);
  WireConnection client(port());
  constexpr std::int32_t partitions = is_measured ? 1'000 : 100;
  ASSERT_TRUE(create_topic(client, "t", partitions));
  // The first append of each partition makes files.
  expect_accepted(client, produce_of("t", partitions, zeros_batch(wire::Compression::none, 1)));
  (void)node_->longest_turn();
  for (const auto codec : {wire::Compression::gzip, wire::Compression::snappy,
                           wire::Compression::lz4, wire::Compression::zstd}) {
    expect_accepted(client, produce_of("t", partitions, zeros_batch(codec, 64'000)));
    const std::string what = "batches of 64 KB under " + std::string(wire::name_of(codec));
    expect_short_turns(what);
  }
}

TEST_F(LoopTurns, are_short_beside_connections_that_pipeline_large_answers) {
  start(Durability::os);
  WireConnection client(port());
  ASSERT_TRUE(create_topic(client, "large", 2'000));
  ASSERT_TRUE(create_topic(client, "plain", 1));
  wire::MetadataRequest all;
  all.topics.reset();
  (void)node_->longest_turn();
  {
    const Attack attack(port(), {.connections = is_measured ? std::size_t{200} : std::size_t{20},
                                 .bytes = repeated(bytes_of(all, 9), 1'500)});
    const std::uint64_t enough = is_measured ? 500_MiB : 50_MiB;
    wait_until(std::chrono::seconds(120), [&] { return attack.read_bytes() >= enough; });
    EXPECT_GE(attack.read_bytes(), enough);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(produce(client, "plain", 0, "some value"));
    expect_short_turns("200 connections that pipeline large answers");
  }
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(offset_at(client, "plain", -1));
  expect_short_turns("200 connections that close with large answers");
}

TEST_F(LoopTurns, are_short_beside_very_slow_senders) {
  if (!is_measured) max_requests_bytes_ = 128_MiB;
  start(Durability::os);
  WireConnection client(port());
  ASSERT_TRUE(create_topic(client, "plain", 1));
  // Together more than the bound of all requests and than the sockets' buffers.
  const std::size_t connections = is_measured ? 7 : 3;
  constexpr std::uint32_t length = 100 << 20;
  std::string begun;
  for (int shift = 24; shift >= 0; shift -= 8) begun.push_back(static_cast<char>(length >> shift));
  begun.resize(95 << 20);
  (void)node_->longest_turn();
  {
    const Attack attack(port(), {.connections = connections,
                                 .bytes = std::move(begun),
                                 .rounds = 1,
                                 .drip = std::chrono::seconds(5)});
    wait_until(std::chrono::seconds(120), [&] { return attack.open_connections() < connections; });
    EXPECT_LT(attack.open_connections(), connections);
    ASSERT_TRUE(produce(client, "plain", 0, std::string(500'000, 'x')));
    expect_short_turns("slow senders, of which the slowest are closed");
  }
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(offset_at(client, "plain", -1));
  expect_short_turns("connections that close within requests of 100 MB");
}

}  // namespace
}  // namespace dohle::fault
