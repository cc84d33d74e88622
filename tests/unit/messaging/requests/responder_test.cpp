#include "messaging/requests/responder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/broker_errors.hpp"
#include "dohle/detail/typed_handler.hpp"
#include "messaging/events/event_pool.hpp"

namespace dohle::messaging {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// The header kafka_replyTopic with the value "replies", as a record batch stores it.
const std::string reply_to = "\x20kafka_replyTopic\x0ereplies";

/// A responder whose replies are stored, or refused, as the test says.
class ResponderTest : public testing::Test {
 protected:
  ResponderTest() { take_request(); }
  /// Another request comes.
  void take_request() {
    event_ = pool_->make();
    event_->topic = "questions";
    event_->headers = HeaderRange(reinterpret_cast<const std::byte*>(reply_to.data()), 1);
  }
  /// The subscription retries the request.
  void retry() { event_ = pool_->make_again(*event_); }
  Result<void> answer(ReplyMaker maker) {
    ResponderMeans means{.publish =
                             [this](std::string_view topic, Message reply) {
                               EXPECT_EQ(topic, "replies");
                               return store(std::move(reply));
                             },
                         .now = [] { return Timestamp{0}; },
                         .counts = desk_,
                         .reports = reports_};
    RawEvent request = EventAccess::make(event_);
    return responder(std::move(maker), std::move(means))(request);
  }
  Result<void> store(Message reply) {
    const Header* const error = reply.find_header("dohle-error");
    published_.push_back(error ? *error->value : *reply.body());
    if (refusals_.empty()) return {};
    const Error why = refusals_.front();
    refusals_.pop_front();
    return fail(why);
  }

  static Result<Message> reply(const RawEvent&, std::string_view) { return Message("reply"); }

  std::vector<std::string> published_;
  std::deque<Error> refusals_;
  std::vector<std::string> failures_;
  const std::shared_ptr<Reports> reports_ = std::make_shared<Reports>(
      [this](const Failure& failure) {
        failures_.emplace_back(failure.error.message());
        kind_ = failure.kind;
      },
      silent_logger());
  const std::shared_ptr<RequestDesk> desk_ =
      std::make_shared<RequestDesk>(1, 10, std::weak_ptr<Client::Shared>(), reports_);
  Failure::Kind kind_ = {};
  const EventPool::Owner pool_ = EventPool::create(1);
  EventPointer event_;
};

TEST_F(ResponderTest, StoresTheReply) {
  EXPECT_TRUE(answer(reply));
  EXPECT_THAT(published_, ElementsAre("reply"));
  EXPECT_THAT(failures_, IsEmpty());
  EXPECT_EQ(desk_->counts().answered, 1u);
  EXPECT_EQ(desk_->counts().answered_with_error, 0u);
}

TEST_F(ResponderTest, AnswersWithAnErrorIfTheReplyIsTooLarge) {
  const Error refusals[] = {Error::client(Errc::too_large, "it has 7 bytes"),
                            Error::broker(broker_error::message_too_large, "produce"),
                            Error::broker(broker_error::record_list_too_large, "produce")};
  for (const Error& each : refusals) {
    published_.clear();
    refusals_ = {each};
    take_request();
    EXPECT_TRUE(answer(reply)) << "the request is done";
    EXPECT_THAT(published_,
                ElementsAre("reply", HasSubstr("the reply to a request of topic questions")));
  }
  EXPECT_EQ(failures_.size(), 3u);
  EXPECT_EQ(kind_, Failure::Kind::handler);
  EXPECT_EQ(desk_->counts().answered_with_error, 3u);
}

TEST_F(ResponderTest, FailsIfTheAnswerIsRefusedForAnotherReason) {
  refusals_ = {Error::client(Errc::timed_out, "no answer")};
  EXPECT_FALSE(answer(reply));
  take_request();
  refusals_ = {Error::client(Errc::too_large, "it has 7 bytes"),
               Error::client(Errc::timed_out, "no answer")};
  EXPECT_FALSE(answer(reply));
  EXPECT_EQ(desk_->counts().answered, 0u);
}

TEST_F(ResponderTest, AnswersAFailedHandlerWithTheBeginningOfItsError) {
  EXPECT_TRUE(answer([](const RawEvent&, std::string_view) -> Result<Message> {
    throw std::runtime_error(std::string(5'000'000, 'x'));
  }));
  ASSERT_EQ(published_.size(), 1u);
  EXPECT_THAT(published_.front(), HasSubstr("the reply handler threw: xxx"));
  EXPECT_LT(published_.front().size(), 1'100u);
  EXPECT_EQ(desk_->counts().answered_with_error, 1u);
}

TEST_F(ResponderTest, CallsAFailedHandlerOnceForAnyOutcomeOfItsAnswer) {
  int calls = 0;
  const ReplyMaker fails = [&](const RawEvent&, std::string_view) -> Result<Message> {
    ++calls;
    return fail(Error::client(Errc::handler_failed, "no paper"));
  };
  refusals_ = {Error::client(Errc::timed_out, "no answer"),
               Error::client(Errc::connection_lost, "cut")};
  EXPECT_FALSE(answer(fails));
  retry();
  EXPECT_FALSE(answer(fails));
  retry();
  EXPECT_TRUE(answer(fails));
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(failures_, ElementsAre("no paper"));
  EXPECT_THAT(published_, testing::Each("handler_failed: no paper"));
  EXPECT_EQ(published_.size(), 3u);
  EXPECT_EQ(desk_->counts().answered_with_error, 1u);
}

TEST_F(ResponderTest, CallsAHandlerWithATooLargeReplyOnceForAnyOutcomeOfItsAnswer) {
  int calls = 0;
  const ReplyMaker counts = [&](const RawEvent&, std::string_view) -> Result<Message> {
    ++calls;
    return Message("reply");
  };
  refusals_ = {Error::client(Errc::too_large, "it has 7 bytes"),
               Error::client(Errc::timed_out, "no answer")};
  EXPECT_FALSE(answer(counts));
  retry();
  EXPECT_TRUE(answer(counts));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(failures_.size(), 1u);
  EXPECT_THAT(published_, ElementsAre("reply", HasSubstr("7 bytes"), HasSubstr("7 bytes")));
}

TEST_F(ResponderTest, CallsAHandlerAgainWhoseReplyIsNotStored) {
  int calls = 0;
  const ReplyMaker counts = [&](const RawEvent&, std::string_view) -> Result<Message> {
    ++calls;
    return Message("reply");
  };
  refusals_ = {Error::client(Errc::timed_out, "no answer")};
  EXPECT_FALSE(answer(counts));
  retry();
  EXPECT_TRUE(answer(counts));
  EXPECT_EQ(calls, 2);
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(ResponderTest, SucceedsForARequesterThatIsGone) {
  refusals_ = {Error::client(Errc::no_such_partition, "it is gone")};
  EXPECT_TRUE(answer(reply));
  EXPECT_EQ(desk_->counts().undeliverable, 1u);
  EXPECT_EQ(kind_, Failure::Kind::delivery);
}

}  // namespace
}  // namespace dohle::messaging
