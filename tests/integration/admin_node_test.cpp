#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "dohle/admin.hpp"
#include "integration/client_on_node.hpp"

namespace dohle {
namespace {

using namespace std::chrono_literals;

/// Admin against an embedded node over TCP.
class AdminOnANode : public ClientOnNode {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(ClientOnNode::SetUp());
    admin_.emplace(client_->admin());
  }
  void TearDown() override {
    admin_.reset();
    if (client_) {
      EXPECT_TRUE(client_->close(5s));
    }
    client_.reset();
  }

  Result<std::vector<ConfigEntry>> config_of(const std::string& topic) {
    auto configs = admin_->describe_configs({{ConfigResourceType::topic, topic}}, {.timeout = 10s});
    if (!configs) return fail(configs.error());
    return std::move(configs->front().result);
  }

  std::optional<Admin> admin_;
};

TEST_F(AdminOnANode, WarnsOfPasswordsThatAreSentWithoutTls) {
  const auto warnings = [&](const std::string& host) {
    std::mutex mutex;
    std::string said;
    ClientOptions options;
    options.bootstrap_servers = {host + node_->address().substr(node_->address().rfind(':'))};
    options.logger =
        function_logger(LogLevel::warning, [&](LogLevel, std::string_view, std::string_view line) {
          const std::lock_guard lock(mutex);
          said += line;
        });
    auto client = Client::create(options).value();
    const auto set = client.admin().set_scram_users({{.name = "bob", .password = Secret("x")}});
    EXPECT_TRUE(set) << set.error().to_string();
    EXPECT_TRUE(client.close(5s));
    return said;
  };
  // This address of the machine is not one of loopback by its form.
  EXPECT_EQ(
      warnings("0.0.0.0"),
      "set SCRAM user: without TLS, anyone that reads the sent bytes can log in as this user");
  EXPECT_EQ(warnings("127.0.0.1"), "");
  EXPECT_EQ(warnings("localhost"), "");
}

TEST_F(AdminOnANode, RefusesPasswordsThatNoLoginCanHave) {
  const auto refusal = [&](std::string_view password) {
    const auto set = admin_->set_scram_users({{.name = "bob", .password = Secret(password)}});
    EXPECT_FALSE(set);
    if (set) return std::string();
    EXPECT_TRUE(set.error().is(Errc::invalid_argument)) << set.error().to_string();
    return std::string(set.error().message());
  };
  EXPECT_EQ(refusal(""), "user bob: the password is empty");
  EXPECT_EQ(refusal(std::string_view("p\0q", 3)), "user bob: the password holds a NUL");
  EXPECT_EQ(refusal("p\xe4ss"), "user bob: the password is not UTF-8");
  EXPECT_TRUE(admin_->list_scram_users().value().empty());
}

TEST_F(AdminOnANode, CreatesDescribesAndDeletesTopicsWithAnOutcomeForEach) {
  const auto made = admin_->create_topics(
      {{.name = "orders", .partitions = 3}, {.name = "no/slash", .partitions = 1}},
      {.timeout = 10s});
  ASSERT_TRUE(made) << made.error().to_string();
  ASSERT_EQ(made->size(), 2u);
  ASSERT_TRUE((*made)[0].result) << (*made)[0].result.error().to_string();
  EXPECT_EQ((*made)[0].result->partitions, 3);
  EXPECT_FALSE((*made)[0].result->id.is_none());
  ASSERT_FALSE((*made)[1].result);
  EXPECT_TRUE((*made)[1].result.error().is_broker(17));
  EXPECT_NE((*made)[1].result.error().message().find("create topic no/slash"), std::string::npos);

  const auto again = admin_->create_topics({{.name = "orders"}}, {.timeout = 10s}).value();
  EXPECT_TRUE(again[0].result.error().is_broker(36));

  const auto described = admin_->describe_topics({"orders", "absent"}, {.timeout = 10s}).value();
  ASSERT_TRUE(described[0].result);
  EXPECT_EQ(described[0].result->partitions.size(), 3u);
  EXPECT_TRUE(described[1].result.error().is_broker(3));

  const auto listed = admin_->list_topics({.timeout = 10s}).value();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].name, "orders");
  EXPECT_EQ(listed[0].partitions, 3);

  const auto deleted = admin_->delete_topics({"absent", "orders"}, {.timeout = 10s}).value();
  EXPECT_TRUE(deleted[0].result.error().is_broker(3));
  EXPECT_TRUE(deleted[1].result) << deleted[1].result.error().to_string();
  EXPECT_TRUE(admin_->list_topics({.timeout = 10s}).value().empty());
}

TEST_F(AdminOnANode, ValidatesATopicWithoutCreatingIt) {
  const auto checked =
      admin_
          ->create_topics({{.name = "t", .partitions = 2}}, {.validate_only = true, .timeout = 10s})
          .value();
  EXPECT_TRUE(checked[0].result);
  EXPECT_TRUE(admin_->list_topics({.timeout = 10s}).value().empty());
}

TEST_F(AdminOnANode, AddsPartitionsToTopics) {
  ASSERT_TRUE(admin_->create_topics({{.name = "t", .partitions = 2}}, {.timeout = 10s}));
  const auto checked =
      admin_->create_partitions({{"t", 4}}, {.validate_only = true, .timeout = 10s}).value();
  EXPECT_TRUE(checked[0].result);
  EXPECT_EQ(admin_->list_topics({.timeout = 10s}).value().at(0).partitions, 2);
  const auto added =
      admin_
          ->create_partitions({{"t", 4, {{{NodeId{1}}, {NodeId{1}}}}}, {"absent", 2}},
                              {.timeout = 10s})
          .value();
  ASSERT_EQ(added.size(), 2U);
  EXPECT_EQ(added[0].name, "t");
  EXPECT_TRUE(added[0].result) << added[0].result.error().to_string();
  EXPECT_TRUE(added[1].result.error().is_broker(3));
  EXPECT_EQ(admin_->list_topics({.timeout = 10s}).value().at(0).partitions, 4);
  const auto again = admin_->create_partitions({{"t", 3}}, {.timeout = 10s}).value();
  EXPECT_TRUE(again[0].result.error().is_broker(37));
  EXPECT_EQ(again[0].result.error().server_message(),
            "The topic t currently has 4 partition(s); 3 would not be an increase.");
}

TEST_F(AdminOnANode, ShowsATopicsConfiguration) {
  ASSERT_TRUE(admin_->create_topics({{.name = "t", .config = {{"retention.ms", "60000"}}}},
                                    {.timeout = 10s}));
  const auto entries = config_of("t").value();
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [](const auto& each) { return each.name == "retention.ms"; });
  ASSERT_NE(found, entries.end());
  EXPECT_EQ(found->value, "60000");
  EXPECT_FALSE(found->is_default);
  EXPECT_TRUE(config_of("absent").error().is_broker(3));
}

TEST_F(AdminOnANode, FindsOffsetsOfOnePartitionFromBothEnds) {
  ASSERT_TRUE(admin_->create_topics({{.name = "t", .partitions = 1}}, {.timeout = 10s}));
  const TopicPartition there{"t", PartitionId{0}};
  const auto found = admin_
                         ->list_offsets({{there, OffsetSpec::earliest()},
                                         {there, OffsetSpec::latest()},
                                         {{"t", PartitionId{7}}, OffsetSpec::latest()},
                                         {{"absent", PartitionId{0}}, OffsetSpec::latest()}},
                                        {.timeout = 10s})
                         .value();
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].result.value().offset, Offset{0});
  EXPECT_EQ(found[1].result.value().offset, Offset{0});
  EXPECT_TRUE(found[2].result.error().is(Errc::no_such_partition));
  EXPECT_TRUE(found[3].result.error().is_broker(3));
}

TEST_F(AdminOnANode, DescribesTheClusterAndItsGroups) {
  const auto cluster = admin_->describe_cluster({.timeout = 10s}).value();
  ASSERT_EQ(cluster.nodes.size(), 1u);
  EXPECT_EQ(cluster.controller, cluster.nodes[0].id);
  EXPECT_TRUE(admin_->list_groups({.timeout = 10s}).value().empty());
  EXPECT_TRUE(
      admin_->describe_groups({"g"}, {.timeout = 10s}).value()[0].result.error().is_broker(69));
  EXPECT_TRUE(
      admin_->delete_groups({"g"}, {.timeout = 10s}).value()[0].result.error().is_broker(69));
  EXPECT_TRUE(admin_->group_offsets("g", {.timeout = 10s}).value().empty());
}

TEST_F(AdminOnANode, NamesTheTimeoutThatPassedOnceTheNodeIsGone) {
  ASSERT_TRUE(client_->connect(10s));
  ASSERT_TRUE(node_->close(5s));
  const auto made = admin_->create_topics({{.name = "t"}}, {.timeout = 300ms}).value();
  EXPECT_TRUE(made[0].result.error().is(Errc::timed_out));
  EXPECT_NE(made[0].result.error().message().find("create topic t: not done within 300 ms"),
            std::string::npos);
}

}  // namespace
}  // namespace dohle
