// Functions of the program that throw: where each exception goes (docs/messaging.md, "Exceptions of
// your functions"). Each ends where the table says, and the library continues its work.
#include <atomic>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "options_fixture.hpp"

namespace dohle {

/// A type whose codec throws.
struct Torn {};
template <>
struct Codec<Torn> {
  static constexpr std::string_view name = "torn";
  static Result<void> encode(const Torn&, const CodecContext&, std::string&) {
    throw std::runtime_error("no paper");
  }
  static Result<Torn> decode(Bytes, const CodecContext&) { throw 7; }
};

namespace {

using testing::Contains;
using testing::HasSubstr;

std::runtime_error no_paper() {
  return std::runtime_error("no paper");
}

class Throwing : public Options {
 protected:
  std::shared_ptr<Logger> errors() { return logger_into(lines_, LogLevel::error); }
  /// Whether a later message is stored.
  void expect_goes_on() {
    const auto sent = broker_->publish("t", "later", with_publish_async(false));
    EXPECT_TRUE(sent) << sent.error().to_string();
  }
};

TEST_F(Throwing, publish_callback_is_logged) {
  connect(kafka::with_error_logger(errors()));
  const auto sent = broker_->publish(
      "t", "text", with_publish_async([](const Result<Receipt>&) { throw no_paper(); }));
  ASSERT_TRUE(sent) << sent.error().to_string();
  EXPECT_TRUE(lines_.wait_for("a publish callback threw: no paper"));
  expect_goes_on();
}

TEST_F(Throwing, completion_is_logged) {
  connect(kafka::with_error_logger(errors()),
          kafka::with_completion([](const SettledBatch&) { throw no_paper(); }));
  expect_goes_on();
  EXPECT_TRUE(lines_.wait_for("a completion threw: no paper"));
}

TEST_F(Throwing, error_handler_is_logged_with_the_failure) {
  connect(kafka::with_error_logger(errors()),
          with_error_handler([](const Failure&) { throw no_paper(); }));
  std::atomic<int> handled{0};
  const auto reader = broker_->subscribe(
      "t",
      [&handled](RawEvent) -> Result<void> {
        if (++handled > 1) return {};
        return fail(Error::client(Errc::closed, "no nest"));
      },
      kafka::with_start_offset(StartOffset::first()), with_subscribe_retry(0, 0ms),
      with_failure_policy(FailurePolicy::skip));
  ASSERT_TRUE(reader);
  store("text");
  EXPECT_TRUE(lines_.wait_for("the error handler threw: no paper"));
  EXPECT_TRUE(lines_.wait_for(2));
  EXPECT_THAT(lines_.all(), Contains(HasSubstr("no nest")));
  store("later");
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (handled < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(handled, 2);
}

TEST_F(Throwing, read_lag_handler_is_reported_as_a_failure_of_the_subscription) {
  connect(
      with_error_handler([this](const Failure& failure) { lines_.add(failure.error.to_string()); }),
      kafka::with_read_lag_interval(100ms, [](const ReadLag&) { throw no_paper(); }));
  const auto reader = broker_->subscribe("t", [](RawEvent) {});
  ASSERT_TRUE(reader);
  EXPECT_TRUE(lines_.wait_for(2)) << "it is called again";
  EXPECT_THAT(lines_.all(), Contains(HasSubstr("the read lag handler threw: no paper")));
}

TEST_F(Throwing, callbacks_of_a_subscription_are_reported_as_its_failures) {
  connect(with_error_handler([this](const Failure& failure) {
    if (failure.kind == Failure::Kind::subscription) lines_.add(failure.error.to_string());
  }));
  const auto partitions = [](std::span<const TopicPartition>) { throw no_paper(); };
  std::atomic<int> handled{0};
  auto reader = broker_->subscribe(
      "t", [&handled](RawEvent) { ++handled; }, with_group_id("g"),
      kafka::with_on_assigned(partitions), kafka::with_on_revoked(partitions),
      with_on_idle([] { throw no_paper(); }, 1ms));
  ASSERT_TRUE(reader) << reader.error().to_string();
  ASSERT_TRUE(lines_.wait_for(2));
  store("text");
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (handled < 1 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(handled, 1);
  EXPECT_TRUE(reader->unsubscribe(patience));
  for (const char* each : {"on_assigned", "on_idle", "on_revoked"}) {
    EXPECT_THAT(lines_.all(), Contains(HasSubstr(std::string(each) + " threw: no paper")));
  }
}

TEST_F(Throwing, callback_of_a_request_is_logged) {
  connect(kafka::with_error_logger(errors()), with_reply_topic("replies"));
  ASSERT_TRUE(kafka::create_topic(*broker_, "replies", 1, 1));
  const auto answering = broker_->reply<std::string>(
      "t", [](const std::string& text) { return text; }, with_group_id("g"));
  ASSERT_TRUE(answering) << answering.error().to_string();
  const auto asked = broker_->request_async<std::string>(
      "t", "text", [](const Result<std::string>&) { throw no_paper(); });
  ASSERT_TRUE(asked) << asked.error().to_string();
  EXPECT_TRUE(lines_.wait_for(1));
  EXPECT_THAT(lines_.all(), Contains(HasSubstr("the callback of a request threw: no paper")));
  EXPECT_EQ(broker_->request<std::string>("t", "later", patience), "later");
}

TEST_F(Throwing, balancer_is_the_error_of_its_publish) {
  connect();
  const auto sent =
      broker_->publish("t", "text",
                       kafka::with_balancer([](std::string_view, const Record&,
                                               std::int32_t) -> PartitionId { throw no_paper(); }));
  ASSERT_FALSE(sent);
  EXPECT_TRUE(sent.error().is(Errc::handler_failed));
  EXPECT_THAT(sent.error().to_string(), HasSubstr("the partitioner threw for topic t: no paper"));
  expect_goes_on();
}

TEST_F(Throwing, hasher_is_the_error_of_its_publish) {
  connect(kafka::with_hash_balancer([](Bytes) -> std::uint32_t { throw 7; }));
  const auto sent = broker_->publish("t", "text", PublishOptions{.key = "k"});
  ASSERT_FALSE(sent);
  EXPECT_TRUE(sent.error().is(Errc::handler_failed));
  EXPECT_THAT(sent.error().to_string(), HasSubstr("an exception of another type"));
  expect_goes_on();
}

TEST_F(Throwing, codec_is_an_error_of_the_publish_and_a_failure_of_the_message) {
  connect(with_error_handler(
      [this](const Failure& failure) { lines_.add(failure.error.to_string()); }));
  const auto sent = broker_->publish("t", Torn());
  ASSERT_FALSE(sent);
  EXPECT_TRUE(sent.error().is(Errc::codec_failed));
  EXPECT_THAT(sent.error().to_string(), HasSubstr("the codec threw: no paper"));
  const auto reader = broker_->subscribe<Torn>(
      "t", [](const Torn&) {}, kafka::with_start_offset(StartOffset::first()),
      with_subscribe_retry(0, 0ms));
  ASSERT_TRUE(reader) << reader.error().to_string();
  store("text");
  EXPECT_TRUE(lines_.wait_for(1));
  EXPECT_THAT(lines_.all(), Contains(HasSubstr("the codec threw")));
}

TEST_F(Throwing, logger_of_a_function_loses_only_the_line) {
  testing::internal::CaptureStderr();
  connect(
      kafka::with_error_logger(function_logger(
          LogLevel::error, [](LogLevel, std::string_view, std::string_view) { throw no_paper(); })),
      kafka::with_completion([](const SettledBatch&) { throw no_paper(); }));
  expect_goes_on();
  expect_goes_on();
  EXPECT_TRUE(broker_->disconnect(patience));
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_THAT(written, HasSubstr("the function of a logger threw"));
}

TEST(ThrowingConnect, resolver_is_asked_again) {
  const RecordedNode node;
  std::atomic<int> asked{0};
  auto broker =
      connected(node.direct_address(),
                kafka::with_dialer_resolver(
                    [&asked](const std::string& host) -> Result<std::vector<std::string>> {
                      if (++asked == 1) throw no_paper();
                      return std::vector<std::string>{host};
                    }));
  ASSERT_TRUE(broker);
  EXPECT_GE(asked, 2);
}

}  // namespace
}  // namespace dohle
