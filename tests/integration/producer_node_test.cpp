// The producer against a node in memory, from several threads at once.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <latch>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/consumer.hpp"
#include "dohle/producer.hpp"
#include "integration/client_on_node.hpp"

namespace dohle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int threads = 8;

class ProducerOnNode : public ClientOnNode {
 protected:
  /// Runs `work(thread)` on all threads at once.
  template <class Work>
  static void on_threads(Work work) {
    std::latch start(threads);
    std::vector<std::jthread> all;
    for (int thread = 0; thread < threads; ++thread) {
      all.emplace_back([&, thread] {
        start.arrive_and_wait();
        work(thread);
      });
    }
  }

  void make_topic(const std::string& name, std::int32_t partitions) {
    auto made = client_->admin().create_topics({{.name = name, .partitions = partitions}});
    ASSERT_TRUE(made) << made.error().to_string();
    ASSERT_TRUE(made->front().result) << made->front().result.error().to_string();
  }

  /// All values of the topic's partition 0, in the order of their offsets.
  std::vector<std::string> stored(const std::string& topic, std::size_t count) {
    auto reader = client_->consumer({.offset_reset = OffsetReset::earliest});
    EXPECT_TRUE(reader && reader->assign({{topic, PartitionId{0}}}));
    std::vector<std::string> values;
    const auto give_up = std::chrono::steady_clock::now() + seconds(30);
    while (values.size() < count && std::chrono::steady_clock::now() < give_up) {
      auto records = reader->poll(milliseconds(100));
      if (!records) {
        ADD_FAILURE() << records.error().message();
        break;
      }
      for (const ConsumerRecord& record : *records) values.emplace_back(as_text(*record.value));
    }
    return values;
  }

  /// Each thread's records are there once, in the order in which it sent them.
  static void expect_each_threads_order(const std::vector<std::string>& values, int per_thread) {
    std::array<int, threads> next{};
    for (const std::string& value : values) {
      const auto colon = value.find(':');
      const auto thread = static_cast<std::size_t>(std::stoi(value.substr(0, colon)));
      ASSERT_EQ(std::stoi(value.substr(colon + 1)), next.at(thread)) << "of thread " << thread;
      ++next.at(thread);
    }
    EXPECT_THAT(next, ::testing::Each(per_thread));
  }

  static std::string value_of(int thread, int number) {
    return std::to_string(thread) + ":" + std::to_string(number);
  }
};

TEST_F(ProducerOnNode, threads_that_share_one_partition_keep_their_own_order) {
  constexpr int per_thread = 5'000;
  auto producer = client_->producer({.buffer_bytes = std::size_t{256} << 10});
  ASSERT_TRUE(producer) << producer.error().message();
  auto topic = producer->topic("shared");
  ASSERT_TRUE(topic) << topic.error().message();
  on_threads([&](int thread) {
    for (int i = 0; i < per_thread; ++i) {
      const std::string value = value_of(thread, i);
      auto sent = producer->send(*topic, {.value = as_bytes(value), .partition = PartitionId{0}});
      ASSERT_TRUE(sent) << sent.error().message();
    }
  });
  auto flushed = producer->flush(seconds(30));
  ASSERT_TRUE(flushed) << flushed.error().message();
  EXPECT_EQ(flushed->failed, 0u);
  const auto values = stored("shared", threads * per_thread);
  ASSERT_EQ(values.size(), static_cast<std::size_t>(threads * per_thread));
  expect_each_threads_order(values, per_thread);
}

TEST_F(ProducerOnNode, every_callback_is_called_once_with_its_own_offset) {
  constexpr int per_thread = 2'000;
  auto producer = client_->producer();
  ASSERT_TRUE(producer);
  auto topic = producer->topic("told");
  ASSERT_TRUE(topic) << topic.error().message();
  std::vector<std::atomic<int>> times_taken(threads * per_thread);
  std::atomic<int> failures = 0;
  on_threads([&](int thread) {
    for (int i = 0; i < per_thread; ++i) {
      const std::string value = value_of(thread, i);
      auto sent =
          producer->send(*topic, {.value = as_bytes(value), .partition = PartitionId{0}},
                         [&](Result<Receipt> receipt) {
                           if (!receipt) {
                             ++failures;
                           } else {
                             ++times_taken.at(static_cast<std::size_t>(receipt->offset.value));
                           }
                         });
      ASSERT_TRUE(sent) << sent.error().message();
    }
  });
  ASSERT_TRUE(producer->close(seconds(30)));
  EXPECT_EQ(failures, 0);
  std::map<int, int> histogram;
  for (const auto& times : times_taken) ++histogram[times.load()];
  EXPECT_EQ(histogram, (std::map<int, int>{{1, threads * per_thread}}));
}

TEST_F(ProducerOnNode, threads_that_wait_for_each_of_their_records_get_its_receipt) {
  auto producer = client_->producer();
  ASSERT_TRUE(producer);
  auto topic = producer->topic("awaited");
  ASSERT_TRUE(topic) << topic.error().message();
  std::atomic<int> received = 0;
  on_threads([&](int thread) {
    for (int i = 0; i < 50; ++i) {
      const std::string value = value_of(thread, i);
      auto sent = producer->send(*topic, {.value = as_bytes(value)});
      ASSERT_TRUE(sent) << sent.error().message();
      auto receipt = sent->wait(seconds(30));
      ASSERT_TRUE(receipt) << receipt.error().message();
      ++received;
    }
  });
  EXPECT_EQ(received, threads * 50);
}

TEST_F(ProducerOnNode, closing_while_threads_send_gives_each_record_one_outcome) {
  auto producer = client_->producer();
  ASSERT_TRUE(producer);
  auto topic = producer->topic("closing");
  ASSERT_TRUE(topic) << topic.error().message();
  std::atomic<int> accepted = 0;
  std::atomic<int> delivered = 0;
  std::atomic<int> failed = 0;
  std::latch some_sent(threads);
  std::jthread closer([&] {
    some_sent.wait();
    EXPECT_TRUE(producer->close(seconds(30)));
  });
  on_threads([&](int thread) {
    for (int i = 0;; ++i) {
      const std::string value = value_of(thread, i);
      auto sent = producer->send(*topic, {.value = as_bytes(value)}, [&](Result<Receipt> receipt) {
        ++(receipt ? delivered : failed);
      });
      if (i == 100) some_sent.count_down();
      if (!sent) {
        EXPECT_TRUE(sent.error().is(Errc::closed)) << sent.error().message();
        if (i < 100) some_sent.count_down();
        return;
      }
      ++accepted;
    }
  });
  closer.join();
  EXPECT_GE(accepted, threads * 100);
  EXPECT_EQ(delivered + failed, accepted);
  EXPECT_EQ(failed, 0);
}

TEST_F(ProducerOnNode, producers_of_one_client_do_not_wait_for_each_other) {
  on_threads([&](int thread) {
    auto producer = client_->producer();
    ASSERT_TRUE(producer) << producer.error().message();
    const std::string name = "own-" + std::to_string(thread);
    auto topic = producer->topic(name);
    ASSERT_TRUE(topic) << topic.error().message();
    for (int i = 0; i < 500; ++i) {
      const std::string value = value_of(thread, i);
      ASSERT_TRUE(producer->send(*topic, {.value = as_bytes(value)}));
    }
    auto closed = producer->close(seconds(30));
    ASSERT_TRUE(closed) << closed.error().message();
    EXPECT_EQ(closed->failed, 0u);
  });
}

/// The partitions of receipts, in the order of sending.
std::vector<std::int32_t> partitions_of(Producer& producer, const ProducerTopic& topic,
                                        std::vector<Record> records) {
  std::vector<std::int32_t> partitions;
  for (const Record& record : records) {
    auto sent = producer.send(topic, record);
    if (!sent) {
      ADD_FAILURE() << sent.error().to_string();
      break;
    }
    auto receipt = sent->get();
    partitions.push_back(receipt ? receipt->partition.value : -1);
  }
  return partitions;
}

TEST_F(ProducerOnNode, a_partitioner_chooses_where_records_are_stored) {
  make_topic("chosen", 3);
  auto producer = client_->producer({.partitioner = round_robin_partitioner(2)});
  ASSERT_TRUE(producer) << producer.error().message();
  auto topic = producer->topic("chosen");
  ASSERT_TRUE(topic) << topic.error().message();
  const Record keyed{.key = as_bytes("key")};
  const Record named{.partition = PartitionId{2}};
  EXPECT_THAT(partitions_of(*producer, *topic, {keyed, {}, keyed, named, {}, {}, {}}),
              testing::ElementsAre(0, 0, 1, 2, 1, 2, 2));
}

TEST_F(ProducerOnNode, an_impossible_choice_of_a_partitioner_is_the_error_of_its_send) {
  make_topic("chosen", 3);
  PartitionId choice{3};
  auto producer = client_->producer(
      {.partitioner = function_partitioner([&](std::string_view, const Record&, std::int32_t) {
         if (choice == PartitionId{7}) throw std::runtime_error("the ring is empty");
         return choice;
       })});
  ASSERT_TRUE(producer) << producer.error().message();
  auto topic = producer->topic("chosen");
  ASSERT_TRUE(topic) << topic.error().message();
  auto outside = producer->send(*topic, {});
  ASSERT_FALSE(outside);
  EXPECT_TRUE(outside.error().is(Errc::no_such_partition));
  choice = PartitionId{7};
  auto thrown = producer->send(*topic, {});
  ASSERT_FALSE(thrown);
  EXPECT_TRUE(thrown.error().is(Errc::handler_failed));
  EXPECT_THAT(std::string(thrown.error().message()), testing::HasSubstr("the ring is empty"));
  choice = {};
  auto left_to_the_client = producer->send(*topic, {});
  ASSERT_TRUE(left_to_the_client) << left_to_the_client.error().message();
  EXPECT_TRUE(left_to_the_client->get());
}

}  // namespace
}  // namespace dohle
