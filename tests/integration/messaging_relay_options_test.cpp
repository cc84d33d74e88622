// Options of reading, each seen by its effect at a node: on the wire, in time, or in what a user's
// function gets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/kafka.hpp"
#include "dohle/node.hpp"
#include "integration/relay.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Where options are skipped (option_tests.py), tests are there to fail, and wait less.
const std::chrono::milliseconds patience = std::getenv("DOHLE_SKIP_OPTION") == nullptr ? 20s : 3s;

int connect_to(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return socket;
}

/// State that callbacks change and the test waits for.
class Watched {
 public:
  template <class Change>
  void change(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  template <class Holds>
  [[nodiscard]] bool eventually(Holds holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, holds);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

/// A broker whose connections to a node all go through a relay.
class ThroughARelay : public testing::Test {
 protected:
  ThroughARelay() {
    auto node = Node::start({.data_dir = ":memory:", .listeners = {{.address = "127.0.0.1:0"}}});
    EXPECT_TRUE(node) << node.error().to_string();
    node_.emplace(std::move(*node));
    const std::string address(node_->address());
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    relay_.emplace(
        port, [this](std::string&, bool) { (void)pass_.eventually([&] { return !is_held_; }); });
  }
  ~ThroughARelay() override { hold(false); }

  template <class... Given>
  void connect(Given&&... given) {
    auto made = kafka::new_broker(
        with_address(std::string(node_->address())), kafka::with_async(false),
        kafka::with_dialer_function([this](const DialRequest&) -> Result<DialedSocket> {
          watched_.change([&] { ++dialed_; });
          return DialedSocket(connect_to(relay_->port()));
        }),
        std::forward<Given>(given)...);
    ASSERT_TRUE(made) << made.error().to_string();
    broker_.emplace(std::move(*made));
    ASSERT_TRUE(broker_->connect(patience));
    ASSERT_TRUE(kafka::create_topic(*broker_, "t", 1, 1));
  }
  /// While it is held, the relay passes no byte.
  void hold(bool is_held) {
    pass_.change([&] { is_held_ = is_held; });
  }
  [[nodiscard]] int dialed() {
    int count = 0;
    watched_.change([&] { count = dialed_; });
    return count;
  }

  Watched pass_;
  Watched watched_;
  bool is_held_ = false;
  int dialed_ = 0;
  std::optional<Node> node_;
  std::optional<Relay> relay_;
  std::optional<Broker> broker_;
};

class RetentionTime : public ThroughARelay {
 protected:
  struct Commit {
    int version = 0;
    std::int64_t retention_ms = -1;
  };
  static std::int64_t number(std::string_view bytes) {
    std::int64_t value = 0;
    for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
  }
  /// All OffsetCommits that the relay has seen; the retention time only of v4 and below.
  std::vector<Commit> commits() {
    constexpr int offset_commit = 8;
    std::vector<Commit> found;
    for (const Relay::Seen& seen : relay_->seen()) {
      std::string_view rest = seen.to_server;
      while (rest.size() > 4 &&
             rest.size() - 4 >= static_cast<std::size_t>(number(rest.substr(0, 4)))) {
        std::string_view frame =
            rest.substr(4, static_cast<std::size_t>(number(rest.substr(0, 4))));
        rest.remove_prefix(4 + frame.size());
        if (number(frame.substr(0, 2)) != offset_commit) continue;
        Commit& commit = found.emplace_back(static_cast<int>(number(frame.substr(2, 2))));
        if (commit.version > 4) continue;
        // The header's client id, the group, the generation and the member.
        const auto skip = [&](std::size_t bytes) { frame.remove_prefix(bytes); };
        const auto skip_text = [&] {
          skip(2 + static_cast<std::size_t>(number(frame.substr(0, 2))));
        };
        skip(8);
        skip_text();
        skip_text();
        skip(4);
        skip_text();
        commit.retention_ms = number(frame.substr(0, 8));
      }
    }
    return found;
  }
  template <class... Given>
  void read_one(Given&&... given) {
    ASSERT_TRUE(broker_->publish("t", "hello"));
    std::promise<void> handled;
    auto subscriber = broker_->subscribe<std::string>(
        "t", [&](const std::string&) { handled.set_value(); }, std::forward<Given>(given)...);
    ASSERT_TRUE(subscriber) << subscriber.error().to_string();
    ASSERT_EQ(handled.get_future().wait_for(patience), std::future_status::ready);
    ASSERT_TRUE(subscriber->unsubscribe());
  }
};

TEST_F(RetentionTime, goes_with_each_commit) {
  ASSERT_NO_FATAL_FAILURE(connect(kafka::with_retention_time(1h)));
  read_one(with_group_id("of-the-broker"));
  ASSERT_THAT(commits(), Not(IsEmpty()));
  for (const Commit& each : commits()) {
    EXPECT_EQ(each.version, 4);
    EXPECT_EQ(each.retention_ms, 3'600'000);
  }
}

TEST_F(RetentionTime, of_a_subscription_wins) {
  ASSERT_NO_FATAL_FAILURE(connect(kafka::with_retention_time(1h)));
  read_one(with_group_id("of-its-own"), kafka::with_retention_time(2h));
  ASSERT_THAT(commits(), Not(IsEmpty()));
  for (const Commit& each : commits()) EXPECT_EQ(each.retention_ms, 7'200'000);
}

TEST_F(RetentionTime, is_the_only_reason_for_an_old_version) {
  ASSERT_NO_FATAL_FAILURE(connect());
  read_one(with_group_id("g"));
  ASSERT_THAT(commits(), Not(IsEmpty()));
  for (const Commit& each : commits()) EXPECT_GE(each.version, 8);
}

TEST_F(RetentionTime, is_refused_without_a_group_and_with_static_membership) {
  ASSERT_NO_FATAL_FAILURE(connect());
  const auto refusal = [&](auto... given) {
    auto made = broker_->subscribe<std::string>("t", [](const std::string&) {}, given...);
    return made ? std::string() : std::string(made.error().message());
  };
  EXPECT_THAT(refusal(kafka::with_retention_time(1h)),
              HasSubstr("retention_time is 3600000 ms; it is allowed with a group_id only"));
  EXPECT_THAT(refusal(kafka::with_retention_time(1h), with_group_id("g"),
                      kafka::with_group_instance_id("i")),
              HasSubstr("retention_time is 3600000 ms; it is allowed without group_instance_id"));
  EXPECT_THAT(refusal(kafka::with_retention_time(0ms), with_group_id("g")),
              HasSubstr("retention_time is 0 ms; allowed are 1 to 31536000000 ms"));
}

}  // namespace
}  // namespace dohle
