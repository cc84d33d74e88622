#include "client/consume/fetch_session.hpp"

#include <algorithm>
#include <limits>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"

namespace dohle::client {

namespace {

wire::FetchRequest::FetchPartition partition_of(const FetchWish& wish) {
  wire::FetchRequest::FetchPartition partition;
  partition.partition = wish.where->partition;
  partition.current_leader_epoch = wish.leader_epoch;
  partition.fetch_offset = wish.offset;
  partition.partition_max_bytes = wish.max_bytes;
  return partition;
}

// The list's entry for the wish's topic. Wishes are sorted by topic.
template <class Topic>
Topic& entry_for(std::vector<Topic>& topics, const FetchWish& wish) {
  if (topics.empty() || topics.back().topic_id != wish.topic_id ||
      topics.back().topic != wish.where->topic) {
    topics.emplace_back();
    topics.back().topic = wish.where->topic;
    topics.back().topic_id = wish.topic_id;
  }
  return topics.back();
}

// Compares pointers first. The same partition has another name object after a new assignment.
bool comes_before(const FetchWish& one, const FetchWish& other) {
  return one.where != other.where && *one.where < *other.where;
}

bool is_same(const FetchWish& one, const FetchWish& other) {
  return one.offset == other.offset && one.leader_epoch == other.leader_epoch &&
         one.max_bytes == other.max_bytes;
}

}  // namespace

void FetchSession::plan(std::vector<FetchWish>& wishes, wire::FetchRequest& request) {
  DOHLE_ASSERT(epoch_ >= 0 && (epoch_ == 0 || id_ != 0), "a session goes on that was not opened");
  DOHLE_ASSERT_COSTLY(
      std::ranges::is_sorted(
          wishes, {}, [](const FetchWish& wish) -> const TopicPartition& { return *wish.where; }),
      "the partitions of a fetch are out of order");
  request.session_id = id_;
  request.session_epoch = epoch_;
  auto known = known_.cbegin();
  const auto forget = [&] {
    auto& topic = entry_for(request.forgotten_topics_data, *known);
    topic.partitions.push_back(known->where->partition);
    ++known;
  };
  const auto name = [&](const FetchWish& wish) {
    entry_for(request.topics, wish).partitions.push_back(partition_of(wish));
  };
  for (const FetchWish& wish : wishes) {
    while (known != known_.cend() && comes_before(*known, wish)) forget();
    bool is_known = known != known_.cend() && !comes_before(wish, *known);
    if (is_known && known->topic_id != wish.topic_id) {
      // Another topic of the same name.
      forget();
      is_known = false;
    }
    const bool is_unchanged = is_known && is_same(*known, wish);
    if (is_known) ++known;
    if (!is_unchanged) name(wish);
  }
  while (known != known_.cend()) forget();
  // A session by name continues by name. An empty request would not have the version for names, so
  // it gets one partition.
  const bool says_nothing = request.topics.empty() && request.forgotten_topics_data.empty();
  const auto by_name =
      std::ranges::find_if(wishes, [](const FetchWish& wish) { return wish.topic_id.is_none(); });
  if (says_nothing && by_name != wishes.end()) name(*by_name);
  known_.swap(wishes);
}

Result<void> FetchSession::on_answer(const wire::FetchResponse& answer) {
  if (answer.error_code != broker_error::none) {
    // Only an unknown session has certainly ended. The next request names any other session, to end
    // it.
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
