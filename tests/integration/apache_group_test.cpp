// Groups on Apache Kafka 4.3.1: members that join, members that die, and a broker that dies.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "dohle/producer.hpp"
#include "integration/apache_kafka_server.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::int32_t partitions = 4;
constexpr auto patience = 40s;
constexpr auto no_thread_waits = 20ms;

ConsumerOptions member_options(const std::string& group) {
  return {.group_id = group,
          .offset_reset = OffsetReset::earliest,
          .auto_commit = false,
          .session_timeout = 3'000ms,
          .heartbeat_interval = 300ms};
}

/// A member in a process of its own. Until it is killed, it writes its number of partitions and its
/// committed offsets to standard output.
int run_member(const std::string& address, const std::string& group, const std::string& topic) {
  Client client = *Client::create({.bootstrap_servers = {address}});
  auto consumer = client.consumer(member_options(group));
  if (!consumer || !consumer->subscribe({topic})) return 1;
  std::size_t share = 0;
  for (;;) {
    auto records = consumer->poll(no_thread_waits);
    if (!records) return 1;
    std::map<std::int32_t, std::int64_t> next;
    for (const ConsumerRecord& record : *records) {
      next[record.partition.value] = record.offset.value + 1;
    }
    if (!next.empty() && consumer->commit_sync()) {
      for (const auto& [partition, offset] : next) {
        std::printf("committed %d %lld\n", partition, static_cast<long long>(offset));
      }
      std::fflush(stdout);
    }
    if (consumer->assignment().size() != share) {
      share = consumer->assignment().size();
      std::printf("share %zu\n", share);
      std::fflush(stdout);
    }
  }
}

/// Runs run_member as a child process. The destructor kills it.
class MemberProcess {
 public:
  MemberProcess(const std::string& address, const std::string& group, const std::string& topic) {
    int out[2];
    if (::pipe2(out, O_CLOEXEC) != 0) return;
    const char* const arguments[] = {"/proc/self/exe", "--member",    address.c_str(),
                                     group.c_str(),    topic.c_str(), nullptr};
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(out[1], STDOUT_FILENO);
      ::execv(arguments[0], const_cast<char* const*>(arguments));
      ::_exit(127);
    }
    ::close(out[1]);
    listener_ = std::jthread([this, from = out[0]] { listen(from); });
  }
  ~MemberProcess() { kill(); }
  MemberProcess(const MemberProcess&) = delete;
  MemberProcess& operator=(const MemberProcess&) = delete;

  [[nodiscard]] std::size_t share() const { return share_; }
  /// The sum of the committed offsets of its partitions.
  [[nodiscard]] std::int64_t committed() const { return committed_; }
  /// SIGKILL: it does not leave the group.
  void kill() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
    listener_.join();
  }
  /// The committed offset of each partition, after kill.
  [[nodiscard]] const std::map<int, long long>& offsets() const { return offsets_; }

 private:
  void listen(int from) {
    std::FILE* const lines = ::fdopen(from, "r");
    char line[128];
    while (std::fgets(line, sizeof line, lines) != nullptr) {
      std::size_t share = 0;
      int partition = 0;
      long long offset = 0;
      if (std::sscanf(line, "share %zu", &share) == 1) share_ = share;
      if (std::sscanf(line, "committed %d %lld", &partition, &offset) == 2) {
        committed_ += offset - offsets_[partition];
        offsets_[partition] = offset;
      }
    }
    std::fclose(lines);
  }

  pid_t pid_ = 0;
  std::atomic<std::size_t> share_{0};
  std::atomic<std::int64_t> committed_{0};
  std::map<int, long long> offsets_;
  std::jthread listener_;
};

/// A member's records: the offsets of each partition in the order of arrival.
struct Reading {
  std::map<std::int32_t, std::vector<std::int64_t>> offsets;
  std::set<std::string> values;

  void poll(Consumer& consumer) {
    auto records = consumer.poll(no_thread_waits);
    ASSERT_TRUE(records) << records.error().to_string();
    for (const ConsumerRecord& record : *records) {
      offsets[record.partition.value].push_back(record.offset.value);
      values.emplace(as_text(*record.value));
    }
    ASSERT_EQ(records->error(), nullptr) << records->error()->to_string();
  }
};

class ApacheGroups : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_.emplace("-o group.min.session.timeout.ms=1000"); }
  static void TearDownTestSuite() { server_.reset(); }

  ApacheGroups() : client_(*Client::create({.bootstrap_servers = {server_->address()}})) {}

  void make_topic(const std::string& name) {
    auto made = client_.admin().create_topics({{.name = name, .partitions = partitions}});
    ASSERT_TRUE(made) << made.error().to_string();
    ASSERT_TRUE(made->at(0).result) << made->at(0).result.error().to_string();
  }
  Consumer join(const std::string& group, const std::string& topic) {
    auto consumer = client_.consumer(member_options(group));
    EXPECT_TRUE(consumer);
    EXPECT_TRUE(consumer->subscribe({topic}));
    return std::move(*consumer);
  }
  /// Produces the numbers from `first` to before `last`, over all partitions in turn.
  void produce(const std::string& topic, int first, int last) {
    auto producer = client_.producer({.linger = 1ms});
    ASSERT_TRUE(producer);
    for (int i = first; i < last; ++i) {
      const std::string value = std::to_string(i);
      ASSERT_TRUE(producer->send(
          topic, {.value = as_bytes(value), .partition = PartitionId{i % partitions}}));
    }
    const auto flushed = producer->flush(60s);
    ASSERT_TRUE(flushed) << flushed.error().to_string();
    ASSERT_EQ(flushed->failed, 0u) << flushed->first_error->to_string();
  }
  template <class Reached, class Step>
  static void repeat_until(const char* what, Reached reached, Step step) {
    const auto deadline = Clock::now() + patience;
    while (!reached()) {
      ASSERT_LT(Clock::now(), deadline) << what << " did not happen in time";
      ASSERT_NO_FATAL_FAILURE(step());
    }
  }
  static std::vector<TopicPartition> all_of(const std::string& topic) {
    std::vector<TopicPartition> all;
    for (std::int32_t i = 0; i < partitions; ++i) all.push_back({topic, PartitionId{i}});
    return all;
  }

  static inline std::optional<ApacheKafkaServer> server_;
  Client client_;
};

TEST_F(ApacheGroups, AKilledMembersPartitionsContinueAtItsCommittedOffsets) {
  constexpr int before = 2'000, after = 4'000;
  make_topic("widows");
  Consumer staying = join("widows", "widows");
  MemberProcess other(server_->address(), "widows", "widows");
  Reading reading;
  const auto poll = [&] {
    reading.poll(staying);
    (void)staying.commit_sync();
  };
  repeat_until(
      "a balanced group", [&] { return staying.assignment().size() == 2 && other.share() == 2; },
      poll);
  produce("widows", 0, before);
  repeat_until("the other member's commits", [&] { return other.committed() == before / 2; }, poll);
  repeat_until("reading one's own", [&] { return reading.values.size() == before / 2; }, poll);
  other.kill();
  ASSERT_EQ(other.offsets().size(), 2u);
  for (const auto& [partition, offset] : other.offsets()) {
    ASSERT_FALSE(reading.offsets.contains(partition)) << "two members read one partition";
  }
  produce("widows", before, after);
  repeat_until("taking over", [&] { return staying.assignment().size() == partitions; }, poll);
  repeat_until(
      "reading all that is left",
      [&] { return reading.values.size() == static_cast<std::size_t>(after - before / 2); }, poll);
  for (const auto& [partition, committed] : other.offsets()) {
    const auto& offsets = reading.offsets.at(partition);
    EXPECT_EQ(offsets.front(), committed) << "of partition " << partition;
    EXPECT_EQ(offsets.size(), static_cast<std::size_t>((after - before) / partitions));
  }
}

TEST_F(ApacheGroups, AMemberThatJoinsLaterGetsAShareAndNothingIsReadTwice) {
  constexpr int count = 2'000;
  make_topic("late");
  Consumer first = join("late", "late");
  Reading by_first, by_second;
  const auto poll_first = [&] {
    by_first.poll(first);
    (void)first.commit_sync();
  };
  produce("late", 0, count);
  repeat_until("reading", [&] { return by_first.values.size() == count; }, poll_first);
  ASSERT_EQ(first.assignment().size(), static_cast<std::size_t>(partitions));
  ASSERT_TRUE(first.commit_sync());

  Client elsewhere = *Client::create({.bootstrap_servers = {server_->address()}});
  auto second = elsewhere.consumer(member_options("late"));
  ASSERT_TRUE(second && second->subscribe({"late"}));
  const auto poll_both = [&] {
    poll_first();
    by_second.poll(*second);
    (void)second->commit_sync();
  };
  repeat_until(
      "a balanced group",
      [&] { return first.assignment().size() == 2 && second->assignment().size() == 2; },
      poll_both);
  produce("late", count, 2 * count);
  repeat_until(
      "reading by both",
      [&] { return by_first.values.size() + by_second.values.size() == 2 * count; }, poll_both);
  EXPECT_EQ(by_second.values.size(), static_cast<std::size_t>(count / 2));
  for (const auto& [partition, offsets] : by_second.offsets) {
    EXPECT_EQ(offsets.front(), count / partitions) << "it goes on where the first had committed";
  }
}

TEST_F(ApacheGroups, ReadOnAfterAKillOfTheBrokerAndLoseNothing) {
  constexpr int before = 4'000, all = 8'000;
  make_topic("killed");
  Consumer consumer = join("killed", "killed");
  Reading reading;
  std::map<std::int32_t, std::int64_t> committed;
  const auto poll = [&] {
    reading.poll(consumer);
    (void)consumer.commit_sync();
  };
  const auto expect_no_way_back = [&] {
    const auto found = consumer.committed(all_of("killed"));
    ASSERT_TRUE(found) << found.error().to_string();
    ASSERT_EQ(found->size(), static_cast<std::size_t>(partitions));
    for (const PartitionOffset& each : *found) {
      std::int64_t& known = committed[each.partition.partition.value];
      EXPECT_GE(each.committed.offset.value, known);
      known = each.committed.offset.value;
    }
  };
  produce("killed", 0, before);
  repeat_until("reading", [&] { return reading.values.size() > before / 2; }, poll);
  ASSERT_TRUE(consumer.commit_sync());
  expect_no_way_back();

  std::atomic<bool> is_back = false;
  std::jthread killer([&] {
    server_->kill();
    server_->restart();
    is_back = true;
  });
  repeat_until("the restart", [&] { return is_back.load(); }, poll);
  expect_no_way_back();
  std::jthread more([&] { produce("killed", before, all); });
  repeat_until("reading all", [&] { return reading.values.size() == all; }, poll);
  repeat_until("the last commit", [&] { return consumer.commit_sync().has_value(); }, poll);
  expect_no_way_back();
  for (const auto& [partition, offset] : committed) EXPECT_EQ(offset, all / partitions);
  // At least once: repeated records begin no later than the last position.
  for (const auto& [partition, offsets] : reading.offsets) {
    std::int64_t next = 0;
    for (const std::int64_t offset : offsets) {
      ASSERT_LE(offset, next) << "a gap in partition " << partition;
      next = offset + 1;
    }
    EXPECT_EQ(next, all / partitions);
  }
}

}  // namespace
}  // namespace dohle

int main(int argc, char** argv) {
  if (argc == 5 && std::string_view(argv[1]) == "--member") {
    return dohle::run_member(argv[2], argv[3], argv[4]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
