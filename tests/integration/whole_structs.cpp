// The fields of WriterConfig, ReaderConfig and Dialer whose effect is a server's.
#include <chrono>
#include <future>
#include <mutex>
#include <vector>

#include <gmock/gmock.h>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "dohle/writer.hpp"
#include "tested_brokers.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using kafka::with_dialer;
using kafka::with_reader_config;
using kafka::with_writer_config;
using testing::ElementsAre;

class WholeStructs : public AtTestedServer {
 protected:
  void SetUp() override {
    auto made = Client::create({.bootstrap_servers = {tested_address()}});
    ASSERT_TRUE(made) << made.error().to_string();
    client_.emplace(std::move(*made));
  }
  static Result<Receipt> publish(Broker& broker, const std::string& text,
                                 PublishOptions with = {}) {
    auto sent = broker.publish(topic(), text, std::move(with));
    return sent ? sent->get() : Result<Receipt>(fail(sent.error()));
  }
  static void store(const std::string& text, std::int32_t partition = 0) {
    auto broker = connected();
    ASSERT_TRUE(broker);
    const auto stored = publish(*broker, text, {.partition = PartitionId{partition}});
    ASSERT_TRUE(stored) << stored.error().to_string();
  }
  Offset committed(const std::string& group) {
    const auto offsets = client_->admin().group_offsets(group);
    return offsets && !offsets->empty() ? offsets->front().offset : Offset{};
  }
  std::optional<GroupMemberDescription> member_of(const std::string& group) {
    const auto described = client_->admin().describe_groups({group});
    if (!described || !described->front().result) return std::nullopt;
    const auto& members = described->front().result->members;
    return members.size() == 1 ? std::optional(members.front()) : std::nullopt;
  }

  std::optional<Client> client_;
};

TEST_F(WholeStructs, writer_config_connects_to_its_brokers) {
  make();
  const kafka::WriterConfig config{.brokers = std::vector{tested_address()}};
  auto broker = connected(with_writer_config(config));
  ASSERT_TRUE(broker);
  EXPECT_TRUE(publish(*broker, "text"));
  kafka::Writer writer(true);
  auto producer = writer.create_producer(config);
  ASSERT_TRUE(producer) << producer.error().to_string();
  auto sent = producer->send(topic(), {.value = as_bytes("text")});
  ASSERT_TRUE(sent) << sent.error().to_string();
  EXPECT_EQ(sent->get().value().offset, Offset{1});
}

TEST_F(WholeStructs, writer_config_required_acks_decide_whether_the_server_answers) {
  make();
  auto none = connected(with_writer_config({.required_acks = Acks::none}));
  ASSERT_TRUE(none);
  const auto unanswered = publish(*none, "first");
  ASSERT_TRUE(unanswered) << unanswered.error().to_string();
  EXPECT_TRUE(unanswered->offset.is_none());
  ASSERT_TRUE(none->disconnect(patience));
  for (const Acks acks : {Acks::leader, Acks::all}) {
    auto broker = connected(with_writer_config({.required_acks = acks}));
    ASSERT_TRUE(broker);
    const auto stored = publish(*broker, "later");
    ASSERT_TRUE(stored) << stored.error().to_string();
    EXPECT_FALSE(stored->offset.is_none());
  }
}

TEST_F(WholeStructs, writer_config_decides_whether_a_missing_topic_is_created) {
  auto refusing = connected(with_writer_config({.allow_auto_topic_creation = false}),
                            kafka::with_properties({{"max.block.ms", "300"}}));
  ASSERT_TRUE(refusing);
  EXPECT_FALSE(publish(*refusing, "text"));
  auto making = connected(with_writer_config({.allow_auto_topic_creation = true}));
  ASSERT_TRUE(making);
  const auto stored = publish(*making, "text");
  ASSERT_TRUE(stored) << stored.error().to_string();
  EXPECT_EQ(stored->offset, Offset{0});
  EXPECT_TRUE(client_->admin().describe_topics({topic()}).value().front().result);
}

TEST_F(WholeStructs, writer_config_balancer_chooses_the_partitions_of_messages) {
  make(3);
  auto broker =
      connected(with_writer_config({.balancer = kafka::Balancer::round_robin(), .async = false}));
  ASSERT_TRUE(broker);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(broker->publish(topic(), std::to_string(i)));
  Texts texts;
  const auto reader =
      read(*broker, texts,
           with_reader_config({.partition = PartitionId{1}, .start_offset = StartOffset::first()}));
  EXPECT_TRUE(texts.wait_for("1"));
  EXPECT_THAT(texts.all(), ElementsAre("1"));
}

TEST_F(WholeStructs, reader_config_group_and_start_offset_are_kept_by_the_server) {
  make();
  store("old");
  const std::string group = topic("group");
  auto broker = connected(with_reader_config(
      {.group_id = group, .session_timeout = 7s, .start_offset = StartOffset::last()}));
  ASSERT_TRUE(broker);
  Texts texts;
  auto reader = read(*broker, texts);
  ASSERT_TRUE(reader);
  EXPECT_TRUE(member_of(group));
  store("new");
  EXPECT_TRUE(texts.wait_for("new"));
  EXPECT_TRUE(reader->unsubscribe(patience));
  EXPECT_THAT(texts.all(), ElementsAre("new"));
  EXPECT_EQ(committed(group), Offset{2});
}

TEST_F(WholeStructs, reader_config_commit_interval_is_the_minimum_time_between_commits) {
  make();
  const std::string group = topic("group");
  auto broker = connected(with_reader_config({.group_id = group, .commit_interval = 24h}));
  ASSERT_TRUE(broker);
  Texts texts;
  auto reader = read(*broker, texts);
  ASSERT_TRUE(reader);
  store("first");
  EXPECT_TRUE(texts.wait_for("first"));
  // The first commit may start at once, also that of the position before any message. The second
  // one starts only a day later.
  EXPECT_TRUE(eventually([&] { return !committed(group).is_none(); }));
  const Offset once = committed(group);
  EXPECT_LE(once, Offset{1});
  store("second");
  EXPECT_TRUE(texts.wait_for("second"));
  store("third");
  EXPECT_TRUE(texts.wait_for("third"));
  EXPECT_EQ(committed(group), once);
  EXPECT_TRUE(reader->unsubscribe(patience)) << "which commits";
  EXPECT_EQ(committed(group), Offset{3});
}

TEST_F(WholeStructs, reader_config_session_timeout_is_checked_by_the_server) {
  make();
  Texts failures;
  auto broker =
      connected(with_reader_config(
                    {.group_id = topic("group"), .heartbeat_interval = 1s, .session_timeout = 24h}),
                with_error_handler([&failures](const Failure& failure) {
                  failures.add(failure.error.to_string());
                }));
  ASSERT_TRUE(broker);
  auto reader = broker->subscribe(topic(), [](RawEvent) {});
  ASSERT_TRUE(reader) << reader.error().to_string();
  ASSERT_TRUE(failures.wait_for(1));
  EXPECT_THAT(failures.all().front(), testing::HasSubstr("INVALID_SESSION_TIMEOUT"));
}

TEST_F(WholeStructs, reader_config_min_bytes_are_the_bytes_that_the_server_waits_for) {
  make();
  auto patient = connected(
      with_reader_config({.min_bytes = 100'000, .max_wait = 1min, .read_batch_timeout = 1min}));
  auto usual = connected();
  ASSERT_TRUE(patient && usual);
  Texts of_patient, of_usual;
  const auto first = read(*patient, of_patient);
  const auto second = read(*usual, of_usual);
  // The patient one has to wait by then: its fetch was sent before the other became ready.
  store("small");
  EXPECT_TRUE(of_usual.wait_for("small"));
  EXPECT_FALSE(of_patient.has("small"));
  store(std::string(200'000, 'x'));
  EXPECT_TRUE(of_patient.wait_for("small"));
}

TEST_F(WholeStructs, reader_config_max_wait_ends_the_servers_wait) {
  make();
  auto broker = connected(with_reader_config({.min_bytes = 100'000, .max_wait = 500ms}));
  ASSERT_TRUE(broker);
  Texts texts;
  const auto reader = read(*broker, texts);
  store("small");
  EXPECT_TRUE(texts.wait_for("small"));
}

TEST_F(WholeStructs, reader_config_max_bytes_bound_each_fetch_and_lose_nothing) {
  make(3);
  for (int i = 0; i < 6; ++i) store(std::string(2'000, static_cast<char>('a' + i)), i % 3);
  auto broker =
      connected(with_reader_config({.max_bytes = 1'024, .start_offset = StartOffset::first()}));
  ASSERT_TRUE(broker);
  Texts texts;
  const auto reader = read(*broker, texts);
  EXPECT_TRUE(texts.wait_for(6));
}

// A member learns of a rebalance by its next heartbeat; until then the other member waits.
TEST_F(WholeStructs, reader_config_heartbeat_interval_bounds_the_delay_of_a_notice_of_a_rebalance) {
  make(2);
  const std::string group = topic("group");
  auto rare = connected(with_reader_config(
      {.group_id = group, .heartbeat_interval = 25min, .session_timeout = 29min}));
  auto usual = connected(with_reader_config({.group_id = group}));
  ASSERT_TRUE(rare && usual);
  Texts texts;
  auto first = read(*rare, texts);
  ASSERT_TRUE(first);
  auto second = usual->subscribe(topic(), [](RawEvent) {});
  ASSERT_TRUE(second) << second.error().to_string();
  EXPECT_FALSE(second->wait_ready(5s)) << "the default is 3 s";
  ASSERT_TRUE(first->unsubscribe(patience));
  EXPECT_TRUE(second->wait_ready(patience));
}

TEST_F(WholeStructs, reader_config_rebalance_timeout_bounds_the_delay_of_a_rebalance_by_a_handler) {
  make(2);
  const std::string group = topic("group");
  auto broker = connected(with_reader_config(
      {.group_id = group, .heartbeat_interval = 100ms, .rebalance_timeout = 100ms}));
  ASSERT_TRUE(broker);
  Texts entered;
  std::promise<void> open;
  auto first = broker->subscribe(topic(), [&, gate = open.get_future().share()](RawEvent) {
    entered.add("handler");
    gate.wait();
  });
  ASSERT_TRUE(first && first->wait_ready(patience));
  store("text");
  ASSERT_TRUE(entered.wait_for(1));
  auto second = broker->subscribe(topic(), [](RawEvent) {});
  ASSERT_TRUE(second) << second.error().to_string();
  EXPECT_TRUE(second->wait_ready(20s)) << "the default is 30 s";
  open.set_value();
}

// A deleted topic makes reads fail: its partitions are looked for before each of them.
TEST_F(WholeStructs, reader_config_read_backoffs_are_the_waits_between_failed_reads) {
  make();
  using Clock = std::chrono::steady_clock;
  std::mutex mutex;
  std::vector<Clock::time_point> at;
  Texts failures;
  auto broker = connected(
      with_reader_config({.read_backoff_min = 1s, .read_backoff_max = 10s, .max_attempts = 1}),
      kafka::with_partition_watch_interval(100ms), with_error_handler([&](const Failure& failure) {
        const std::lock_guard lock(mutex);
        at.push_back(Clock::now());
        failures.add(failure.error.to_string());
      }));
  ASSERT_TRUE(broker);
  Texts texts;
  auto reader = read(*broker, texts);
  ASSERT_TRUE(reader);
  ASSERT_TRUE(kafka::delete_topic(*broker, {topic()}));
  ASSERT_TRUE(failures.wait_for(3));
  ASSERT_TRUE(reader->unsubscribe(patience));
  const std::lock_guard lock(mutex);
  EXPECT_GE(at.at(1) - at.at(0), 1s) << "the default is 100 ms";
  EXPECT_GE(at.at(2) - at.at(1), 2s) << "the default is at most 1 s";
}

TEST_F(WholeStructs, dialer_client_id_is_described_by_the_server_for_the_member) {
  make();
  const std::string group = topic("group");
  auto broker = connected(with_dialer({.client_id = "of-the-dialer", .timeout = 20s}));
  ASSERT_TRUE(broker);
  Texts texts;
  const auto reader = read(*broker, texts, with_reader_config({.group_id = group}));
  const auto member = member_of(group);
  ASSERT_TRUE(member);
  EXPECT_EQ(member->client_id, "of-the-dialer");
}

TEST_F(WholeStructs, dialer_local_address_is_described_by_the_server_for_the_member) {
  make();
  const std::string group = topic("group");
  auto broker = connected(with_reader_config(
      {.group_id = group, .dialer = kafka::Dialer{.local_address = "127.0.0.2"}}));
  ASSERT_TRUE(broker);
  Texts texts;
  const auto reader = read(*broker, texts);
  const auto member = member_of(group);
  ASSERT_TRUE(member);
  EXPECT_THAT(member->client_host, testing::HasSubstr("127.0.0.2"));
}

}  // namespace
}  // namespace dohle
