#include "client/fetch_session.hpp"

#include <limits>

#include "base/broker_errors.hpp"

namespace dohle::client {

namespace {

wire::FetchRequest::FetchPartition partition_of(const FetchWish& wish) {
  wire::FetchRequest::FetchPartition partition;
  partition.partition = wish.where.partition;
  partition.current_leader_epoch = wish.leader_epoch;
  partition.fetch_offset = wish.offset;
  partition.partition_max_bytes = wish.bytes_max;
  return partition;
}

// The list's entry for that topic; wishes come sorted by topic.
template <class Topic>
Topic& entry_for(std::vector<Topic>& topics, const std::string& name) {
  if (topics.empty() || topics.back().topic != name) {
    topics.emplace_back();
    topics.back().topic = name;
  }
  return topics.back();
}

}  // namespace

void FetchSession::plan(const std::vector<FetchWish>& wishes, wire::FetchRequest& request) {
  request.session_id = id_;
  request.session_epoch = epoch_;
  std::map<TopicPartition, Known> wanted;
  for (const FetchWish& wish : wishes) {
    const Known now{wish.offset, wish.leader_epoch, wish.bytes_max};
    wanted.emplace(wish.where, now);
    const auto before = known_.find(wish.where);
    if (epoch_ != 0 && before != known_.end() && before->second == now) continue;
    entry_for(request.topics, wish.where.topic).partitions.push_back(partition_of(wish));
  }
  if (epoch_ != 0) {
    for (const auto& [where, known] : known_) {
      if (wanted.contains(where)) continue;
      entry_for(request.forgotten_topics_data, where.topic).partitions.push_back(where.partition);
    }
  }
  known_ = std::move(wanted);
}

Result<void> FetchSession::on_answer(const wire::FetchResponse& answer) {
  if (answer.error_code != broker_error::none) {
    // Only an unknown session is certainly gone; the request after names the others, to end them.
    const bool is_gone = answer.error_code == broker_error::fetch_session_id_not_found;
    start_over(is_gone ? 0 : id_);
    return fail(Error::broker(answer.error_code, "fetch"));
  }
  if (answer.session_id == 0) {
    start_over(0);
  } else {
    id_ = answer.session_id;
    epoch_ = epoch_ == std::numeric_limits<std::int32_t>::max() ? 1 : epoch_ + 1;
  }
  return {};
}

void FetchSession::on_failed() {
  start_over(id_);
}

void FetchSession::start_over(std::int32_t id) {
  id_ = id;
  epoch_ = 0;
  known_.clear();
}

bool FetchSession::is_session_error(std::int16_t code) {
  return code == broker_error::fetch_session_id_not_found ||
         code == broker_error::invalid_fetch_session_epoch ||
         code == broker_error::fetch_session_topic_id_error;
}

}  // namespace dohle::client
