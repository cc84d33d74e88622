// The rules of publishing that a server takes part in: outcomes, failures that no caller takes, and
// the parts of a message that arrive unchanged.
#include <future>
#include <map>
#include <mutex>
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
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

class PublishingRules : public AtTestedServer {
 protected:
  void make_with(std::map<std::string, std::string> config) {
    auto client = Client::create({.bootstrap_servers = {tested_address()}});
    ASSERT_TRUE(client);
    const auto made = client->admin().create_topics(
        {{.name = topic(), .partitions = 1, .replication_factor = 1, .config = std::move(config)}});
    ASSERT_TRUE(made && made->at(0).result);
  }
};

using Failures = PublishingRules;
using Outcomes = PublishingRules;
using Messages = PublishingRules;

TEST_F(Failures, of_an_asynchronous_publish_to_a_missing_topic_are_returned_by_the_call) {
  auto broker = connected();
  ASSERT_TRUE(broker);
  const auto sent = broker->publish(topic(), "text");
  ASSERT_FALSE(sent);
  EXPECT_TRUE(sent.error().is(Errc::no_such_topic)) << sent.error().to_string();
}

TEST_F(Failures, of_dropped_handles_are_reported_when_their_topic_is_gone) {
  make();
  Texts lines, failures;
  auto logging = connected(kafka::with_error_logger(function_logger(
      LogLevel::warning,
      [&](LogLevel, std::string_view, std::string_view line) { lines.add(std::string(line)); })));
  auto handling = connected(with_error_handler([&](const Failure& failure) {
    if (failure.kind != Failure::Kind::delivery) return;
    failures.add(std::string(failure.topic) + "-" + std::to_string(failure.partition.value) + ": " +
                 failure.error.to_string());
  }));
  ASSERT_TRUE(logging && handling);
  for (Broker* each : {&*logging, &*handling}) {
    ASSERT_TRUE(each->publish(topic(), "text", with_publish_async(false)));
  }
  ASSERT_TRUE(kafka::delete_topic(*logging, {topic()}));
  const std::string place = topic() + "-0: ";
  for (const auto& [broker, seen] : {std::pair(&*logging, &lines), {&*handling, &failures}}) {
    // The server may take messages for a moment, until it has seen the deletion itself.
    EXPECT_TRUE(eventually([&] {
      (void)broker->publish(topic(), "dropped", with_publish_timeout(1s));
      const auto flushed = broker->flush(patience);
      return flushed && flushed->failed > 0;
    }));
    EXPECT_THAT(broker->metrics().value("dohle_failures_total", {{"kind", "delivery"}}),
                testing::Optional(testing::Ge(1.0)));
    EXPECT_THAT(seen->all(), Contains(StartsWith(place)));
  }
}

TEST_F(Outcomes, survive_the_splitting_of_a_batch) {
  make_with({{"max.message.bytes", "3000"}});
  auto broker = connected(kafka::with_batch_timeout(10s));
  ASSERT_TRUE(broker);
  std::vector<Delivery> sent;
  constexpr int count = 40, too_large = 17;
  for (int i = 0; i < count; ++i) {
    auto delivery = broker->publish(topic(), std::string(i == too_large ? 5'000 : 200, 'x'));
    ASSERT_TRUE(delivery) << delivery.error().to_string();
    sent.push_back(std::move(*delivery));
  }
  const auto flushed = broker->flush(patience);
  ASSERT_TRUE(flushed) << flushed.error().to_string();
  EXPECT_EQ(flushed->failed, 1u);
  std::int64_t offset = 0;
  for (int i = 0; i < count; ++i) {
    const auto outcome = sent[static_cast<std::size_t>(i)].get();
    if (i == too_large) {
      ASSERT_FALSE(outcome);
      EXPECT_THAT(outcome.error().to_string(), HasSubstr("MESSAGE_TOO_LARGE"));
      continue;
    }
    ASSERT_TRUE(outcome) << i << ": " << outcome.error().to_string();
    EXPECT_EQ(outcome->offset, Offset{offset++}) << i;
  }
}

TEST_F(Outcomes, of_publishes_with_a_future_are_those_of_the_messages) {
  make();
  auto broker = connected();
  ASSERT_TRUE(broker);
  auto text = broker->publish_future(topic(), "text");
  auto message = broker->publish_future(topic(), Message("message"), {.key = "k"});
  auto value = broker->publish_future(topic(), std::string("value"), {.async = false});
  for (auto* each : {&text, &message, &value}) {
    const auto receipt = each->get();
    ASSERT_TRUE(receipt) << receipt.error().to_string();
    EXPECT_FALSE(receipt->offset.is_none());
  }
  const auto missing = broker->publish_future(topic() + "-missing", "text").get();
  ASSERT_FALSE(missing);
  EXPECT_TRUE(missing.error().is(Errc::no_such_topic)) << missing.error().to_string();
  PublishOptions both;
  both.callback = [](const Result<Receipt>&) {};
  const auto refused = broker->publish_future(topic(), "text", both).get();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().to_string(), HasSubstr("callback is set"));
}

TEST_F(Messages, keep_absent_empty_and_repeated_values_apart) {
  make();
  auto broker = connected(kafka::with_async(false));
  ASSERT_TRUE(broker);
  const std::vector<Header> headers{{"a", "1"}, {"a", std::nullopt}, {"b", ""}, {"a", "1"}};
  const std::vector<Message> sent{
      Message().with_tombstone().with_key("k").with_headers(headers),
      Message("").with_key(""),
      Message(std::string("\0\xff", 2)).with_timestamp(Timestamp{1'700'000'000'000}),
  };
  for (const Message& message : sent) ASSERT_TRUE(broker->publish(topic(), message));
  std::mutex mutex;
  std::vector<Message> received;
  auto reader = broker->subscribe(topic(),
                                  [&](RawEvent event) {
                                    const std::lock_guard lock(mutex);
                                    received.push_back(event.message());
                                  },
                                  {.start_offset = StartOffset::first()});
  ASSERT_TRUE(reader);
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return received.size() == sent.size();
  }));
  ASSERT_TRUE(reader->unsubscribe(patience));
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(received[i].body(), sent[i].body()) << i;
    EXPECT_EQ(received[i].key(), sent[i].key()) << i;
    EXPECT_EQ(received[i].headers(), sent[i].headers()) << i;
  }
  EXPECT_EQ(received[2].timestamp(), Timestamp{1'700'000'000'000});
}

}  // namespace
}  // namespace dohle
