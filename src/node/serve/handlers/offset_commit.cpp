#include "wire/messages/offset_commit.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "node/door/request_faults.hpp"
#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/topic_walk.hpp"

namespace dohle::node {

namespace {

using Response = wire::OffsetCommitResponse;
using OffsetCommitRequestPartition = wire::OffsetCommitRequest::OffsetCommitRequestPartition;

constexpr std::int16_t first_version_with_ids = 10;
constexpr std::int16_t last_version_with_retention = 4;

std::int16_t fault_of(const FoundTopic& topic, const OffsetCommitRequestPartition& wanted) {
  if (!topic) return topic.code;
  if (topic.partition(wanted.partition_index) == nullptr) {
    return broker_error::unknown_topic_or_partition;
  }
  const std::size_t metadata = wanted.committed_metadata ? wanted.committed_metadata->size() : 0;
  return metadata > limits::max_offset_metadata_bytes ? broker_error::offset_metadata_too_large
                                                      : broker_error::none;
}

using Needed = Parts<Dispatcher, Executor, GroupService, RequestFaults>;

/// One request until it is answered. If it has more than `max_offsets_at_once` offsets, each slice
/// is committed when the previous one is durable. The group may refuse the later slices if its
/// members change meanwhile.
class Committing : public std::enable_shared_from_this<Committing> {
 public:
  Committing(const Needed& node, const Call& call, wire::OffsetCommitRequest request)
      : loop_(node.get<Executor>()),
        dispatcher_(node.get<Dispatcher>()),
        groups_(node.get<GroupService>()),
        faults_(node.get<RequestFaults>()),
        access_(call.access),
        responder_(call.responder),
        request_(std::move(request)) {
    for (const auto& topic : request_.topics) items_ += 1 + topic.partitions.size();
    response_.topics.reserve(request_.topics.size());
  }

  [[nodiscard]] bool is_small() const { return items_ <= limits::max_offsets_at_once; }
  void commit_at_once() {
    commit_some([self = shared_from_this()] { self->responder_.answer(self->response_); });
  }
  Progress go_on() {
    if (is_under_way_) return Progress::waits;
    if (is_all_) {
      drop_beside(dispatcher_, std::move(request_));
      answer_beside(dispatcher_, responder_, std::move(response_), items_);
      return Progress::answered;
    }
    is_under_way_ = true;
    commit_some([self = shared_from_this()] {
      self->is_under_way_ = false;
      self->dispatcher_.wake(self->responder_.session());
    });
    return is_under_way_ ? Progress::waits : Progress::more;
  }

 private:
  /// The place of an offset in the answer: the indexes of its topic and of its partition.
  using Place = std::pair<std::size_t, std::size_t>;

  /// Calls `then`, within the call or later, once the next offsets have an outcome.
  void commit_some(Task then) {
    std::vector<GroupService::Commit> commits;
    std::vector<Place> places;
    const auto enter = [this](const auto& topic, bool is_new) { return begin(topic, is_new); };
    const auto visit = [&](const FoundTopic& topic, auto& wanted, std::size_t partition) {
      take(topic, wanted.partitions[partition], commits, places);
      return true;
    };
    is_all_ = !walk_.go_on(request_.topics, limits::max_offsets_at_once, enter, visit);
    const std::int16_t error = refusal();
    if (error != broker_error::none || commits.empty()) {
      set_errors(places, error);
      return then();
    }
    groups_.commit(request_.group_id, std::move(commits),
                   [self = shared_from_this(), places = std::move(places),
                    then = std::move(then)](std::int16_t outcome) mutable {
                     self->set_errors(places, outcome);
                     then();
                   });
  }

  [[nodiscard]] std::int16_t refusal() {
    if (faults_ != nullptr) {
      const std::int16_t fault = faults_->refuses_offsets(request_.group_id);
      if (fault != broker_error::none) return fault;
    }
    return groups_.check_commit(request_.group_id, request_.member_id, request_.group_instance_id,
                                request_.generation_id_or_member_epoch, loop_.tick());
  }

  FoundTopic begin(const wire::OffsetCommitRequest::OffsetCommitRequestTopic& wanted, bool is_new) {
    if (is_new) {
      auto& topic = response_.topics.emplace_back();
      topic.name = wanted.name;
      topic.topic_id = wanted.topic_id;
      topic.partitions.reserve(wanted.partitions.size());
    }
    const bool is_by_id = responder_.version() >= first_version_with_ids;
    return access_.topic({is_by_id, wanted.name, wanted.topic_id}, Operation::read);
  }

  /// None unless the request names a time. Times beyond the last possible one end there.
  [[nodiscard]] Timestamp expiry(Timestamp now) const {
    const std::int64_t retention = request_.retention_time_ms;
    if (responder_.version() > last_version_with_retention || retention == -1) return {};
    const bool is_too_late = retention > INT64_MAX - now.value;
    return Timestamp{is_too_late ? INT64_MAX : std::max<std::int64_t>(0, now.value + retention)};
  }

  void take(const FoundTopic& topic, OffsetCommitRequestPartition& wanted,
            std::vector<GroupService::Commit>& commits, std::vector<Place>& places) {
    const std::int16_t fault = fault_of(topic, wanted);
    response_.topics.back().partitions.push_back({wanted.partition_index, fault});
    if (fault != broker_error::none) return;
    places.emplace_back(walk_.topic(), walk_.partition());
    commits.push_back({topic->name,
                       wanted.partition_index,
                       {wanted.committed_offset, wanted.committed_leader_epoch,
                        std::move(wanted.committed_metadata).value_or(""), loop_.tick().wall,
                        expiry(loop_.tick().wall)}});
  }

  void set_errors(const std::vector<Place>& places, std::int16_t error) {
    for (const auto& [topic, partition] : places) {
      response_.topics[topic].partitions[partition].error_code = error;
    }
  }

  Executor& loop_;
  Dispatcher& dispatcher_;
  GroupService& groups_;
  RequestFaults* const faults_;
  const Access access_;
  const Responder responder_;
  wire::OffsetCommitRequest request_;
  Response response_;
  std::size_t items_ = 0;
  TopicWalk walk_;
  /// All offsets were taken.
  bool is_all_ = false;
  bool is_under_way_ = false;
};

}  // namespace

void handle(Call& call, wire::OffsetCommitRequest request) {
  const Needed node = call.node;
  auto committing = std::make_shared<Committing>(node, call, std::move(request));
  if (committing->is_small()) return committing->commit_at_once();
  serve_in_slices(node.get<Dispatcher>(), call.responder, std::move(committing));
}

}  // namespace dohle::node
