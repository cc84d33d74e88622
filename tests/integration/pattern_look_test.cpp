// How subscriptions with patterns look for topics, at a node whose answers a relay holds back.
#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "options_fixture.hpp"
#include "wire/messages/create_topics.hpp"
#include "wire/messages/metadata.hpp"

namespace dohle {
namespace {

bool is_look(const wire::MetadataRequest& request) {
  return !request.topics;
}

class PatternLook : public RecordedOptions {
 protected:
  /// So that a look that is held back stays under way for longer than the test waits.
  static constexpr auto longer_than_the_test = 5min;

  [[nodiscard]] std::size_t looks() const {
    const auto all = node_.all<wire::MetadataRequest>();
    return static_cast<std::size_t>(std::ranges::count_if(all, is_look));
  }
  bool wait_for_looks(std::size_t count) {
    return node_.wait_for_such<wire::MetadataRequest>(count, is_look, patience);
  }
  /// No look is answered from now on. Returns once one is under way, and how many there were
  /// before.
  std::size_t hold_looks() {
    const std::size_t before = looks();
    node_.mute_such<wire::MetadataRequest>(is_look);
    EXPECT_TRUE(wait_for_looks(before + 1));
    return before;
  }
  void answer() {
    node_.answer();
    node_.relay().cut();
  }
  template <class... Given>
  Subscriber read(Lines& into, const Given&... given) {
    auto reader = broker_->subscribe<std::string>(
        kafka::pattern("t.*"), [&into](const std::string& text) { into.add(text); }, given...);
    EXPECT_TRUE(reader && reader->wait_ready(patience));
    return std::move(reader).value();
  }
  /// Creates a topic, and stores a message there by another broker.
  void store_in_new(const std::string& topic, const std::string& text) {
    ASSERT_TRUE(kafka::create_topic(node_.direct_address(), topic, 1, 1));
    if (!other_) other_ = connected(node_.direct_address());
    ASSERT_TRUE(other_ && other_->publish(topic, text, PublishOptions{.async = false}));
  }
};

TEST_F(PatternLook, that_is_delayed_delays_no_handler_and_no_unsubscribe) {
  connect(kafka::with_partition_watch_interval(100ms), kafka::with_max_wait(20ms),
          kafka::with_read_timeout(longer_than_the_test));
  Lines texts;
  auto reader = read(texts);
  hold_looks();
  for (const char* text : {"one", "two", "three"}) {
    store(text);
    EXPECT_TRUE(texts.wait_for(text)) << text;
  }
  EXPECT_TRUE(reader.unsubscribe(patience));
  EXPECT_TRUE(broker_->disconnect(patience));
}

TEST_F(PatternLook, is_shared_by_all_subscriptions_of_a_broker) {
  constexpr std::size_t members = 6;
  Lines texts;
  connect(kafka::with_partition_watch_interval(100ms), kafka::with_max_wait(20ms),
          kafka::with_read_timeout(longer_than_the_test));
  std::vector<Subscriber> readers;
  for (std::size_t i = 0; i < members; ++i) readers.push_back(read(texts));
  const std::size_t before = hold_looks();
  // Each has polled since the look was due when it has the second message.
  for (std::size_t message = 1; message <= 2; ++message) {
    store("text");
    ASSERT_TRUE(texts.wait_for(message * members));
  }
  EXPECT_LE(looks(), before + 2) << "one may have been answered just before they were held back";
  answer();
  store_in_new("t.new", "new");
  EXPECT_TRUE(texts.wait_for(3 * members)) << "all of them take up what one look has found";
}

TEST_F(PatternLook, delays_no_handler_while_retry_topics_of_a_new_topic_are_created) {
  connect(kafka::with_partition_watch_interval(100ms), kafka::with_max_wait(20ms),
          kafka::with_read_timeout(longer_than_the_test));
  Lines texts;
  const auto reader = read(texts, with_group_id("g"), with_retry_topics({1s}));
  const auto is_held = [](const wire::CreateTopicsRequest& request) {
    return std::ranges::any_of(request.topics,
                               [](const auto& topic) { return topic.name.starts_with("t.new."); });
  };
  node_.mute_such<wire::CreateTopicsRequest>(is_held);
  store_in_new("t.new", "new");
  ASSERT_TRUE(node_.wait_for_such<wire::CreateTopicsRequest>(1, is_held, patience));
  for (const char* text : {"one", "two"}) {
    store(text);
    EXPECT_TRUE(texts.wait_for(text)) << text;
  }
  EXPECT_FALSE(texts.has("new"));
  answer();
  EXPECT_TRUE(texts.wait_for("new"));
}

TEST_F(PatternLook, is_reported_once_while_it_fails_and_continues_afterwards) {
  connect(kafka::with_partition_watch_interval(100ms), kafka::with_max_wait(20ms),
          kafka::with_read_timeout(500ms), with_error_handler([this](const Failure& failure) {
            std::string text = failure.error.to_string();
            if (text.find("look for topics that match t.*") != std::string::npos) {
              lines_.add(std::move(text));
            }
          }));
  Lines texts;
  const auto reader = read(texts);
  hold_looks();
  ASSERT_TRUE(lines_.wait_for(1));
  ASSERT_TRUE(wait_for_looks(looks() + 6)) << "it is tried again";
  store("text");
  EXPECT_TRUE(texts.wait_for("text"));
  EXPECT_THAT(lines_.all(), testing::SizeIs(1));
  answer();
  store_in_new("t.new", "new");
  EXPECT_TRUE(texts.wait_for("new"));
}

}  // namespace
}  // namespace dohle
