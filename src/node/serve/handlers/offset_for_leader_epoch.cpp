#include "wire/messages/offset_for_leader_epoch.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/topic_walk.hpp"

namespace dohle::node {

namespace {

using OffsetForLeaderPartition = wire::OffsetForLeaderEpochRequest::OffsetForLeaderPartition;
using EpochEndOffset = wire::OffsetForLeaderEpochResponse::EpochEndOffset;

using Needed = Parts<Dispatcher>;

/// One request until it is answered: one partition in each slice. A log whose epochs have to be
/// read from its batches is prepared first.
class Finding : public std::enable_shared_from_this<Finding> {
 public:
  Finding(const Needed& node, const Call& call, wire::OffsetForLeaderEpochRequest request)
      : dispatcher_(node.get<Dispatcher>()),
        access_(call.access),
        responder_(call.responder),
        request_(std::move(request)) {}

  Progress go_on() {
    bool is_waiting = false;
    const auto enter = [this](const auto& topic, bool is_new) {
      return begin(topic.topic, is_new);
    };
    const auto visit = [&](const FoundTopic& topic, const auto& wanted, std::size_t partition) {
      auto found = answer_for(topic, wanted.partitions[partition]);
      is_waiting = !found;
      if (found) add(*std::move(found));
      return !is_waiting;
    };
    if (walk_.go_on(request_.topics, 1, enter, visit)) {
      return is_waiting ? Progress::waits : Progress::more;
    }
    if (items_ > limits::max_encoded_at_once) drop_beside(dispatcher_, std::move(request_));
    answer_beside(dispatcher_, responder_, std::move(response_), items_);
    return Progress::answered;
  }

 private:
  FoundTopic begin(const std::string& topic, bool is_new) {
    if (is_new) {
      response_.topics.emplace_back().topic = topic;
      ++items_;
    }
    return access_.topic(topic, Operation::describe);
  }

  void add(EpochEndOffset found) {
    response_.topics.back().partitions.push_back(found);
    ++items_;
    was_prepared_ = false;
  }

  /// None while the log is being prepared.
  std::optional<EpochEndOffset> answer_for(const FoundTopic& topic,
                                           const OffsetForLeaderPartition& wanted) {
    EpochEndOffset found;
    found.partition = wanted.partition;
    const PartitionRef* partition = topic.partition(wanted.partition);
    found.error_code = topic ? fault_of(partition, wanted.current_leader_epoch) : topic.code;
    if (found.error_code != broker_error::none) return found;
    log::PartitionLog& log = *(*partition)->log();
    if (!log.knows_epochs() && !std::exchange(was_prepared_, true)) {
      log.prepare(dispatcher_.waker(responder_.session()));
      return std::nullopt;
    }
    const auto end = log.epoch_end(wanted.leader_epoch);
    if (!end) {
      found.error_code = wire_code(end.error());
      return found;
    }
    const bool is_present_without_batch =
        end->epoch.is_none() && wanted.leader_epoch == leader_epoch;
    found.leader_epoch = is_present_without_batch ? leader_epoch : end->epoch;
    // The last epoch ends at the offset up to which consumers may read.
    found.end_offset =
        is_present_without_batch ? log.high_watermark() : std::min(end->end, log.high_watermark());
    return found;
  }

  Dispatcher& dispatcher_;
  const Access access_;
  const Responder responder_;
  wire::OffsetForLeaderEpochRequest request_;
  wire::OffsetForLeaderEpochResponse response_;
  TopicWalk walk_;
  /// Topics and partitions in the answer.
  std::size_t items_ = 0;
  /// The log of the next partition was prepared for it.
  bool was_prepared_ = false;
};

}  // namespace

void handle(Call& call, wire::OffsetForLeaderEpochRequest request) {
  const Needed node = call.node;
  serve_in_slices(node.get<Dispatcher>(), call.responder,
                  std::make_shared<Finding>(node, call, std::move(request)));
}

}  // namespace dohle::node
