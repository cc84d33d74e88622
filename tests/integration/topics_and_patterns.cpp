// Subscriptions to several topics and to patterns, while topics are created and deleted.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <span>

#include "dohle/client.hpp"
#include "tested_brokers.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

/// Looks for topics as often as it may.
const auto watching = kafka::with_partition_watch_interval(100ms);

std::string with_or_without(const testing::TestParamInfo<bool>& info) {
  return info.param ? "in_a_group" : "without_a_group";
}

/// Topics of one test, whose names begin alike, and the messages that handlers got.
class TopicsOfATest : public AtTestedServer {
 protected:
  static std::string group() { return topic("g"); }
  /// The pattern of this test's topics with a dot in their names.
  static TopicPattern dotted() { return kafka::pattern("\\Q" + topic("s.") + "\\E.*"); }

  static void create(const std::string& name, std::int32_t partitions = 1) {
    // A topic that was just deleted may be there for a moment.
    EXPECT_TRUE(eventually([&] {
      return kafka::create_topic(tested_address(), topic(name), partitions, 1).has_value();
    })) << name;
  }
  static void remove(const std::string& name) {
    const auto deleted = kafka::delete_topic(tested_address(), {topic(name)});
    ASSERT_TRUE(deleted && deleted->at(0).result);
  }
  /// Publishes by a broker that has no metadata of an earlier topic of this name.
  static void publish(const std::string& name, const std::string& text,
                      PublishOptions options = {}) {
    auto broker = connected(kafka::with_async(false), kafka::with_batch_timeout(0ms));
    ASSERT_TRUE(broker);
    std::string why;
    EXPECT_TRUE(eventually([&] {
      const auto sent = broker->publish(topic(name), text, options);
      if (!sent) why = sent.error().to_string();
      return sent.has_value();
    })) << why;
  }
  std::optional<Broker> watching_broker() {
    return connected(watching, kafka::with_max_wait(20ms), kafka::with_heartbeat_interval(50ms),
                     with_error_handler([this](const Failure& failure) {
                       failures_.add(failure.error.to_string());
                     }));
  }
  /// "NAME: TEXT", where the name lacks the common beginning of the test's topics.
  void add(const RawEvent& event) {
    std::string name(event.topic());
    name.erase(0, topic("").size());
    texts_.add(name + ": " + std::string(*event.body()));
  }
  template <class... Given>
  std::optional<Subscriber> read(Broker& broker, Topics topics, const Given&... given) {
    auto reader = broker.subscribe(
        std::move(topics), [this](const RawEvent& event) { add(event); }, given...);
    if (!reader || !reader->wait_ready(patience)) {
      ADD_FAILURE() << (reader ? "the subscription is not ready" : reader.error().to_string());
      return std::nullopt;
    }
    return std::move(*reader);
  }
  [[nodiscard]] std::size_t times(const std::string& text) {
    const auto all = texts_.all();
    return static_cast<std::size_t>(std::ranges::count(all, text));
  }
  static std::map<std::string, std::int64_t> committed(const std::string& group) {
    auto client = Client::create({.bootstrap_servers = {tested_address()}});
    std::map<std::string, std::int64_t> offsets;
    const auto found = client->admin().group_offsets(group);
    if (!found) return offsets;
    for (const GroupOffset& each : *found) offsets[each.partition.topic] += each.offset.value;
    return offsets;
  }

  Texts texts_, failures_;
};

class Subscriptions : public TopicsOfATest, public testing::WithParamInterface<bool> {
 protected:
  static SubscribeOption maybe_group() {
    return with_group_id(GetParam() ? group() : std::string());
  }
};
INSTANTIATE_TEST_SUITE_P(All, Subscriptions, testing::Bool(), with_or_without);

const auto from_first = kafka::with_start_offset(StartOffset::first());

TEST_P(Subscriptions, read_several_topics) {
  for (const char* name : {"a", "b"}) {
    create(name, 2);
    for (int partition = 0; partition < 2; ++partition) {
      publish(name, std::to_string(partition), {.partition = PartitionId{partition}});
    }
  }
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto reader = read(*broker, {topic("a"), topic("b")}, maybe_group(), from_first);
  ASSERT_TRUE(reader);
  for (const char* text : {"a: 0", "a: 1", "b: 0", "b: 1"}) {
    EXPECT_TRUE(texts_.wait_for(text)) << text;
  }
  EXPECT_EQ(reader->topic(), topic("a") + "," + topic("b"));
  const auto at = [](const char* name, int partition) {
    return TopicPartition{topic(name), PartitionId{partition}};
  };
  EXPECT_THAT(reader->assignment(), ElementsAre(at("a", 0), at("a", 1), at("b", 0), at("b", 1)));
  EXPECT_EQ(reader->position(at("b", 1)).value(), Offset{1});
  EXPECT_TRUE(reader->position(PartitionId{1}).error().is(Errc::invalid_argument));
  EXPECT_TRUE(eventually([&] { return reader->lag().partitions.size() == 4; }));
  EXPECT_EQ(reader->lag().partitions.at(3).topic, topic("b"));
  EXPECT_EQ(reader->lag().total(), 0);
}

TEST_P(Subscriptions, are_paused_and_sought_by_topic_and_partition) {
  for (const char* name : {"a", "b"}) create(name);
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  auto reader = read(*broker, {topic("a"), topic("b")}, maybe_group(), from_first);
  ASSERT_TRUE(reader);
  ASSERT_TRUE(reader->pause({topic("a"), PartitionId{0}}));
  publish("b", "warm");
  EXPECT_TRUE(texts_.wait_for("b: warm"));
  publish("a", "paused");
  publish("b", "read");
  EXPECT_TRUE(texts_.wait_for("b: read"));
  EXPECT_FALSE(texts_.has("a: paused"));
  ASSERT_TRUE(reader->resume({topic("a"), PartitionId{0}}));
  EXPECT_TRUE(texts_.wait_for("a: paused"));
  ASSERT_TRUE(reader->seek({topic("b"), PartitionId{0}}, Offset{0}));
  EXPECT_TRUE(eventually([&] { return times("b: warm") == 2 && times("b: read") == 2; }));
  EXPECT_EQ(times("a: paused"), 1u);
  EXPECT_TRUE(reader->seek({topic("c"), PartitionId{0}}, Offset{0}).error().is(Errc::not_owner));
}

TEST_P(Subscriptions, to_several_topics_read_existing_ones_and_the_others_once_they_are_created) {
  create("a");
  publish("a", "early");
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto reader = read(*broker, {topic("a"), topic("b")}, maybe_group(), from_first);
  ASSERT_TRUE(reader);
  EXPECT_TRUE(texts_.wait_for("a: early"));
  EXPECT_TRUE(failures_.wait_for(1));
  EXPECT_THAT(failures_.all().front(), HasSubstr(topic("b") + " does not exist"));
  create("b");
  publish("b", "late");
  EXPECT_TRUE(texts_.wait_for("b: late"));
  publish("a", "later");
  EXPECT_TRUE(texts_.wait_for("a: later"));
}

TEST_P(Subscriptions, to_a_pattern_read_the_topics_that_match) {
  for (const char* name : {"s.a", "s.b", "s.a.h.retry.5s", "s.a.h.dlt", "t"}) {
    create(name);
    publish(name, "old");
  }
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto reader = read(*broker, dotted(), maybe_group(), from_first);
  ASSERT_TRUE(reader);
  EXPECT_TRUE(texts_.wait_for("s.a: old"));
  EXPECT_TRUE(texts_.wait_for("s.b: old"));
  EXPECT_THAT(reader->assignment(), ElementsAre(TopicPartition{topic("s.a"), PartitionId{0}},
                                                TopicPartition{topic("s.b"), PartitionId{0}}));
  EXPECT_EQ(reader->topic(), dotted().expression);
  Texts all;
  const auto everything = broker->subscribe(
      kafka::pattern(dotted().expression, {.include_internal = true}),
      [&all](const RawEvent& event) { all.add(std::string(event.topic())); }, from_first,
      with_group_id(""));
  ASSERT_TRUE(everything);
  for (const char* name : {"s.a", "s.b", "s.a.h.retry.5s", "s.a.h.dlt"}) {
    EXPECT_TRUE(all.wait_for(topic(name))) << name;
  }
}

TEST_P(Subscriptions, to_a_pattern_pick_up_new_topics_from_their_beginning) {
  create("s.a");
  publish("s.a", "before");
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  // A topic that appears later is read from its beginning nevertheless.
  const auto reader =
      read(*broker, dotted(), maybe_group(), kafka::with_start_offset(StartOffset::last()));
  ASSERT_TRUE(reader);
  create("s.b", 3);
  for (int partition = 0; partition < 3; ++partition) {
    publish("s.b", std::to_string(partition), {.partition = PartitionId{partition}});
  }
  publish("s.a", "after");
  for (const char* text : {"s.b: 0", "s.b: 1", "s.b: 2", "s.a: after"}) {
    EXPECT_TRUE(texts_.wait_for(text)) << text;
  }
  EXPECT_FALSE(texts_.has("s.a: before"));
  EXPECT_EQ(texts_.all().size(), 4u) << "each once";
  EXPECT_EQ(reader->assignment().size(), 4u);
}

TEST_P(Subscriptions, to_a_pattern_wait_for_a_first_match_and_say_so_once) {
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto reader = read(*broker, dotted(), maybe_group(), from_first);
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->assignment().empty());
  create("s.a");
  publish("s.a", "first");
  EXPECT_TRUE(texts_.wait_for("s.a: first"));
  const auto said = failures_.all();
  ASSERT_EQ(said.size(), 1u);
  EXPECT_THAT(said[0], HasSubstr("no topic matches"));
}

TEST_P(Subscriptions, to_a_pattern_drop_deleted_topics_and_read_on) {
  for (const char* name : {"s.a", "s.b"}) create(name);
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto reader = read(*broker, dotted(), maybe_group(), from_first);
  ASSERT_TRUE(reader);
  publish("s.a", "early");
  EXPECT_TRUE(texts_.wait_for("s.a: early"));
  remove("s.a");
  EXPECT_TRUE(eventually([&] {
    return reader->assignment() == std::vector<TopicPartition>{{topic("s.b"), PartitionId{0}}};
  }));
  publish("s.b", "late");
  EXPECT_TRUE(texts_.wait_for("s.b: late"));
  remove("s.b");
  EXPECT_TRUE(eventually([&] { return reader->assignment().empty(); }));
  create("s.c");
  publish("s.c", "again");
  EXPECT_TRUE(texts_.wait_for("s.c: again"));
}

TEST_P(Subscriptions, to_a_pattern_read_a_topic_that_was_created_again) {
  for (const char* name : {"s.a", "s.b"}) create(name);
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto reader = read(*broker, dotted(), maybe_group(), from_first);
  ASSERT_TRUE(reader);
  for (int round = 0; round < 3; ++round) {
    const std::string text = "round " + std::to_string(round);
    for (int i = 0; i < 3; ++i) publish("s.a", text + "." + std::to_string(i));
    publish("s.b", text);
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(texts_.wait_for("s.a: " + text + "." + std::to_string(i))) << text;
    }
    EXPECT_TRUE(texts_.wait_for("s.b: " + text));
    remove("s.a");
    // Before a look, after one, or in the middle of dropping it.
    create("s.a", round + 1);
  }
  publish("s.a", "end");
  EXPECT_TRUE(texts_.wait_for("s.a: end"));
  EXPECT_EQ(times("s.b: round 0"), 1u);
}

TEST_P(Subscriptions, in_batches_read_the_topics_of_a_pattern_and_one_that_was_created_again) {
  create("s.a");
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  auto reader = broker->subscribe_batch(
      dotted(),
      [this](std::span<RawEvent> events) {
        for (const RawEvent& event : events) add(event);
      },
      maybe_group(), from_first, with_subscribe_batch_interval(20ms));
  ASSERT_TRUE(reader && reader->wait_ready(patience));
  publish("s.a", "one");
  create("s.b");
  publish("s.b", "two");
  EXPECT_TRUE(texts_.wait_for("s.a: one"));
  EXPECT_TRUE(texts_.wait_for("s.b: two"));
  remove("s.a");
  create("s.a");
  publish("s.a", "three");
  EXPECT_TRUE(texts_.wait_for("s.a: three"));
}

class Group : public TopicsOfATest {};

TEST_F(Group, commits_each_topic_and_continues_there) {
  for (const char* name : {"a", "b"}) create(name);
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const Topics both{topic("a"), topic("b")};
  auto reader = read(*broker, both, with_group_id(group()));
  ASSERT_TRUE(reader);
  publish("a", "1");
  publish("b", "1");
  publish("b", "2");
  for (const char* text : {"a: 1", "b: 1", "b: 2"}) EXPECT_TRUE(texts_.wait_for(text));
  EXPECT_TRUE(eventually([&] {
    const auto offset = reader->committed({topic("b"), PartitionId{0}});
    return offset && *offset == Offset{2};
  }));
  ASSERT_TRUE(reader->unsubscribe(patience));
  EXPECT_EQ(committed(group()),
            (std::map<std::string, std::int64_t>{{topic("a"), 1}, {topic("b"), 2}}));
  const auto next = read(*broker, both, with_group_id(group()));
  publish("a", "2");
  EXPECT_TRUE(texts_.wait_for("a: 2"));
  EXPECT_EQ(texts_.all().size(), 4u) << "each once";
}

TEST_F(Group, handles_no_acknowledged_message_again_when_topics_are_created_and_deleted) {
  create("s.a", 4);
  auto broker = watching_broker();
  auto second = watching_broker();
  ASSERT_TRUE(broker && second);
  const auto one = read(*broker, dotted(), with_group_id(group()));
  const auto two = read(*second, dotted(), with_group_id(group()));
  ASSERT_TRUE(one && two);
  auto publisher = connected(kafka::with_async(false), kafka::with_batch_timeout(0ms));
  ASSERT_TRUE(publisher);
  std::set<std::string> published;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20; ++i) {
      const std::string text = std::to_string(round) + "." + std::to_string(i);
      ASSERT_TRUE(publisher->publish(topic("s.a"), text, {.partition = PartitionId{i % 4}}));
      published.insert("s.a: " + text);
    }
    for (const std::string& text : published) EXPECT_TRUE(texts_.wait_for(text)) << text;
    EXPECT_TRUE(eventually([&] { return committed(group())[topic("s.a")] == 20 * (round + 1); }));
    const std::string other = "s.b" + std::to_string(round);
    create(other, 2);
    publish(other, "new");
    EXPECT_TRUE(texts_.wait_for(other + ": new"));
    remove(other);
  }
  for (const std::string& text : published) EXPECT_EQ(times(text), 1u) << text;
}

TEST_F(Group, shares_new_topics_among_its_members) {
  create("s.a", 2);
  auto broker = watching_broker();
  auto second = watching_broker();
  ASSERT_TRUE(broker && second);
  const auto one = read(*broker, dotted(), with_group_id(group()));
  const auto two = read(*second, dotted(), with_group_id(group()));
  ASSERT_TRUE(one && two);
  create("s.b", 4);
  EXPECT_TRUE(
      eventually([&] { return one->assignment().size() == 3 && two->assignment().size() == 3; }));
  for (int partition = 0; partition < 4; ++partition) {
    publish("s.b", std::to_string(partition), {.partition = PartitionId{partition}});
  }
  for (int partition = 0; partition < 4; ++partition) {
    EXPECT_TRUE(texts_.wait_for("s.b: " + std::to_string(partition)));
  }
}

/// Subscriptions whose handler fails for texts that begin with "bad".
class FailingHandler : public TopicsOfATest {
 protected:
  template <class... Given>
  std::optional<Subscriber> fail_bad(Broker& broker, Topics topics, const Given&... given) {
    auto reader = broker.subscribe(
        std::move(topics),
        [this](const RawEvent& event) -> Result<void> {
          add(event);
          if (is_mended_ || !event.body()->starts_with("bad")) return {};
          return fail(Error::client(Errc::handler_failed, "no ink"));
        },
        with_group_id(group()), with_subscribe_retry(0, 1ms), given...);
    if (!reader || !reader->wait_ready(patience)) {
      ADD_FAILURE() << (reader ? "the subscription is not ready" : reader.error().to_string());
      return std::nullopt;
    }
    return std::move(*reader);
  }
  /// A retry topic of this test, without the common beginning of all names.
  static std::string retry(const std::string& name, const std::string& end) {
    return name + "." + group() + end;
  }

  std::atomic<bool> is_mended_{false};
};

TEST_F(FailingHandler, of_several_topics_has_retry_topics_and_dead_letters_of_each) {
  for (const char* name : {"a", "b"}) create(name, 2);
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto reader = fail_bad(*broker, {topic("a"), topic("b")}, with_retry_topics({50ms}),
                               with_failure_policy(FailurePolicy::dead_letter));
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->assignment().size(), 4u) << "without those of retry topics";
  publish("a", "bad of a", {.partition = PartitionId{1}});
  publish("b", "bad of b");
  for (const char* name : {"a", "b"}) {
    const std::string text = std::string(": bad of ") + name;
    EXPECT_TRUE(texts_.wait_for(name + text));
    EXPECT_TRUE(texts_.wait_for(retry(name, ".retry.50ms") + text));
  }
  EXPECT_TRUE(failures_.wait_for(2)) << "each is dead-lettered";
  is_mended_ = true;
  const auto back = kafka::redrive(*broker, topic(retry("a", ".dlt")), topic("a"));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->redriven, 1u);
  EXPECT_TRUE(eventually([&] { return times("a: bad of a") == 2; }));
  EXPECT_EQ(times("b: bad of b"), 1u);
}

TEST_F(FailingHandler, of_a_pattern_has_retry_topics_and_dead_letters_of_each_topic) {
  create("s.a");
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto reader = fail_bad(*broker, dotted(), with_retry_topics({50ms}),
                               with_failure_policy(FailurePolicy::dead_letter));
  ASSERT_TRUE(reader);
  publish("s.a", "bad of a");
  EXPECT_TRUE(texts_.wait_for(retry("s.a", ".retry.50ms") + ": bad of a"));
  create("s.b");
  publish("s.b", "bad of b");
  EXPECT_TRUE(texts_.wait_for(retry("s.b", ".retry.50ms") + ": bad of b"));
  EXPECT_TRUE(failures_.wait_for(2));
  remove("s.a");
  create("s.a");
  publish("s.a", "bad again");
  EXPECT_TRUE(texts_.wait_for(retry("s.a", ".retry.50ms") + ": bad again"));
  EXPECT_TRUE(failures_.wait_for(3));
  is_mended_ = true;
  const auto back = kafka::redrive(*broker, topic(retry("s.b", ".dlt")), topic("s.b"));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_TRUE(eventually([&] { return times("s.b: bad of b") == 2; }));
}

TEST_F(FailingHandler, that_shares_a_prefix_shares_retry_topics) {
  for (const char* name : {"a", "b"}) create(name);
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto reader =
      fail_bad(*broker, {topic("a"), topic("b")}, with_retry_topics({50ms}),
               with_retry_prefix(topic("team")), with_failure_policy(FailurePolicy::dead_letter));
  ASSERT_TRUE(reader);
  publish("a", "bad of a");
  publish("b", "bad of b");
  EXPECT_TRUE(texts_.wait_for("team.retry.50ms: bad of a"));
  EXPECT_TRUE(texts_.wait_for("team.retry.50ms: bad of b"));
}

TEST_F(FailingHandler,
       of_a_pattern_reads_no_topic_whose_retry_topics_cannot_be_created_and_reads_the_others) {
  create("s.a");
  const std::string longest(249 - topic("s.").size(), 'x');
  create("s." + longest);
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto reader = fail_bad(*broker, dotted(), with_retry_topics({50ms}));
  ASSERT_TRUE(reader);
  EXPECT_TRUE(failures_.wait_for(1));
  EXPECT_THAT(failures_.all().front(), HasSubstr("retry_prefix"));
  publish("s.a", "good");
  EXPECT_TRUE(texts_.wait_for("s.a: good"));
  EXPECT_EQ(reader->assignment().size(), 1u);
}

/// A start by time of a subscription with retry topics.
class StartByTime : public FailingHandler {
 protected:
  /// Within any retention.
  const std::int64_t time =
      to_timestamp(std::chrono::system_clock::now() - std::chrono::hours(1)).value;
  void publish_at(const std::string& name, const std::string& text, std::int64_t after) {
    publish(name, text, {.timestamp = Timestamp{time + after}});
  }
};

TEST_F(StartByTime, applies_to_each_topic_but_not_to_retry_topics) {
  for (const char* name : {"a", "b"}) {
    create(name);
    publish_at(name, "old", 0);
    publish_at(name, "bad", 1'000);
    publish_at(name, "new", 2'000);
  }
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto options = [this](std::int64_t after) {
    return kafka::with_start_offset(StartOffset::at(Timestamp{time + after}));
  };
  const Topics both{topic("a"), topic("b")};
  {
    // Its retries wait for longer than it lives.
    auto reader = fail_bad(*broker, both, with_retry_topics({2s}), options(1'000));
    ASSERT_TRUE(reader);
    for (const char* text : {"a: bad", "a: new", "b: bad", "b: new"}) {
      EXPECT_TRUE(texts_.wait_for(text)) << text;
    }
    EXPECT_TRUE(eventually([&] {
      auto offsets = committed(group());
      return offsets[topic("a")] == 3 && offsets[topic("b")] == 3;
    })) << "the failed messages are stored in the retry topics";
    ASSERT_TRUE(reader->unsubscribe(patience));
  }
  EXPECT_FALSE(texts_.has("a: old"));
  is_mended_ = true;
  // A time after all messages, also those in the retry topics.
  const auto reader = fail_bad(*broker, both, with_retry_topics({2s}), options(1'000'000'000'000));
  ASSERT_TRUE(reader);
  EXPECT_TRUE(texts_.wait_for(retry("a", ".retry.2s") + ": bad"));
  EXPECT_TRUE(texts_.wait_for(retry("b", ".retry.2s") + ": bad"));
  publish("a", "latest");
  EXPECT_TRUE(texts_.wait_for("a: latest")) << "its committed offset wins over the time";
}

TEST_F(StartByTime, applies_to_the_first_topics_of_a_pattern_but_not_to_later_ones) {
  create("s.a");
  publish_at("s.a", "old", 0);
  publish_at("s.a", "new", 1'000);
  auto broker = watching_broker();
  ASSERT_TRUE(broker);
  const auto reader = fail_bad(*broker, dotted(), with_retry_topics({50ms}),
                               kafka::with_start_offset(StartOffset::at(Timestamp{time + 1'000})));
  ASSERT_TRUE(reader);
  EXPECT_TRUE(texts_.wait_for("s.a: new"));
  create("s.b");
  publish_at("s.b", "bad", 0);
  EXPECT_TRUE(texts_.wait_for("s.b: bad"));
  EXPECT_TRUE(texts_.wait_for(retry("s.b", ".retry.50ms") + ": bad"));
  EXPECT_FALSE(texts_.has("s.a: old"));
}

}  // namespace
}  // namespace dohle
