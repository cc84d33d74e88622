#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "client/group/assignor.hpp"
#include "golden_lines.hpp"

namespace dohle {
namespace {

using Assigned = std::map<std::string, std::vector<std::string>>;

std::vector<client::SubscribedMember> members_of(const golden::Line& line) {
  std::vector<client::SubscribedMember> members;
  for (const auto& each : line.at("members")) {
    client::SubscribedMember member{each.at("id"), std::nullopt, each.at("topics")};
    if (!each.at("instance").is_null()) member.group_instance_id = each.at("instance");
    members.push_back(std::move(member));
  }
  return members;
}

Assigned assign(const golden::Line& line) {
  Assigned assigned;
  const auto counts = line.at("counts").get<std::map<std::string, std::int32_t>>();
  for (const auto& each : client::assign_range(members_of(line), {counts.begin(), counts.end()})) {
    auto& names = assigned[each.member_id];
    for (const TopicPartition& partition : each.partitions) {
      names.push_back(partition.topic + "-" + std::to_string(partition.partition.value));
    }
    std::ranges::sort(names);
  }
  return assigned;
}

TEST(RangeAssignments, EqualThoseOfApacheKafka) {
  const auto lines = golden::read_lines(DOHLE_GOLDEN_RANGE_ASSIGNMENTS);
  ASSERT_EQ(lines.size(), 500u);
  for (const golden::Line& line : lines) {
    EXPECT_EQ(assign(line), line.at("assigned").get<Assigned>()) << line.dump();
  }
}

}  // namespace
}  // namespace dohle
