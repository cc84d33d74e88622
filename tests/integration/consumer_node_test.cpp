// The consumer against a node in memory.

#include <gmock/gmock.h>

#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/consumer.hpp"
#include "dohle/producer.hpp"
#include "integration/client_on_node.hpp"

namespace dohle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ConsumerOnNode : public ClientOnNode {
 protected:
  void produce(const std::string& topic, int count, int from = 0) {
    auto producer = client_->producer();
    ASSERT_TRUE(producer) << producer.error().message();
    auto resolved = producer->topic(topic);
    ASSERT_TRUE(resolved) << resolved.error().message();
    for (int i = 0; i < count; ++i) {
      const std::string value = std::to_string(from + i);
      ASSERT_TRUE(producer->send(*resolved, {.value = as_bytes(value)}));
    }
    auto flushed = producer->flush(seconds(10));
    ASSERT_TRUE(flushed) << flushed.error().message();
  }

  Consumer consumer(ConsumerOptions options) {
    options.offset_reset = OffsetReset::earliest;
    auto made = client_->consumer(std::move(options));
    EXPECT_TRUE(made) << made.error().message();
    return std::move(*made);
  }

  /// The values of polls until there are `count`, or until ten seconds pass without one.
  static std::vector<std::string> read(Consumer& consumer, std::size_t count) {
    std::vector<std::string> values;
    int empty_polls = 0;
    while (values.size() < count && empty_polls < 100) {
      auto records = consumer.poll(milliseconds(100));
      if (!records) {
        ADD_FAILURE() << records.error().message();
        break;
      }
      empty_polls = records->empty() ? empty_polls + 1 : 0;
      for (const ConsumerRecord& record : *records) values.emplace_back(as_text(*record.value));
      EXPECT_EQ(records->error(), nullptr);
    }
    return values;
  }

  static std::vector<std::string> numbers(int from, int to) {
    std::vector<std::string> all;
    for (int i = from; i < to; ++i) all.push_back(std::to_string(i));
    return all;
  }
};

TEST_F(ConsumerOnNode, reads_an_assigned_partition_in_order) {
  produce("orders", 5'000);
  Consumer reader = consumer({});
  const TopicPartition where{"orders", PartitionId{0}};
  ASSERT_TRUE(reader.assign({where}));
  EXPECT_EQ(read(reader, 5'000), numbers(0, 5'000));
  EXPECT_EQ(reader.position(where).value(), Offset{5'000});
  EXPECT_EQ(reader.lag(where), 0);
}

TEST_F(ConsumerOnNode, a_poll_returns_at_most_max_poll_records) {
  produce("orders", 1'000);
  Consumer reader = consumer({.max_poll_records = 7});
  ASSERT_TRUE(reader.assign({{"orders", PartitionId{0}}}));
  std::vector<std::string> values;
  while (values.size() < 1'000) {
    auto records = reader.poll(seconds(10));
    ASSERT_TRUE(records) << records.error().message();
    ASSERT_FALSE(records->empty());
    std::size_t count = 0;
    for (const ConsumerRecord& record : *records) {
      values.emplace_back(as_text(*record.value));
      ++count;
    }
    EXPECT_LE(count, 7U);
    EXPECT_EQ(count, records->count());
  }
  EXPECT_EQ(values, numbers(0, 1'000));
}

TEST_F(ConsumerOnNode, seeks_by_offset_and_to_both_ends) {
  produce("orders", 100);
  Consumer reader = consumer({});
  const TopicPartition where{"orders", PartitionId{0}};
  ASSERT_TRUE(reader.assign({where}));
  EXPECT_EQ(read(reader, 100).size(), 100U);
  ASSERT_TRUE(reader.seek(where, Offset{40}));
  EXPECT_EQ(read(reader, 60), numbers(40, 100));
  ASSERT_TRUE(reader.seek_to_beginning(where));
  EXPECT_EQ(read(reader, 100), numbers(0, 100));
  ASSERT_TRUE(reader.seek_to_end(where));
  EXPECT_EQ(reader.position(where).value(), Offset{100});
}

TEST_F(ConsumerOnNode, a_wakeup_ends_a_poll) {
  produce("orders", 1);
  Consumer reader = consumer({});
  reader.wakeup();
  auto records = reader.poll(seconds(30));
  ASSERT_FALSE(records);
  EXPECT_TRUE(records.error().is(Errc::cancelled));
}

TEST_F(ConsumerOnNode, records_that_the_caller_holds_count_against_the_buffer) {
  produce("orders", 2'000);
  Consumer reader = consumer({.max_fetch_bytes = 4'096, .buffer_bytes = 1'024});
  ASSERT_TRUE(reader.assign({{"orders", PartitionId{0}}}));
  std::vector<Records> held;
  Result<Records> last = Records();
  for (int polls = 0; polls < 200 && last; ++polls) {
    last = reader.poll(milliseconds(100));
    if (last) held.push_back(std::move(*last));
  }
  ASSERT_FALSE(last);
  EXPECT_TRUE(last.error().is(Errc::limit_reached)) << last.error().message();
}

TEST_F(ConsumerOnNode, a_group_continues_at_its_committed_offsets) {
  produce("orders", 300);
  {
    Consumer first = consumer({.group_id = "billing", .auto_commit = false});
    ASSERT_TRUE(first.subscribe({"orders"}));
    EXPECT_EQ(read(first, 300), numbers(0, 300));
    auto committed = first.commit_sync({{{"orders", PartitionId{0}}, {Offset{120}}}});
    ASSERT_TRUE(committed) << committed.error().message();
    auto closed = first.close(seconds(10));
    ASSERT_TRUE(closed) << closed.error().message();
  }
  Consumer second = consumer({.group_id = "billing"});
  ASSERT_TRUE(second.subscribe({"orders"}));
  EXPECT_EQ(read(second, 180), numbers(120, 300));
}

TEST_F(ConsumerOnNode, closing_commits_the_read_records) {
  produce("orders", 50);
  const TopicPartition where{"orders", PartitionId{0}};
  {
    Consumer first = consumer({.group_id = "billing"});
    ASSERT_TRUE(first.subscribe({"orders"}));
    EXPECT_EQ(read(first, 50).size(), 50U);
    ASSERT_TRUE(first.close(seconds(10)));
  }
  Consumer second = consumer({.group_id = "billing"});
  auto committed = second.committed({where});
  ASSERT_TRUE(committed) << committed.error().message();
  ASSERT_EQ(committed->size(), 1U);
  EXPECT_EQ(committed->front().committed.offset, Offset{50});
}

TEST_F(ConsumerOnNode, a_listener_is_called_for_assignment_and_revocation) {
  produce("orders", 1);
  std::vector<std::string> heard;
  RebalanceListener listener;
  listener.on_assigned = [&](auto partitions) {
    heard.push_back("assigned " + std::to_string(partitions.size()));
  };
  listener.on_revoked = [&](auto partitions) {
    heard.push_back("revoked " + std::to_string(partitions.size()));
  };
  Consumer reader = consumer({.group_id = "billing"});
  ASSERT_TRUE(reader.subscribe({"orders"}, std::move(listener)));
  EXPECT_EQ(read(reader, 1), numbers(0, 1));
  EXPECT_FALSE(reader.member_id().empty());
  ASSERT_TRUE(reader.unsubscribe());
  EXPECT_THAT(heard, ::testing::ElementsAre("assigned 1", "revoked 1"));
  EXPECT_TRUE(reader.assignment().empty());
}

TEST_F(ConsumerOnNode, an_exception_of_a_listener_is_the_error_of_the_call_that_ran_it) {
  produce("orders", 3);
  int assigned = 0;
  RebalanceListener listener;
  listener.on_assigned = [&](auto) {
    ++assigned;
    throw std::runtime_error("no paper");
  };
  listener.on_revoked = [](auto) { throw 7; };
  Consumer reader = consumer({.group_id = "billing"});
  ASSERT_TRUE(reader.subscribe({"orders"}, std::move(listener)));
  std::optional<Error> thrown;
  for (int polls = 0; polls < 100 && !thrown; ++polls) {
    const auto polled = reader.poll(milliseconds(100));
    if (!polled) thrown = polled.error();
  }
  ASSERT_TRUE(thrown);
  EXPECT_TRUE(thrown->is(Errc::handler_failed));
  EXPECT_EQ(thrown->message(), "the rebalance listener's on_assigned threw: no paper");
  EXPECT_EQ(read(reader, 3), numbers(0, 3)) << "the partition is assigned all the same";
  EXPECT_EQ(assigned, 1);
  const auto left = reader.unsubscribe();
  ASSERT_FALSE(left);
  EXPECT_TRUE(left.error().is(Errc::handler_failed));
  EXPECT_EQ(left.error().message(),
            "the rebalance listener's on_revoked threw: an object that is no std::exception");
  EXPECT_TRUE(reader.assignment().empty());
  ASSERT_TRUE(reader.subscribe({"orders"}));
  EXPECT_TRUE(reader.poll(milliseconds(0)));
}

TEST_F(ConsumerOnNode, an_exception_of_a_commit_callback_is_logged) {
  std::mutex mutex;
  std::string logged;
  const auto logger =
      function_logger(LogLevel::error, [&](LogLevel, std::string_view, std::string_view line) {
        const std::lock_guard lock(mutex);
        logged += line;
      });
  client_.emplace(
      Client::create({.bootstrap_servers = {node_->address()}, .logger = logger}).value());
  produce("orders", 3);
  Consumer reader = consumer({.group_id = "billing", .auto_commit = false});
  ASSERT_TRUE(reader.subscribe({"orders"}));
  EXPECT_EQ(read(reader, 3), numbers(0, 3));
  reader.commit_async([](const Result<void>&) { throw std::runtime_error("no paper"); });
  // Callbacks run in the order of the commits.
  ASSERT_TRUE(reader.commit_sync());
  const auto patient = reader.commit_sync({{{"orders", PartitionId{0}}, {Offset{3}}}},
                                          std::chrono::milliseconds::max());
  EXPECT_TRUE(patient) << patient.error().to_string();
  ASSERT_TRUE(reader.close(seconds(10)));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(logged, "a commit callback threw: no paper");
}

TEST_F(ConsumerOnNode, a_commit_names_refused_partitions_and_stores_the_others) {
  produce("orders", 3);
  const TopicPartition orders{"orders", PartitionId{0}}, gone{"gone", PartitionId{0}};
  Consumer reader = consumer({.group_id = "billing", .auto_commit = false});
  ASSERT_TRUE(reader.assign({orders}));
  const auto stored = reader.commit_sync({{orders, {Offset{2}}}, {gone, {Offset{5}}}});
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().name(), "UNKNOWN_TOPIC_OR_PARTITION");
  EXPECT_TRUE(
      stored.error().message().starts_with("commit gone-0 (the other offset is committed): "))
      << stored.error().message();
  const auto committed = reader.committed({orders, gone});
  ASSERT_TRUE(committed) << committed.error().to_string();
  ASSERT_EQ(committed->size(), 1U);
  EXPECT_EQ(committed->at(0).partition, orders);
  EXPECT_EQ(committed->at(0).committed.offset, Offset{2});
}

TEST_F(ConsumerOnNode, a_partition_of_a_leaving_member_is_assigned_to_the_remaining_one) {
  produce("orders", 10);
  const ConsumerOptions options{.group_id = "billing", .heartbeat_interval = milliseconds(20)};
  Consumer first = consumer(options);
  Consumer second = consumer(options);
  ASSERT_TRUE(first.subscribe({"orders"}));
  EXPECT_EQ(read(first, 10), numbers(0, 10));
  ASSERT_TRUE(second.subscribe({"orders"}));
  for (int polls = 0; polls < 500 && second.member_epoch().is_none(); ++polls) {
    ASSERT_TRUE(first.poll(milliseconds(10)));
    ASSERT_TRUE(second.poll(milliseconds(10)));
  }
  EXPECT_FALSE(second.member_epoch().is_none());
  ASSERT_TRUE(first.close(seconds(10)));
  produce("orders", 5, 10);
  EXPECT_EQ(read(second, 5), numbers(10, 15));
}

TEST_F(ConsumerOnNode, learns_from_poll_and_commit_that_its_instance_was_replaced) {
  produce("orders", 3);
  // Only the commit and the poll ask the coordinator.
  const ConsumerOptions options{.group_id = "billing",
                                .group_instance_id = "one",
                                .auto_commit = false,
                                .session_timeout = seconds(600),
                                .heartbeat_interval = seconds(300)};
  Consumer first = consumer(options);
  ASSERT_TRUE(first.subscribe({"orders"}));
  EXPECT_EQ(read(first, 3), numbers(0, 3));
  Consumer second = consumer(options);
  ASSERT_TRUE(second.subscribe({"orders"}));
  EXPECT_EQ(read(second, 3), numbers(0, 3));
  const auto committed = first.commit_sync({{{"orders", PartitionId{0}}, {Offset{3}}}});
  ASSERT_FALSE(committed);
  EXPECT_TRUE(committed.error().is_broker(82)) << committed.error().to_string();
  EXPECT_TRUE(committed.error().is_fatal());
  std::optional<Error> told;
  for (int polls = 0; polls < 100 && !told; ++polls) {
    const auto polled = first.poll(milliseconds(100));
    if (!polled) told = polled.error();
  }
  ASSERT_TRUE(told.has_value());
  EXPECT_TRUE(told->is_broker(82)) << told->to_string();
  EXPECT_TRUE(told->is_fatal());
}

TEST_F(ConsumerOnNode, refuses_invalid_options) {
  auto made = client_->consumer({.max_poll_records = 0});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().category(), ErrorCategory::configuration);
  EXPECT_THAT(std::string(made.error().message()), ::testing::HasSubstr("max_poll_records is 0"));
}

TEST_F(ConsumerOnNode, subscribing_and_committing_need_a_group) {
  Consumer reader = consumer({});
  EXPECT_TRUE(reader.subscribe({"orders"}).error().is(Errc::invalid_argument));
  EXPECT_TRUE(reader.commit_sync().error().is(Errc::invalid_argument));
}

TEST_F(ConsumerOnNode, returns_a_known_position_and_times_out_at_once_on_an_unknown_one) {
  const TopicPartition partition{"t", PartitionId{0}};
  ASSERT_TRUE(client_->admin().create_topics({{.name = "t", .partitions = 1}}));
  Consumer known = consumer({});
  ASSERT_TRUE(known.assign({partition}));
  EXPECT_EQ(known.position(partition), Offset{0});
  EXPECT_EQ(known.position(partition, milliseconds(0)), Offset{0});
  auto nowhere = Client::create({.bootstrap_servers = {"127.0.0.1:1"}});
  ASSERT_TRUE(nowhere);
  auto unknown = nowhere->consumer({});
  ASSERT_TRUE(unknown && unknown->assign({partition}));
  const auto position = unknown->position(partition, milliseconds(0));
  ASSERT_FALSE(position);
  EXPECT_TRUE(position.error().is(Errc::timed_out)) << position.error().to_string();
}

TEST_F(ConsumerOnNode, says_why_it_has_no_position_in_a_missing_topic) {
  const TopicPartition partition{"missing", PartitionId{0}};
  Consumer reader = consumer({});
  ASSERT_TRUE(reader.assign({partition}));
  std::string text;
  // The first timeout may pass before the servers have answered.
  for (int i = 0; i < 100 && text.find("UNKNOWN_TOPIC_OR_PARTITION (3)") == text.npos; ++i) {
    const auto position = reader.position(partition, milliseconds(100));
    ASSERT_FALSE(position);
    ASSERT_TRUE(position.error().is(Errc::timed_out));
    text = position.error().message();
  }
  EXPECT_TRUE(text.starts_with("no position of missing-0 within 100 ms; last: UNKNOWN_TOPIC_OR_"))
      << text;
}

}  // namespace
}  // namespace dohle
