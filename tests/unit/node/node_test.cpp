#include "dohle/node.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <optional>
#include <string>

#include "base/transport.hpp"
#include "frames/framed_dialer.hpp"
#include "net/loop.hpp"
#include "net/tcp.hpp"
#include "scratch_directory.hpp"
#include "wire/header.hpp"
#include "wire/messages/api_versions.hpp"
#include "wire/messages/metadata.hpp"

// The public Node: real loops, pipes and sockets of the loopback interface.

namespace dohle {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

NodeOptions in_memory() {
  NodeOptions options;
  options.listeners.clear();
  options.logger = silent_logger();
  return options;
}

/// Dials, sends one request and keeps the first frame of the answer, if there is one.
class OneRequest final : public ConnectionEvents {
 public:
  explicit OneRequest(Chain request) : request_(std::move(request)) {}

  void on_open() override { connection->send(std::move(request_)); }
  Admission on_frame_length(std::size_t) override { return Admission::accept; }
  void on_frame(Slice frame) override { end(std::move(frame)); }
  void on_closed(Error why) override { end(fail(std::move(why))); }

  std::unique_ptr<Connection> connection;
  std::promise<Result<Slice>> answer;

 private:
  void end(Result<Slice> with) {
    if (!std::exchange(is_over_, true)) answer.set_value(std::move(with));
  }

  Chain request_;
  bool is_over_ = false;
};

frames::FramedDialer over_tcp(net::Loop& loop) {
  return {std::make_unique<net::TcpDialer>(loop), {loop, &loop.read_buffers()}};
}

auto through(std::shared_ptr<Transport> transport) {
  return [transport = std::move(transport)](net::Loop& loop) {
    return frames::FramedDialer(transport->dialer(loop), {loop, nullptr});
  };
}

/// The answer to `message` over a connection of its own, made with `dialer_of`.
template <class Request, class DialerOf>
Result<typename Request::Response> ask(DialerOf dialer_of, const std::string& address,
                                       const Request& message, std::int16_t version) {
  OneRequest request(*wire::encode_request(7, "test", message, version));
  auto answer = request.answer.get_future();
  net::Loop loop;
  frames::FramedDialer dialer = dialer_of(loop);
  loop.start("test");
  loop.post([&] { request.connection = dialer.dial(*Endpoint::parse(address), {}, request); });
  auto frame = answer.get();
  loop.stop();
  loop.join();
  request.connection.reset();
  if (!frame) return fail(frame.error());
  auto split = wire::decode_response_header(*frame, Request::api, version);
  if (!split) return fail(split.error());
  EXPECT_EQ(split->correlation_id, 7);
  return wire::decode<typename Request::Response>(split->body, version);
}

template <class Request>
Result<typename Request::Response> ask_inside(const Node& node, const Request& message,
                                              std::int16_t version) {
  return ask(through(node.transport()), node.listeners().back().address, message, version);
}

TEST(NodeTest, IsReachedInsideTheProcessWithoutSockets) {
  auto node = Node::start(in_memory());
  ASSERT_TRUE(node) << node.error().to_string();
  ASSERT_EQ(node->listeners().size(), 1u);
  EXPECT_EQ(node->listeners()[0].name, "embedded");
  EXPECT_EQ(node->address(), node->listeners()[0].address);

  wire::ApiVersionsRequest request;
  request.client_software_name = "test";
  request.client_software_version = "1";
  const auto versions = ask_inside(*node, request, 4);
  ASSERT_TRUE(versions) << versions.error().to_string();
  EXPECT_EQ(versions->error_code, 0);
  EXPECT_EQ(versions->api_keys.size(), 27u);
}

TEST(NodeTest, AdvertisesToEachClientTheListenerThatItUsed) {
  auto options = in_memory();
  options.listeners = {{.address = "127.0.0.1:0"}};
  auto node = Node::start(std::move(options));
  ASSERT_TRUE(node) << node.error().to_string();
  ASSERT_EQ(node->listeners().size(), 2u);
  EXPECT_EQ(node->listeners()[0].name, "tcp");
  EXPECT_EQ(node->address(), node->listeners()[0].address);

  const auto inside = ask_inside(*node, wire::MetadataRequest{}, 12);
  ASSERT_TRUE(inside) << inside.error().to_string();
  ASSERT_EQ(inside->brokers.size(), 1u);
  const auto& pipe = inside->brokers[0];
  EXPECT_EQ((Endpoint{pipe.host, static_cast<std::uint16_t>(pipe.port)}).to_string(),
            node->listeners()[1].address);

  const auto outside = ask(over_tcp, node->address(), wire::MetadataRequest{}, 12);
  ASSERT_TRUE(outside) << outside.error().to_string();
  const auto& tcp = outside->brokers.at(0);
  EXPECT_EQ((Endpoint{tcp.host, static_cast<std::uint16_t>(tcp.port)}).to_string(),
            node->address());
  EXPECT_EQ(outside->cluster_id, inside->cluster_id);
}

TEST(NodeTest, HasSeveralListenersAndAdvertisesTheAddressOfEach) {
  auto options = in_memory();
  options.listeners = {{.name = "inside", .address = "127.0.0.1:0"},
                       {.name = "outside", .address = "127.0.0.1:0", .advertised = "example:7"}};
  auto node = Node::start(std::move(options));
  ASSERT_TRUE(node) << node.error().to_string();
  ASSERT_EQ(node->listeners().size(), 3u);
  EXPECT_EQ(node->address(), node->listeners()[0].address);
  EXPECT_EQ(node->listeners()[1].advertised, "example:7");
  const std::string told[] = {node->address(), "example:7"};
  for (std::size_t i = 0; i < 2; ++i) {
    const auto answer = ask(over_tcp, node->listeners()[i].address, wire::MetadataRequest{}, 12);
    ASSERT_TRUE(answer) << answer.error().to_string();
    const auto& server = answer->brokers.at(0);
    EXPECT_EQ((Endpoint{server.host, static_cast<std::uint16_t>(server.port)}).to_string(),
              told[i]);
  }
}

TEST(NodeTest, LargeRequestsThatTogetherExceedTheBoundAreAllServed) {
  auto options = in_memory();
  options.listeners = {{.address = "127.0.0.1:0"}};
  options.max_requests_bytes = std::size_t{1} << 20;
  options.auto_create_topics = false;
  auto node = Node::start(std::move(options));
  ASSERT_TRUE(node) << node.error().to_string();
  wire::MetadataRequest large;
  for (int i = 0; i < 40'000; ++i) {
    large.topics->push_back({{}, "a topic that is not there " + std::to_string(i)});
  }
  std::vector<std::future<std::size_t>> answers;
  for (int i = 0; i < 8; ++i) {
    answers.push_back(std::async(std::launch::async, [&] {
      const auto answer = ask(over_tcp, node->address(), large, 12);
      return answer ? answer->topics.size() : 0;
    }));
  }
  for (auto& answer : answers) EXPECT_EQ(answer.get(), large.topics->size());
}

TEST(NodeTest, RefusesItsTransportOnceItIsClosed) {
  auto node = Node::start(in_memory());
  ASSERT_TRUE(node);
  const auto transport = node->transport();
  const std::string address = node->address();
  ASSERT_TRUE(node->close());
  ASSERT_TRUE(node->close());
  node = fail(Error::client(Errc::closed, "gone"));

  const auto answer = ask(through(transport), address, wire::MetadataRequest{}, 12);
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().is(Errc::connection_failed)) << answer.error().to_string();
}

// CPU time of all threads, which does not depend on the machine's load.
std::int64_t cpu_us() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return std::int64_t{used.tv_sec} * 1'000'000 + used.tv_nsec / 1'000;
}

TEST(NodeTest, StartsInMemoryWithMillisecondsOfCpu) {
  auto best = std::numeric_limits<std::int64_t>::max();
  for (int round = 0; round < 10; ++round) {
    const std::int64_t before = cpu_us();
    auto node = Node::start(in_memory());
    best = std::min(best, cpu_us() - before);
    ASSERT_TRUE(node);
  }
  RecordProperty("cpu_us", static_cast<int>(best));
  EXPECT_LT(best, 20'000) << "ten times what is asked of a release build";
}

TEST(NodeTest, ClosesWithAnUnlimitedTimeout) {
  auto node = Node::start({.data_dir = ":memory:", .listeners = {}, .logger = silent_logger()});
  ASSERT_TRUE(node) << node.error().to_string();
  EXPECT_TRUE(node->close(std::chrono::milliseconds::max()));
}

TEST(NodeTest, KeepsItsDataAcrossARestart) {
  const ScratchDirectory directory;
  auto options = in_memory();
  options.data_dir = (directory / "data").string();
  std::optional<TopicId> id;
  for (int life = 0; life < 2; ++life) {
    auto node = Node::start(options);
    ASSERT_TRUE(node) << node.error().to_string();
    const auto second = Node::start(options);
    ASSERT_FALSE(second);
    EXPECT_TRUE(second.error().is(Errc::locked)) << second.error().to_string();
    wire::MetadataRequest request;
    request.topics.emplace().push_back({{}, "kept"});
    request.allow_auto_topic_creation = life == 0;
    const auto metadata = ask_inside(*node, request, 12);
    ASSERT_TRUE(metadata) << metadata.error().to_string();
    ASSERT_EQ(metadata->topics.at(0).error_code, 0);
    EXPECT_EQ(metadata->topics[0].topic_id, id.value_or(metadata->topics[0].topic_id));
    id = metadata->topics[0].topic_id;
  }
}

TEST(NodeTest, WarnsOfADataDirectoryOnWhichOtherUsersHaveRights) {
  const ScratchDirectory directory;
  const std::string path = (directory / "data").string();
  const auto warnings = [&](std::optional<unsigned> mode) {
    if (mode) std::filesystem::permissions(path, std::filesystem::perms(*mode));
    std::mutex mutex;
    std::string said;
    auto options = in_memory();
    options.data_dir = path;
    options.logger =
        function_logger(LogLevel::warning, [&](LogLevel, std::string_view, std::string_view line) {
          const std::lock_guard lock(mutex);
          said += line;
        });
    {
      const auto node = Node::start(std::move(options));
      EXPECT_TRUE(node) << node.error().to_string();
    }
    return said;
  };
  const auto remedy = HasSubstr("chmod");
  EXPECT_THAT(warnings({}), testing::Not(remedy));  // the node makes it
  EXPECT_THAT(warnings(0700), testing::Not(remedy));
  EXPECT_THAT(warnings(0755),
              HasSubstr("the mode 0755 of the data directory gives other users rights on it; run: "
                        "chmod 700 " +
                        path));
  EXPECT_THAT(warnings(0701), HasSubstr("the mode 0701"));
  EXPECT_THAT(warnings(0710), HasSubstr("the mode 0710"));
}

TEST(NodeTest, AnAddressInUseIsReportedAndLeavesTheDataUnchanged) {
  auto options = in_memory();
  options.listeners = {{.address = "127.0.0.1:0"}};
  auto first = Node::start(options);
  ASSERT_TRUE(first);
  const ScratchDirectory directory;
  options.listeners = {{.address = first->address()}};
  options.data_dir = (directory / "data").string();
  const auto second = Node::start(options);
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().is(Errc::connection_failed)) << second.error().to_string();
  EXPECT_THAT(std::string(second.error().message()), HasSubstr(first->address()));
  EXPECT_TRUE(std::filesystem::exists(directory / "data/dohle-clean-stop"));
}

struct BadOption {
  std::string_view what;
  void (*set)(NodeOptions& options);
  std::string_view said;
};

class NodeOptionsTest : public testing::TestWithParam<BadOption> {};

TEST_P(NodeOptionsTest, AreRefusedByName) {
  auto options = in_memory();
  GetParam().set(options);
  const auto node = Node::start(std::move(options));
  ASSERT_FALSE(node);
  EXPECT_EQ(node.error().category(), ErrorCategory::configuration);
  EXPECT_THAT(std::string(node.error().message()), HasSubstr(GetParam().said));
}

INSTANTIATE_TEST_SUITE_P(
    All, NodeOptionsTest,
    testing::Values(
        BadOption{"data_dir", [](NodeOptions& o) { o.data_dir.clear(); }, "data_dir is empty"},
        BadOption{"address", [](NodeOptions& o) { o.listeners = {{.address = "127.0.0.1"}}; },
                  "listener tcp: address"},
        BadOption{"wildcard", [](NodeOptions& o) { o.listeners = {{.address = "0.0.0.0:0"}}; },
                  "set advertised to one that clients reach"},
        BadOption{"advertised",
                  [](NodeOptions& o) {
                    o.listeners = {{.address = "127.0.0.1:0", .advertised = "0.0.0.0:1"}};
                  },
                  "advertised is 0.0.0.0:1"},
        BadOption{"names",
                  [](NodeOptions& o) {
                    o.listeners = {{.address = "127.0.0.1:0"}, {.address = "[::1]:0"}};
                  },
                  "two listeners are called tcp"},
        BadOption{"embedded", [](NodeOptions& o) { o.listeners = {{.name = "embedded"}}; },
                  "called \"embedded\""},
        BadOption{"listeners", [](NodeOptions& o) { o.listeners.assign(17, NodeListener{}); },
                  "listeners has 17 items"},
        BadOption{"connections", [](NodeOptions& o) { o.max_connections = 0; },
                  "max_connections is 0; allowed are 1 to 100000"},
        BadOption{"request", [](NodeOptions& o) { o.max_request_bytes = 1; },
                  "max_request_bytes is 1; allowed are 1024 to"},
        BadOption{"adopted", [](NodeOptions& o) { o.adopt = {"typo"}; },
                  "topic typo: the data directory has no partition of it"},
        BadOption{"loss", [](NodeOptions& o) { o.accept_loss = {"typo-0@1"}; },
                  "accept_loss: typo-0@1: there is no such topic"},
        BadOption{"tls",
                  [](NodeOptions& o) {
                    o.listeners = {{.address = "127.0.0.1:0", .protocol = SecurityProtocol::ssl}};
                  },
                  "listener tcp: tls is not set, and the protocol is SSL"},
        BadOption{"protocol",
                  [](NodeOptions& o) {
                    o.listeners = {{.address = "127.0.0.1:0", .protocol = SecurityProtocol{9}}};
                  },
                  "listener tcp: protocol: the value is 9"},
        BadOption{"no_mechanism", [](NodeOptions& o) { o.sasl.mechanisms.clear(); },
                  "sasl.mechanisms is empty"},
        BadOption{"mechanism", [](NodeOptions& o) { o.sasl.mechanisms = {SaslMechanism{7}}; },
                  "sasl.mechanisms is 7"},
        BadOption{"reauth", [](NodeOptions& o) { o.sasl.max_reauth = -1ms; },
                  "sasl.max_reauth is -1 ms"},
        BadOption{"short_reauth", [](NodeOptions& o) { o.sasl.max_reauth = 1'999ms; },
                  "sasl.max_reauth is 1999 ms; allowed are 0, and 2,000 ms to 365 days"},
        BadOption{"no_login", [](NodeOptions& o) { o.sasl.plain_users = {{"alice", Secret("x")}}; },
                  "no listener asks for a login"},
        BadOption{"unused_mechanisms",
                  [](NodeOptions& o) { o.sasl.mechanisms = {SaslMechanism::plain}; },
                  "sasl.mechanisms is set, but no listener asks for a login"},
        BadOption{"unused_reauth", [](NodeOptions& o) { o.sasl.max_reauth = 1h; },
                  "sasl.max_reauth is set, but no listener asks for a login"},
        BadOption{"no_password", [](NodeOptions& o) { o.sasl.plain_users = {{"alice", Secret()}}; },
                  "sasl.plain_users: user alice: the password is empty"},
        BadOption{"user_name",
                  [](NodeOptions& o) { o.sasl.plain_users = {{"al\nice", Secret("x")}}; },
                  "is not printable ASCII"},
        BadOption{"twice",
                  [](NodeOptions& o) {
                    o.sasl.plain_users = {{"alice", Secret("x")}, {"alice", Secret("y")}};
                  },
                  "PLAIN has two users with the name alice"},
        BadOption{"memory", [](NodeOptions& o) { o.max_memory_bytes = 1; }, "max_memory_bytes"}),
    [](const auto& info) { return std::string(info.param.what); });

// --- users

TEST(NodeTest, RefusesAFileOfUsersIfNoListenerAsksForALogin) {
  const ScratchDirectory directory;
  const std::string path = (directory / "users").string();
  std::ofstream(path) << "# none yet\n";
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  for (const auto file : {&NodeSaslOptions::plain_user_file, &NodeSaslOptions::scram_user_file}) {
    auto options = in_memory();
    options.sasl.*file = path;
    const auto node = Node::start(std::move(options));
    ASSERT_FALSE(node);
    EXPECT_THAT(node.error().message(), HasSubstr("but no listener asks for a login"));
  }
}

TEST(UserHash, IsOfThePasswordAloneAndDifferentEachTime) {
  const NodeUser alice{"alice", Secret("A password")};
  const auto one = hash_user(alice), other = hash_user(alice);
  ASSERT_TRUE(one) << one.error().to_string();
  EXPECT_TRUE(one->starts_with("alice:SCRAM-SHA-512$4096:"));
  EXPECT_NE(*one, *other);
  EXPECT_EQ(one->find("A password"), one->npos);
}

TEST(UserHash, RefusesCredentialsThatNoLoginCanHave) {
  const auto refused = [](const NodeUser& user, const UserHashOptions& options = {}) {
    const auto line = hash_user(user, options);
    return line ? std::string("accepted") : std::string(line.error().message());
  };
  const Secret password("A password");
  EXPECT_THAT(refused({"", password}), HasSubstr("name is empty"));
  EXPECT_THAT(refused({"a", Secret()}), HasSubstr("password is empty"));
  EXPECT_THAT(refused({"a", Secret(std::string_view("a\0b", 3))}), HasSubstr("holds a NUL"));
  EXPECT_THAT(refused({"a", Secret("p\xe4ss")}), HasSubstr("password is not UTF-8"));
  EXPECT_EQ(refused({"a", Secret("p\xc3\xa4ss")}), "accepted");
  EXPECT_THAT(refused({"a", Secret(std::string(1'025, 'x'))}), HasSubstr("more than 1024 bytes"));
  EXPECT_THAT(refused({"a", password}, {.mechanism = SaslMechanism::plain}),
              HasSubstr("mechanism is 0"));
  EXPECT_THAT(refused({"a", password}, {.iterations = 4'095}), HasSubstr("iterations is 4095"));
  EXPECT_THAT(refused({"a", password}, {.iterations = 16'385}), HasSubstr("iterations is 16385"));
}

}  // namespace
}  // namespace dohle
