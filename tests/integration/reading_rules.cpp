// The rules of subscriptions that a server takes part in: batches, filters, acknowledgements and
// ownership, retry topics, topics that are made again.
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "tested_brokers.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

const Error broken = Error::client(Errc::handler_failed, "no ink");

/// A broker, and the messages and failures that its handlers and its error handler got.
class ReadingRules : public AtTestedServer {
 protected:
  void SetUp() override {
    broker_ = connected(kafka::with_async(false), kafka::with_batch_timeout(0ms),
                        kafka::with_max_wait(20ms), kafka::with_heartbeat_interval(100ms),
                        kafka::with_read_backoff_min(5ms), kafka::with_read_backoff_max(50ms),
                        with_error_handler([this](const Failure& failure) {
                          failures_.add(failure.error.to_string());
                        }));
    ASSERT_TRUE(broker_);
  }
  ~ReadingRules() override {
    readers_.clear();
    kept_.clear();
    broker_.reset();
  }

  static std::string group() { return topic("group"); }
  void store(const std::string& text, std::int32_t partition = 0) {
    const auto sent = broker_->publish(
        topic(), text, PublishOptions{.key = text, .partition = PartitionId{partition}});
    ASSERT_TRUE(sent) << sent.error().to_string();
  }
  /// A ready subscription to the test's topic.
  Subscriber* read(auto handler, SubscribeOptions options) {
    return read_from(topic(), std::move(handler), std::move(options));
  }
  Subscriber* read_from(const Topics& topics, auto handler, SubscribeOptions options) {
    auto reader = broker_->subscribe(topics, std::move(handler), std::move(options));
    return keep_reader(std::move(reader));
  }
  Subscriber* read_batches(auto handler, SubscribeOptions options) {
    auto reader = broker_->subscribe_batch(topic(), std::move(handler), std::move(options));
    return keep_reader(std::move(reader));
  }
  /// A handler that notes the texts and keeps the events.
  auto keeping() {
    return [this](RawEvent event) {
      std::string text(event.body().value_or(""));
      {
        const std::lock_guard lock(mutex_);
        kept_.push_back(std::move(event));
      }
      texts_.add(std::move(text));
    };
  }
  Result<void> ack(std::size_t index) {
    const std::lock_guard lock(mutex_);
    return kept_.at(index).ack();
  }
  /// The sum of the group's committed offsets in a topic.
  std::int64_t committed(const std::string& of, const std::string& by = group()) {
    std::int64_t sum = 0;
    const auto offsets = broker_->client()->admin().group_offsets(by);
    if (!offsets) return sum;
    for (const GroupOffset& each : *offsets) {
      if (each.partition.topic == of) sum += each.offset.value;
    }
    return sum;
  }
  void make_again(const std::string& name, std::int32_t partitions = 1) {
    const auto deleted = kafka::delete_topic(*broker_, {name});
    ASSERT_TRUE(deleted);
    for (const auto& each : *deleted) ASSERT_TRUE(each.result) << each.result.error().to_string();
    ASSERT_TRUE(eventually([&] {
      return kafka::create_topic(*broker_, name, partitions, 1).has_value() && is_there(name);
    })) << name;
  }
  bool is_there(const std::string& name) {
    const auto described = broker_->client()->admin().describe_topics({name});
    return described && described->front().result;
  }
  bool has_failure(const std::string& words) {
    return eventually([&] {
      for (const std::string& each : failures_.all()) {
        if (each.find(words) != std::string::npos) return true;
      }
      return false;
    });
  }

  Texts texts_, failures_, told_;
  std::mutex mutex_;
  std::vector<RawEvent> kept_;
  std::optional<Broker> broker_;
  std::vector<std::unique_ptr<Subscriber>> readers_;

 private:
  Subscriber* keep_reader(Result<Subscriber> reader) {
    if (!reader || !reader->wait_ready(patience)) {
      ADD_FAILURE() << (reader ? "the subscription is not ready" : reader.error().to_string());
      return nullptr;
    }
    readers_.push_back(std::make_unique<Subscriber>(std::move(*reader)));
    return readers_.back().get();
  }
};

using Batches = ReadingRules;
using Filters = ReadingRules;
using Starts = ReadingRules;
using Commits = ReadingRules;
using Ownership = ReadingRules;
using Handlers = ReadingRules;
using RetryRules = ReadingRules;
using TopicsMadeAgain = ReadingRules;

/// The texts of a batch in one line.
std::string line_of(std::span<RawEvent> batch) {
  std::string line;
  for (const RawEvent& event : batch) line.append(event.body().value_or("null")).append(" ");
  return line;
}

TEST_F(Batches, have_their_size_or_the_messages_of_their_interval) {
  make();
  for (const char* text : {"a", "b", "c", "d"}) store(text);
  const auto note = [this](std::span<RawEvent> batch) { texts_.add(line_of(batch)); };
  ASSERT_TRUE(read_batches(note, {.group_id = group(), .batch_size = 2, .batch_interval = 1h}));
  ASSERT_TRUE(texts_.wait_for(2));
  EXPECT_THAT(texts_.all(), ElementsAre("a b ", "c d "));
  ASSERT_TRUE(read_batches(
      note, {.batch_size = 100, .batch_interval = 50ms, .start_offset = StartOffset::first()}));
  EXPECT_TRUE(eventually([&] {
    std::string rest;
    const auto lines = texts_.all();
    for (std::size_t i = 2; i < lines.size(); ++i) rest += lines[i];
    return rest == "a b c d ";
  }));
}

TEST_F(Batches, may_be_acknowledged_in_part) {
  make();
  for (const char* text : {"a", "bad", "c"}) store(text);
  auto* const reader = read_batches(
      [this](std::span<RawEvent> batch) {
        for (RawEvent& event : batch) {
          if (event.body() != "bad") continue;
          EXPECT_TRUE(event.nack(broken));
        }
        texts_.add(line_of(batch));
      },
      {.group_id = group(),
       .batch_size = 3,
       .batch_interval = 1h,
       .max_retries = 0,
       .failure_policy = FailurePolicy::dead_letter});
  ASSERT_NE(reader, nullptr);
  ASSERT_TRUE(texts_.wait_for("a bad c "));
  EXPECT_TRUE(eventually([&] { return committed(topic()) == 3; }));
  Texts dead;
  auto letters = broker_->subscribe<std::string>(topic() + "." + group() + ".dlt",
                                                 [&](const std::string& text) { dead.add(text); },
                                                 {.start_offset = StartOffset::first()});
  ASSERT_TRUE(letters) << letters.error().to_string();
  ASSERT_TRUE(dead.wait_for("bad"));
  EXPECT_THAT(dead.all(), ElementsAre("bad"));
}

TEST_F(Filters, acknowledge_the_messages_that_they_leave_out) {
  make();
  for (const char* text : {"one", "two", "three"}) store(text);
  auto* const reader = read(
      [this](RawEvent event) { texts_.add(std::string(*event.body())); },
      {.group_id = group(), .filter = [](const RawEvent& event) { return event.body() == "two"; }});
  ASSERT_NE(reader, nullptr);
  ASSERT_TRUE(texts_.wait_for("two"));
  EXPECT_TRUE(eventually([&] { return committed(topic()) == 3; }));
  EXPECT_THAT(texts_.all(), ElementsAre("two"));
}

TEST_F(Starts, at_the_given_offset_of_a_partition) {
  make(2);
  for (const char* text : {"a", "b", "c"}) store(text, 0);
  store("of the other partition", 1);
  auto* const reader =
      read([this](RawEvent event) { texts_.add(std::string(*event.body())); },
           {.partition = PartitionId{0}, .start_offset = StartOffset::at(Offset{1})});
  ASSERT_NE(reader, nullptr);
  store("d", 0);
  ASSERT_TRUE(texts_.wait_for("d"));
  EXPECT_THAT(texts_.all(), ElementsAre("b", "c", "d"));
}

TEST_F(Commits, continue_beside_a_topic_whose_offsets_are_refused) {
  make();
  const std::string other = topic("other");
  ASSERT_TRUE(kafka::create_topic(*broker_, other, 1, 1));
  ASSERT_NE(read_from({topic(), other}, keeping(), {.group_id = group(), .auto_ack = false}),
            nullptr);
  store("doomed");
  ASSERT_TRUE(texts_.wait_for("doomed"));
  ASSERT_TRUE(broker_->publish(other, "a"));
  ASSERT_TRUE(texts_.wait_for("a"));
  const auto deleted = kafka::delete_topic(*broker_, {topic()});
  ASSERT_TRUE(deleted && deleted->front().result);
  ASSERT_TRUE(eventually([&] { return !is_there(topic()); }));
  EXPECT_TRUE(ack(0));
  EXPECT_TRUE(ack(1));
  EXPECT_TRUE(eventually([&] { return committed(other) == 1; }));
  EXPECT_TRUE(has_failure("UNKNOWN_TOPIC_OR_PARTITION (3): offset 1 of " + topic() +
                          "-0 is not committed"));
  // The refused offset is due all the time.
  for (std::size_t more = 2; more < 5; ++more) {
    const std::string text = "a" + std::to_string(more);
    ASSERT_TRUE(broker_->publish(other, text));
    ASSERT_TRUE(texts_.wait_for(text));
    EXPECT_TRUE(ack(more));
    EXPECT_TRUE(eventually([&] { return committed(other) == static_cast<std::int64_t>(more); }));
  }
  const auto refusals = std::ranges::count_if(failures_.all(), [](const std::string& each) {
    return each.find("is not committed and is tried again") != std::string::npos;
  });
  EXPECT_EQ(refusals, 1) << "once a minute";
}

// The server balances twice: when the other member comes, and when it goes.
TEST_F(Ownership, of_an_earlier_assignment_refuses_acknowledgements) {
  make(2);
  auto* const first = read(keeping(), {.group_id = group(), .auto_ack = false});
  ASSERT_NE(first, nullptr);
  store("a", 0);
  store("b", 1);
  ASSERT_TRUE(texts_.wait_for(2));
  auto* const other = read(keeping(), {.group_id = group(), .auto_ack = false});
  ASSERT_NE(other, nullptr);
  ASSERT_TRUE(texts_.wait_for(4)) << "both are handed out again";
  ASSERT_TRUE(other->unsubscribe(patience));
  // Now the first member has all partitions again, and all messages come once more.
  ASSERT_TRUE(eventually([&] { return first->assignment().size() == 2; }));
  for (std::size_t i = 0; i < 2; ++i) {
    const auto late = ack(i);
    ASSERT_FALSE(late) << "an ack of an earlier ownership counts";
    EXPECT_TRUE(late.error().is(Errc::not_owner)) << late.error().to_string();
  }
  ASSERT_TRUE(first->unsubscribe(patience));
  EXPECT_EQ(committed(topic()), 0);
}

TEST_F(Ownership, of_a_revoked_partition_ends_with_the_commit_of_its_prefix) {
  make();
  const SubscribeOptions member{.group_id = group(), .auto_ack = false, .commit_interval = 1h};
  auto* const first = read(keeping(), member);
  ASSERT_NE(first, nullptr);
  // The first commit, of the start, is made at once.
  ASSERT_TRUE(eventually([&] { return first->committed(PartitionId{0}).has_value(); }));
  for (const char* text : {"a", "b"}) store(text);
  ASSERT_TRUE(texts_.wait_for(2));
  EXPECT_TRUE(ack(0));
  EXPECT_EQ(committed(topic()), 0) << "the next commit is due in an hour";
  // It joins once the first member has given up the partition.
  ASSERT_NE(read(keeping(), member), nullptr);
  EXPECT_EQ(committed(topic()), 1);
  ASSERT_TRUE(texts_.wait_for(3));
  EXPECT_THAT(texts_.all(), ElementsAre("a", "b", "b"));
}

TEST_F(Ownership, that_is_given_up_lets_its_callback_acknowledge) {
  make();
  const SubscribeOptions member{.group_id = group(), .auto_ack = false, .commit_interval = 1h};
  SubscribeOptions first = member;
  first.on_assigned = [this](std::span<const TopicPartition>) { told_.add("assigned"); };
  first.on_revoked = [this](std::span<const TopicPartition>) {
    told_.add(ack(0) ? "revoked" : "not acknowledged");
  };
  ASSERT_NE(read(keeping(), first), nullptr);
  EXPECT_TRUE(told_.wait_for("assigned"));
  store("a");
  ASSERT_TRUE(texts_.wait_for(1));
  ASSERT_NE(read(keeping(), member), nullptr);
  EXPECT_TRUE(told_.has("revoked"));
  EXPECT_EQ(committed(topic()), 1);
}

TEST_F(Ownership, of_a_fenced_member_ends_without_a_commit) {
  make();
  const SubscribeOptions member{.group_id = group(), .group_instance_id = "one", .auto_ack = false};
  SubscribeOptions first = member;
  first.on_lost = [this](std::span<const TopicPartition>) { told_.add("lost"); };
  ASSERT_NE(read(keeping(), first), nullptr);
  store("a");
  ASSERT_TRUE(texts_.wait_for(1));
  auto next = connected(kafka::with_max_wait(20ms));
  ASSERT_TRUE(next);
  auto second = next->subscribe(topic(), [](RawEvent) {}, member);
  ASSERT_TRUE(second && second->wait_ready(patience));
  EXPECT_TRUE(has_failure("FENCED_INSTANCE_ID"));
  EXPECT_TRUE(told_.wait_for("lost"));
  const auto late = ack(0);
  ASSERT_FALSE(late) << "a fenced member acknowledges";
  EXPECT_TRUE(late.error().is(Errc::not_owner)) << late.error().to_string();
  readers_.clear();
  EXPECT_EQ(committed(topic()), 0);
}

TEST_F(Ownership, commits_nothing_beyond_a_message_that_is_not_acknowledged) {
  make();
  ASSERT_NE(read(keeping(), {.group_id = group(), .auto_ack = false}), nullptr);
  for (const char* text : {"a", "b", "c"}) store(text);
  ASSERT_TRUE(texts_.wait_for(3));
  EXPECT_TRUE(ack(0));
  EXPECT_TRUE(ack(2)) << "in any order";
  EXPECT_TRUE(ack(2)) << "a second ack has no effect";
  EXPECT_TRUE(eventually([&] { return committed(topic()) == 1; }));
  ASSERT_TRUE(readers_.back()->unsubscribe(patience));
  EXPECT_EQ(committed(topic()), 1);
}

TEST_F(Handlers, that_exceed_max_poll_interval_make_their_member_leave_and_join_again) {
  make();
  std::mutex gate;
  std::unique_lock closed(gate);
  std::atomic<int> calls{0};
  auto* const reader = read(
      [&](RawEvent event) {
        texts_.add(std::string(*event.body()));
        if (calls++ == 0) const std::lock_guard pass(gate);
      },
      {.group_id = group(), .rebalance_timeout = 500ms, .max_poll_interval = 1s});
  ASSERT_NE(reader, nullptr);
  store("text");
  ASSERT_TRUE(texts_.wait_for(1));
  EXPECT_TRUE(has_failure("longer than max_poll_interval (1000 ms)"));
  closed.unlock();
  EXPECT_TRUE(texts_.wait_for(2)) << "the message comes again";
  EXPECT_TRUE(eventually([&] { return committed(topic()) == 1; }));
  readers_.clear();
}

TEST_F(Handlers, may_unsubscribe_and_disconnect) {
  make();
  for (const bool disconnects : {false, true}) {
    auto broker = connected(kafka::with_max_wait(20ms));
    ASSERT_TRUE(broker);
    std::optional<Subscriber> reader;
    std::mutex set;
    std::unique_lock is_not_set(set);
    auto made =
        broker->subscribe(topic(),
                          [&](RawEvent event) {
                            const std::lock_guard lock(set);
                            const bool ended = disconnects ? broker->disconnect(1h).has_value()
                                                           : reader->unsubscribe(1h).has_value();
                            texts_.add(std::string(*event.body()) + (ended ? " ended" : " failed"));
                          },
                          {.group_id = group()});
    ASSERT_TRUE(made) << made.error().to_string();
    reader.emplace(std::move(*made));
    is_not_set.unlock();
    const std::string text = disconnects ? "two" : "one";
    store(text);
    EXPECT_TRUE(texts_.wait_for(text + " ended")) << "both mark and return";
    EXPECT_TRUE(reader->unsubscribe(patience));
    EXPECT_TRUE(broker->disconnect(patience));
    EXPECT_EQ(committed(topic()), disconnects ? 2 : 1) << "the running handler's message counts";
  }
}

TEST_F(RetryRules, keep_the_retries_of_a_group_from_other_groups) {
  make();
  std::map<std::string, Texts> seen;
  const std::string one = topic("one"), two = topic("two");
  for (const std::string& each : {one, two}) {
    Texts& into = seen[each];
    ASSERT_NE(read(
                  [&into](RawEvent event) -> Result<void> {
                    into.add(std::string(event.topic()));
                    return event.topic() == topic() ? fail(broken) : Result<void>{};
                  },
                  {.group_id = each, .max_retries = 0, .retry_topics = {50ms}}),
              nullptr);
  }
  store("text");
  for (const std::string& each : {one, two}) {
    ASSERT_TRUE(seen[each].wait_for(2));
    EXPECT_THAT(seen[each].all(), ElementsAre(topic(), topic() + "." + each + ".retry.50ms"));
    EXPECT_TRUE(eventually([&] { return committed(topic(), each) == 1; }));
  }
  readers_.clear();
}

TEST_F(RetryRules, start_at_the_first_message_whatever_is_committed) {
  make();
  const std::string retry = topic() + "." + group() + ".retry.50ms";
  ASSERT_TRUE(kafka::create_topic(*broker_, retry, 1, 1));
  ASSERT_TRUE(broker_->publish(retry, "waits"));
  {
    auto client = broker_->client();
    ASSERT_TRUE(client);
    auto member = client->consumer({.group_id = group(), .auto_commit = false});
    ASSERT_TRUE(member) << member.error().to_string();
    const TopicPartition place{retry, PartitionId{0}};
    ASSERT_TRUE(member->assign({place}));
    const auto stored = member->commit_sync({{place, {.offset = Offset{100}}}});
    ASSERT_TRUE(stored) << stored.error().to_string();
  }
  ASSERT_NE(
      read([this](RawEvent event) { texts_.add(std::string(*event.body())); },
           {.group_id = group(), .retry_topics = {50ms}, .start_offset = StartOffset::last()}),
      nullptr);
  EXPECT_TRUE(texts_.wait_for("waits"));
}

TEST_F(RetryRules, leave_the_source_uncommitted_while_the_retry_topic_is_too_small) {
  make();
  const std::string retry = topic() + "." + group() + ".retry.50ms";
  auto admin = broker_->client()->admin();
  const auto made = admin.create_topics({{.name = retry,
                                          .partitions = 1,
                                          .replication_factor = 1,
                                          .config = {{"max.message.bytes", "100"}}}});
  ASSERT_TRUE(made && made->at(0).result);
  ASSERT_NE(read(
                [this](RawEvent event) -> Result<void> {
                  texts_.add(std::string(*event.body()));
                  return event.body() == "bad" && event.topic() == topic() ? fail(broken)
                                                                           : Result<void>{};
                },
                {.group_id = group(), .max_retries = 0, .retry_topics = {50ms}}),
            nullptr);
  store("good");
  store("bad");
  EXPECT_TRUE(has_failure("it could not be stored in " + retry));
  EXPECT_TRUE(has_failure("MESSAGE_TOO_LARGE"));
  EXPECT_TRUE(eventually([&] { return committed(topic()) == 1; }));
  make_again(retry);
  EXPECT_TRUE(eventually([&] { return committed(topic()) == 2; }));
  EXPECT_TRUE(eventually([&] { return texts_.all().size() == 3; }));
  EXPECT_THAT(texts_.all(), ElementsAre("good", "bad", "bad"));
}

TEST_F(TopicsMadeAgain, are_read_from_their_beginning_in_batches) {
  make();
  ASSERT_NE(read_batches([this](std::span<RawEvent> batch) { texts_.add(line_of(batch)); },
                         {.group_id = group(), .batch_size = 2, .batch_interval = 50ms}),
            nullptr);
  for (const char* text : {"a", "b"}) store(text);
  ASSERT_TRUE(eventually([&] { return committed(topic()) == 2; }));
  make_again(topic());
  for (const char* text : {"c", "d", "e"}) store(text);
  EXPECT_TRUE(eventually([&] {
    std::set<std::string> words;
    for (const std::string& line : texts_.all()) {
      for (std::size_t at = 0; at < line.size(); at += 2) words.insert(line.substr(at, 1));
    }
    return words == std::set<std::string>{"a", "b", "c", "d", "e"};
  }));
  EXPECT_TRUE(eventually([&] { return committed(topic()) == 3; }));
}

TEST_F(TopicsMadeAgain, are_read_from_their_first_message_whatever_the_start_offset) {
  make();
  const std::vector<std::string> readers{"alone ", "member "};
  for (const std::string& who : readers) {
    const bool is_alone = who == readers.front();
    ASSERT_NE(
        read([this, who](RawEvent event) { texts_.add(who + std::string(*event.body())); },
             {.group_id = is_alone ? std::string() : group(), .start_offset = StartOffset::last()}),
        nullptr);
  }
  store("old");
  for (const std::string& who : readers) ASSERT_TRUE(texts_.wait_for(who + "old"));
  make_again(topic());
  // Most likely before the readers hear of the new topic.
  for (const std::string text : {"a", "b"}) store(text);
  for (const std::string& who : readers) {
    for (const std::string text : {"a", "b"}) EXPECT_TRUE(texts_.wait_for(who + text));
  }
}

TEST_F(TopicsMadeAgain, lose_no_message_that_waits_for_its_retry) {
  make();
  const auto count = [this](const std::string& text) {
    return std::ranges::count(texts_.all(), text);
  };
  ASSERT_NE(read(
                [this](RawEvent event) -> Result<void> {
                  const bool is_retry = event.topic() != topic();
                  texts_.add(std::string(*event.body()) + (is_retry ? " again" : ""));
                  return is_retry ? Result<void>{} : fail(broken);
                },
                {.group_id = group(), .max_retries = 0, .retry_topics = {1s}}),
            nullptr);
  store("old");
  // It waits in the retry topic.
  ASSERT_TRUE(eventually([&] { return committed(topic()) == 1; }));
  make_again(topic());
  store("new");
  EXPECT_TRUE(texts_.wait_for("old again"));
  EXPECT_TRUE(texts_.wait_for("new again"));
  EXPECT_GE(count("new"), 1);
  EXPECT_TRUE(eventually([&] { return committed(topic()) == 1; }));
}

}  // namespace
}  // namespace dohle
