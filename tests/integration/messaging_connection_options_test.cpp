// Options of connecting, logging and watching.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

#include "options_fixture.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/sasl_handshake.hpp"

namespace dohle {
namespace {

using testing::Contains;
using testing::HasSubstr;

class ConnectionOption : public RecordedOptions {
 protected:
  /// The first bytes that a server gets from a broker with these options.
  template <class... Given>
  std::string greeting(Given... given) {
    const AnsweringServer silent("");
    auto broker = kafka::new_broker(with_address("127.0.0.1:" + std::to_string(silent.port())),
                                    std::move(given)...);
    if (!broker) {
      ADD_FAILURE() << broker.error().to_string();
      return {};
    }
    for (int i = 0; i < 20 && silent.received().empty(); ++i) {
      EXPECT_FALSE(broker->connect(500ms));
    }
    return silent.received().empty() ? std::string() : silent.received().front();
  }
};

constexpr std::string_view client_hello = "\x16\x03";

TEST_F(ConnectionOption, addresses_are_dialed_first) {
  connect();
  EXPECT_FALSE(node_.requests().empty());
}

TEST_F(ConnectionOption, client_id_is_sent_with_each_request) {
  connect(kafka::with_client_id("jackdaw"));
  publish();
  for (const wire::RequestFrame& request : node_.requests()) {
    EXPECT_EQ(request.header.client_id, "jackdaw");
  }
}

TEST_F(ConnectionOption, dialer_timeout_ends_a_connection_that_no_server_answers) {
  const AnsweringServer silent("");
  auto broker = kafka::new_broker(with_address("127.0.0.1:" + std::to_string(silent.port())),
                                  kafka::with_dialer_timeout(100ms));
  ASSERT_TRUE(broker);
  const auto reached = broker->connect(2s);
  ASSERT_FALSE(reached);
  EXPECT_THAT(reached.error().to_string(), HasSubstr("connect_timeout passed"));
}

// The answer to a publish is awaited for write_timeout and read_timeout.
TEST_F(ConnectionOption, read_timeout_ends_a_connection_whose_requests_are_not_answered) {
  connect(kafka::with_read_timeout(200ms), kafka::with_write_timeout(100ms),
          kafka::with_max_wait(100ms));
  publish();
  const std::size_t before = node_.relay().seen().size();
  node_.mute_all();
  ASSERT_TRUE(broker_->publish("t", "text"));
  EXPECT_TRUE(
      node_.relay().wait_until([&](const auto& connections) { return connections.size() > before; },
                               std::min(patience, 8'000ms)));
  node_.answer();
}

TEST_F(ConnectionOption, tls_begins_with_a_client_hello) {
  const std::string hello = greeting(with_tls({.server_name = "nest.example"}));
  EXPECT_TRUE(hello.starts_with(client_hello));
  EXPECT_THAT(hello, HasSubstr("nest.example"));
  EXPECT_FALSE(greeting().starts_with(client_hello));
}

TEST_F(ConnectionOption, enable_secure_begins_with_a_client_hello) {
  EXPECT_TRUE(greeting(with_enable_secure(true)).starts_with(client_hello));
}

TEST_F(ConnectionOption, sasl_asks_for_the_mechanism) {
  using kafka::ScramAlgorithm;
  for (const auto& [login, mechanism] :
       {std::pair{kafka::with_plain_mechanism("bird", "secret"), "PLAIN"},
        std::pair{kafka::with_scram_mechanism(ScramAlgorithm::sha256, "bird", "secret"),
                  "SCRAM-SHA-256"},
        std::pair{kafka::with_scram_mechanism(ScramAlgorithm::sha512, "bird", "secret"),
                  "SCRAM-SHA-512"}}) {
    RecordedNode node;
    auto broker = kafka::new_broker(with_address(node.address()), login);
    ASSERT_TRUE(broker);
    // The node's listener takes no logins.
    EXPECT_FALSE(broker->connect(1s));
    const auto asked = node.all<wire::SaslHandshakeRequest>();
    ASSERT_FALSE(asked.empty());
    EXPECT_EQ(asked.front().mechanism, mechanism);
  }
}

// Information about the lost connection comes before the warning that no other can be made.
TEST_F(ConnectionOption, enable_logger_switches_information_off) {
  Lines warnings;
  const auto logger =
      function_logger(LogLevel::info, [&](LogLevel level, std::string_view, std::string_view line) {
        (level == LogLevel::info ? lines_ : warnings).add(std::string(line));
      });
  connect(kafka::with_logger(logger), kafka::with_enable_logger(false));
  node_.close();
  EXPECT_TRUE(warnings.wait_for(1, 20s));
  broker_.reset();
  EXPECT_THAT(lines_.all(), testing::IsEmpty());
}

TEST_F(ConnectionOption, error_handler_gets_failures_of_handlers) {
  connect(with_error_handler([this](const Failure& failure) {
    if (failure.kind == Failure::Kind::handler) lines_.add(failure.error.to_string());
  }));
  const auto reader = broker_->subscribe(
      "t", [](RawEvent) -> Result<void> { return fail(Error::client(Errc::closed, "no nest")); },
      kafka::with_start_offset(StartOffset::first()), with_subscribe_retry(0, 0ms));
  ASSERT_TRUE(reader);
  store("text");
  EXPECT_TRUE(lines_.wait_for(1));
  EXPECT_THAT(lines_.all(), Contains(HasSubstr("no nest")));
}

TEST_F(ConnectionOption, partition_watch_interval_is_the_time_between_requests_for_partitions) {
  connect(kafka::with_partition_watch_interval(100ms));
  auto reader = broker_->subscribe("t", [](RawEvent) {});
  ASSERT_TRUE(reader && reader->wait_ready(patience));
  const std::size_t before = node_.all<wire::MetadataRequest>().size();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(node_.wait_for<wire::MetadataRequest>(before + 5, patience));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s) << "five times the default are 25 s";
}

TEST_F(ConnectionOption, max_wait_may_be_longer_than_read_timeout) {
  connect(kafka::with_read_timeout(100ms), kafka::with_max_wait(300ms), kafka::with_max_attempts(1),
          with_error_handler(
              [this](const Failure& failure) { lines_.add(failure.error.to_string()); }));
  Lines read;
  auto reader = broker_->subscribe<std::string>(
      "t", [&read](const std::string& text) { read.add(text); },
      kafka::with_start_offset(StartOffset::first()));
  ASSERT_TRUE(reader && reader->wait_ready(patience));
  const std::size_t before = node_.all<wire::FetchRequest>().size();
  ASSERT_TRUE(node_.wait_for<wire::FetchRequest>(before + 3, patience)) << "each waits 300 ms";
  store("text");
  EXPECT_TRUE(read.wait_for("text"));
  EXPECT_THAT(lines_.all(), testing::IsEmpty());
}

TEST_F(ConnectionOption, watch_partition_changes_switches_the_watch_off) {
  connect(kafka::with_watch_partition_changes(false), kafka::with_partition_watch_interval(100ms),
          kafka::with_max_wait(200ms));
  auto reader = broker_->subscribe("t", [](RawEvent) {});
  ASSERT_TRUE(reader && reader->wait_ready(patience));
  const std::size_t before = node_.all<wire::MetadataRequest>().size();
  const std::size_t fetches = node_.all<wire::FetchRequest>().size();
  ASSERT_TRUE(node_.wait_for<wire::FetchRequest>(fetches + 7, 20s));
  EXPECT_LE(node_.all<wire::MetadataRequest>().size(), before + 1);
}

}  // namespace
}  // namespace dohle
