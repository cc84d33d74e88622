#include "wire/messages/offset_fetch.hpp"

#include <set>

#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using Request = wire::OffsetFetchRequest;
using Response = wire::OffsetFetchResponse;
using Offsets = GroupCoordinator::Offsets;

constexpr std::int16_t first_version_with_group_error = 2;
constexpr std::int16_t first_version_with_several = 8;
constexpr std::int16_t first_version_with_ids = 10;

template <class Partition>
Partition partition_of(PartitionId index, const CommittedOffset* committed) {
  Partition partition;
  partition.partition_index = index;
  if (committed == nullptr) return partition;
  partition.committed_offset = committed->offset;
  partition.committed_leader_epoch = committed->leader_epoch;
  partition.metadata = committed->metadata;
  return partition;
}

const CommittedOffset* find(const GroupCoordinator& groups, const Offsets* offsets,
                            const std::string& topic, PartitionId index) {
  if (offsets == nullptr) return nullptr;
  const auto found = offsets->find({topic, index});
  if (found == offsets->end() || groups.is_forgotten(topic, found->second)) return nullptr;
  return &found->second;
}

// Adds all committed offsets of the group, in the order of topics. `add` creates a topic's entry.
template <class Partition, class Add>
void add_all(const GroupCoordinator& groups, const Offsets* offsets, Add&& add) {
  if (offsets == nullptr) return;
  std::string last;
  std::vector<Partition>* into = nullptr;
  for (const auto& [at, committed] : *offsets) {
    if (groups.is_forgotten(at.first, committed)) continue;
    if (into == nullptr || at.first != last) into = add(last = at.first);
    if (into != nullptr) into->push_back(partition_of<Partition>(at.second, &committed));
  }
}

void answer_one(Call& call, const Request& request) {
  using Partition = Response::OffsetFetchResponsePartition;
  Response response;
  response.error_code = call.node.groups.refusal();
  const GroupCoordinator& groups = call.node.groups.coordinator();
  const Offsets* offsets = groups.offsets(request.group_id);
  if (!request.topics) {
    add_all<Partition>(groups, offsets, [&](const std::string& topic) {
      return call.access.may(Operation::describe, topic)
                 ? &response.topics.emplace_back(Response::OffsetFetchResponseTopic{topic, {}})
                        .partitions
                 : nullptr;
    });
    return call.responder.answer(response);
  }
  for (const auto& wanted : *request.topics) {
    auto& topic = response.topics.emplace_back();
    topic.name = wanted.name;
    const bool may_know = call.access.may(Operation::describe, wanted.name);
    for (const PartitionId index : wanted.partition_indexes) {
      topic.partitions.push_back(partition_of<Partition>(
          index, may_know ? find(groups, offsets, wanted.name, index) : nullptr));
      if (!may_know) {
        topic.partitions.back().error_code = broker_error::topic_authorization_failed;
      }
      if (call.version < first_version_with_group_error) {
        topic.partitions.back().error_code = response.error_code;
      }
    }
  }
  call.responder.answer(response);
}

class GroupOffsets {
 public:
  using Partition = Response::OffsetFetchResponsePartitions;
  using TopicAnswer = Response::OffsetFetchResponseTopics;

  explicit GroupOffsets(const Call& call)
      : groups_(call.node.groups),
        access_(call.access),
        by_id_(call.version >= first_version_with_ids) {}

  Response::OffsetFetchResponseGroup answer_for(const Request::OffsetFetchRequestGroup& wanted) {
    Response::OffsetFetchResponseGroup group;
    group.group_id = wanted.group_id;
    group.error_code = groups_.refusal();
    if (group.error_code != broker_error::none) return group;
    const Offsets* offsets = groups().offsets(wanted.group_id);
    if (!wanted.topics) {
      add_all<Partition>(groups(), offsets,
                         [&](const std::string& topic) { return add(group, topic); });
      return group;
    }
    for (const auto& topic : *wanted.topics) group.topics.push_back(look_up(topic, offsets));
    return group;
  }

 private:
  // Null if the client may not see the topic, or asks by id and the topic is deleted.
  std::vector<Partition>* add(Response::OffsetFetchResponseGroup& group, const std::string& name) {
    TopicAnswer topic;
    topic.name = name;
    const FoundTopic found = access_.topic(name, Operation::describe);
    if (found.code == broker_error::topic_authorization_failed) return nullptr;
    if (by_id_) {
      if (!found) return nullptr;
      topic.topic_id = found->id;
    }
    return &group.topics.emplace_back(std::move(topic)).partitions;
  }

  TopicAnswer look_up(const Request::OffsetFetchRequestTopics& wanted, const Offsets* offsets) {
    TopicAnswer topic;
    topic.name = wanted.name;
    topic.topic_id = wanted.topic_id;
    const FoundTopic found = by_id_ ? access_.topic(wanted.topic_id, Operation::describe)
                                    : access_.topic(wanted.name, Operation::describe);
    // For a deleted topic the offsets committed under its name are returned.
    const bool is_refused =
        !found && (by_id_ || found.code == broker_error::topic_authorization_failed);
    for (const PartitionId index : wanted.partition_indexes) {
      if (is_refused) {
        topic.partitions.push_back(partition_of<Partition>(index, nullptr));
        topic.partitions.back().error_code = found.code;
        continue;
      }
      topic.partitions.push_back(partition_of<Partition>(
          index, find(groups(), offsets, by_id_ ? found->name : wanted.name, index)));
    }
    return topic;
  }

  [[nodiscard]] const GroupCoordinator& groups() const { return groups_.coordinator(); }

  const GroupService& groups_;
  const Access access_;
  bool by_id_;
};

}  // namespace

void handle(Call& call, wire::OffsetFetchRequest request) {
  if (call.version < first_version_with_several) return answer_one(call, request);
  call.node.dispatcher.go_on(
      call.responder.session(),
      // Answers each group once: an answer may be large, but a repeated name takes few bytes.
      [offsets = GroupOffsets(call), responder = call.responder, request = std::move(request),
       response = Response(), answered_whole = std::set<std::string>(),
       next = std::size_t{0}]() mutable {
        if (next == request.groups.size()) {
          responder.answer(response);
          return Dispatcher::Progress::answered;
        }
        const auto& group = request.groups[next++];
        if (!group.topics && !answered_whole.insert(group.group_id).second)
          return Dispatcher::Progress::more;
        response.groups.push_back(offsets.answer_for(group));
        return Dispatcher::Progress::more;
      });
}

}  // namespace dohle::node
