// The callbacks of a subscription: partitions assigned, revoked and lost, and idleness.
#include <algorithm>
#include <cstdint>
#include <future>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "options_fixture.hpp"

namespace dohle {
namespace {

using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::Not;

constexpr auto first = StartOffset::first();

std::string names(std::string text, std::span<const TopicPartition> partitions) {
  std::vector<TopicPartition> sorted(partitions.begin(), partitions.end());
  std::ranges::sort(sorted);
  for (const TopicPartition& each : sorted) {
    text += " " + each.topic + "-" + std::to_string(each.partition.value);
  }
  return text;
}

class SubscriptionCallback : public Options {
 protected:
  /// A callback that notes its partitions.
  PartitionsHandler note(const std::string& what) {
    return [this, what](std::span<const TopicPartition> partitions) {
      lines_.add(names(what, partitions));
    };
  }
  SubscribeOptions noting(std::string group_id) {
    return {.group_id = std::move(group_id),
            .on_assigned = note("assigned"),
            .on_revoked = note("revoked"),
            .on_lost = note("lost")};
  }
  template <class Handler>
  Subscriber read(Handler handler, SubscribeOptions options) {
    auto made = broker_->subscribe("t", std::move(handler), std::move(options));
    EXPECT_TRUE(made) << made.error().to_string();
    return std::move(*made);
  }
  /// Its handler keeps each event, and all are acknowledged when partitions are revoked.
  Subscriber keep_until_revoked() {
    return read(
        [this](RawEvent event) {
          const std::lock_guard lock(mutex_);
          kept_.push_back(std::move(event));
          lines_.add("kept");
        },
        {.group_id = "g", .auto_ack = false, .on_revoked = [this](std::span<const TopicPartition>) {
           const std::lock_guard lock(mutex_);
           for (RawEvent& each : kept_) EXPECT_TRUE(each.ack());
           kept_.clear();
         }});
  }
  std::optional<std::int64_t> committed(std::int32_t partition) {
    const auto offsets = broker_->client()->admin().group_offsets("g");
    EXPECT_TRUE(offsets) << offsets.error().to_string();
    for (const auto& each : *offsets) {
      if (each.partition == TopicPartition{"t", PartitionId{partition}}) return each.offset.value;
    }
    return std::nullopt;
  }

 private:
  std::mutex mutex_;
  std::vector<RawEvent> kept_;
};

TEST_F(SubscriptionCallback, on_assigned_is_called_before_the_first_message) {
  connect();
  store("text");
  const auto reader = broker_->subscribe(
      "t", [this](RawEvent) { lines_.add("handled"); }, with_group_id("g"),
      kafka::with_on_assigned(note("assigned")));
  ASSERT_TRUE(reader) << reader.error().to_string();
  ASSERT_TRUE(lines_.wait_for(2));
  EXPECT_THAT(lines_.all(), ElementsAre("assigned t-0 t-1 t-2", "handled"));
}

TEST_F(SubscriptionCallback, on_revoked_is_called_at_the_end_once) {
  connect();
  auto reader = broker_->subscribe(
      "t", [](RawEvent) {}, with_group_id("g"), kafka::with_on_revoked(note("revoked")));
  ASSERT_TRUE(reader) << reader.error().to_string();
  ASSERT_TRUE(reader->wait_ready(patience));
  ASSERT_TRUE(reader->unsubscribe(patience));
  EXPECT_THAT(lines_.all(), ElementsAre("revoked t-0 t-1 t-2"));
}

TEST_F(SubscriptionCallback, on_lost_is_called_when_a_handler_delays_its_member_for_too_long) {
  connect();
  Gate gate;
  SubscribeOptions options = noting("g");
  options.max_poll_interval = 1s;
  options.rebalance_timeout = 500ms;
  auto reader = read([&gate](RawEvent) { gate.pass(); }, std::move(options));
  const Opens opens{gate};
  store("text");
  ASSERT_TRUE(lines_.wait_for("lost t-0 t-1 t-2"));
  EXPECT_THAT(lines_.all(), ElementsAre("assigned t-0 t-1 t-2", "lost t-0 t-1 t-2"));
  gate.open();
  ASSERT_TRUE(lines_.wait_for(3)) << "it joins again";
  ASSERT_TRUE(reader.unsubscribe(patience));
  EXPECT_THAT(lines_.all(), ElementsAre("assigned t-0 t-1 t-2", "lost t-0 t-1 t-2",
                                        "assigned t-0 t-1 t-2", "revoked t-0 t-1 t-2"));
}

TEST_F(SubscriptionCallback, on_idle_is_called_once_until_a_message_comes) {
  connect();
  const auto reader = broker_->subscribe(
      "t", [this](RawEvent) { lines_.add("handled"); },
      with_on_idle([this] { lines_.add("idle"); }, 20ms));
  ASSERT_TRUE(reader) << reader.error().to_string();
  ASSERT_TRUE(lines_.wait_for(1));
  // Long enough for several idle times.
  EXPECT_FALSE(lines_.wait_for(2, 300ms));
  store("text");
  ASSERT_TRUE(lines_.wait_for(3));
  EXPECT_THAT(lines_.all(), ElementsAre("idle", "handled", "idle"));
}

TEST_F(SubscriptionCallback, idle_after_is_the_time_without_messages_before_on_idle) {
  connect();
  const auto start = steady_clock::now();
  const auto reader = broker_->subscribe(
      "t", [](RawEvent) {}, with_on_idle([this] { lines_.add("idle"); }, 2'500ms));
  ASSERT_TRUE(reader) << reader.error().to_string();
  ASSERT_TRUE(lines_.wait_for(1, 20s));
  EXPECT_GE(steady_clock::now() - start, 2'500ms);
}

TEST_F(SubscriptionCallback, on_idle_waits_for_a_running_handler) {
  connect();
  Gate gate;
  const auto reader = read(
      [&](RawEvent) {
        gate.pass();
        lines_.add("handled");
      },
      {.on_idle = [this] { lines_.add("idle"); }, .idle_after = 1ms, .start_offset = first});
  const Opens opens{gate};
  ASSERT_TRUE(lines_.wait_for(1));
  store("text");
  ASSERT_TRUE(gate.holds(1));
  EXPECT_FALSE(lines_.wait_for(2, 100ms));
  gate.open();
  ASSERT_TRUE(lines_.wait_for(3));
  EXPECT_THAT(lines_.all(), ElementsAre("idle", "handled", "idle"));
}

TEST_F(SubscriptionCallback, rebalance_names_the_partitions_that_move_to_another_member) {
  connect();
  auto reader = read([](RawEvent) {}, noting("g"));
  ASSERT_TRUE(lines_.wait_for("assigned t-0 t-1 t-2"));
  auto other = read([](RawEvent) {}, {.group_id = "g"});
  ASSERT_TRUE(other.wait_ready(patience));
  ASSERT_TRUE(lines_.wait_for("revoked t-0 t-1 t-2"));
  ASSERT_TRUE(lines_.wait_for(3));
  ASSERT_TRUE(other.unsubscribe(patience));
  ASSERT_TRUE(lines_.wait_for(5));
  EXPECT_EQ(lines_.all().back(), "assigned t-0 t-1 t-2");
}

TEST_F(SubscriptionCallback, without_a_group_names_all_partitions_and_later_new_ones) {
  connect(kafka::with_partition_watch_interval(100ms));
  auto reader = read([](RawEvent) {}, noting(""));
  ASSERT_TRUE(lines_.wait_for("assigned t-0 t-1 t-2"));
  ASSERT_TRUE(broker_->client()->admin().create_partitions({{.topic = "t", .total = 4}}));
  ASSERT_TRUE(lines_.wait_for("assigned t-3"));
  ASSERT_TRUE(reader.unsubscribe(patience));
  EXPECT_THAT(lines_.all(),
              ElementsAre("assigned t-0 t-1 t-2", "assigned t-3", "revoked t-0 t-1 t-2 t-3"));
}

TEST_F(SubscriptionCallback, names_no_partitions_of_retry_topics) {
  connect();
  SubscribeOptions options = noting("g");
  options.retry_topics = {1h};
  auto reader = read([](RawEvent) {}, std::move(options));
  ASSERT_TRUE(reader.wait_ready(patience));
  ASSERT_TRUE(reader.unsubscribe(patience));
  std::string all;
  for (const std::string& line : lines_.all()) all += line + "\n";
  EXPECT_THAT(all, Not(testing::HasSubstr("retry")));
  EXPECT_THAT(all, testing::HasSubstr("assigned t-0"));
  EXPECT_THAT(all, testing::HasSubstr("revoked t-0"));
}

TEST_F(SubscriptionCallback, on_revoked_may_acknowledge_messages_that_are_then_committed) {
  connect();
  auto reader = keep_until_revoked();
  for (const char* text : {"a", "b", "c"}) store(text, 1);
  ASSERT_TRUE(lines_.wait_for(3));
  EXPECT_NE(committed(1), 3);
  ASSERT_TRUE(reader.unsubscribe(patience));
  EXPECT_EQ(committed(1), 3);
}

TEST_F(SubscriptionCallback,
       on_revoked_of_a_rebalance_may_acknowledge_messages_that_are_then_committed) {
  connect();
  const auto reader = keep_until_revoked();
  store("a", 0);
  ASSERT_TRUE(lines_.wait_for(1));
  auto other = read([this](RawEvent) { lines_.add("again"); }, {.group_id = "g"});
  ASSERT_TRUE(other.wait_ready(patience));
  EXPECT_EQ(committed(0), 1);
  EXPECT_THAT(lines_.all(), ElementsAre("kept"));
}

TEST_F(SubscriptionCallback, on_assigned_may_seek_before_the_first_message_is_read) {
  connect();
  for (const char* text : {"zero", "one", "two", "three"}) store(text);
  std::promise<Subscriber*> made;
  auto reader = read([this](RawEvent event) { lines_.add(std::string(*event.body())); },
                     {.group_id = "g",
                      .on_assigned =
                          [&, future = made.get_future().share()](auto partitions) {
                            Subscriber& own = *future.get();
                            EXPECT_TRUE(own.seek(PartitionId{0}, Offset{2}));
                            EXPECT_TRUE(own.pause(PartitionId{1}));
                            EXPECT_EQ(partitions.size(), 3u);
                          },
                      .start_offset = StartOffset::at(Timestamp{0})});
  made.set_value(&reader);
  store("paused", 1);
  ASSERT_TRUE(lines_.wait_for(2));
  EXPECT_THAT(lines_.all(), ElementsAre("two", "three"));
  store("later");
  ASSERT_TRUE(lines_.wait_for(std::string("later")));
  EXPECT_FALSE(lines_.has("paused"));
  ASSERT_TRUE(reader.resume(PartitionId{1}));
  EXPECT_TRUE(lines_.wait_for(std::string("paused")));
}

TEST_F(SubscriptionCallback, unsubscribe_inside_requests_the_end) {
  connect();
  std::promise<Subscriber*> made;
  std::promise<bool> returned;
  auto reader = read([](RawEvent) {},
                     {.on_assigned =
                          [&, future = made.get_future().share()](std::span<const TopicPartition>) {
                            returned.set_value(future.get()->unsubscribe(patience).has_value());
                          },
                      .on_revoked = note("revoked")});
  made.set_value(&reader);
  EXPECT_TRUE(returned.get_future().get());
  EXPECT_TRUE(reader.unsubscribe(patience));
  EXPECT_THAT(lines_.all(), ElementsAre("revoked t-0 t-1 t-2"));
}

TEST_F(SubscriptionCallback, idle_after_is_refused_without_on_idle) {
  connect();
  const auto refused = broker_->subscribe("t", [](RawEvent) {}, {.idle_after = 5ms});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "idle_after is 5 ms; it is allowed with on_idle only");
  const auto never = broker_->subscribe("t", [](RawEvent) {}, with_on_idle([] {}, 0ms));
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().message(), "idle_after is 0 ms; allowed are 1 to 86400000 ms");
}

}  // namespace
}  // namespace dohle
