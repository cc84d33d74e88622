// The ready-made middlewares, each around a Broker's own calls.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/middleware.hpp"
#include "integration/options_fixture.hpp"

namespace dohle {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::SizeIs;

class Middleware : public Options {
 protected:
  /// Subscribes from the beginning, without retries in place.
  void read(SubscribeMiddleware around, std::function<Result<void>(RawEvent)> handler) {
    auto made = broker_->subscribe("t", std::move(handler),
                                   SubscribeOptions{.group_id = "g",
                                                    .max_retries = 0,
                                                    .failure_policy = FailurePolicy::skip,
                                                    .middlewares = {std::move(around)}});
    ASSERT_TRUE(made) << made.error().to_string();
    reader_.emplace(std::move(*made));
  }
  void TearDown() override { reader_.reset(); }

  std::optional<Subscriber> reader_;
};

TEST_F(Middleware, decides_the_first_outcome_of_a_publish_with_a_future) {
  connect(kafka::with_error_logger(logger_into(lines_, LogLevel::warning)),
          with_publish_middlewares({[](PublishHandler next) -> PublishHandler {
            return [next](std::string_view topic, Message& message) -> Result<Delivery> {
              const std::string body = *message.body();
              if (body == "kept") return Delivery{};
              auto sent = next(topic, message);
              if (body == "twice") sent = next(topic, message);
              if (body == "late") return fail(Error::client(Errc::invalid_argument, "too late"));
              return sent;
            };
          }}));
  const auto kept = broker_->publish_future("t", "kept").get();
  ASSERT_FALSE(kept);
  EXPECT_TRUE(kept.error().is(Errc::cancelled)) << kept.error().to_string();
  EXPECT_TRUE(broker_->publish_future("t", "twice").get());
  const auto late = broker_->publish_future("t", "late").get();
  EXPECT_TRUE(late || late.error().is(Errc::invalid_argument)) << late.error().to_string();
  const auto flushed = broker_->flush(patience);
  ASSERT_TRUE(flushed);
  EXPECT_EQ(flushed->failed, 0u);
  EXPECT_THAT(lines_.all(), IsEmpty()) << "a second outcome is no failure of the callback";
}

TEST_F(Middleware, log_publishes_writes_each_publish_and_warns_of_failed_ones) {
  connect(
      with_publish_middlewares({middleware::log_publishes(logger_into(lines_, LogLevel::debug))}));
  ASSERT_TRUE(broker_->publish("t", "text"));
  EXPECT_FALSE(broker_->publish("missing", "text"));
  EXPECT_FALSE(broker_->publish("missing", "text"));
  // The second warning within a second is counted.
  EXPECT_THAT(lines_.all(), ElementsAre(MatchesRegex("publish to t in [0-9]+ us"),
                                        HasSubstr("publish to missing: no_such_topic")));
}

TEST_F(Middleware, log_publishes_counts_at_its_end_the_publishes_that_were_not_logged) {
  {
    const PublishMiddleware logging =
        middleware::log_publishes(logger_into(lines_, LogLevel::warning));
    const PublishHandler refusing = logging([](std::string_view, Message&) -> Result<Delivery> {
      return fail(Error::client(Errc::closed, "refused"));
    });
    Message message;
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(refusing("t", message));
  }
  EXPECT_THAT(lines_.all(), ElementsAre(HasSubstr("refused"), "2 failures were not logged"));
}

TEST_F(Middleware, log_handling_writes_place_and_error) {
  connect();
  std::atomic<int> calls = 0;
  read(middleware::log_handling(logger_into(lines_, LogLevel::debug)),
       [&](RawEvent) -> Result<void> {
         if (++calls == 1) return fail(Error::client(Errc::io_error, "first"));
         return {};
       });
  store("one");
  store("two");
  ASSERT_TRUE(lines_.wait_for(2));
  EXPECT_THAT(lines_.all(),
              ElementsAre(HasSubstr("handle t-0 at offset 0, attempt 1: io_error"),
                          MatchesRegex("handle t-0 at offset 1, attempt 1 in [0-9]+ us")));
}

TEST_F(Middleware, log_without_a_logger_changes_nothing) {
  connect(with_publish_middlewares({middleware::log_publishes(nullptr)}));
  EXPECT_TRUE(broker_->publish("t", "text"));
  EXPECT_FALSE(broker_->publish("missing", "text"));
}

TEST_F(Middleware, counts_go_into_the_given_metrics) {
  const auto metrics = *Metrics::create();
  connect(with_metrics(false), with_publish_middlewares({middleware::count_publishes(metrics)}));
  read(middleware::count_handling(metrics), [this](RawEvent event) -> Result<void> {
    const bool is_bad = event.body() == "bad";
    lines_.add("handled");
    if (is_bad) return fail(Error::client(Errc::io_error, "bad"));
    return {};
  });
  store("good");
  store("bad");
  EXPECT_FALSE(broker_->publish("missing", "text"));
  ASSERT_TRUE(lines_.wait_for(2));
  ASSERT_TRUE(reader_->unsubscribe());
  const MetricsSnapshot taken = metrics->snapshot();
  EXPECT_EQ(taken.value("dohle_refused_publishes_total"), 1);
  EXPECT_EQ(taken.value("dohle_handled_messages_total", {{"topic", "t"}, {"outcome", "ok"}}), 1);
  EXPECT_EQ(taken.value("dohle_handled_messages_total", {{"topic", "t"}, {"outcome", "error"}}), 1);
}

TEST_F(Middleware, limit_publishes_refuses_publishes_above_the_rate) {
  const auto limiting =
      middleware::limit_publishes({.per_second = 0.01, .burst = 3, .max_wait = milliseconds(0)});
  ASSERT_TRUE(limiting);
  connect(with_publish_middlewares({*limiting}));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(broker_->publish("t", "text"));
  const auto refused = broker_->publish("t", "text");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::limit_reached));
  EXPECT_TRUE(refused.error().is_retriable());
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("burst"));
}

TEST_F(Middleware, limit_publishes_waits_for_its_turn) {
  const auto limiting =
      middleware::limit_publishes({.per_second = 100, .burst = 1, .max_wait = milliseconds(1'000)});
  ASSERT_TRUE(limiting);
  connect(with_publish_middlewares({*limiting}));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(broker_->publish("t", "text"));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(50));
}

TEST_F(Middleware, limit_handling_delays_messages_and_loses_none) {
  const auto limiting =
      middleware::limit_handling({.per_second = 200, .burst = 1, .max_wait = milliseconds(5'000)});
  ASSERT_TRUE(limiting);
  connect();
  for (int i = 0; i < 6; ++i) store("text");
  const auto begin = std::chrono::steady_clock::now();
  read(*limiting, [this](RawEvent) -> Result<void> {
    lines_.add("handled");
    return {};
  });
  ASSERT_TRUE(lines_.wait_for(6));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(25));
}

TEST_F(Middleware, limits_refuse_fields_by_their_names) {
  for (const auto& [limit, name] :
       {std::pair(middleware::RateLimit{.per_second = 0}, "per_second"),
        std::pair(middleware::RateLimit{.per_second = 2e9}, "per_second"),
        std::pair(middleware::RateLimit{.burst = 0}, "burst"),
        std::pair(middleware::RateLimit{.max_wait = milliseconds(-1)}, "max_wait")}) {
    const auto publishes = middleware::limit_publishes(limit);
    ASSERT_FALSE(publishes);
    EXPECT_THAT(std::string(publishes.error().message()), HasSubstr(name));
    EXPECT_FALSE(middleware::limit_handling(limit));
  }
}

TEST_F(Middleware, set_deadline_adds_a_deadline_and_skip_expired_skips_expired_messages) {
  const auto deadlines = middleware::set_deadline(std::chrono::hours(1));
  ASSERT_TRUE(deadlines);
  connect();
  read(middleware::skip_expired(
           [this](const RawEvent& event) { lines_.add("expired " + std::string(*event.body())); }),
       [this](RawEvent event) -> Result<void> {
         lines_.add("handled " + std::string(*event.body()));
         return {};
       });
  const auto publish = [&](Message message) {
    ASSERT_TRUE(
        broker_->publish("t", message.with_partition(PartitionId{0}), with_publish_async(false)));
  };
  publish(Message("old").with_header("dohle-deadline", "1000"));
  publish(Message("odd").with_header("dohle-deadline", "soon"));
  publish(Message("none"));
  ASSERT_TRUE(broker_->publish("t", Message("new").with_partition(PartitionId{0}),
                               with_publish_middlewares({*deadlines}), with_publish_async(false)));
  ASSERT_TRUE(lines_.wait_for(4));
  EXPECT_THAT(lines_.all(),
              ElementsAre("expired old", "handled odd", "handled none", "handled new"));
  // The expired one is acknowledged, so nothing is behind.
  ASSERT_TRUE(reader_->unsubscribe());
  auto consumer = broker_->client()->consumer({.group_id = "g"});
  const auto committed = consumer->committed(std::vector{TopicPartition{"t", PartitionId{0}}});
  ASSERT_TRUE(committed);
  EXPECT_EQ(committed->front().committed.offset.value, 4);
}

TEST_F(Middleware, set_deadline_refuses_a_message_whose_deadline_has_passed) {
  const auto deadlines = middleware::set_deadline(std::chrono::hours(1));
  ASSERT_TRUE(deadlines);
  connect(with_publish_middlewares({*deadlines}));
  const auto refused = broker_->publish("t", Message("old").with_header("dohle-deadline", "1000"));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::timed_out));
  EXPECT_TRUE(broker_->publish("t", Message("new")));
  EXPECT_FALSE(middleware::set_deadline(milliseconds(0)));
}

}  // namespace
}  // namespace dohle
