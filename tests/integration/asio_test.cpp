// Completion tokens and coroutine handlers of Boost.Asio.
#include "dohle/asio.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "dohle/kafka.hpp"
#include "options_fixture.hpp"

namespace dohle {
namespace {

namespace net = boost::asio;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto first = StartOffset::first();

/// A broker on a node in memory, and a context with a thread of its own.
class Asio : public testing::Test {
 protected:
  Asio()
      : broker_(*connected("embedded:memory", with_reply_topic("replies"),
                           with_error_handler([this](const Failure& failure) {
                             lines_.add(std::string(failure.error.message()));
                           }))) {
    for (const char* topic : {"t", "replies"}) {
      EXPECT_TRUE(kafka::create_topic(broker_, topic, 1, 1));
    }
    thread_ = std::thread([this] { context_->run(); });
  }
  ~Asio() override {
    EXPECT_TRUE(broker_.disconnect(patience));
    leave_context();
  }
  /// Once it has run out of work, no other thread is inside of it.
  void leave_context() {
    work_.reset();
    if (thread_.joinable()) thread_.join();
    context_.reset();
  }
  /// Ends it although it has work.
  void stop_context() {
    context_->stop();
    leave_context();
  }
  /// Runs a coroutine on the context to its end.
  template <class Coroutine>
  void run(Coroutine coroutine) {
    net::co_spawn(*context_, std::move(coroutine), net::use_future).get();
  }
  bool is_on_context() const { return std::this_thread::get_id() == thread_.get_id(); }

  Lines lines_;
  Broker broker_;
  std::optional<net::io_context> context_{std::in_place};
  std::optional<net::executor_work_guard<net::io_context::executor_type>> work_{
      context_->get_executor()};
  std::thread thread_;
};

TEST_F(Asio, publish_resumes_a_coroutine_on_its_executor) {
  run([this]() -> net::awaitable<void> {
    for (int i = 0; i < 3; ++i) {
      const auto receipt =
          co_await asio::publish(broker_, "t", std::string("text"), net::use_awaitable);
      EXPECT_TRUE(receipt);
      if (receipt) {
        EXPECT_EQ(receipt->offset, Offset{i});
      }
      EXPECT_TRUE(is_on_context());
    }
  });
}

TEST_F(Asio, publish_completes_a_future) {
  auto future = asio::publish(broker_, "t", Message("text").with_key("k"), net::use_future);
  const auto receipt = future.get();
  ASSERT_TRUE(receipt) << receipt.error().to_string();
  EXPECT_EQ(receipt->offset, Offset{0});
}

TEST_F(Asio, publish_calls_a_callback_on_the_executor_that_it_is_bound_to) {
  std::promise<bool> on_context;
  asio::publish(broker_, "t", "text", {.key = "k"},
                net::bind_executor(*context_, [&](const Result<Receipt>& receipt) {
                  on_context.set_value(receipt && is_on_context());
                }));
  EXPECT_TRUE(on_context.get_future().get());
}

TEST_F(Asio, publish_calls_a_move_only_callback_without_an_executor) {
  std::promise<Result<Receipt>> stored;
  asio::publish(broker_, "t", "text", {},
                [&, owned = std::make_unique<int>(1)](Result<Receipt> receipt) {
                  stored.set_value(std::move(receipt));
                });
  EXPECT_TRUE(stored.get_future().get());
}

TEST_F(Asio, publish_completes_with_its_errors_and_never_inside_the_call) {
  run([this]() -> net::awaitable<void> {
    const auto nowhere =
        co_await asio::publish(broker_, "nowhere", std::string("text"), net::use_awaitable);
    EXPECT_FALSE(nowhere);
    if (!nowhere) {
      EXPECT_TRUE(nowhere.error().is(Errc::no_such_topic));
    }
    PublishOptions options;
    options.callback = [](const Result<Receipt>&) {};
    const auto refused =
        co_await asio::publish(broker_, "t", std::string("text"), options, net::use_awaitable);
    EXPECT_FALSE(refused);
    if (!refused) {
      EXPECT_THAT(std::string(refused.error().message()), HasSubstr("callback is set"));
    }
  });
  bool is_called = false;
  std::promise<bool> after_the_call;
  net::post(*context_, [&] {
    asio::publish(broker_, "nowhere", "text", {}, net::bind_executor(*context_, [&](const auto&) {
                    after_the_call.set_value(is_called);
                  }));
    is_called = true;
  });
  EXPECT_TRUE(after_the_call.get_future().get());
}

TEST_F(Asio, flush_completes_once_all_messages_have_an_outcome) {
  run([this]() -> net::awaitable<void> {
    auto sent = broker_.publish("t", "text");
    EXPECT_TRUE(sent);
    const auto report = co_await asio::flush(broker_, patience, net::use_awaitable);
    EXPECT_TRUE(report);
    if (report) {
      EXPECT_EQ(report->failed, 0u);
    }
    EXPECT_TRUE(sent->is_done());
    EXPECT_TRUE(is_on_context());
  });
}

TEST_F(Asio, request_gives_replies_and_errors_to_a_coroutine) {
  auto responder = broker_.reply<std::string>(
      "t",
      [](const std::string& text) -> Result<std::string> {
        if (text == "bad") return fail(Error::client(Errc::invalid_argument, "it is bad"));
        return text + "!";
      },
      with_group_id("g"));
  ASSERT_TRUE(responder) << responder.error().to_string();
  run([this]() -> net::awaitable<void> {
    const auto reply =
        co_await asio::request<std::string>(broker_, "t", std::string("text"), net::use_awaitable);
    EXPECT_EQ(reply, "text!");
    EXPECT_TRUE(is_on_context());
    const auto bad =
        co_await asio::request<std::string>(broker_, "t", std::string("bad"), net::use_awaitable);
    EXPECT_FALSE(bad);
    if (!bad) {
      EXPECT_THAT(std::string(bad.error().message()), HasSubstr("it is bad"));
    }
  });
  ASSERT_TRUE(kafka::create_topic(broker_, "unread", 1, 1));
  auto late = asio::request<std::string>(broker_, "unread", std::string("nobody answers"),
                                         {.timeout = 50ms}, net::use_future);
  const auto timed_out = late.get();
  ASSERT_FALSE(timed_out);
  EXPECT_TRUE(timed_out.error().is(Errc::timed_out));
}

TEST_F(Asio, coroutine_handler_runs_on_its_executor_in_order_and_acknowledges) {
  auto reader = broker_.subscribe<std::string>(
      "t",
      asio::coroutine_handler(context_->get_executor(),
                              [this](Event<std::string> event) -> net::awaitable<void> {
                                co_await net::post(*context_, net::use_awaitable);
                                EXPECT_TRUE(is_on_context());
                                lines_.add(*event);
                              }),
      with_group_id("g"));
  ASSERT_TRUE(reader) << reader.error().to_string();
  for (const char* text : {"a", "b", "c"}) ASSERT_TRUE(broker_.publish("t", text));
  ASSERT_TRUE(lines_.wait_for(3));
  EXPECT_THAT(lines_.all(), ElementsAre("a", "b", "c"));
  ASSERT_TRUE(reader->unsubscribe(patience));
  auto client = broker_.client();
  ASSERT_TRUE(client);
  const auto offsets = client->admin().group_offsets("g");
  ASSERT_TRUE(offsets && offsets->size() == 1u);
  EXPECT_EQ(offsets->front().offset, Offset{3});
}

TEST_F(Asio, coroutine_handler_fails_by_an_error_and_by_an_exception) {
  auto reader = broker_.subscribe<std::string>(
      "t",
      asio::coroutine_handler(context_->get_executor(),
                              [](const std::string& text) -> net::awaitable<Result<void>> {
                                if (text == "throws") throw std::runtime_error("it fell");
                                co_return fail(Error::client(Errc::invalid_argument, "it is bad"));
                              }),
      kafka::with_start_offset(first), with_subscribe_retry(0, 0ms));
  ASSERT_TRUE(reader) << reader.error().to_string();
  for (const char* text : {"fails", "throws"}) ASSERT_TRUE(broker_.publish("t", text));
  ASSERT_TRUE(lines_.wait_for(2));
  EXPECT_THAT(lines_.all()[0], HasSubstr("it is bad"));
  EXPECT_THAT(lines_.all()[1], HasSubstr("the coroutine of a handler threw: it fell"));
}

TEST_F(Asio, coroutine_handler_answers_requests_with_a_reply_or_an_error) {
  const auto executor = context_->get_executor();
  auto plain = broker_.reply<std::string>(
      "t",
      asio::coroutine_handler(executor,
                              [this](std::string text) -> net::awaitable<std::string> {
                                co_await net::post(*context_, net::use_awaitable);
                                EXPECT_TRUE(is_on_context());
                                co_return text + "!";
                              }),
      with_group_id("g"));
  ASSERT_TRUE(plain) << plain.error().to_string();
  EXPECT_EQ(broker_.request<std::string>("t", "text", patience), "text!");

  ASSERT_TRUE(kafka::create_topic(broker_, "doubtful", 1, 1));
  auto doubtful = broker_.reply<std::string>(
      "doubtful",
      asio::coroutine_handler(
          executor,
          [](std::string text, const RawEvent& request) -> net::awaitable<Result<Message>> {
            co_await net::post(net::use_awaitable);
            if (text == "throws") throw std::runtime_error("it fell");
            if (text == "fails") {
              co_return fail(Error::client(Errc::invalid_argument, "it is bad"));
            }
            co_return Message(text + " at " + std::to_string(request.offset().value));
          }),
      with_group_id("g"));
  ASSERT_TRUE(doubtful) << doubtful.error().to_string();
  EXPECT_EQ(broker_.request<std::string>("doubtful", "text", patience), "text at 0");
  const auto failed = broker_.request<std::string>("doubtful", "fails", patience);
  ASSERT_FALSE(failed);
  EXPECT_THAT(std::string(failed.error().message()), HasSubstr("it is bad"));
  const auto thrown = broker_.request<std::string>("doubtful", "throws", patience);
  ASSERT_FALSE(thrown);
  EXPECT_THAT(std::string(thrown.error().message()), HasSubstr("it fell"));
}

TEST_F(Asio, stop_ends_a_request_under_way_and_its_late_reply_is_ignored) {
  ASSERT_TRUE(kafka::create_topic(broker_, "unread", 1, 1));
  std::stop_source source;
  auto asked =
      asio::request<std::string>(broker_, "unread", std::string("text"), {.timeout = patience},
                                 source.get_token(), net::use_future);
  EXPECT_EQ(asked.wait_for(10ms), std::future_status::timeout);
  source.request_stop();
  const auto stopped = asked.get();
  ASSERT_FALSE(stopped);
  EXPECT_TRUE(stopped.error().is(Errc::cancelled)) << stopped.error().to_string();
  EXPECT_EQ(stopped.error().stored(), Stored::possibly);
  auto late = broker_.reply<std::string>(
      "unread", [](const std::string& text) { return text; }, with_group_id("g"));
  ASSERT_TRUE(late) << late.error().to_string();
  EXPECT_EQ(broker_.request<std::string>("unread", "later", patience), "later");
}

TEST_F(Asio, stop_before_the_call_sends_nothing) {
  std::stop_source source;
  source.request_stop();
  const auto stop = source.get_token();
  const auto sent = asio::publish(broker_, "t", Message("text"), {}, stop, net::use_future).get();
  ASSERT_FALSE(sent);
  EXPECT_TRUE(sent.error().is(Errc::cancelled));
  const auto flushed = asio::flush(broker_, patience, stop, net::use_future).get();
  ASSERT_FALSE(flushed);
  EXPECT_TRUE(flushed.error().is(Errc::cancelled));
  const auto later = asio::publish(broker_, "t", Message("later"), net::use_future).get();
  ASSERT_TRUE(later) << later.error().to_string();
  EXPECT_EQ(later->offset, Offset{0}) << "the stopped publish stored its message";
}

TEST_F(Asio, stop_ends_the_wait_for_a_publish_and_not_the_publish) {
  auto slow = connected("embedded:memory", kafka::with_batch_timeout(1min));
  ASSERT_TRUE(slow && kafka::create_topic(*slow, "t", 1, 1));
  std::stop_source source;
  auto sent = asio::publish(*slow, "t", Message("text"), {}, source.get_token(), net::use_future);
  source.request_stop();
  const auto stopped = sent.get();
  ASSERT_FALSE(stopped);
  EXPECT_TRUE(stopped.error().is(Errc::cancelled));
  EXPECT_EQ(stopped.error().stored(), Stored::possibly);
  const auto flushed = asio::flush(*slow, patience, net::use_future).get();
  ASSERT_TRUE(flushed) << flushed.error().to_string();
  EXPECT_EQ(flushed->failed, 0u);
  const auto later = slow->publish("t", "later", with_publish_async(false));
  ASSERT_TRUE(later) << later.error().to_string();
  EXPECT_EQ(later->get()->offset, Offset{1});
}

TEST_F(Asio, publish_completes_if_a_middleware_keeps_its_message) {
  auto keeping =
      connected("embedded:memory", with_publish_middlewares({[](PublishHandler) -> PublishHandler {
                  return [](std::string_view, Message&) -> Result<Delivery> { return Delivery{}; };
                }}));
  ASSERT_TRUE(keeping);
  const auto kept = asio::publish(*keeping, "t", Message("text"), net::use_future).get();
  ASSERT_FALSE(kept);
  EXPECT_TRUE(kept.error().is(Errc::cancelled)) << kept.error().to_string();
}

TEST_F(Asio, flush_no_longer_uses_its_broker_once_it_has_completed) {
  for (int i = 0; i < 10; ++i) {
    std::stop_source source;
    auto ending = connected("embedded:memory", kafka::with_batch_timeout(1min));
    ASSERT_TRUE(ending && kafka::create_topic(*ending, "t", 1, 1));
    ASSERT_TRUE(ending->publish("t", "text"));
    auto flushed = asio::flush(*ending, patience, source.get_token(), net::use_future);
    source.request_stop();
    const auto ended = flushed.get();
    EXPECT_TRUE(ended || ended.error().is(Errc::cancelled)) << ended.error().to_string();
  }
}

TEST_F(Asio, coroutine_handler_fails_if_its_executor_ends) {
  std::promise<void> begun;
  auto reader =
      broker_.subscribe("t",
                        asio::coroutine_handler(context_->get_executor(),
                                                [&](RawEvent) -> net::awaitable<void> {
                                                  begun.set_value();
                                                  for (;;) co_await net::post(net::use_awaitable);
                                                }),
                        kafka::with_start_offset(first), with_subscribe_retry(0, 0ms));
  ASSERT_TRUE(reader) << reader.error().to_string();
  ASSERT_TRUE(broker_.publish("t", "text"));
  begun.get_future().get();
  stop_context();
  ASSERT_TRUE(lines_.wait_for(1));
  EXPECT_THAT(lines_.all().front(), HasSubstr("the executor ended before the coroutine"));
}

}  // namespace
}  // namespace dohle
