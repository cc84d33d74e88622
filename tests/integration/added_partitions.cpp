// Partitions that are added to a topic while brokers publish to it and read it.
#include <atomic>
#include <set>

#include <gmock/gmock.h>

#include "dohle/admin.hpp"
#include "dohle/client.hpp"
#include "tested_brokers.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

/// Watches for partitions as often as it may.
const auto watching = kafka::with_partition_watch_interval(100ms);

class AddedPartitions : public AtTestedServer {
 protected:
  void SetUp() override {
    // A server of a cluster may say the old number for a moment.
    auto made =
        Client::create({.bootstrap_servers = {tested_address()}, .metadata_max_age = 100ms});
    ASSERT_TRUE(made) << made.error().to_string();
    client_.emplace(std::move(*made));
    auto producer = client_->producer({.linger = 0us});
    ASSERT_TRUE(producer) << producer.error().to_string();
    producer_.emplace(std::move(*producer));
  }
  void add(std::int32_t total) {
    const auto added = client_->admin().create_partitions({{topic(), total}});
    ASSERT_TRUE(added) << added.error().to_string();
    ASSERT_TRUE((*added)[0].result) << (*added)[0].result.error().to_string();
  }
  /// By a client that knows the partition as soon as it has been added.
  void store(std::int32_t partition, const std::string& text) {
    EXPECT_TRUE(eventually([&] {
      auto to = producer_->topic(topic());
      if (!to) return false;
      auto sent =
          producer_->send(*to, {.value = as_bytes(text), .partition = PartitionId{partition}});
      return sent && sent->get();
    })) << text;
  }

  std::optional<Client> client_;
  std::optional<Producer> producer_;
};

class AddedPartitionsOfReaders : public AddedPartitions, public testing::WithParamInterface<bool> {
 protected:
  /// Its members are in a group, or there is none.
  static SubscribeOption group() {
    return with_group_id(GetParam() ? topic("group") : std::string());
  }
  /// Adds partitions under a reader whose broker has `given`, and under one that watches. Returns
  /// whether the former has read a message of a new partition when the latter has, and when a later
  /// message of an old partition has come.
  template <class... Given>
  bool are_read(const Given&... given) {
    make(1);
    Texts of_watching, of_other;
    auto control = connected(watching);
    auto other = connected(given...);
    if (!control || !other) return false;
    const auto control_reader = read(*control, of_watching, with_group_id(""));
    const auto other_reader = read(*other, of_other, group());
    add(3);
    store(2, "of the new one");
    EXPECT_TRUE(of_watching.wait_for("of the new one"));
    store(0, "of the old one");
    EXPECT_TRUE(of_other.wait_for("of the old one"));
    return of_other.has("of the new one");
  }
};

TEST_P(AddedPartitionsOfReaders, are_read_by_a_running_subscription_from_their_beginning) {
  make(1);
  Texts texts;
  auto broker = connected(watching);
  ASSERT_TRUE(broker);
  const auto reader = read(*broker, texts, group());
  ASSERT_TRUE(reader);
  store(0, "before");
  EXPECT_TRUE(texts.wait_for("before"));
  add(3);
  store(1, "of 1");
  store(2, "of 2");
  store(0, "after");
  for (const char* text : {"of 1", "of 2", "after"}) EXPECT_TRUE(texts.wait_for(text)) << text;
  add(5);
  store(4, "of 4");
  EXPECT_TRUE(texts.wait_for("of 4"));
  EXPECT_EQ(texts.all().size(), 5U) << "each once";
}

TEST_P(AddedPartitionsOfReaders, are_not_read_while_the_watch_is_off) {
  EXPECT_FALSE(are_read(kafka::with_watch_partition_changes(false), watching));
}

TEST_P(AddedPartitionsOfReaders, are_not_read_while_a_whole_struct_switches_the_watch_off) {
  EXPECT_FALSE(are_read(kafka::with_reader_config(
      {.partition_watch_interval = 100ms, .watch_partition_changes = false})));
}

TEST_P(AddedPartitionsOfReaders, are_not_read_before_the_interval_is_over) {
  EXPECT_FALSE(are_read(kafka::with_partition_watch_interval(24h)));
}

std::string with_or_without(const testing::TestParamInfo<bool>& info) {
  return info.param ? "in_a_group" : "without_a_group";
}
INSTANTIATE_TEST_SUITE_P(Read, AddedPartitionsOfReaders, testing::Bool(), with_or_without);

TEST_F(AddedPartitions, are_shared_among_the_members_of_a_group) {
  make(2);
  Texts texts;
  auto broker = connected(watching);
  ASSERT_TRUE(broker);
  const auto one = read(*broker, texts, with_group_id(topic("group")));
  const auto two = read(*broker, texts, with_group_id(topic("group")));
  add(6);
  for (std::int32_t partition = 0; partition < 6; ++partition) {
    store(partition, std::to_string(partition));
  }
  for (std::int32_t partition = 0; partition < 6; ++partition) {
    EXPECT_TRUE(texts.wait_for(std::to_string(partition))) << partition;
  }
}

/// Publishing, by the partitions in the receipts.
class AddedPartitionsOfWriters : public AddedPartitions {
 protected:
  template <class... Given>
  std::int32_t publish(Broker& broker, const std::string& text, const Given&... given) {
    auto sent = broker.publish(topic(), text, given...);
    if (!sent) {
      ADD_FAILURE() << sent.error().to_string();
      return -1;
    }
    auto receipt = sent->get();
    return receipt ? receipt->partition.value : -1;
  }
  /// Publishes by a function until the broker knows so many partitions.
  void await(Broker& broker, std::int32_t total) {
    std::atomic<std::int32_t> known{0};
    const auto look =
        kafka::with_balancer([&known](std::string_view, const Record&, std::int32_t partitions) {
          known = partitions;
          return PartitionId{0};
        });
    EXPECT_TRUE(eventually([&] { return publish(broker, "look", look) == 0 && known == total; }));
  }
};

TEST_F(AddedPartitionsOfWriters, get_messages_with_keys_and_without_keys) {
  make(2);
  auto broker = connected(watching);
  ASSERT_TRUE(broker);
  const auto partitions = [&](bool has_keys) {
    std::set<std::int32_t> found;
    for (int i = 0; i < 64; ++i) {
      PublishOptions with;
      if (has_keys) with.key = "key " + std::to_string(i);
      found.insert(publish(*broker, "text", with));
    }
    return found;
  };
  const std::set<std::int32_t> old{0, 1};
  EXPECT_EQ(partitions(true), old);
  EXPECT_EQ(partitions(false), old);
  add(4);
  await(*broker, 4);
  const std::set<std::int32_t> all{0, 1, 2, 3};
  EXPECT_EQ(partitions(true), all);
  EXPECT_EQ(partitions(false), all);
}

TEST_F(AddedPartitionsOfWriters, reset_the_counts_of_least_bytes_to_0) {
  make(2);
  auto broker = connected(watching, kafka::with_least_bytes_balancer());
  ASSERT_TRUE(broker);
  EXPECT_EQ(publish(*broker, std::string(10'000, 'x')), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(publish(*broker, "small"), 1);
  add(4);
  await(*broker, 4);
  std::vector<std::int32_t> chosen;
  for (int i = 0; i < 5; ++i) chosen.push_back(publish(*broker, "small"));
  EXPECT_THAT(chosen, ElementsAre(0, 1, 2, 3, 0)) << "partition 0 is not the fullest any more";
}

TEST_F(AddedPartitionsOfWriters, get_messages_in_their_turn_of_round_robin) {
  make(2);
  auto broker = connected(watching, kafka::with_round_robin_balancer());
  ASSERT_TRUE(broker);
  EXPECT_EQ(publish(*broker, "text"), 0);
  add(4);
  await(*broker, 4);
  std::set<std::int32_t> chosen;
  for (int i = 0; i < 4; ++i) chosen.insert(publish(*broker, "text"));
  EXPECT_EQ(chosen, (std::set<std::int32_t>{0, 1, 2, 3}));
}

}  // namespace
}  // namespace dohle
