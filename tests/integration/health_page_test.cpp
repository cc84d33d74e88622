// web::health_page over HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <string>
#include <thread>
#include <vector>

#include "dohle/kafka.hpp"
#include "dohle/web.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// The host and port of a URL.
std::string origin_of(const std::string& url) {
  return url.substr(0, url.find('/', std::string("http://").size()));
}

class HealthPageTest : public testing::Test {
 protected:
  void start() {
    auto page = web::health_page({.address = "127.0.0.1:0", .metrics = [] { return "up 1\n"; }});
    ASSERT_TRUE(page) << page.error().to_string();
    page_ = *page;
    auto url = page_->start([this] { return health_; });
    ASSERT_TRUE(url) << url.error().to_string();
    url_ = *url;
    http_.emplace(origin_of(url_));
  }
  httplib::Result get(const std::string& path) { return http_->Get(path); }

  ServerHealth health_{.state = ServerState::running};
  std::shared_ptr<HealthPage> page_;
  std::string url_;
  std::optional<httplib::Client> http_;
};

TEST_F(HealthPageTest, AnswersWithTheHealthAsJson) {
  start();
  EXPECT_THAT(url_, testing::MatchesRegex("http://127.0.0.1:[0-9]+/health"));
  const auto answer = get("/health");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->get_header_value("Content-Type"), "application/json");
  EXPECT_EQ(answer->body, health_.to_json() + "\n");
}

TEST_F(HealthPageTest, TellsALivenessProbeFromAReadinessProbe) {
  health_.subscribers = {{.topic = "t", .is_ready = false}};
  start();
  EXPECT_EQ(get("/health")->status, 503);
  EXPECT_EQ(get("/health/ready")->status, 503);
  EXPECT_EQ(get("/health/live")->status, 200);
}

TEST_F(HealthPageTest, IsNotAliveOnceASubscriberHasEndedByItself) {
  health_.subscribers = {{.topic = "t", .has_ended = true, .reason = "no paper"}};
  start();
  const auto answer = get("/health/live");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_THAT(answer->body, HasSubstr("no paper"));
}

TEST_F(HealthPageTest, AnswersMetricsWithTheTextOfTheProgram) {
  start();
  const auto answer = get("/metrics");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "up 1\n");
  EXPECT_THAT(answer->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
}

TEST_F(HealthPageTest, RefusesOtherPathsMethodsAndBodies) {
  start();
  EXPECT_EQ(get("/")->status, 404);
  EXPECT_EQ(http_->Post("/health", "x", "text/plain")->status, 413);
  EXPECT_EQ(http_->Delete("/health")->status, 404);
}

TEST_F(HealthPageTest, AnswersManyProbesAtATime) {
  start();
  std::vector<std::thread> probes;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 40; ++i) {
    probes.emplace_back([&] {
      httplib::Client own(origin_of(url_));
      const auto answer = own.Get("/health/live");
      if (answer && answer->status == 200) ++answered;
    });
  }
  for (std::thread& each : probes) each.join();
  EXPECT_EQ(answered, 40);
}

TEST_F(HealthPageTest, IsGoneAfterItsStopAndMayStartAgain) {
  start();
  page_->stop();
  EXPECT_FALSE(get("/health"));
  auto again = page_->start([this] { return health_; });
  ASSERT_TRUE(again);
  EXPECT_TRUE(httplib::Client(origin_of(*again)).Get("/health"));
}

TEST_F(HealthPageTest, NamesTheAddressThatItCannotListenOn) {
  start();
  const std::string taken = origin_of(url_).substr(std::string("http://").size());
  auto second = web::health_page({.address = taken}).value();
  const auto refused = second->start([this] { return health_; });
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::io_error));
  EXPECT_THAT(refused.error().to_string(), HasSubstr(taken));
  EXPECT_FALSE(web::health_page({.address = "127.0.0.1"}));
}

TEST_F(HealthPageTest, ShowsAServerAtItsEndpoint) {
  ServerOptions options;
  options.broker.addresses = {"embedded:memory"};
  options.health_page = web::health_page({.address = "127.0.0.1:0"}).value();
  Server server(std::move(options));
  ASSERT_TRUE(server.start());
  const auto answer = httplib::Client(origin_of(server.endpoint())).Get("/health");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_THAT(answer->body, HasSubstr(R"("state":"running")"));
}

}  // namespace
}  // namespace dohle
