#include "node/fetch/fetch_sessions.hpp"

#include <algorithm>
#include <limits>

#include "base/broker_errors.hpp"
#include "node/storage/partition.hpp"

namespace dohle::node {

namespace {

constexpr std::int32_t final_epoch = -1;  // no session, and the old one may go
constexpr std::int32_t initial_epoch = 0;

std::int32_t epoch_after(std::int32_t epoch) {
  return epoch == std::numeric_limits<std::int32_t>::max() ? 1 : epoch + 1;
}

}  // namespace

void ServedFetchSession::update(const wire::FetchRequest& request) {
  for (const auto& topic : request.topics) {
    for (const auto& wanted : topic.partitions) {
      Key key{by_id_ ? std::string() : topic.topic, by_id_ ? topic.topic_id : TopicId(),
              wanted.partition};
      auto place = places_.find(key);
      if (place == places_.end()) {
        FetchEntry& entry = entries_.emplace_back();
        entry.topic = key.topic;
        entry.topic_id = key.topic_id;
        entry.partition = wanted.partition;
        place = places_.emplace(std::move(key), std::prev(entries_.end())).first;
      }
      FetchEntry& entry = *place->second;
      entry.fetch_offset = wanted.fetch_offset;
      entry.max_bytes = static_cast<std::size_t>(std::max(0, wanted.partition_max_bytes));
      entry.current_leader_epoch = wanted.current_leader_epoch;
    }
  }
}

void ServedFetchSession::forget(const wire::FetchRequest& request) {
  for (const auto& topic : request.forgotten_topics_data) {
    for (const PartitionId partition : topic.partitions) {
      const auto place = places_.find(Key{by_id_ ? std::string() : topic.topic,
                                          by_id_ ? topic.topic_id : TopicId(), partition});
      if (place == places_.end()) continue;
      entries_.erase(place->second);
      places_.erase(place);
    }
  }
}

FetchSessions::Begun FetchSessions::begin(const wire::FetchRequest& request, bool by_id,
                                          TimePoint now) {
  const bool is_full =
      request.session_epoch == final_epoch || request.session_epoch == initial_epoch;
  return is_full ? begin_full(request, by_id, now) : go_on(request, by_id, now);
}

FetchSessions::Begun FetchSessions::begin_full(const wire::FetchRequest& request, bool by_id,
                                               TimePoint now) {
  if (request.session_id != 0) {
    const auto old = sessions_.find(request.session_id);
    if (old != sessions_.end()) drop(old);
  }
  Begun begun;
  begun.session = std::make_shared<ServedFetchSession>(by_id);
  begun.session->update(request);
  const bool wants_session = request.session_epoch == initial_epoch && begun.session->size() > 0;
  if (wants_session && make_room(begun.session->size(), now)) {
    place(begun.session, now);
    begun.session_id = begun.session->id_;
  } else {
    begun.session->places_ = {};  // nothing is added to it
  }
  return begun;
}

FetchSessions::Begun FetchSessions::go_on(const wire::FetchRequest& request, bool by_id,
                                          TimePoint now) {
  Begun begun;
  const auto found = sessions_.find(request.session_id);
  if (found == sessions_.end()) {
    begun.error = broker_error::fetch_session_id_not_found;
    return begun;
  }
  ServedFetchSession& session = *found->second;
  if (session.by_id() != by_id) {
    begun.error = broker_error::fetch_session_topic_id_error;
    return begun;
  }
  if (session.next_epoch_ != request.session_epoch) {
    begun.error = broker_error::invalid_fetch_session_epoch;
    return begun;
  }
  session.forget(request);
  session.update(request);
  begun.session = found->second;
  count(session);
  if (session.size() == 0 || partitions_ > options_.max_partitions) {
    drop(found);
    return begun;
  }
  session.next_epoch_ = epoch_after(session.next_epoch_);
  touch(session, now);
  begun.session_id = session.id_;
  begun.is_incremental = true;
  return begun;
}

// Gives up the session that was not used for longest, once it is old enough.
bool FetchSessions::make_room(std::size_t partitions, TimePoint now) {
  if (partitions > options_.max_partitions) return false;
  while (sessions_.size() >= options_.max_sessions ||
         partitions_ + partitions > options_.max_partitions) {
    const auto [used_at, id] = *by_use_.begin();
    if (now - used_at < options_.eviction_age) return false;
    drop(sessions_.find(id));
  }
  return true;
}

void FetchSessions::place(const std::shared_ptr<ServedFetchSession>& session, TimePoint now) {
  do {
    session->id_ =
        static_cast<std::int32_t>(1 + random_->below(std::numeric_limits<std::int32_t>::max()));
  } while (session->id_ <= 0 || sessions_.contains(session->id_));
  session->next_epoch_ = epoch_after(initial_epoch);
  session->used_at_ = now;
  by_use_.emplace(now, session->id_);
  sessions_.emplace(session->id_, session);
  count(*session);
}

void FetchSessions::touch(ServedFetchSession& session, TimePoint now) {
  by_use_.erase({session.used_at_, session.id_});
  session.used_at_ = now;
  by_use_.emplace(now, session.id_);
}

void FetchSessions::count(ServedFetchSession& session) {
  partitions_ = partitions_ - session.counted_ + session.size();
  session.counted_ = session.size();
}

void FetchSessions::drop(Sessions::iterator session) {
  partitions_ -= session->second->counted_;
  session->second->counted_ = 0;
  by_use_.erase({session->second->used_at_, session->first});
  sessions_.erase(session);
}

}  // namespace dohle::node
