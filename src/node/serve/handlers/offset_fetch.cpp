#include "wire/messages/offset_fetch.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/topic_walk.hpp"

namespace dohle::node {

namespace {

using Request = wire::OffsetFetchRequest;
using Response = wire::OffsetFetchResponse;
using Offsets = GroupCoordinator::Offsets;

constexpr std::int16_t first_version_with_group_error = 2;
constexpr std::int16_t first_version_with_several = 8;
constexpr std::int16_t first_version_with_ids = 10;

/// Looks up the committed offsets of one group, at most `max_offsets_at_once` in a step.
/// `TopicAnswer` is the answer's type for a topic: in versions for one group, or for several.
template <class TopicAnswer>
class Lookup {
 public:
  using Partitions = decltype(TopicAnswer::partitions);
  using Partition = typename Partitions::value_type;

  Lookup(GroupService& groups, Access access, std::string group, bool by_id)
      : groups_(groups), access_(std::move(access)), group_(std::move(group)), by_id_(by_id) {}

  /// Adds the next offsets: those of the wanted topics and partitions, or all offsets of the group
  /// if `wanted` is absent. False if those were the last ones.
  template <class Wanted>
  bool step(const Wanted& wanted, std::vector<TopicAnswer>& into) {
    if (!wanted) return add_all(limits::max_offsets_at_once, into);
    into.reserve(wanted->size());
    const auto enter = [&](const auto& topic, bool is_new) {
      if (is_new) add_wanted(topic, into);
      return find_topic(topic);
    };
    const auto visit = [&](const Found& topic, const auto& of, std::size_t partition) {
      into.back().partitions.push_back(look_up(topic, of.partition_indexes[partition]));
      return true;
    };
    return walk_.go_on(*wanted, limits::max_offsets_at_once, enter, visit);
  }

 private:
  struct Found {
    std::int16_t code = broker_error::none;
    const std::string* name = nullptr;
  };

  [[nodiscard]] const Offsets* offsets() const { return groups_.coordinator().offsets(group_); }

  // For a deleted topic the offsets committed under its name are returned.
  template <class Wanted>
  [[nodiscard]] Found find_topic(const Wanted& wanted) const {
    if constexpr (requires { wanted.topic_id; }) {
      if (by_id_) {
        const FoundTopic found = access_.topic(wanted.topic_id, Operation::describe);
        return {found.code, found ? &found->name : nullptr};
      }
    }
    const bool may_know = access_.may(Operation::describe, wanted.name);
    return {may_know ? broker_error::none : broker_error::topic_authorization_failed, &wanted.name};
  }

  template <class Wanted>
  static void add_wanted(const Wanted& wanted, std::vector<TopicAnswer>& into) {
    TopicAnswer& topic = into.emplace_back();
    topic.name = wanted.name;
    if constexpr (requires { topic.topic_id; }) topic.topic_id = wanted.topic_id;
    // A vector that grows would move a million partitions in one turn.
    topic.partitions.reserve(wanted.partition_indexes.size());
  }

  [[nodiscard]] Partition look_up(const Found& topic, PartitionId index) const {
    const bool is_refused = topic.code != broker_error::none;
    Partition partition = partition_of(index, is_refused ? nullptr : find(*topic.name, index));
    partition.error_code = topic.code;
    return partition;
  }

  [[nodiscard]] const CommittedOffset* find(const std::string& topic, PartitionId index) const {
    const Offsets* all = offsets();
    if (all == nullptr) return nullptr;
    const auto found = all->find({topic, index});
    const bool is_known =
        found != all->end() && !groups_.coordinator().is_forgotten(topic, found->second);
    return is_known ? &found->second : nullptr;
  }

  // Adds offsets in the order of topics. Further offsets may be committed between two steps.
  bool add_all(std::size_t left, std::vector<TopicAnswer>& into) {
    const Offsets* all = offsets();
    if (all == nullptr) return false;
    for (auto at = all->lower_bound(next_); at != all->end(); ++at) {
      if (left-- == 0) {
        next_ = at->first;
        return true;
      }
      const auto& [topic, index] = at->first;
      if (groups_.coordinator().is_forgotten(topic, at->second)) continue;
      if (!last_ || *last_ != topic) has_topic_ = add_topic(*(last_ = topic), into);
      if (has_topic_) into.back().partitions.push_back(partition_of(index, &at->second));
    }
    return false;
  }

  // False if the client may not see the topic, or asks by id and the topic is deleted.
  bool add_topic(const std::string& name, std::vector<TopicAnswer>& into) {
    const FoundTopic found = access_.topic(name, Operation::describe);
    if (found.code == broker_error::topic_authorization_failed) return false;
    if (by_id_ && !found) return false;
    TopicAnswer topic;
    topic.name = name;
    if constexpr (requires { topic.topic_id; }) {
      if (by_id_) topic.topic_id = found->id;
    }
    into.push_back(std::move(topic));
    return true;
  }

  static Partition partition_of(PartitionId index, const CommittedOffset* committed) {
    Partition partition;
    partition.partition_index = index;
    if (committed == nullptr) return partition;
    partition.committed_offset = committed->offset;
    partition.committed_leader_epoch = committed->leader_epoch;
    partition.metadata = committed->metadata;
    return partition;
  }

  GroupService& groups_;
  const Access access_;
  const std::string group_;
  const bool by_id_;
  TopicWalk walk_;
  /// Of all offsets of the group: the next one, the topic of the last one, and whether the answer
  /// has that topic.
  GroupCoordinator::OffsetKey next_{std::string(), PartitionId{INT32_MIN}};
  std::optional<std::string> last_;
  bool has_topic_ = false;
};

template <class Topics>
std::size_t count_of(const Topics& topics) {
  std::size_t count = topics.size();
  for (const auto& topic : topics) count += topic.partitions.size();
  return count;
}

using Needed = Parts<Dispatcher, GroupService>;

/// A request of a version for one group.
class FetchingOne {
 public:
  FetchingOne(const Needed& node, const Call& call, Request request)
      : dispatcher_(node.get<Dispatcher>()),
        groups_(node.get<GroupService>()),
        responder_(call.responder),
        request_(std::move(request)),
        lookup_(groups_, call.access, request_.group_id, false) {}

  Progress go_on() {
    // Groups may become unavailable between two steps.
    if (const auto refused = groups_.refusal()) response_.error_code = refused;
    if (lookup_.step(request_.topics, response_.topics)) return Progress::more;
    if (responder_.version() < first_version_with_group_error) set_errors();
    const std::size_t count = count_of(response_.topics);
    if (count > limits::max_encoded_at_once) drop_beside(dispatcher_, std::move(request_));
    answer_beside(dispatcher_, responder_, std::move(response_), count);
    return Progress::answered;
  }

 private:
  void set_errors() {
    if (response_.error_code == broker_error::none) return;
    for (auto& topic : response_.topics) {
      for (auto& partition : topic.partitions) partition.error_code = response_.error_code;
    }
  }

  Dispatcher& dispatcher_;
  GroupService& groups_;
  const Responder responder_;
  Request request_;
  Response response_;
  Lookup<Response::OffsetFetchResponseTopic> lookup_;
};

class FetchingSeveral {
 public:
  FetchingSeveral(const Needed& node, const Call& call, Request request)
      : dispatcher_(node.get<Dispatcher>()),
        groups_(node.get<GroupService>()),
        access_(call.access),
        responder_(call.responder),
        request_(std::move(request)) {
    response_.groups.reserve(request_.groups.size());
  }

  Progress go_on() {
    if (lookup_) {
      go_on_with(request_.groups[next_ - 1], response_.groups.back());
      return Progress::more;
    }
    if (next_ < request_.groups.size()) {
      begin(request_.groups[next_++]);
      return Progress::more;
    }
    const std::size_t count = count_ + response_.groups.size();
    if (count > limits::max_encoded_at_once) drop_beside(dispatcher_, std::move(request_));
    answer_beside(dispatcher_, responder_, std::move(response_), count);
    return Progress::answered;
  }

 private:
  // Answers each group once: an answer may be large, but a repeated name takes few bytes.
  void begin(const Request::OffsetFetchRequestGroup& wanted) {
    if (!wanted.topics && !answered_whole_.insert(wanted.group_id).second) return;
    auto& group = response_.groups.emplace_back();
    group.group_id = wanted.group_id;
    lookup_.emplace(groups_, access_, wanted.group_id,
                    responder_.version() >= first_version_with_ids);
  }

  void go_on_with(const Request::OffsetFetchRequestGroup& wanted,
                  Response::OffsetFetchResponseGroup& group) {
    // Groups may become unavailable between two steps.
    group.error_code = groups_.refusal();
    if (group.error_code != broker_error::none) {
      group.topics.clear();
    } else if (lookup_->step(wanted.topics, group.topics)) {
      return;
    }
    count_ += count_of(group.topics);
    lookup_.reset();
  }

  Dispatcher& dispatcher_;
  GroupService& groups_;
  const Access access_;
  const Responder responder_;
  Request request_;
  Response response_;
  std::set<std::string> answered_whole_;
  /// The next group.
  std::size_t next_ = 0;
  /// Topics and partitions in the answer.
  std::size_t count_ = 0;
  std::optional<Lookup<Response::OffsetFetchResponseTopics>> lookup_;
};

template <class Fetching>
void begin(Call& call, Request request) {
  const Needed node = call.node;
  serve_in_slices(node.get<Dispatcher>(), call.responder,
                  std::make_shared<Fetching>(node, call, std::move(request)));
}

}  // namespace

void handle(Call& call, Request request) {
  if (call.version < first_version_with_several) {
    begin<FetchingOne>(call, std::move(request));
  } else {
    begin<FetchingSeveral>(call, std::move(request));
  }
}

}  // namespace dohle::node
