// Retry topics, dead letters, request and reply while members, nodes and connections end at any
// time: every message is handled, or becomes a dead letter if its handler always fails; messages of
// a key are handled in order; every request gets its reply. scripts/kills runs more rounds.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dohle/kafka.hpp"
#include "dohle/node.hpp"
#include "fault/node_process.hpp"
#include "fault/pace.hpp"
#include "integration/relay.hpp"

namespace dohle::fault {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto patience = 60s;
constexpr int messages_per_round = 24;
constexpr int requests_per_round = 6;
constexpr int keys = 7;

/// DOHLE_ROUNDS: how often something ends. Default: 20.
int rounds() {
  const char* const text = std::getenv("DOHLE_ROUNDS");
  return text == nullptr ? 20 : std::atoi(text);
}

bool is_dead(int number) {
  return number % 5 == 0;
}
/// Its first handling succeeds, in the source topic.
bool is_good(int number) {
  return number % 5 != 0 && number % 3 != 0;
}

/// The program failing_member as a child process. The destructor kills it.
class Member {
 public:
  Member(const std::string& servers, const std::string& printed) {
    std::string program = DOHLE_FAILING_MEMBER, address = servers;
    char* const words[] = {program.data(), address.data(), nullptr};
    const int out = ::open(printed.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(out, STDOUT_FILENO);
      ::execv(words[0], words);
      ::_exit(127);
    }
    ::close(out);
  }
  ~Member() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

 private:
  pid_t pid_ = 0;
};

class MessagingFaults : public testing::Test {
 protected:
  void start_node() {
    const std::string at = port_ == 0 ? "127.0.0.1:0" : "127.0.0.1:" + std::to_string(port_);
    node_ =
        std::make_unique<NodeProcess>(scratch_ / "data", std::vector<std::string>{"--listen", at});
    ASSERT_NE(node_->port(), 0) << node_->lines();
    port_ = node_->port();
  }
  /// For a member at `relay`, and for the test at `port_`.
  void start_relayed_node(Relay& relay) {
    auto node =
        Node::start({.data_dir = ":memory:",
                     .listeners = {{.name = "relayed",
                                    .address = "127.0.0.1:0",
                                    .advertised = "127.0.0.1:" + std::to_string(relay.port())},
                                   {.name = "direct", .address = "127.0.0.1:0"}}});
    ASSERT_TRUE(node) << node.error().to_string();
    near_node_.emplace(std::move(*node));
    relay.aim_at(port_of(near_node_->listeners()[0].address));
    port_ = port_of(near_node_->listeners()[1].address);
  }
  static std::uint16_t port_of(const std::string& address) {
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
  void connect() {
    auto made = kafka::new_broker({.addresses = {address()},
                                   .request_timeout = 2 * patience,
                                   .reply_topic = "answers",
                                   .create_reply_topic = ReplyTopicCreation{},
                                   .error_handler = [](const Failure&) {},
                                   .logger = silent_logger()});
    ASSERT_TRUE(made);
    broker_.emplace(std::move(*made));
    ASSERT_TRUE(broker_->connect(patience));
    ASSERT_TRUE(kafka::create_topic(*broker_, "orders", 4, 1));
    ASSERT_TRUE(kafka::create_topic(*broker_, "questions", 2, 1));
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string printed() const { return (scratch_ / "printed").string(); }

  /// Publishes the next messages and requests; each is stored sooner or later.
  void publish() {
    for (int i = 0; i < messages_per_round; ++i, ++published_) {
      const std::string text = std::to_string(published_);
      ASSERT_TRUE(
          broker_->publish("orders", text, {.key = "k" + std::to_string(published_ % keys)}));
    }
    for (int i = 0; i < requests_per_round; ++i) {
      const std::string question = std::to_string(replies_.size());
      replies_.emplace_back(question, broker_->request_future<std::string>("questions", question));
    }
  }
  /// Waits until some of the last messages are handled.
  void handle_some() {
    const std::size_t enough = done().size() + std::uniform_int_distribution<std::size_t>(
                                                   1, messages_per_round / 2)(random_);
    Pace look(1ms);
    for (const auto end = Clock::now() + patience; done().size() < enough; look.wait()) {
      ASSERT_LT(Clock::now(), end) << "nothing is handled any more";
    }
  }

  /// The numbers of handled messages as they were printed.
  [[nodiscard]] std::vector<int> handled() const {
    std::vector<int> numbers;
    std::ifstream lines(printed());
    std::string word;
    for (int number = 0; lines >> word >> number;) numbers.push_back(number);
    return numbers;
  }
  [[nodiscard]] std::set<int> done() const {
    const std::vector<int> numbers = handled();
    return {numbers.begin(), numbers.end()};
  }
  /// A message that succeeds at once comes after all earlier ones of its key, when it comes first.
  void check_order() const {
    std::map<int, int> latest;
    for (const int number : handled()) {
      if (!is_good(number)) continue;
      const auto [last, is_first] = latest.try_emplace(number % keys, -1);
      if (number <= last->second) continue;
      for (int missed = last->second + 1; missed < number; ++missed) {
        EXPECT_FALSE(missed % keys == number % keys && is_good(missed))
            << number << " is handled before " << missed << ", which has the same key";
      }
      last->second = number;
    }
  }
  void check_replies() {
    for (auto& [question, reply] : replies_) {
      ASSERT_EQ(reply.wait_for(2 * patience), std::future_status::ready) << question;
      const auto got = reply.get();
      ASSERT_TRUE(got) << question << ": " << got.error().to_string();
      EXPECT_EQ(*got, question + "!");
    }
  }
  /// Every message is handled or a dead letter, and every request has its reply.
  void check_all() {
    const auto flushed = broker_->flush(patience);
    ASSERT_TRUE(flushed) << flushed.error().to_string();
    ASSERT_EQ(flushed->failed, 0u);
    std::mutex mutex;
    std::set<int> dead;
    auto reader =
        broker_->subscribe("orders.billing.dlt",
                           [&](RawEvent event) {
                             const std::lock_guard lock(mutex);
                             dead.insert(std::atoi(std::string(event.body().value_or("")).c_str()));
                           },
                           {.start_offset = StartOffset::first()});
    ASSERT_TRUE(reader);
    std::set<int> expected_dead, expected_done;
    for (int number = 0; number < published_; ++number) {
      (is_dead(number) ? expected_dead : expected_done).insert(number);
    }
    Pace look(20ms);
    for (const auto end = Clock::now() + patience; Clock::now() < end; look.wait()) {
      const std::lock_guard lock(mutex);
      if (dead == expected_dead && done() == expected_done) break;
    }
    ASSERT_TRUE(reader->unsubscribe(patience));
    EXPECT_EQ(done(), expected_done);
    EXPECT_EQ(dead, expected_dead);
    check_order();
    check_replies();
  }

  ScratchDirectory scratch_;
  std::uint16_t port_ = 0;
  std::unique_ptr<NodeProcess> node_;
  std::optional<Node> near_node_;
  std::optional<Broker> broker_;
  std::mt19937 random_{7};
  int published_ = 0;
  /// The replies to come, by question.
  std::vector<std::pair<std::string, std::future<Result<std::string>>>> replies_;
};

TEST_F(MessagingFaults, LoseNothingWhenTheMemberIsKilled) {
  start_node();
  connect();
  for (int round = 0; round < rounds(); ++round) {
    const Member member(address(), printed());
    publish();
    handle_some();
  }
  const Member last(address(), printed());
  check_all();
}

TEST_F(MessagingFaults, LoseNothingWhenTheNodeIsKilled) {
  start_node();
  connect();
  const Member member(address(), printed());
  for (int round = 0; round < rounds(); ++round) {
    publish();
    handle_some();
    node_->kill();
    start_node();
  }
  check_all();
}

TEST_F(MessagingFaults, LoseNothingWhenConnectionsAreCut) {
  Relay relay(0);
  start_relayed_node(relay);
  connect();
  const Member member("127.0.0.1:" + std::to_string(relay.port()), printed());
  for (int round = 0; round < rounds(); ++round) {
    publish();
    handle_some();
    relay.cut();
  }
  check_all();
}

}  // namespace
}  // namespace dohle::fault
