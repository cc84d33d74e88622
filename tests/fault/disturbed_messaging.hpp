#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
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

#include "base/descriptor.hpp"
#include "dohle/client.hpp"
#include "dohle/kafka.hpp"
#include "fault/pace.hpp"
#include "fault/redeliveries.hpp"
#include "scratch_directory.hpp"

// Retry topics, dead letters, request and reply while members, servers and connections end at any
// time: every message is handled, or becomes a dead letter if its handler always fails; messages of
// a key are handled in order; every request gets its reply; only messages that were not committed
// are handled again, once after each end, or after a member has lost its partitions, as one does
// that stalls for longer than its session.

namespace dohle::fault {

using namespace std::chrono_literals;

inline constexpr auto patience = 60s;
inline constexpr int messages_per_round = 24;
inline constexpr int requests_per_round = 6;
inline constexpr int keys = 7;

inline bool is_dead(int number) {
  return number % 5 == 0;
}
/// Its first handling succeeds, in the source topic.
inline bool is_good(int number) {
  return number % 5 != 0 && number % 3 != 0;
}

inline int open_to_append(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/// The program failing_member as a child process. The destructor kills it.
class Member {
 public:
  Member(const std::string& servers, const std::string& printed, const std::string& history) {
    std::string program = DOHLE_FAILING_MEMBER, address = servers, file = history;
    char* const words[] = {program.data(), address.data(), file.data(), nullptr};
    const int out = open_to_append(printed);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(out, STDOUT_FILENO);
      ::execv(words[0], words);
      ::_exit(127);
    }
    ::close(out);
  }
  ~Member() { kill(); }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

 private:
  pid_t pid_ = 0;
};

/// The messages, requests and members, and what has to hold at the end. Derived classes start the
/// server, and set `address_`.
class DisturbedMessaging : public testing::Test {
 protected:
  using Clock = std::chrono::steady_clock;

  void SetUp() override {
    // Members only add to it.
    history_ = Descriptor(open_to_append(history()));
    ASSERT_TRUE(history_.is_open());
  }
  // The servers of derived classes end later.
  void TearDown() override { broker_.reset(); }

  void connect() {
    auto made = kafka::new_broker({.addresses = {address_},
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
  [[nodiscard]] std::string printed() const { return (scratch_ / "printed").string(); }
  [[nodiscard]] std::string history() const { return (scratch_ / "history").string(); }
  [[nodiscard]] std::unique_ptr<Member> member_at(const std::string& servers) const {
    return std::make_unique<Member>(servers, printed(), history());
  }

  // The history, for fault/redeliveries.hpp.

  /// Adds a line.
  void note(const std::string& line) const {
    const std::string whole = line + "\n";
    ASSERT_EQ(::write(history_.number(), whole.data(), whole.size()),
              static_cast<ssize_t>(whole.size()));
  }
  /// Notes what the groups have committed. Returns the sums of their offsets.
  [[nodiscard]] std::map<std::string, std::int64_t> note_commits() {
    std::map<std::string, std::int64_t> sums;
    for (const std::string group : {"billing", "answering"}) {
      const auto found = broker_->client()->admin().group_offsets(group, {.timeout = patience});
      if (!found) {
        ADD_FAILURE() << found.error().to_string();
        continue;
      }
      for (const GroupOffset& each : *found) {
        note("committed " + group + " " + each.partition.topic + " " +
             std::to_string(each.partition.partition.value) + " " +
             std::to_string(each.offset.value));
        sums[group] += each.offset.value;
      }
    }
    return sums;
  }
  /// A kill or cut is about to happen. Those before are over once both groups have committed since.
  void note_begin(const std::string& what) {
    auto now = note_commits();
    if (now["billing"] > mended_["billing"] && now["answering"] > mended_["answering"])
      note("over");
    note("begins " + what);
  }
  /// Servers and connections are there again.
  void note_mended() { mended_ = note_commits(); }
  /// Nothing adds to the history any more.
  void check_redeliveries() const {
    Redeliveries judge;
    std::ifstream lines(history());
    judge.read(lines);
    EXPECT_THAT(judge.complaints(), testing::IsEmpty());
    EXPECT_GE(judge.handlings(), static_cast<std::size_t>(published_) + replies_.size());
    RecordProperty("handled", static_cast<int>(judge.handlings()));
    RecordProperty("handled_again", static_cast<int>(judge.again()));
    RecordProperty("losses", static_cast<int>(judge.losses()));
  }

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
  /// Kills the member in each round, and then checks all.
  void lose_members(int rounds) {
    for (int round = 0; round < rounds && !HasFailure(); ++round) {
      const auto member = member_at(address_);
      publish();
      handle_some();
      note_begin("the member was killed");
      member->kill();
      note_mended();
      note("over");
    }
    const auto last = member_at(address_);
    check_all();
    last->kill();
    check_redeliveries();
  }
  /// In each round `kill` kills the server and starts it again. Then checks all.
  void lose_servers(int rounds, const std::function<void()>& kill) {
    const auto member = member_at(address_);
    for (int round = 0; round < rounds && !HasFailure(); ++round) {
      publish();
      handle_some();
      note_begin("the server was killed");
      kill();
      note_mended();
    }
    check_all();
    member->kill();
    check_redeliveries();
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
  Descriptor history_;
  /// What the groups had committed after the last kill or cut.
  std::map<std::string, std::int64_t> mended_;
  /// Of the server, for the test.
  std::string address_;
  std::optional<Broker> broker_;
  std::mt19937 random_{7};
  int published_ = 0;
  /// The replies to come, by question.
  std::vector<std::pair<std::string, std::future<Result<std::string>>>> replies_;
};

}  // namespace dohle::fault
