#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <optional>

#include "fault/measured_node.hpp"
#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/metadata.hpp"

// No turn of the node's loop uses more than 20 ms of its thread's CPU, for any requests.

namespace dohle::fault {
namespace {

using std::chrono::microseconds;

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool is_measured = false;
#else
constexpr bool is_measured = true;
#endif

constexpr microseconds turn_most{20'000};

/// Counts what waits for the device.
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
  /// Since the last call.
  [[nodiscard]] std::size_t take() { return count_.exchange(0); }

 private:
  std::atomic<std::size_t> count_ = 0;
};

class LoopTurns : public testing::Test {
 protected:
  void start(Durability durability) {
    node_.reset();
    node::NodeSettings settings;
    settings.data_directory = scratch_ / "data";
    settings.durability = durability;
    disk::FileDiskOptions disk;
    disk.calls = &syncs_;
    node_.emplace(std::move(settings), disk);
    ASSERT_TRUE(node_->started()) << node_->started().error().to_string();
  }
  [[nodiscard]] std::uint16_t port() const { return node_->port(); }
  void expect_short_turns(const char* of_what) {
    const microseconds longest = node_->longest_turn();
    std::printf("%s: the longest turn used %lld us of CPU\n", of_what,
                static_cast<long long>(longest.count()));
    EXPECT_GT(longest, microseconds::zero());
    if (is_measured) {
      EXPECT_LE(longest, turn_most) << of_what;
    }
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
  ScratchDirectory scratch_;
  CountedSyncs syncs_;
  /// The log start in the last answer.
  Offset log_start_{0};
  std::optional<MeasuredNode> node_;
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

TEST_F(LoopTurns, are_short_while_a_thousand_topics_are_made_and_deleted_with_few_syncs) {
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

TEST_F(LoopTurns, are_short_when_the_producers_of_a_long_tail_go_on) {
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

}  // namespace
}  // namespace dohle::fault
