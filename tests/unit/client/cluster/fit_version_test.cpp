#include "client/cluster/fit_version.hpp"

#include <gtest/gtest.h>

#include "client/cluster/version_table.hpp"
#include "wire/codec.hpp"
#include "wire/messages/offset_commit.hpp"

namespace dohle::client {
namespace {

/// The message after fitting, encoding and decoding, as a server of that version reads it.
template <class M>
M heard(M message, std::int16_t version) {
  EXPECT_TRUE(fit_version(message, version));
  auto bytes = wire::encode(message, version);
  EXPECT_TRUE(bytes) << bytes.error().message();
  return wire::decode<M>(bytes.value().flatten().value(), version).value();
}

TEST(FitVersion, NamesAGroupInTheFieldThatTheCoordinatorsVersionHas) {
  wire::FindCoordinatorRequest request;
  request.key = "g";
  request.coordinator_keys = {"g"};
  EXPECT_EQ(heard(request, 3).key, "g");
  EXPECT_EQ(heard(request, 4).coordinator_keys, std::vector<std::string>{"g"});
}

TEST(FitVersion, NamesTheLeavingMemberInTheFieldThatTheVersionHas) {
  wire::LeaveGroupRequest request;
  request.member_id = "m";
  request.members = {{"m", std::nullopt, std::nullopt}};
  EXPECT_EQ(heard(request, 2).member_id, "m");
  EXPECT_EQ(heard(request, 3).members.at(0).member_id, "m");
}

TEST(FitVersion, AsksForOffsetsInTheFieldThatTheVersionHas) {
  wire::OffsetFetchRequest request;
  request.require_stable = true;
  request.group_id = "g";
  request.topics = std::nullopt;
  request.groups.emplace_back().group_id = "g";
  EXPECT_EQ(heard(request, 2).group_id, "g");
  EXPECT_FALSE(heard(request, 6).require_stable);
  EXPECT_TRUE(heard(request, 7).require_stable);
  EXPECT_EQ(heard(request, 9).groups.at(0).group_id, "g");
}

TEST(FitVersion, DeletesTopicsByTheFieldThatTheVersionHas) {
  wire::DeleteTopicsRequest request;
  request.topic_names = {"t"};
  request.topics.emplace_back().name = "t";
  EXPECT_EQ(heard(request, 5).topic_names, std::vector<std::string>{"t"});
  EXPECT_EQ(heard(request, 6).topics.at(0).name, "t");
}

TEST(FitVersion, RefusesTheQueryForTheHighestTimeBelowVersion7) {
  wire::ListOffsetsRequest request;
  request.topics.push_back({"t", {{PartitionId{0}, LeaderEpoch{}, Timestamp{-3}}}});
  EXPECT_TRUE(fit_version(request, 6).error().is(Errc::unsupported_version));
  EXPECT_TRUE(fit_version(request, 7));
}

TEST(FitVersion, FetchesByIdWhereEveryTopicHasOne) {
  wire::FetchRequest request;
  EXPECT_GE(highest_version(request), 16);
  request.topics.emplace_back().topic_id = TopicId{{1}};
  EXPECT_GE(highest_version(request), 16);
  request.topics.emplace_back().topic = "t";
  EXPECT_EQ(highest_version(request), 12);
  VersionTable table;
  table.assign({{1, 4, 18}});
  EXPECT_EQ(table.pick(wire::FetchRequest::api).value(), 16);
}

TEST(FitVersion, SendsACommitWithARetentionTimeInTheLastVersionThatHasOne) {
  wire::OffsetCommitRequest request;
  EXPECT_GE(highest_version(request), 9);
  request.retention_time_ms = 1;
  EXPECT_EQ(highest_version(request), 4);
  VersionTable table;
  table.assign({{8, 2, 10}});
  EXPECT_EQ(table.pick(wire::OffsetCommitRequest::api, 4).value(), 4);
  table.assign({{8, 5, 10}});
  const auto refused = table.pick(wire::OffsetCommitRequest::api, 4);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "OffsetCommit: the server speaks versions 5 to 10, this client 2 to 4");
}

TEST(FitVersion, NamesTopicsOfOffsetsByNameForAnyVersionsOfTheServer) {
  VersionTable table;
  table.assign({{8, 2, 10}, {9, 1, 10}});
  EXPECT_EQ(table.pick(wire::OffsetCommitRequest::api).value(), 9);
  EXPECT_EQ(table.pick(wire::OffsetFetchRequest::api).value(), 9);
}

}  // namespace
}  // namespace dohle::client
