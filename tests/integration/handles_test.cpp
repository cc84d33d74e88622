// Answers of handles that were moved from or that a fork copied into a child process; options and
// log lines that all handles share.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/broker.hpp"
#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "dohle/kafka.hpp"
#include "dohle/node.hpp"
#include "dohle/producer.hpp"
#include "dohle/pull_subscriber.hpp"
#include "dohle/redrive.hpp"
#include "dohle/server.hpp"
#include "dohle/writer.hpp"
#include "scratch_directory.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

Node started_node(const std::string& directory) {
  NodeOptions options;
  options.data_dir = directory;
  options.listeners.clear();
  options.logger = silent_logger();
  return Node::start(std::move(options)).value();
}

Client client_of(const Node& node) {
  ClientOptions options;
  options.bootstrap_servers = {node.address()};
  options.transport = node.transport();
  options.logger = silent_logger();
  return Client::create(std::move(options)).value();
}

template <class R>
bool says(const R& result, Errc code) {
  return !result && result.error().is(code);
}

/// Runs `what` in a child process. `what` returns the number of the first failed expectation, 0 for
/// none. An alarm ends a child that hangs.
int in_child(const std::function<int()>& what) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::_exit(what());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "it hung, or crashed by signal " << WTERMSIG(status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// A value outside the enumeration, as from a cast or from another language.
template <class Enum>
constexpr Enum no_value = static_cast<Enum>(77);

TEST(OptionEnums, AreCheckedByTheCallThatTakesThem) {
  const ScratchDirectory directory;
  const Node node = started_node(directory.path());
  Client client = client_of(node);
  Broker broker =
      kafka::new_broker({.addresses = {"embedded:memory"}, .logger = silent_logger()}).value();
  ASSERT_TRUE(broker.connect(20s));
  const auto error_of = [](const auto& result) {
    return result ? std::optional<Error>() : std::optional(result.error());
  };
  NodeOptions volatile_node;
  volatile_node.data_dir = ":memory:";
  volatile_node.listeners.clear();
  volatile_node.logger = silent_logger();
  volatile_node.durability = no_value<Durability>;
  const SaslOptions login{no_value<SaslMechanism>, "alice", Secret("x")};
  TlsOptions oldest, newest;
  oldest.parameters.min_version = no_value<TlsVersion>;
  newest.parameters.max_version = no_value<TlsVersion>;
  const auto with = [](std::optional<SaslOptions> sasl, std::optional<TlsOptions> tls) {
    ClientOptions options;
    options.sasl = std::move(sasl);
    options.tls = std::move(tls);
    return Client::create(std::move(options));
  };
  const auto described =
      client.admin().describe_configs({{.type = no_value<ConfigResourceType>, .name = "1"}});
  ASSERT_TRUE(described);
  const struct {
    const char* option;
    std::optional<Error> refused;
  } table[] = {
      {"mechanism", error_of(with(login, {}))},
      {"min_version", error_of(with({}, oldest))},
      {"max_version", error_of(with({}, newest))},
      {"type", error_of(described->at(0).result)},
      {"acks", error_of(client.producer({.acks = no_value<Acks>, .idempotence = false}))},
      {"compression", error_of(client.producer({.compression = no_value<CompressionCodec>}))},
      {"offset_reset", error_of(client.consumer({.offset_reset = no_value<OffsetReset>}))},
      {"durability", error_of(Node::start(std::move(volatile_node)))},
      {"compression", error_of(kafka::new_broker({.compression = no_value<CompressionCodec>}))},
      {"failure_policy", error_of(kafka::new_broker({.failure_policy = no_value<FailurePolicy>}))},
      {"failure_policy", error_of(broker.subscribe("t", [](RawEvent) {},
                                                   {.failure_policy = no_value<FailurePolicy>}))},
  };
  for (const auto& [option, refused] : table) {
    ASSERT_TRUE(refused) << option;
    EXPECT_EQ(refused->category(), ErrorCategory::configuration) << option;
    const std::string said(refused->message());
    EXPECT_NE(said.find(std::string(option) + " is 77, no value of its type"), std::string::npos)
        << said;
  }
  // A number, since it is Kafka's count of replicas.
  for (const auto& refused :
       {error_of(kafka::new_broker({.required_acks = no_value<Acks>})),
        error_of(broker.publish("t", "text", {.required_acks = no_value<Acks>}))}) {
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->category(), ErrorCategory::configuration);
    EXPECT_NE(refused->message().find("required_acks is 77; allowed are "), std::string::npos)
        << refused->message();
  }
}

TEST(OptionEnums, OfABrokersScramLoginHaveTwoValues) {
  const auto login = [](kafka::ScramAlgorithm algorithm) {
    return kafka::new_broker(kafka::with_scram_mechanism(algorithm, "alice", "secret"));
  };
  EXPECT_TRUE(login(kafka::ScramAlgorithm::sha256));
  EXPECT_TRUE(login(kafka::ScramAlgorithm::sha512));
  for (const int other : {2, 77}) {
    const auto refused = login(static_cast<kafka::ScramAlgorithm>(other));
    ASSERT_FALSE(refused) << other;
    EXPECT_EQ(refused.error().category(), ErrorCategory::configuration);
    EXPECT_NE(refused.error().message().find("mechanism"), std::string_view::npos);
  }
}

// PLAIN and values outside the enumeration are not taken for one of SCRAM's.
TEST(OptionEnums, OfAScramUserRefuseMechanismsOtherThanScram) {
  const ScratchDirectory directory;
  const Node node = started_node(directory.path());
  Admin admin = client_of(node).admin();
  for (const SaslMechanism wrong : {SaslMechanism::plain, no_value<SaslMechanism>}) {
    const auto set =
        admin.set_scram_users({{.name = "u", .password = Secret("p"), .mechanism = wrong}});
    EXPECT_TRUE(says(set, Errc::invalid_argument));
    const auto deleted = admin.delete_scram_users({{.name = "u", .mechanism = wrong}});
    EXPECT_TRUE(says(deleted, Errc::invalid_argument));
  }
}

// Log lines contain names and messages of others. A line break in them would forge another line.
TEST(Logging, ANodePassesPrintableLinesToTheUsersLogger) {
  const ScratchDirectory directory;
  // Makes a catalog.
  (void)started_node(directory.path());
  const std::string stray = directory.path() + "/lo\nst-0";
  std::filesystem::create_directories(stray);
  std::ofstream(stray + "/00000000000000000000.log") << "bytes";
  std::mutex mutex;
  std::vector<std::string> lines;
  NodeOptions options;
  options.data_dir = directory.path();
  options.listeners.clear();
  options.logger =
      function_logger(LogLevel::debug, [&](LogLevel, std::string_view, std::string_view line) {
        const std::lock_guard lock(mutex);
        lines.emplace_back(line);
      });
  {
    const auto node = Node::start(std::move(options));
    ASSERT_TRUE(node) << node.error().to_string();
  }
  bool is_named = false;
  for (const std::string& line : lines) {
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    is_named = is_named || line.find("lo\\nst") != std::string::npos;
  }
  EXPECT_TRUE(is_named) << testing::PrintToString(lines);
}

TEST(MovedFrom, ClientProducerConsumerAndAdminAnswerClosed) {
  const ScratchDirectory directory;
  const Node node = started_node(directory.path());
  Client client = client_of(node);
  Producer producer = client.producer().value();
  Consumer consumer = client.consumer({.group_id = "g"}).value();
  ProducerTopic topic = producer.topic("t").value();
  const Client other_client = std::move(client);
  const Producer other_producer = std::move(producer);
  const Consumer other_consumer = std::move(consumer);
  const ProducerTopic other_topic = std::move(topic);
  EXPECT_TRUE(says(client.connect(1s), Errc::closed));
  EXPECT_TRUE(says(client.producer(), Errc::closed));
  EXPECT_TRUE(says(client.consumer({}), Errc::closed));
  EXPECT_TRUE(says(client.admin().list_topics(), Errc::closed));
  EXPECT_TRUE(says(client.close(), Errc::closed));
  EXPECT_TRUE(says(producer.topic("t"), Errc::closed));
  EXPECT_TRUE(says(producer.send(other_topic, {}), Errc::closed));
  EXPECT_TRUE(says(producer.try_send(other_topic, {}), Errc::closed));
  EXPECT_TRUE(says(producer.send("t", {}), Errc::closed));
  EXPECT_TRUE(says(producer.send(other_topic, {}, [](Result<Receipt>) {}), Errc::closed));
  EXPECT_TRUE(says(producer.flush(1s), Errc::closed));
  EXPECT_TRUE(says(producer.close(1s), Errc::closed));
  EXPECT_EQ(topic.name(), "");
  EXPECT_EQ(topic.partition_count(), 0);
  EXPECT_TRUE(says(consumer.subscribe({"t"}), Errc::closed));
  EXPECT_TRUE(says(consumer.assign({}), Errc::closed));
  EXPECT_TRUE(says(consumer.poll(1s), Errc::closed));
  EXPECT_TRUE(says(consumer.commit_sync(), Errc::closed));
  EXPECT_TRUE(says(consumer.commit_sync({}), Errc::closed));
  EXPECT_TRUE(says(consumer.committed({}), Errc::closed));
  EXPECT_TRUE(says(consumer.seek({"t", PartitionId{0}}, Offset{0}), Errc::closed));
  EXPECT_TRUE(says(consumer.position({"t", PartitionId{0}}), Errc::closed));
  EXPECT_TRUE(says(consumer.pause({}), Errc::closed));
  EXPECT_TRUE(says(consumer.unsubscribe(), Errc::closed));
  EXPECT_TRUE(says(consumer.close(1s), Errc::closed));
  std::optional<Result<void>> told;
  consumer.commit_async([&](Result<void> outcome) { told = std::move(outcome); });
  ASSERT_TRUE(told);
  EXPECT_TRUE(says(*told, Errc::closed));
  consumer.wakeup();
  EXPECT_TRUE(consumer.assignment().empty());
  EXPECT_TRUE(consumer.paused().empty());
  EXPECT_EQ(consumer.member_id(), "");
  EXPECT_TRUE(consumer.member_epoch().is_none());
  EXPECT_FALSE(consumer.lag({"t", PartitionId{0}}));
}

TEST(MovedFrom, BrokerSubscriberAndNodeAnswerClosed) {
  const ScratchDirectory directory;
  Node node = started_node(directory.path());
  Broker broker =
      kafka::new_broker({.addresses = {"embedded:memory"}, .logger = silent_logger()}).value();
  ASSERT_TRUE(broker.connect(20s));
  ASSERT_TRUE(kafka::create_topic(broker, "t", 1, 1));
  Subscriber subscriber = broker.subscribe("t", [](RawEvent) {}).value();
  const Subscriber other_subscriber = std::move(subscriber);
  const Broker other_broker = std::move(broker);
  const Node other_node = std::move(node);
  EXPECT_TRUE(says(broker.init(with_group_id("g")), Errc::closed));
  EXPECT_TRUE(says(broker.connect(1s), Errc::closed));
  EXPECT_TRUE(says(broker.publish("t", std::string_view("x"), {}), Errc::closed));
  EXPECT_TRUE(says(broker.publish("t", Message("x"), {.async = true}), Errc::closed));
  EXPECT_TRUE(says(broker.subscribe("t", [](RawEvent) {}), Errc::closed));
  EXPECT_TRUE(says(broker.flush(1s), Errc::closed));
  EXPECT_TRUE(says(broker.disconnect(1s), Errc::closed));
  EXPECT_TRUE(says(kafka::create_topic(broker, "u", 1, 1), Errc::closed));
  EXPECT_TRUE(says(kafka::delete_topic(broker, {"t"}), Errc::closed));
  EXPECT_EQ(broker.address(), "");
  EXPECT_TRUE(says(subscriber.wait_ready(1s), Errc::closed));
  EXPECT_TRUE(says(subscriber.unsubscribe(1s), Errc::closed));
  EXPECT_TRUE(subscriber.held().empty());
  EXPECT_EQ(subscriber.topic(), "");
  EXPECT_TRUE(says(node.close(), Errc::closed));
  EXPECT_TRUE(says(node.reload_certificates(), Errc::closed));
  EXPECT_EQ(node.address(), "");
  EXPECT_TRUE(node.listeners().empty());
  EXPECT_EQ(node.transport(), nullptr);
}

TEST(MovedFrom, MoveAssignmentEndsTheEarlierObjectOfEachHandle) {
  const ScratchDirectory first_directory, second_directory;
  Node node = started_node(first_directory.path());
  Node other_node = started_node(second_directory.path());
  Client client = client_of(node);
  Consumer consumer = client.consumer({.group_id = "g"}).value();
  ASSERT_TRUE(client.producer().value().send("t", {.value = as_bytes("x")}).value().get());
  ASSERT_TRUE(consumer.subscribe({"t"}));
  while (consumer.member_id().empty()) ASSERT_TRUE(consumer.poll(10ms));
  const auto members = [&] {
    const auto described = client.admin().describe_groups({"g"});
    return described && described->at(0).result ? described->at(0).result->members.size() : 99;
  };
  EXPECT_EQ(members(), 1U);
  consumer = client.consumer({}).value();
  EXPECT_EQ(members(), 0U) << "it has left its group";

  const auto broker_at = [](const std::string& directory) {
    Broker made = kafka::new_broker({.addresses = {"embedded:" + directory},
                                     .allow_publish_auto_topic_creation = true,
                                     .logger = silent_logger()})
                      .value();
    EXPECT_TRUE(made.connect(20s));
    return made;
  };
  node = std::move(other_node);
  Broker broker = broker_at(first_directory.path());
  const Delivery sent = broker.publish("t", std::string_view("x"), {.async = true}).value();
  const ScratchDirectory third_directory;
  broker = broker_at(third_directory.path());
  EXPECT_TRUE(sent.is_done()) << "disconnecting delivers it";
  const Node again = started_node(first_directory.path());
  EXPECT_EQ(broker.address(), "embedded:" + third_directory.path());
}

TEST(Options, RefuseNumbersThatAreNoEnumerators) {
  const ScratchDirectory directory;
  const Node node = started_node(directory.path());
  Client client = client_of(node);
  const auto refused = [](const auto& made, std::string_view name) {
    return !made && made.error().category() == ErrorCategory::configuration &&
           made.error().message().find(name) != std::string_view::npos;
  };
  EXPECT_TRUE(refused(client.producer({.compression = static_cast<CompressionCodec>(77)}),
                      "compression is 77"));
  EXPECT_TRUE(
      refused(client.producer({.acks = static_cast<Acks>(2), .idempotence = false}), "acks is 2"));
  EXPECT_TRUE(
      refused(client.consumer({.offset_reset = static_cast<OffsetReset>(9)}), "offset_reset is 9"));
  kafka::BrokerOptions options;
  options.compression = static_cast<CompressionCodec>(77);
  EXPECT_TRUE(refused(kafka::new_broker(std::move(options)), "compression is 77"));
}

TEST(Options, RefuseTlsAndALoginBesideATransport) {
  auto node = Node::start({.data_dir = ":memory:", .listeners = {}}).value();
  ClientOptions options;
  options.transport = node.transport();
  options.tls.emplace();
  const auto with_tls = Client::create(options);
  ASSERT_FALSE(with_tls);
  EXPECT_EQ(with_tls.error().category(), ErrorCategory::configuration);
  EXPECT_NE(with_tls.error().message().find("tls is set beside transport"), std::string_view::npos);
  options.tls.reset();
  options.sasl = SaslOptions{SaslMechanism::plain, "alice", Secret("x")};
  const auto with_login = Client::create(options);
  ASSERT_FALSE(with_login);
  EXPECT_NE(with_login.error().message().find("sasl is set beside transport"),
            std::string_view::npos);
}

TEST(Options, RefuseACaFileThatIsMissingWithItsName) {
  ClientOptions options;
  options.tls = TlsOptions{.trust = {.ca_file = "/none/ca.pem"}};
  const auto client = Client::create(options);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().category(), ErrorCategory::configuration);
  EXPECT_NE(client.error().message().find("/none/ca.pem"), std::string_view::npos);
}

TEST(MovedFrom, MoveAssignmentClosesTheEarlierHandle) {
  const ScratchDirectory directory;
  const Node node = started_node(directory.path());
  Client client = client_of(node);
  Producer first = client.producer().value();
  const ProducerTopic topic = first.topic("t").value();
  Delivery delivery = first.send(topic, {.value = as_bytes("one")}).value();
  first = client.producer().value();
  EXPECT_TRUE(delivery.is_done()) << "it was closed, which delivers what it had";
  EXPECT_TRUE(delivery.get());
  Delivery other = first.send(first.topic("t").value(), {.value = as_bytes("two")}).value();
  delivery = std::move(other);
  EXPECT_TRUE(says(other.wait(0ms), Errc::invalid_argument));
  EXPECT_TRUE(delivery.get());
}

TEST(Forked, EveryCallInTheChildFailsAtOnceAndDestructorsEndNothing) {
  const ScratchDirectory directory;
  std::optional<Node> node = started_node(directory.path());
  std::optional<Client> client = client_of(*node);
  std::optional<Producer> producer = client->producer().value();
  std::optional<Consumer> consumer = client->consumer({.group_id = "g"}).value();
  std::optional<Admin> admin = client->admin();
  const ProducerTopic topic = producer->topic("t").value();
  ASSERT_TRUE(producer->send(topic, {.value = as_bytes("one")}).value().get());
  ASSERT_TRUE(consumer->subscribe({"t"}));
  std::optional<Delivery> under_way = producer->send(topic, {.value = as_bytes("two")}).value();
  EXPECT_EQ(in_child([&]() -> int {
              int at = 0;
              const auto expect = [&at](bool is_so, int number) {
                if (!is_so && at == 0) at = number;
              };
              expect(says(producer->send(topic, {.value = as_bytes("x")}), Errc::forked), 1);
              expect(says(producer->send("t", {.value = as_bytes("x")}), Errc::forked), 2);
              expect(says(producer->flush(30s), Errc::forked), 3);
              expect(says(producer->close(30s), Errc::forked), 4);
              expect(says(producer->topic("t"), Errc::forked), 5);
              expect(says(consumer->poll(30s), Errc::forked), 6);
              expect(says(consumer->commit_sync(), Errc::forked), 7);
              expect(says(consumer->close(30s), Errc::forked), 8);
              expect(says(consumer->seek({"t", PartitionId{0}}, Offset{0}), Errc::forked), 9);
              expect(says(consumer->subscribe({"t"}), Errc::forked), 16);
              expect(says(consumer->unsubscribe(), Errc::forked), 17);
              expect(says(consumer->assign({}), Errc::forked), 18);
              expect(says(consumer->commit_sync({}, 30s), Errc::forked), 19);
              expect(says(consumer->committed({}), Errc::forked), 20);
              expect(says(consumer->position({"t", PartitionId{0}}, 30s), Errc::forked), 21);
              expect(says(consumer->pause({}), Errc::forked), 22);
              std::optional<Result<void>> told;
              consumer->commit_async([&](Result<void> outcome) { told = std::move(outcome); });
              expect(told && says(*told, Errc::forked), 23);
              expect(says(client->producer(), Errc::forked), 24);
              expect(says(client->consumer({}), Errc::forked), 25);
              expect(says(client->replace_login({}), Errc::forked), 26);
              expect(says(producer->try_send(topic, {}), Errc::forked), 27);
              expect(says(node->reload_certificates(), Errc::forked), 28);
              expect(consumer->assignment().empty(), 10);
              consumer->wakeup();
              expect(says(admin->list_topics(), Errc::forked), 11);
              expect(says(client->connect(30s), Errc::forked), 12);
              expect(says(client->close(), Errc::forked), 13);
              expect(says(node->close(), Errc::forked), 14);
              expect(under_way->is_done() || says(under_way->wait(30s), Errc::forked), 15);
              under_way.reset();
              producer.reset();
              consumer.reset();
              admin.reset();
              client.reset();
              node.reset();
              return at;
            }),
            0);
  // The parent's connections and threads are unchanged.
  EXPECT_TRUE(under_way->get());
  EXPECT_TRUE(producer->send(topic, {.value = as_bytes("three")}).value().get());
  EXPECT_TRUE(consumer->close(10s));
}

TEST(Forked, AnEmbeddedNodesDirectoryIsFreeOnceTheParentReleasesIt) {
  const ScratchDirectory directory;
  std::optional<Node> node = started_node(directory.path());
  int pipe_ends[2] = {};
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    ::close(pipe_ends[1]);
    char end = 0;
    // Lives until the parent has opened the directory again.
    ::_exit(static_cast<int>(::read(pipe_ends[0], &end, 1)));
  }
  ::close(pipe_ends[0]);
  node.reset();
  NodeOptions again;
  again.data_dir = directory.path();
  again.listeners.clear();
  again.logger = silent_logger();
  const auto taken = Node::start(std::move(again));
  EXPECT_TRUE(taken) << taken.error().to_string();
  ::close(pipe_ends[1]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
}

// Kept until the program ends.
std::optional<Broker>& kept_broker() {
  static std::optional<Broker> broker;
  return broker;
}

TEST(Forked, ABrokerInTheChildFailsAtOnceAndAnExitDoesNotHang) {
  const ScratchDirectory directory;
  kafka::BrokerOptions options;
  options.addresses = {"embedded:" + directory.path()};
  options.allow_publish_auto_topic_creation = true;
  options.logger = silent_logger();
  kept_broker() = kafka::new_broker(std::move(options)).value();
  Broker& broker = *kept_broker();
  ASSERT_TRUE(broker.connect(20s));
  ASSERT_TRUE(broker.publish("t", std::string_view("one"), {.async = false}));
  std::promise<RawEvent> got;
  std::atomic<bool> is_got = false;
  const auto keep = [&](RawEvent event) {
    if (!is_got.exchange(true)) got.set_value(std::move(event));
  };
  std::optional<Subscriber> subscriber =
      broker
          .subscribe("t", keep,
                     {.group_id = "g", .auto_ack = false, .start_offset = StartOffset::first()})
          .value();
  std::optional<RawEvent> event = got.get_future().get();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    const bool is_so =
        says(broker.publish("t", std::string_view("two"), {}), Errc::forked) &&
        says(broker.publish("t", std::string_view("two"), {.async = true}), Errc::forked) &&
        says(broker.subscribe("t", [](RawEvent) {}), Errc::forked) &&
        says(broker.connect(30s), Errc::forked) && says(broker.init(), Errc::forked) &&
        says(kafka::create_topic(broker, "u", 1, 1), Errc::forked) &&
        says(kafka::delete_topic(broker, {"t"}), Errc::forked) &&
        says(subscriber->wait_ready(30s), Errc::forked) && subscriber->held().empty() &&
        says(event->ack(), Errc::forked) && says(event->nack(), Errc::forked) &&
        says(subscriber->unsubscribe(30s), Errc::forked) && says(broker.flush(30s), Errc::forked) &&
        says(broker.disconnect(2s), Errc::forked);
    event.reset();
    subscriber.reset();
    // Runs the destructors of all static objects: the broker's and its node's.
    std::exit(is_so ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "it hung, or crashed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(broker.publish("t", std::string_view("three"), {}));
  EXPECT_TRUE(event->ack());
  EXPECT_TRUE(subscriber->unsubscribe(20s));
  EXPECT_TRUE(broker.disconnect(20s));
  kept_broker().reset();
}

TEST(Forked, EveryCallOfABrokerAndItsSubscribersInTheChildFailsAtOnce) {
  const ScratchDirectory directory;
  std::optional<Broker> broker =
      kafka::new_broker({.addresses = {"embedded:" + directory.path()}, .logger = silent_logger()})
          .value();
  ASSERT_TRUE(broker->connect(20s));
  ASSERT_TRUE(kafka::create_topic(*broker, "t", 1, 1));
  ASSERT_TRUE(broker->publish("t", std::string_view("one"), {.async = false}));
  const SubscribeOptions from_first{.group_id = "g", .start_offset = StartOffset::first()};
  std::optional<PullSubscriber<RawEvent>> puller = broker->subscribe_pull("t", from_first).value();
  auto pulled = puller->next(20s);
  ASSERT_TRUE(pulled && *pulled);
  std::optional<RawEvent> event = std::move(**pulled);
  EXPECT_EQ(in_child([&]() -> int {
              int at = 0;
              const auto expect = [&at](bool is_so, int number) {
                if (!is_so && at == 0) at = number;
              };
              const TopicPartition first{"t", PartitionId{0}};
              const std::vector<Message> messages(3);
              const auto each = broker->publish("t", std::span<const Message>(messages));
              const auto is_forked = [](const auto& result) { return says(result, Errc::forked); };
              expect(each.size() == 3 && std::ranges::all_of(each, is_forked), 1);
              expect(is_forked(broker->publish("t", Message())), 2);
              expect(is_forked(broker->publish("t", std::string_view("x"))), 3);
              expect(is_forked(broker->subscribe_pull("t")), 4);
              expect(is_forked(broker->subscribe_batch("t", [](std::span<RawEvent>) {})), 5);
              expect(is_forked(broker->request<Message>("t", Message())), 6);
              bool is_told = false;
              expect(is_forked(broker->request_async<Message>(
                         "t", Message(), [&](Result<Message>) { is_told = true; })) &&
                         !is_told,
                     7);
              expect(is_forked(broker->request_future<Message>("t", Message()).get()), 8);
              expect(is_forked(broker->reply<Message>(
                         "t", [](const Message&) { return Message(); }, SubscribeOptions())),
                     9);
              expect(is_forked(broker->client()), 10);
              expect(broker->metrics().metrics.empty(), 11);
              expect(broker->request_counts().under_way == 0, 12);
              expect(is_forked(kafka::redrive(*broker, "t.dlt", "t")), 13);
              expect(is_forked(puller->next(30s)), 20);
              expect(is_forked(puller->wait_ready(30s)), 21);
              expect(is_forked(puller->pause()), 22);
              expect(is_forked(puller->resume()), 23);
              expect(is_forked(puller->pause(first)), 24);
              expect(is_forked(puller->resume(first)), 25);
              expect(is_forked(puller->seek(first, Offset{0})), 26);
              expect(is_forked(puller->position(first)), 27);
              expect(is_forked(puller->committed(first)), 28);
              expect(is_forked(puller->pause(first.partition)), 29);
              expect(is_forked(puller->resume(first.partition)), 30);
              expect(is_forked(puller->seek(first.partition, Offset{0})), 31);
              expect(is_forked(puller->position(first.partition)), 32);
              expect(is_forked(puller->committed(first.partition)), 33);
              expect(puller->assignment().empty() && puller->lag().partitions.empty(), 34);
              expect(puller->held().empty(), 35);
              expect(is_forked(event->retry_after(1s)), 36);
              expect(is_forked(event->ack()), 37);
              expect(is_forked(puller->unsubscribe(30s)), 38);
              event.reset();
              puller.reset();
              broker.reset();
              return at;
            }),
            0);
  EXPECT_TRUE(event->ack());
  EXPECT_TRUE(puller->unsubscribe(20s));
  EXPECT_TRUE(broker->publish("t", std::string_view("two"), {.async = false}));
  EXPECT_TRUE(broker->disconnect(20s));
}

TEST(Forked, EveryCallOfAWriterInTheChildFailsAtOnce) {
  const ScratchDirectory directory;
  std::optional<kafka::Writer> writer(std::in_place, true);
  kafka::WriterConfig config;
  config.brokers = std::vector<std::string>{"embedded:" + directory.path()};
  ASSERT_TRUE(writer->create_producer(config));
  std::optional<Producer> producer = writer->producer("t").value();
  EXPECT_EQ(in_child([&]() -> int {
              if (!says(writer->create_producer(config), Errc::forked)) return 1;
              if (!says(writer->producer("t"), Errc::forked)) return 2;
              if (!says(writer->producer("u"), Errc::forked)) return 3;
              if (!says(producer->send("t", {.value = as_bytes("x")}), Errc::forked)) return 4;
              if (!says(writer->close(30s), Errc::forked)) return 5;
              producer.reset();
              writer.reset();
              return 0;
            }),
            0);
  EXPECT_TRUE(writer->close(20s));
}

TEST(Forked, EveryCallOfAServerInTheChildFailsAtOnce) {
  const ScratchDirectory directory;
  ServerOptions options;
  options.broker.addresses = {"embedded:" + directory.path()};
  options.broker.logger = silent_logger();
  std::optional<Server> server(std::in_place, std::move(options));
  ASSERT_TRUE(server->start());
  const auto ignore = [](RawEvent) {};
  EXPECT_EQ(in_child([&]() -> int {
              if (!says(server->register_subscriber("t", ignore), Errc::forked)) return 1;
              if (!says(server->start(), Errc::forked)) return 2;
              if (!says(server->run(), Errc::forked)) return 3;
              if (!says(server->stop(30s), Errc::forked)) return 4;
              if (!says(server->stop(), Errc::forked)) return 5;
              if (server->health().state != ServerState::idle) return 6;
              if (server->broker() != nullptr || !server->endpoint().empty()) return 7;
              server.reset();
              return 0;
            }),
            0);
  EXPECT_EQ(server->health().state, ServerState::running);
  EXPECT_TRUE(server->stop(20s));
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if !defined(__SANITIZE_THREAD__) && !__has_feature(thread_sanitizer)
// The thread sanitizer allows no threads after a fork.
TEST(Forked, ANewBrokerInTheChildDoesNotJoinTheParentsNode) {
  const ScratchDirectory directory;
  const auto at = [](const std::string& address) {
    return kafka::new_broker({.addresses = {address}, .logger = silent_logger()}).value();
  };
  Broker on_disk = at("embedded:" + directory.path());
  Broker in_memory = at("embedded:memory/forked");
  for (Broker* each : {&on_disk, &in_memory}) {
    ASSERT_TRUE(each->connect(20s));
    ASSERT_TRUE(kafka::create_topic(*each, "of-the-parent", 1, 1));
  }
  EXPECT_EQ(in_child([&]() -> int {
              const auto locked = at("embedded:" + directory.path()).connect(5s);
              if (!says(locked, Errc::locked)) return 1;
              Broker own = at("embedded:memory/forked");
              if (!own.connect(5s)) return 2;
              const auto sent = own.publish("of-the-parent", "x", {.async = false});
              if (!says(sent, Errc::no_such_topic)) return 3;
              return own.disconnect(5s) ? 0 : 4;
            }),
            0);
  EXPECT_TRUE(on_disk.publish("of-the-parent", "x", {.async = false}));
  EXPECT_TRUE(in_memory.publish("of-the-parent", "x", {.async = false}));
}
#endif

[[noreturn]] void publish_and_exit(const std::string& path) {
  kept_broker() = kafka::new_broker({.addresses = {"embedded:" + path},
                                     .allow_publish_auto_topic_creation = true,
                                     .logger = silent_logger()})
                      .value();
  if (!kept_broker()->connect(20s)) std::exit(1);
  if (!kept_broker()->publish("t", "under way", {.async = true})) std::exit(2);
  std::exit(0);
}

// A static object is destroyed after those that its calls made later.
TEST(StaticBroker, EndsItsNodeCleanlyAtTheExitOfTheProgram) {
  // The program of the death test runs this test from its beginning, and is to use the same place.
  constexpr const char* variable = "DOHLE_STATIC_BROKER_DIRECTORY";
  std::optional<ScratchDirectory> made;
  if (std::getenv(variable) == nullptr) ::setenv(variable, made.emplace().path().c_str(), 1);
  const std::string path = std::getenv(variable);
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(publish_and_exit(path), testing::ExitedWithCode(0), "");
  ::unsetenv(variable);
  EXPECT_TRUE(std::filesystem::exists(path + "/dohle-clean-stop"));
  const Node node = started_node(path);
  const auto offsets =
      client_of(node).admin().list_offsets({{{"t", PartitionId{0}}, OffsetSpec::latest()}});
  ASSERT_TRUE(offsets && offsets->at(0).result);
  EXPECT_EQ(offsets->at(0).result->offset, Offset{1}) << "the end waits for records under way";
}

}  // namespace
}  // namespace dohle
