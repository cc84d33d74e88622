// Options of reading, each tested by its effect at a node: on the wire, in time, or in the
// arguments of a user's function.
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
#include <memory>
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

/// A socket that is connected to a port of 127.0.0.1; -1 on failure.
int connect_to(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return socket;
  }
  ::close(socket);
  return -1;
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
        kafka::with_dialer_function(
            [dials = dials_, port = relay_->port()](const DialRequest&) -> Result<DialedSocket> {
              dials->change([&] { ++dials->count; });
              const int socket = connect_to(port);
              if (socket >= 0) return DialedSocket(socket);
              // A dial may still be under way when its test has ended.
              return fail(Error::client(Errc::connection_failed, "the relay has ended"));
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
    dials_->change([&] { count = dials_->count; });
    return count;
  }

  /// Shared with the function that dials, since nothing waits for it.
  struct Dials : Watched {
    int count = 0;
  };
  const std::shared_ptr<Dials> dials_ = std::make_shared<Dials>();
  Watched pass_;
  bool is_held_ = false;
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

TEST_F(RetentionTime, is_sent_with_each_commit) {
  ASSERT_NO_FATAL_FAILURE(connect(kafka::with_retention_time(1h)));
  read_one(with_group_id("of-the-broker"));
  ASSERT_THAT(commits(), Not(IsEmpty()));
  for (const Commit& each : commits()) {
    EXPECT_EQ(each.version, 4);
    EXPECT_EQ(each.retention_ms, 3'600'000);
  }
}

TEST_F(RetentionTime, of_a_subscription_overrides_that_of_the_broker) {
  ASSERT_NO_FATAL_FAILURE(connect(kafka::with_retention_time(1h)));
  read_one(with_group_id("of-its-own"), kafka::with_retention_time(2h));
  ASSERT_THAT(commits(), Not(IsEmpty()));
  for (const Commit& each : commits()) EXPECT_EQ(each.retention_ms, 7'200'000);
}

TEST_F(RetentionTime, is_the_only_reason_for_a_commit_of_an_old_version) {
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

class ReadBatchTimeout : public ThroughARelay {
 protected:
  /// Reads a message, then holds all answers, and waits until the connection of the fetch counts as
  /// dead and the client connects again. The other timeouts are longer than this test.
  template <class... Given>
  void expect_redial(Given&&... given) {
    ASSERT_TRUE(broker_->publish("t", "hello"));
    Watched handled;
    int count = 0;
    auto subscriber = broker_->subscribe<std::string>(
        "t", [&](const std::string&) { handled.change([&] { ++count; }); },
        kafka::with_start_offset(StartOffset::first()), std::forward<Given>(given)...);
    ASSERT_TRUE(subscriber) << subscriber.error().to_string();
    ASSERT_TRUE(handled.eventually([&] { return count == 1; }));
    hold(true);
    const int before = dialed();
    EXPECT_TRUE(dials_->eventually([&] { return dials_->count > before; }));
    hold(false);
    ASSERT_TRUE(subscriber->unsubscribe());
  }
};

TEST_F(ReadBatchTimeout, ends_a_fetch_that_is_not_answered) {
  ASSERT_NO_FATAL_FAILURE(connect(kafka::with_read_timeout(5min), kafka::with_max_wait(100ms),
                                  kafka::with_read_batch_timeout(300ms)));
  expect_redial();
}

TEST_F(ReadBatchTimeout, of_a_subscription_overrides_that_of_the_broker) {
  ASSERT_NO_FATAL_FAILURE(connect(kafka::with_read_timeout(5min), kafka::with_max_wait(100ms),
                                  kafka::with_read_batch_timeout(4min)));
  expect_redial(kafka::with_read_batch_timeout(300ms));
}

class ReadLagInterval : public testing::Test {
 protected:
  template <class... Given>
  void connect(Given&&... given) {
    auto made = kafka::new_broker(with_address("embedded:memory"), kafka::with_async(false),
                                  std::forward<Given>(given)...);
    ASSERT_TRUE(made) << made.error().to_string();
    broker_.emplace(std::move(*made));
    ASSERT_TRUE(broker_->connect(patience));
    ASSERT_TRUE(kafka::create_topic(*broker_, "t", 2, 1));
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(broker_->publish("t", "hello", PublishOptions{.partition = PartitionId{i % 2}}));
    }
  }
  ReadLagHandler keep() {
    return [this](const ReadLag& lag) { watched_.change([&] { lags_.push_back(lag); }); };
  }
  /// Handlers wait here.
  std::function<void(const std::string&)> gate() {
    return [this](const std::string&) { EXPECT_TRUE(open_.eventually([&] { return is_open_; })); };
  }
  [[nodiscard]] bool eventually_lag(const std::function<bool(const ReadLag&)>& is_wanted) {
    return watched_.eventually([&] { return !lags_.empty() && is_wanted(lags_.back()); });
  }
  void TearDown() override {
    open_.change([&] { is_open_ = true; });
  }

  Watched watched_;
  std::vector<ReadLag> lags_;
  Watched open_;
  bool is_open_ = false;
  std::optional<Broker> broker_;
};

TEST_F(ReadLagInterval, is_the_time_between_reports_in_a_group_and_without_one) {
  ASSERT_NO_FATAL_FAILURE(connect(kafka::with_read_lag_interval(100ms, keep()),
                                  kafka::with_start_offset(StartOffset::first()),
                                  kafka::with_queue_capacity(4)));
  for (const std::string group : {"g", ""}) {
    open_.change([&] { is_open_ = false; });
    auto subscriber = broker_->subscribe<std::string>("t", gate(), with_group_id(group));
    ASSERT_TRUE(subscriber) << subscriber.error().to_string();
    // The handler and the queue hold few of the 40 messages.
    EXPECT_TRUE(eventually_lag([&](const ReadLag& lag) {
      return lag.topic == "t" && lag.group_id == group && lag.partitions.size() == 2 &&
             lag.total() >= 20 && lag.total() < 40;
    }));
    EXPECT_GE(subscriber->lag().total(), 20);
    open_.change([&] { is_open_ = true; });
    EXPECT_TRUE(eventually_lag([&](const ReadLag& lag) {
      return lag.group_id == group && lag.partitions.size() == 2 && lag.total() == 0;
    }));
    EXPECT_EQ(subscriber->lag().total(), 0);
    ASSERT_TRUE(subscriber->unsubscribe());
    EXPECT_THAT(subscriber->lag().partitions, IsEmpty());
  }
}

TEST_F(ReadLagInterval, is_taken_from_the_subscription_or_else_from_the_broker) {
  ASSERT_NO_FATAL_FAILURE(
      connect(kafka::with_read_lag_interval(24h), kafka::with_start_offset(StartOffset::first())));
  auto subscriber = broker_->subscribe<std::string>(
      "t", [](const std::string&) {}, kafka::with_read_lag_interval(100ms),
      kafka::with_read_lag_handler(keep()));
  ASSERT_TRUE(subscriber);
  EXPECT_TRUE(eventually_lag([](const ReadLag& lag) { return lag.partitions.size() == 2; }));
}

}  // namespace
}  // namespace dohle
