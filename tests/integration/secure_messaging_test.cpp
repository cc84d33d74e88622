// The messaging API at a node's listener with TLS and logins, over TCP.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/kafka.hpp"
#include "dohle/node.hpp"
#include "scratch_directory.hpp"
#include "unit/net/tls/made_certificates.hpp"
#include "unit/shown_secret.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using net::Made;

constexpr auto patience = 20s;
constexpr std::string_view password = "pencil-of-alice", password_of_bob = "eraser-of-bob";

class KeptLog final : public Logger {
 public:
  [[nodiscard]] LogLevel level() const noexcept override { return LogLevel::debug; }
  void log(LogLevel, std::string_view, std::string_view line) noexcept override {
    const std::lock_guard guard(mutex_);
    text_.append(line).append("\n");
    grown_.notify_all();
  }
  /// Whether a line has both parts.
  bool has(std::string_view one, std::string_view other) {
    const std::lock_guard lock(mutex_);
    return holds(one, other);
  }
  /// Whether such a line comes within the patience of this test.
  bool awaits(std::string_view one, std::string_view other) {
    std::unique_lock lock(mutex_);
    return grown_.wait_for(lock, patience, [&] { return holds(one, other); });
  }
  [[nodiscard]] std::string text() {
    const std::lock_guard guard(mutex_);
    return text_;
  }

 private:
  [[nodiscard]] bool holds(std::string_view one, std::string_view other) const {
    for (std::size_t at = 0; at < text_.size();) {
      const std::size_t end = text_.find('\n', at);
      const std::string_view line(text_.data() + at, end - at);
      if (line.contains(one) && line.contains(other)) return true;
      at = end + 1;
    }
    return false;
  }

  std::mutex mutex_;
  std::condition_variable grown_;
  std::string text_;
};

/// A node with one listener, SASL_SSL at 127.0.0.1, the users alice and bob for both mechanisms of
/// SCRAM, and one user for each mechanism alone.
class SecureMessaging : public testing::Test {
 protected:
  SecureMessaging() {
    write("ca.pem", authority_.certificate_pem());
    std::string users;
    for (const auto mechanism : {SaslMechanism::scram_sha_256, SaslMechanism::scram_sha_512}) {
      users += hash_user({"alice", Secret(password)}, {.mechanism = mechanism}).value() + "\n";
      users += hash_user({"bob", Secret(password_of_bob)}, {.mechanism = mechanism}).value() + "\n";
      const std::string only = mechanism == SaslMechanism::scram_sha_256 ? "of-256" : "of-512";
      users += hash_user({only, Secret(password)}, {.mechanism = mechanism}).value() + "\n";
    }
    write("users", users);
    const Made own = net::make({.issuer = &authority_});
    NodeOptions options;
    options.listeners = {
        {.name = "safe",
         .address = "127.0.0.1:0",
         .protocol = SecurityProtocol::sasl_ssl,
         .tls = TlsServerOptions{.identity = {.certificate_pem = own.certificate_pem(),
                                              .key_pem = Secret(own.key_pem())}}}};
    options.sasl.scram_user_file = file("users");
    options.sasl.plain_users = {{"of-plain", Secret(password)}};
    options.logger = node_log_;
    auto started = Node::start(std::move(options));
    EXPECT_TRUE(started) << started.error().to_string();
    node_.emplace(*std::move(started));
  }
  [[nodiscard]] std::string file(const std::string& name) const {
    return (folder_ / name).string();
  }
  void write(const std::string& name, const std::string& text) const {
    ASSERT_EQ(::chmod(folder_.write(name, text).c_str(), 0600), 0);
  }
  /// All that a client has to know, by the names of Kafka's own clients.
  [[nodiscard]] kafka::Properties properties(std::string_view with = password) const {
    return {{"bootstrap.servers", node_->address()},
            {"security.protocol", "SASL_SSL"},
            {"ssl.ca.location", file("ca.pem")},
            {"sasl.mechanism", "SCRAM-SHA-256"},
            {"sasl.username", "alice"},
            {"sasl.password", with}};
  }
  [[nodiscard]] TlsOptions tls() const { return {.trust = {.ca_file = file("ca.pem")}}; }
  /// Options that log to `client_log_`.
  template <class... Options>
  Broker broker(Options... options) {
    auto made = kafka::new_broker(std::move(options)..., kafka::with_logger(client_log_),
                                  kafka::with_enable_logger(true));
    EXPECT_TRUE(made) << made.error().to_string();
    return std::move(*made);
  }
  [[nodiscard]] ClientOptions client() const {
    ClientOptions options;
    options.bootstrap_servers = {node_->address()};
    options.tls = tls();
    options.sasl = SaslOptions{SaslMechanism::scram_sha_512, "alice", Secret(password)};
    options.logger = client_log_;
    return options;
  }
  void expect_no_secret() {
    for (const std::string_view secret : {password, password_of_bob}) {
      EXPECT_EQ(shown_secret(node_log_->text(), secret), "");
      EXPECT_EQ(shown_secret(client_log_->text(), secret), "");
    }
  }

  const ScratchDirectory folder_;
  const Made authority_ = net::make({.name = "authority", .is_authority = true});
  const std::shared_ptr<KeptLog> node_log_ = std::make_shared<KeptLog>();
  const std::shared_ptr<KeptLog> client_log_ = std::make_shared<KeptLog>();
  std::optional<Node> node_;
};

TEST_F(SecureMessaging, connects_with_properties_alone) {
  Broker with = broker(kafka::with_properties(properties()));
  const auto connected = with.connect(patience);
  ASSERT_TRUE(connected) << connected.error().to_string();
  EXPECT_TRUE(kafka::create_topic(with, "orders", 1, 1));
  EXPECT_TRUE(with.publish("orders", Message("tea"), with_publish_async(false)));
  std::promise<std::string> read;
  auto reading = with.subscribe<std::string>(
      "orders", [&](const std::string& text) { read.set_value(text); },
      kafka::with_start_offset(StartOffset::first()));
  ASSERT_TRUE(reading) << reading.error().to_string();
  auto got = read.get_future();
  ASSERT_EQ(got.wait_for(patience), std::future_status::ready);
  EXPECT_EQ(got.get(), "tea");
  EXPECT_TRUE(node_log_->awaits("User:alice at 127.0.0.1:", "sends Produce"));
  expect_no_secret();
}

TEST_F(SecureMessaging, of_properties_with_a_wrong_password_is_refused_at_once) {
  Broker with = broker(kafka::with_properties(properties(password_of_bob)));
  const auto begin = std::chrono::steady_clock::now();
  const auto connected = with.connect(patience);
  ASSERT_FALSE(connected);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  EXPECT_TRUE(connected.error().is_broker(58)) << connected.error().to_string();
  EXPECT_EQ(shown_secret(connected.error().to_string(), password_of_bob), "");
  expect_no_secret();
}

TEST_F(SecureMessaging, logs_in_by_each_mechanism) {
  using kafka::ScramAlgorithm;
  const auto outcome = [&](const BrokerOption& mechanism) {
    Broker with = broker(with_address(node_->address()), with_tls(tls()), mechanism);
    return with.connect(patience);
  };
  EXPECT_TRUE(outcome(kafka::with_plain_mechanism("of-plain", password)));
  EXPECT_TRUE(outcome(kafka::with_scram_mechanism(ScramAlgorithm::sha256, "of-256", password)));
  EXPECT_TRUE(outcome(kafka::with_scram_mechanism(ScramAlgorithm::sha512, "of-512", password)));
  for (const auto* name : {"User:of-plain at", "User:of-256 at", "User:of-512 at"}) {
    EXPECT_TRUE(node_log_->awaits(name, "sends Metadata")) << name;
  }
  // Each user has one mechanism.
  for (const auto& other :
       {kafka::with_plain_mechanism("of-256", password),
        kafka::with_scram_mechanism(ScramAlgorithm::sha256, "of-512", password),
        kafka::with_scram_mechanism(ScramAlgorithm::sha512, "of-256", password)}) {
    const auto refused = outcome(other);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is_broker(58)) << refused.error().to_string();
  }
}

TEST_F(SecureMessaging, keeps_two_brokers_of_one_process_apart) {
  Broker of_alice =
      broker(with_address(node_->address()), with_tls(tls()),
             kafka::with_scram_mechanism(kafka::ScramAlgorithm::sha512, "alice", password));
  Broker of_bob =
      broker(with_address(node_->address()), with_tls(tls()),
             kafka::with_scram_mechanism(kafka::ScramAlgorithm::sha256, "bob", password_of_bob));
  ASSERT_TRUE(of_alice.connect(patience));
  ASSERT_TRUE(of_bob.connect(patience));
  EXPECT_TRUE(kafka::create_topic(of_alice, "hers", 1, 1));
  EXPECT_TRUE(of_bob.publish("hers", Message("by bob"), with_publish_async(false)));
  EXPECT_TRUE(node_log_->awaits("User:alice", "sends CreateTopics"));
  EXPECT_TRUE(node_log_->awaits("User:bob", "sends Produce"));
  EXPECT_FALSE(node_log_->has("User:bob", "sends CreateTopics"));
  EXPECT_FALSE(node_log_->has("User:alice", "sends Produce"));
}

TEST_F(SecureMessaging, creates_topics_over_the_connections_of_its_broker) {
  Broker with = broker(kafka::with_properties(properties()),
                       kafka::with_allow_publish_auto_topic_creation(true));
  ASSERT_TRUE(with.connect(patience));
  auto reading = with.subscribe<std::string>(
      "wished-for", [](const std::string&) {},
      kafka::with_subscribe_auto_create_topic("wished-for", 3, 1));
  ASSERT_TRUE(reading) << reading.error().to_string();
  const auto published = with.publish("first-used", Message("m"), with_publish_async(false));
  EXPECT_TRUE(published) << published.error().to_string();
  EXPECT_TRUE(node_log_->awaits("User:alice", "sends CreateTopics"));
  auto reached = Client::create(client()).value();
  const auto topics = reached.admin().describe_topics({"wished-for", "first-used"});
  ASSERT_TRUE(topics) << topics.error().to_string();
  ASSERT_TRUE(topics->at(0).result && topics->at(1).result);
  EXPECT_EQ(topics->at(0).result->partitions.size(), 3U);
}

TEST_F(SecureMessaging, creates_and_deletes_topics_with_the_options_of_a_client) {
  const auto made = kafka::create_topic(client(), "passing", 2, 1);
  ASSERT_TRUE(made) << made.error().to_string();
  const auto deleted = kafka::delete_topic(client(), {"passing", "never-there"});
  ASSERT_TRUE(deleted) << deleted.error().to_string();
  EXPECT_TRUE(deleted->at(0).result);
  EXPECT_FALSE(deleted->at(1).result);
  ClientOptions wrong = client();
  wrong.sasl->password = Secret("a guess of it");
  for (const Error& why : {kafka::create_topic(wrong, "passing", 1, 1).error(),
                           kafka::delete_topic(wrong, {"passing"}).error()}) {
    EXPECT_TRUE(why.is_broker(58)) << why.to_string();
  }
  ClientOptions distrustful = client();
  distrustful.tls = TlsOptions{};
  EXPECT_TRUE(kafka::create_topic(distrustful, "passing", 1, 1).error().is(Errc::handshake_failed));
  expect_no_secret();
}

}  // namespace
}  // namespace dohle
