#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "base/units.hpp"
#include "dohle/node.hpp"
#include "fault/node_process.hpp"
#include "fault/wire_connection.hpp"
#include "wire/messages/offset_commit.hpp"

// The bounds of the node as a process: connections, frames, memory, and clients that do not read.

namespace dohle::fault {
namespace {

using testing::HasSubstr;

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
// AddressSanitizer does not return freed memory.
constexpr std::size_t memory_slack_bytes = 400_MiB;
#else
constexpr std::size_t memory_slack_bytes = 48_MiB;
#endif

constexpr std::size_t max_frame_bytes = 100_MiB;

std::string framed(std::uint32_t length, std::string_view body = {}) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(length >> shift));
  return bytes.append(body);
}

template <class SomeNode>
std::size_t lines_with(const SomeNode& node, std::string_view part) {
  const std::string lines = node.lines();
  std::size_t count = 0;
  for (auto at = lines.find(part); at != lines.npos; at = lines.find(part, at + 1)) ++count;
  return count;
}

/// Raises it to the hard limit.
void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

/// A node inside a program that may have few descriptors: in a child process, until the parent
/// stops it.
class EmbeddedNode {
 public:
  EmbeddedNode(const std::filesystem::path& data, rlim_t max_descriptors)
      : lines_(data.string() + ".stderr") {
    int ready[2], go_on[2];
    if (::pipe2(ready, O_CLOEXEC) != 0 || ::pipe2(go_on, O_CLOEXEC) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(go_on[1]);
      run(data, max_descriptors, ready[1], go_on[0]);
    }
    ::close(ready[1]);
    ::close(go_on[0]);
    go_on_ = go_on[1];
    std::array<char, 16> text{};
    if (::read(ready[0], text.data(), text.size()) > 0) {
      std::from_chars(text.data(), text.data() + text.size(), port_);
    }
    ::close(ready[0]);
  }
  ~EmbeddedNode() {
    if (pid_ != 0) ::kill(pid_, SIGKILL);
    (void)stop();
  }
  EmbeddedNode(const EmbeddedNode&) = delete;
  EmbeddedNode& operator=(const EmbeddedNode&) = delete;

  /// 0 if it did not start; `lines` has the reason.
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string lines() const {
    std::ifstream file(lines_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// 0 if it closed its node without an error.
  int stop() {
    if (pid_ == 0) return -1;
    ::close(go_on_);
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  [[noreturn]] void run(const std::filesystem::path& data, rlim_t max_descriptors, int ready,
                        int go_on) const {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit limit{max_descriptors, max_descriptors};
    const int lines = ::open(lines_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 || ::dup2(lines, STDERR_FILENO) < 0) ::_exit(2);
    NodeOptions options;
    options.data_dir = data;
    options.listeners = {{.address = "127.0.0.1:0"}};
    options.durability = Durability::os;
    options.logger = stderr_logger(LogLevel::info);
    auto node = Node::start(std::move(options));
    if (!node) {
      std::fprintf(stderr, "%s\n", node.error().to_string().c_str());
      ::_exit(3);
    }
    const std::string& address = node->listeners().front().address;
    const std::string port = address.substr(address.rfind(':') + 1);
    if (::write(ready, port.data(), port.size()) < 0) ::_exit(4);
    char none = 0;
    while (::read(go_on, &none, 1) > 0) {
    }
    const auto closed = node->close();
    if (!closed) std::fprintf(stderr, "%s\n", closed.error().to_string().c_str());
    ::_exit(closed ? 0 : 5);
  }

  std::filesystem::path lines_;
  pid_t pid_ = 0;
  int go_on_ = -1;
  std::uint16_t port_ = 0;
};

/// Creates topics, rolls segments and commits offsets.
template <class SomeNode>
void expect_files_for_all(const SomeNode& node, WireConnection& busy) {
  for (int i = 0; i < 40; ++i) {
    const std::string topic = "topic" + std::to_string(i);
    const auto created = create_topic(busy, topic, 3, {{"segment.bytes", "1024"}});
    ASSERT_TRUE(created) << created.error().to_string();
    for (int partition = 0; partition < 3; ++partition) {
      for (int roll = 0; roll < 4; ++roll) {
        const auto produced = produce(busy, topic, partition, std::string(600, 'x'));
        ASSERT_TRUE(produced) << produced.error().to_string() << node.lines();
      }
    }
    wire::OffsetCommitRequest commit;
    commit.group_id = "group";
    auto& committed = commit.topics.emplace_back();
    committed.name = topic;
    committed.partitions.push_back({PartitionId{0}, Offset{2}, LeaderEpoch{0}, ""});
    const auto answer = busy.ask(commit, 7);
    ASSERT_TRUE(answer) << answer.error().to_string();
    ASSERT_EQ(answer->topics.at(0).partitions.at(0).error_code, 0) << node.lines();
  }
}

class LimitsTest : public testing::Test {
 protected:
  void start(std::vector<std::string> more = {}, unsigned max_descriptors = 0) {
    node_.emplace(scratch_ / "data", std::move(more), max_descriptors);
    ASSERT_NE(node_->port(), 0) << node_->lines();
  }
  [[nodiscard]] std::uint16_t port() const { return node_->port(); }
  /// Produces a value and reads it back.
  void expect_served(WireConnection& by, const std::string& value) {
    const auto offset = produce(by, "t", 0, value);
    ASSERT_TRUE(offset) << offset.error().to_string();
    const auto answer = by.ask(fetch_request("t", 0, *offset), fetch_version);
    ASSERT_TRUE(answer) << answer.error().to_string();
    Offset next = *offset;
    EXPECT_THAT(*values_in(*answer, next), testing::ElementsAre(value));
  }

  ScratchDirectory scratch_;
  std::optional<NodeProcess> node_;
};

TEST_F(LimitsTest, ConnectionsOverTheLimitAreClosedAndThoseWithinItAreServed) {
  start({"--max-connections", "4"});
  std::deque<WireConnection> within;
  for (int i = 0; i < 4; ++i) within.emplace_back(port());
  ASSERT_TRUE(create_topic(within[0], "t", 1));
  for (WireConnection& each : within) expect_served(each, "before");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(WireConnection(port()).is_closed_by_the_node());
  for (WireConnection& each : within) expect_served(each, "meanwhile");
  EXPECT_EQ(lines_with(*node_, "is refused: there are 4 already (max_connections)"), 3u)
      << node_->lines();
  within.pop_front();
  // A new connection shows whether the node has noticed the closed ones.
  for (int attempt = 0; attempt < 10'000; ++attempt) {
    WireConnection newcomer(port());
    if (!produce(newcomer, "t", 0, "after")) continue;
    return expect_served(newcomer, "after all");
  }
  FAIL() << "nobody gets in: " << node_->lines();
}

TEST_F(LimitsTest, AFloodOfConnectionsOverTheLimitDoesNotFillTheLog) {
  start({"--max-connections", "1"});
  WireConnection one(port());
  ASSERT_TRUE(create_topic(one, "t", 1));
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(WireConnection(port()).is_closed_by_the_node());
  expect_served(one, "still here");
  EXPECT_LT(lines_with(*node_, "is refused"), 100u);
}

TEST_F(LimitsTest, IdleConnectionsLeaveDescriptorsForRollsCommitsAndTopics) {
  constexpr unsigned max_descriptors = 512;
  constexpr std::size_t wanted = 600;
  raise_descriptor_limit();
  ASSERT_GT(descriptor_limit(), wanted + 64);
  start({"--durability", "os"}, max_descriptors);
  EXPECT_EQ(lines_with(*node_, "connections are accepted, not 10000 (max_connections)"), 1u)
      << node_->lines();
  WireConnection busy(port());
  ASSERT_TRUE(create_topic(busy, "t", 1, {{"segment.bytes", "1024"}}));
  std::deque<WireConnection> idle;
  for (std::size_t i = 0; i < wanted; ++i) idle.emplace_back(port());
  EXPECT_TRUE(idle.back().is_closed_by_the_node());
  EXPECT_GT(lines_with(*node_, "RLIMIT_NOFILE 512"), 0u) << node_->lines();
  expect_files_for_all(*node_, busy);
  EXPECT_EQ(node_->stop(), 0) << node_->lines();
}

TEST_F(LimitsTest, IdleConnectionsLeaveDescriptorsForTheFilesOfAnEmbeddedNode) {
  constexpr rlim_t max_descriptors = 300;
  constexpr std::size_t wanted = 300;
  raise_descriptor_limit();
  ASSERT_GT(descriptor_limit(), wanted + 64);
  EmbeddedNode embedded(scratch_ / "data", max_descriptors);
  ASSERT_NE(embedded.port(), 0) << embedded.lines();
  EXPECT_EQ(lines_with(embedded, "connections are accepted, not 10000 (max_connections)"), 1u)
      << embedded.lines();
  WireConnection busy(embedded.port());
  ASSERT_TRUE(create_topic(busy, "t", 1));
  std::deque<WireConnection> idle;
  for (std::size_t i = 0; i < wanted; ++i) idle.emplace_back(embedded.port());
  EXPECT_TRUE(idle.back().is_closed_by_the_node());
  EXPECT_GT(lines_with(embedded, "RLIMIT_NOFILE 300"), 0u) << embedded.lines();
  expect_files_for_all(embedded, busy);
  EXPECT_EQ(embedded.stop(), 0) << embedded.lines();
}

TEST_F(LimitsTest, ThousandsOfIdleConnectionsDelayNoOtherConnection) {
  constexpr std::size_t wanted = 3'000;
  constexpr std::size_t spare = 64;  // other descriptors of this process
  raise_descriptor_limit();
  const std::size_t count = std::min(wanted, descriptor_limit() - spare);
  if (count < wanted) std::printf("the descriptor limit allows %zu connections\n", count);
  start();
  WireConnection busy(port());
  ASSERT_TRUE(create_topic(busy, "t", 1));
  const std::size_t before = node_->resident_bytes();
  std::deque<WireConnection> idle;
  for (std::size_t i = 0; i < count; ++i) {
    idle.emplace_back(port());
    if (i % 100 == 0) expect_served(busy, "among " + std::to_string(i));
  }
  // The last one was accepted after all others, so all are open once it is served.
  expect_served(idle.back(), "last");
  expect_served(busy, "among all");
  std::printf(
      "%zu idle connections take %.1f KB each\n", count,
      static_cast<double>(node_->resident_bytes() - before) / 1e3 / static_cast<double>(count));
  EXPECT_LT(node_->resident_bytes(), before + memory_slack_bytes);
  for (std::size_t i = 0; i < count; i += 100) expect_served(idle[i], "no longer idle");
}

struct Nonsense {
  const char* name;
  std::string bytes;
  const char* line;
};

std::vector<Nonsense> nonsense() {
  std::string noise;
  SeededRandom random(1);
  for (int i = 0; i < 4'000; ++i) noise.push_back(static_cast<char>(random.below(256)));
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  return {
      {"above the limit", framed(max_frame_bytes + 1), "the limit is 104857600"},
      {"the largest length", framed(INT32_MAX), "the limit is 104857600"},
      {"negative", framed(UINT32_MAX), "a negative length"},
      {"empty", framed(0), "closing the connection of"},
      {"HTTP", "GET / HTTP/1.1\r\nHost: here\r\n\r\n", "the limit is 104857600"},
      {"TLS", hello + noise.substr(0, 500), "the limit is 104857600"},
      {"noise in a frame", framed(4'000, noise), "closing the connection of"},
      {"an unknown request",
       framed(14, std::string("\x7f\x00\x00\x00\x00\x00\x00\x01\x00\x01x\x00\x00\x00", 14)),
       "closing the connection of"},
  };
}

TEST_F(LimitsTest, GarbageClosesOnlyItsConnectionAndLogsOneLine) {
  start();
  WireConnection other(port());
  ASSERT_TRUE(create_topic(other, "t", 1));
  std::size_t lines = 0;
  for (const Nonsense& each : nonsense()) {
    const std::size_t before = lines_with(*node_, "\n");
    WireConnection one(port());
    ASSERT_TRUE(one.send_bytes(as_bytes(each.bytes)));
    EXPECT_TRUE(one.is_closed_by_the_node()) << each.name;
    expect_served(other, each.name);
    EXPECT_EQ(lines_with(*node_, "\n"), before + 1) << each.name << "\n" << node_->lines();
    EXPECT_THAT(node_->lines(), HasSubstr(each.line)) << each.name;
    ++lines;
  }
  EXPECT_EQ(lines, nonsense().size());
}

TEST_F(LimitsTest, HalfAFrameWaitsForTheRestAndDelaysNoOtherClient) {
  start();
  WireConnection other(port());
  ASSERT_TRUE(create_topic(other, "t", 1));
  const auto request = wire::encode_request(1, "fault", produce_request("t", 0, "late"), 12);
  const Slice bytes = *request->flatten();
  std::deque<WireConnection> halves;
  for (std::size_t at = 1; at < bytes.size(); at += 7) {
    halves.emplace_back(port());
    ASSERT_TRUE(halves.back().send_bytes(bytes.bytes().first(at)));
  }
  expect_served(other, "meanwhile");
  std::size_t at = 1;
  for (WireConnection& each : halves) {
    ASSERT_TRUE(each.send_bytes(bytes.bytes().subspan(at)));
    const auto answer = each.receive<wire::ProduceRequest>(12);
    ASSERT_TRUE(answer) << answer.error().to_string();
    EXPECT_EQ(answer->responses.at(0).partition_responses.at(0).error_code, 0);
    at += 7;
  }
  EXPECT_EQ(lines_with(*node_, "closing"), 0u) << node_->lines();
}

TEST_F(LimitsTest, AnnouncedFramesThatAreNeverSentTakeNoMemoryAndDelayNoOtherClient) {
  start();
  WireConnection other(port());
  ASSERT_TRUE(create_topic(other, "t", 1));
  const std::string large(1_MiB - 1'000, 'x');
  expect_served(other, "before");
  ASSERT_TRUE(produce(other, "t", 0, large));
  const std::size_t before = node_->resident_bytes();
  // The sizes vary, to leave no unused rest of the memory bound, and their sum is far above it.
  // Some requests send none of the body, some a little, some more than a small frame.
  constexpr std::size_t sent[] = {0, 1, 1'000, 100'000};
  std::deque<WireConnection> silent;
  for (std::size_t i = 0; i < 200; ++i) {
    const std::size_t length = max_frame_bytes >> (i / 12);
    const std::string body(std::min(sent[i % 4], length - 1), '\0');
    silent.emplace_back(port());
    ASSERT_TRUE(
        silent.back().send_bytes(as_bytes(framed(static_cast<std::uint32_t>(length), body))));
  }
  for (int i = 0; i < 20; ++i) {
    expect_served(other, "meanwhile");
    ASSERT_TRUE(produce(other, "t", 0, large));
  }
  WireConnection newcomer(port());
  expect_served(newcomer, "a newcomer");
  ASSERT_TRUE(produce(newcomer, "t", 0, large));
  EXPECT_LT(node_->resident_bytes(), before + memory_slack_bytes);
}

TEST_F(LimitsTest, AClientThatStopsReadingDelaysNoOtherClientAndGetsAllItsAnswersLater) {
  constexpr int values_count = 64;
  constexpr int fetches = 1'500;
  start();
  WireConnection other(port());
  ASSERT_TRUE(create_topic(other, "t", 1));
  ASSERT_TRUE(create_topic(other, "large", 1));
  const auto large = [](int i) { return std::to_string(i) + std::string(500'000, 'y'); };
  for (int i = 0; i < values_count; ++i) ASSERT_TRUE(produce(other, "large", 0, large(i)));
  expect_served(other, "before");
  const std::size_t before = node_->resident_bytes();
  // 750 MB of answers; the requests fit into the sockets' buffers.
  WireConnection slow(port());
  for (int i = 0; i < fetches; ++i) {
    ASSERT_TRUE(slow.send(fetch_request("large", 0, Offset{i % values_count}, 1), fetch_version));
  }
  std::size_t most = 0;
  for (int i = 0; i < 100; ++i) {
    expect_served(other, "meanwhile " + std::to_string(i));
    most = std::max(most, node_->resident_bytes());
  }
  EXPECT_LT(most, before + memory_slack_bytes);
  for (int i = 0; i < fetches; ++i) {
    const auto answer = slow.receive<wire::FetchRequest>(fetch_version);
    ASSERT_TRUE(answer) << i << ": " << answer.error().to_string();
    Offset next;
    const auto found = values_in(*answer, next);
    ASSERT_TRUE(found) << i << ": " << found.error().to_string();
    ASSERT_EQ(found->size(), 1u) << i;
    ASSERT_TRUE(found->front() == large(i % values_count)) << i;
    ASSERT_EQ(next, Offset{i % values_count + 1}) << i;
  }
  expect_served(slow, "afterwards");
}

}  // namespace
}  // namespace dohle::fault
