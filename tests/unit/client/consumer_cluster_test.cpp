// The consumer against scripted servers, over the simulated network.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "base/broker_errors.hpp"
#include "client/consume_core.hpp"
#include "made_batch.hpp"
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

class ConsumerOnCluster : public testing::Test, public ScriptedWorld {
 protected:
  ConsumerOnCluster() {
    script.on<wire::FetchRequest>(
        [this](NodeId at, const wire::FetchRequest& asked) { return fetched(at, asked); });
    script.on<wire::ListOffsetsRequest>([this](NodeId, const wire::ListOffsetsRequest& asked) {
      wire::ListOffsetsResponse answer;
      for (const auto& topic : asked.topics) {
        auto& told = answer.topics.emplace_back();
        told.name = topic.name;
        for (const auto& each : topic.partitions) {
          looked_up_.push_back(each.timestamp);
          auto& found = told.partitions.emplace_back();
          found.partition_index = each.partition_index;
          found.offset = Offset{each.timestamp.value == -2   ? 0
                                : each.timestamp.value == -1 ? end_
                                                             : each.timestamp.value / 1'000};
        }
      }
      return answer;
    });
  }
  ~ConsumerOnCluster() override {
    if (consumer_) consumer_->close_by(world.now(), [](Result<void>) {});
    world.run_for(1s);
  }

  /// Partitions hold the offsets 0 to `end_`; the servers know no sessions.
  wire::FetchResponse fetched(NodeId at, const wire::FetchRequest& asked) {
    fetches_.push_back(asked);
    wire::FetchResponse answer;
    bool has_records = false;
    for (const auto& topic : asked.topics) {
      auto& told = answer.responses.emplace_back();
      told.topic = topic.topic;
      for (const auto& each : topic.partitions) {
        auto& data = told.partitions.emplace_back();
        data.partition_index = each.partition;
        data.high_watermark = Offset{end_};
        const auto index = static_cast<std::size_t>(each.partition.value);
        if (script.leaders.at(index).node != at) {
          data.error_code = code::not_leader_or_follower;
          continue;
        }
        const std::int64_t from = each.fetch_offset.value;
        if (from > end_) data.error_code = code::offset_out_of_range;
        if (from >= end_) continue;
        data.records = Chain(
            plain_batch(from, static_cast<int>(std::min<std::int64_t>(end_ - from, 10))).bytes());
        has_records = true;
      }
    }
    if (!has_records) script.answer_after = std::chrono::milliseconds(asked.max_wait_ms);
    return answer;
  }
  void start(ConsumerOptions options = {.offset_reset = OffsetReset::earliest}) {
    ScriptedWorld::start([&](const std::shared_ptr<SimulatedClient>& made, sim::Process&) {
      consumer_ = std::make_shared<detail::ConsumeCore>(made, options);
      consumer_->start();
      return consumer_;
    });
  }
  void assign(std::vector<TopicPartition> partitions) {
    on_loop([=, this] { consumer_->assign(partitions); });
  }
  /// What the user's thread does, and then wakes the loop.
  template <class F>
  void change(F f) {
    ASSERT_TRUE(consumer_->desk().with([&](PollTable& table) { return f(table.fetch); }));
    consumer_->kick();
  }
  void seek(StartingPoint to) {
    change([&](FetchCore& fetch) { return fetch.seek(orders(0), to); });
  }
  [[nodiscard]] Offset position(std::int32_t partition) const {
    return consumer_->desk()
        .with([&](PollTable& table) { return table.fetch.position(orders(partition)); })
        .value();
  }
  /// Polls until there is something to return, or the time is up.
  Result<Records> poll(Duration time = 2s) {
    consumer_->begin_poll();
    world.run_until([this] { return consumer_->desk().with(detail::ConsumeCore::has_something); },
                    time);
    consumer_->end_poll();
    return consumer_->take();
  }
  /// The next `count` records: "partition:offset".
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
  std::shared_ptr<detail::ConsumeCore> consumer_;
};

using Strings = std::vector<std::string>;

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

TEST_F(ConsumerOnCluster, CarriesOnWhenTheServerComesBack) {
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
  change([](FetchCore& fetch) { return fetch.seek(orders(0), Offset{42}); });
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

TEST_F(ConsumerOnCluster, ReadsNothingOfWhatIsPaused) {
  start();
  assign({orders(0), orders(1)});
  change([](FetchCore& fetch) { return fetch.pause(orders(0), true); });
  EXPECT_EQ(read(3), (Strings{"1:0", "1:1", "1:2"}));
  EXPECT_TRUE(poll()->empty());
  change([](FetchCore& fetch) { return fetch.pause(orders(0), false); });
  EXPECT_EQ(read(3), (Strings{"0:0", "0:1", "0:2"}));
}

TEST_F(ConsumerOnCluster, IsWokenOnce) {
  start();
  assign({orders(0)});
  consumer_->desk().with([](PollTable& table) { table.is_woken = true; });
  EXPECT_TRUE(poll(0s).error().is(Errc::cancelled));
  EXPECT_EQ(read(3).size(), 3U);
}

TEST_F(ConsumerOnCluster, SaysWhatItCannotRead) {
  script.on<wire::FetchRequest>([](NodeId, const wire::FetchRequest& asked) {
    wire::FetchResponse answer;
    auto& told = answer.responses.emplace_back();
    told.topic = asked.topics.at(0).topic;
    auto& data = told.partitions.emplace_back();
    data.partition_index = PartitionId{0};
    std::string damaged(plain_batch(0, 3).bytes().text());
    damaged.back() ^= 1;
    data.records = Chain(Slice::copy_of(damaged));
    return answer;
  });
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

}  // namespace
}  // namespace dohle::client
