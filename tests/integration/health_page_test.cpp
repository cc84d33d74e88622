// web::health_page over HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <string_view>
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

/// A connection to the page that sends the bytes of the test.
class OpenConnection {
 public:
  explicit OpenConnection(const std::string& url)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const std::string origin = origin_of(url);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(origin.substr(origin.rfind(':') + 1))));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~OpenConnection() { ::close(socket_); }
  OpenConnection(const OpenConnection&) = delete;
  OpenConnection& operator=(const OpenConnection&) = delete;

  void send(std::string_view text) {
    EXPECT_EQ(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  /// The bytes that arrive until the page closes the connection.
  std::string rest() {
    std::string all;
    char some[1'024];
    for (ssize_t got; (got = ::recv(socket_, some, sizeof some, 0)) > 0;) {
      all.append(some, static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  const int socket_;
};

class HealthPageTest : public testing::Test {
 protected:
  void start() {
    auto page = web::health_page({.address = "127.0.0.1:0", .metrics = [] { return "up 1\n"; }});
    ASSERT_TRUE(page) << page.error().to_string();
    page_ = *page;
    auto url = page_->start(
        {.health = [this] { return health_; }, .metrics = [] { return "server 1\n"; }});
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

TEST_F(HealthPageTest, DistinguishesALivenessProbeFromAReadinessProbe) {
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
  EXPECT_EQ(answer->body, "up 1\n") << "in place of the Server's";
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

TEST_F(HealthPageTest, RefusesRequestsOfMoreThan8KiB) {
  start();
  httplib::Headers headers;
  for (int i = 0; i < 20; ++i) {
    headers.emplace("x-" + std::to_string(i), std::string(1'000, 'x'));
  }
  const auto answer = http_->Get("/health", headers);
  EXPECT_TRUE(!answer || answer->status == 400);
  OpenConnection line(url_);
  line.send("GET /health HTTP/1.1\r\nx: " + std::string(8'192 - 25, 'x'));
  EXPECT_THAT(line.rest(), HasSubstr("400"));
  EXPECT_EQ(get("/health")->status, 200);
}

TEST_F(HealthPageTest, StopWaitsForNoRequestThatHasNotArrived) {
  start();
  std::vector<std::unique_ptr<OpenConnection>> open;
  for (int i = 0; i < 20; ++i) {
    open.push_back(std::make_unique<OpenConnection>(url_));
    open.back()->send("GET /health HTTP/1.1\r\nx:");
  }
  auto stopped = std::async(std::launch::async, [&] { page_->stop(); });
  // Less than the time that each request has to arrive.
  EXPECT_EQ(stopped.wait_for(4s), std::future_status::ready);
}

TEST_F(HealthPageTest, RefusesConnectionsAfterItsStopAndMayStartAgain) {
  start();
  page_->stop();
  EXPECT_FALSE(get("/health"));
  auto again = page_->start({.health = [this] { return health_; }});
  ASSERT_TRUE(again);
  EXPECT_TRUE(httplib::Client(origin_of(*again)).Get("/health"));
}

TEST_F(HealthPageTest, NamesTheAddressThatItCannotListenOn) {
  start();
  const std::string taken = origin_of(url_).substr(std::string("http://").size());
  auto second = web::health_page({.address = taken}).value();
  const auto refused = second->start({.health = [this] { return health_; }});
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

TEST_F(HealthPageTest, AnswersMetricsWithTheCountsOfItsServer) {
  ServerOptions options;
  options.broker.addresses = {"embedded:memory"};
  options.health_page = web::health_page({.address = "127.0.0.1:0"}).value();
  Server server(std::move(options));
  ASSERT_TRUE(server.start());
  EXPECT_FALSE(server.broker()->publish("missing", "text"));
  const auto answer = httplib::Client(origin_of(server.endpoint())).Get("/metrics");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_THAT(answer->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
  EXPECT_THAT(answer->body, HasSubstr("\ndohle_refused_publishes_total 1\n"));
}

TEST_F(HealthPageTest, HasNoMetricsIfNeitherItsServerNorTheProgramHasSome) {
  page_ = web::health_page({.address = "127.0.0.1:0"}).value();
  const auto url = page_->start({.health = [this] { return health_; }});
  ASSERT_TRUE(url);
  const auto answer = httplib::Client(origin_of(*url)).Get("/metrics");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
}

}  // namespace
}  // namespace dohle
