#include "client/admin/admin_groups.hpp"

#include <map>
#include <set>

#include "base/topic_name.hpp"
#include "client/admin/admin_topics.hpp"
#include "client/group/assignor.hpp"
#include "client/group/coordinator.hpp"
#include "wire/messages/delete_groups.hpp"
#include "wire/messages/describe_groups.hpp"
#include "wire/messages/list_groups.hpp"
#include "wire/messages/offset_fetch.hpp"

namespace dohle::client {

namespace {

using wire::DeleteGroupsRequest;
using wire::DeleteGroupsResponse;
using wire::DescribeGroupsRequest;
using wire::DescribeGroupsResponse;
using wire::FindCoordinatorResponse;
using wire::ListGroupsRequest;
using wire::ListGroupsResponse;
using wire::OffsetFetchRequest;
using wire::OffsetFetchResponse;

/// Ignores case: Apache Kafka writes the types in lower case, but its protocol does not require
/// that.
GroupType group_type(std::string_view name) {
  for (const GroupType type : {GroupType::classic, GroupType::consumer, GroupType::share}) {
    const auto is_same = [](char a, char b) {
      return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
    };
    if (std::ranges::equal(to_string(type), name, is_same)) return type;
  }
  return GroupType::unknown;
}

/// Asks each of some nodes for its groups. The items are the nodes.
class ListNodesGroups final : public ItemsCall<std::vector<GroupListing>> {
 public:
  ListNodesGroups(Cluster& cluster, std::vector<NodeId> nodes, SharedCallTime time, Then then)
      : ItemsCall(cluster, std::move(time), "list groups of node", names_of(nodes),
                  std::move(then)),
        nodes_(std::move(nodes)) {}

 private:
  static std::vector<std::string> names_of(const std::vector<NodeId>& nodes) {
    std::vector<std::string> names;
    for (const NodeId node : nodes) names.push_back(std::to_string(node.value));
    return names;
  }
  void ask_about(const std::vector<std::size_t>& pending) override {
    for (const std::size_t item : pending) {
      const auto take = [this, item](Result<ListGroupsResponse> answer) {
        if (!answer) return on_lost(item, answer.error().within(doing(item)));
        if (answer->error_code != broker_error::none) {
          return on_item_failure(item, Error::broker(answer->error_code, doing(item)));
        }
        std::vector<GroupListing> groups;
        for (const auto& each : answer->groups) {
          groups.push_back(
              {each.group_id, each.protocol_type, each.group_state, group_type(each.group_type)});
        }
        settle(item, std::move(groups));
      };
      ask(nodes_[item], {item}, ListGroupsRequest{}, take, WhenLate::wait);
    }
  }
  /// The groups of a removed server have moved to others.
  void on_lost(std::size_t item, const Error& why) {
    if (cluster().view().brokers().contains(nodes_[item])) return on_item_failure(item, why);
    settle(item, fail(Error::client(Errc::not_connected, why.message()).with_retriable(true)));
  }

  std::vector<NodeId> nodes_;
};

/// Whether the cluster gave up a server that had not answered: other servers have its groups now.
bool has_lost_node(const ListNodesGroups::Results& listed) {
  return std::ranges::any_of(
      listed, [](const auto& each) { return !each && each.error().is(Errc::not_connected); });
}

/// Removes duplicates: a group that moves to another coordinator meanwhile may be listed by both
/// nodes, or by neither.
Result<std::vector<GroupListing>> merged(ListNodesGroups::Results&& by_node) {
  std::map<std::string, GroupListing> groups;
  for (auto& listed : by_node) {
    if (!listed) return fail(listed.error());
    for (GroupListing& each : *listed) groups.insert_or_assign(each.group_id, each);
  }
  std::vector<GroupListing> all;
  for (auto& [id, each] : groups) all.push_back(std::move(each));
  return all;
}

/// A call about groups. Each group is asked for at its coordinator.
template <class Answer>
class GroupsCall : public ItemsCall<Answer> {
 public:
  using ItemsCall<Answer>::ItemsCall;

 protected:
  virtual void ask_coordinator(std::size_t item, NodeId coordinator) = 0;

  void on_lost(std::size_t item, const Error& why) {
    this->on_item_failure(item, why.within(this->doing(item)));
  }
  [[nodiscard]] Error refused(std::size_t item, std::int16_t code,
                              const std::string& server_message = {}) const {
    return Error::broker(code, this->doing(item), server_message);
  }
  [[nodiscard]] Error left_out(std::size_t item) const {
    return Error::client(Errc::malformed, this->doing(item) + ": the answer has no entry for it");
  }

 private:
  void ask_about(const std::vector<std::size_t>& pending) final {
    for (const std::size_t item : pending) {
      this->ask(this->cluster().any_node(), {item}, ask_for_coordinator(this->name(item)),
                [this, item](Result<FindCoordinatorResponse> answer) {
                  auto found =
                      answer ? coordinator_of(*answer, this->name(item)) : fail(answer.error());
                  if (!found) return on_lost(item, found.error());
                  ask_coordinator(item, *found);
                });
    }
  }
};

Result<std::vector<GroupMemberDescription>> describe_members(
    const DescribeGroupsResponse::DescribedGroup& group) {
  std::vector<GroupMemberDescription> members;
  for (const auto& each : group.members) {
    GroupMemberDescription member{
        each.member_id, each.group_instance_id.value_or(""), each.client_id, each.client_host, {}};
    // Other protocol types store other data there.
    if (group.protocol_type == "consumer") {
      auto assigned = decode_assignment(each.member_assignment);
      if (!assigned) return fail(assigned.error().within("assignment of " + each.member_id));
      member.assignment = std::move(*assigned);
    }
    members.push_back(std::move(member));
  }
  return members;
}

class DescribeGroups final : public GroupsCall<GroupDescription> {
 public:
  DescribeGroups(Cluster& cluster, std::vector<std::string> ids, SharedCallTime time, Then then)
      : GroupsCall(cluster, std::move(time), "describe group", std::move(ids), std::move(then)) {}

 private:
  void ask_coordinator(std::size_t item, NodeId coordinator) override {
    DescribeGroupsRequest request;
    request.groups.push_back(name(item));
    ask(coordinator, {item}, std::move(request),
        [this, item, coordinator](Result<DescribeGroupsResponse> answer) {
          if (!answer) return on_lost(item, answer.error());
          for (const auto& group : answer->groups) {
            if (group.group_id == name(item)) return take(item, coordinator, group);
          }
          settle(item, fail(left_out(item)));
        });
  }
  void take(std::size_t item, NodeId coordinator,
            const DescribeGroupsResponse::DescribedGroup& group) {
    if (group.error_code != broker_error::none) {
      return on_item_failure(
          item, refused(item, group.error_code, group.error_message.value_or(std::string())));
    }
    // Servers answer so for unknown groups before version 6.
    if (group.group_state == "Dead") {
      return settle(item, fail(refused(item, broker_error::group_id_not_found)));
    }
    auto members = describe_members(group);
    if (!members) return settle(item, fail(members.error().within(doing(item))));
    // Servers answer this request only for classic groups.
    settle(item, GroupDescription{group.group_id, group.group_state, GroupType::classic,
                                  group.protocol_type, group.protocol_data, coordinator,
                                  std::move(*members)});
  }
};

class DeleteGroups final : public GroupsCall<void> {
 public:
  DeleteGroups(Cluster& cluster, std::vector<std::string> ids, SharedCallTime time, Then then)
      : GroupsCall(cluster, std::move(time), "delete group", std::move(ids), std::move(then)) {}

 private:
  void ask_coordinator(std::size_t item, NodeId coordinator) override {
    DeleteGroupsRequest request;
    request.groups_names.push_back(name(item));
    ask(coordinator, {item}, std::move(request), [this, item](Result<DeleteGroupsResponse> answer) {
      if (!answer) return lose(item, answer.error());
      for (const auto& group : answer->results) {
        if (group.group_id != name(item)) continue;
        if (group.error_code == broker_error::none) return settle(item, {});
        return on_item_failure(item, refusal(item, group.error_code));
      }
      settle(item, fail(left_out(item)));
    });
  }
  // The earlier coordinator cannot delete the group once another server coordinates it.
  void lose(std::size_t item, const Error& why) {
    if (why.is_retriable() && may_be_done(why)) lost_.insert(item);
    on_lost(item, why);
  }
  [[nodiscard]] Error refusal(std::size_t item, std::int16_t code) const {
    const Error why = refused(item, code);
    return lost_.contains(item) ? why.within("an earlier request was lost and may have done it")
                                : why;
  }

  std::set<std::size_t> lost_;
};

/// Adds the committed offsets of one topic. Errors: that of the first failed partition.
template <class Partitions>
Result<void> add_offsets(const std::string& topic, const Partitions& partitions,
                         std::vector<GroupOffset>& out) {
  for (const auto& each : partitions) {
    if (each.error_code != broker_error::none) {
      return fail(Error::broker(each.error_code, partition_name(topic, each.partition_index)));
    }
    if (each.committed_offset.is_none()) continue;
    out.push_back({{topic, each.partition_index},
                   each.committed_offset,
                   each.committed_leader_epoch,
                   each.metadata.value_or(std::string())});
  }
  return {};
}

template <class Topics>
Result<std::vector<GroupOffset>> offsets_of(std::int16_t code, const Topics& topics) {
  if (code != broker_error::none) return fail(Error::broker(code));
  std::vector<GroupOffset> offsets;
  for (const auto& topic : topics) {
    if (auto added = add_offsets(topic.name, topic.partitions, offsets); !added) {
      return fail(added.error());
    }
  }
  std::ranges::sort(offsets, {}, &GroupOffset::partition);
  return offsets;
}

class GroupOffsetsCall final : public GroupsCall<std::vector<GroupOffset>> {
 public:
  GroupOffsetsCall(Cluster& cluster, const std::string& id, SharedCallTime time, Then then)
      : GroupsCall(cluster, std::move(time), "offsets of group", {id}, std::move(then)) {}

 private:
  void ask_coordinator(std::size_t item, NodeId coordinator) override {
    OffsetFetchRequest request;
    request.group_id = name(item);
    request.topics = std::nullopt;
    auto& group = request.groups.emplace_back();
    group.group_id = name(item);
    group.topics = std::nullopt;
    ask(coordinator, {item}, std::move(request), [this, item](Result<OffsetFetchResponse> answer) {
      if (!answer) return on_lost(item, answer.error());
      auto offsets = read(item, *answer);
      if (!offsets) return on_lost(item, offsets.error());
      settle(item, std::move(offsets));
    });
  }
  Result<std::vector<GroupOffset>> read(std::size_t item, const OffsetFetchResponse& answer) const {
    // Before version 8 an answer is about one group.
    if (answer.groups.empty()) return offsets_of(answer.error_code, answer.topics);
    for (const auto& group : answer.groups) {
      if (group.group_id == name(item)) return offsets_of(group.error_code, group.topics);
    }
    return fail(Error::client(Errc::malformed, "the answer has no entry for it"));
  }
};

}  // namespace

void list_groups(Cluster& cluster, SharedCallTime time,
                 AdminCall<std::vector<GroupListing>>::Then then) {
  const auto list = [&cluster, time](const std::vector<NodeId>& nodes, auto listed) {
    std::make_shared<ListNodesGroups>(cluster, nodes, time, std::move(listed))->start();
  };
  describe_cluster(
      cluster, time,
      [&cluster, time, list, then = std::move(then)](Result<ClusterDescription> described) mutable {
        if (!described) return then(fail(described.error().within("list groups")));
        std::vector<NodeId> nodes;
        for (const NodeDescription& node : described->nodes) nodes.push_back(node.id);
        list(nodes, [&cluster, time,
                     then = std::move(then)](Result<ListNodesGroups::Results> listed) mutable {
          if (!listed) return then(fail(listed.error()));
          if (time->left(cluster.now()) == Duration::zero() || !has_lost_node(*listed)) {
            return then(merged(std::move(*listed)));
          }
          const TimePoint at = cluster.now() + cluster.options().retry_backoff;
          cluster.environment().loop.arm(at, [&cluster, time, then = std::move(then)]() mutable {
            list_groups(cluster, std::move(time), std::move(then));
          });
        });
      });
}

void describe_groups(Cluster& cluster, std::vector<std::string> ids, SharedCallTime time,
                     ItemsCall<GroupDescription>::Then then) {
  std::make_shared<DescribeGroups>(cluster, std::move(ids), std::move(time), std::move(then))
      ->start();
}

void delete_groups(Cluster& cluster, std::vector<std::string> ids, SharedCallTime time,
                   ItemsCall<void>::Then then) {
  std::make_shared<DeleteGroups>(cluster, std::move(ids), std::move(time), std::move(then))
      ->start();
}

void group_offsets(Cluster& cluster, const std::string& id, SharedCallTime time,
                   ItemsCall<std::vector<GroupOffset>>::Then then) {
  std::make_shared<GroupOffsetsCall>(cluster, id, std::move(time), std::move(then))->start();
}

}  // namespace dohle::client
