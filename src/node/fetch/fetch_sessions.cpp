#include "node/fetch/fetch_sessions.hpp"

#include <algorithm>
#include <limits>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "node/storage/partition.hpp"

namespace dohle::node {

namespace {

constexpr std::int32_t final_epoch = -1;  // no session; an old one ends
constexpr std::int32_t initial_epoch = 0;

std::int32_t epoch_after(std::int32_t epoch) {
  return epoch == std::numeric_limits<std::int32_t>::max() ? 1 : epoch + 1;
}

}  // namespace

void ServedFetchSession::check_invariants() const {
  if (!is_lasting_) {
    DOHLE_ASSERT(told_.empty() && order_.empty() && places_.empty(),
                 "a session of one request is kept like a lasting one");
    return;
  }
  DOHLE_ASSERT(told_.size() == entries_.size(), "told values and entries differ in number");
  DOHLE_ASSERT(order_.size() == places_.size(), "the order does not hold each partition once");
  DOHLE_ASSERT(places_.size() + free_entries_.size() == entries_.size(),
               "an entry is neither in use nor free");
  DOHLE_ASSERT(topic_places_.size() + free_topics_.size() == topics_.size(),
               "a topic's entry is neither in use nor free");
  std::size_t used = 0;
  for (const UsedTopic& topic : topics_) used += topic.entries;
  DOHLE_ASSERT(used == places_.size(), "the partitions of topics are miscounted");
  for (const auto& [key, place] : places_) {
    DOHLE_ASSERT(entries_[place].topic == key.first && entries_[place].partition == key.second,
                 "a partition is stored in another one's place");
  }
}

bool ServedFetchSession::change_some(const wire::FetchRequest& request, Cursor& from,
                                     std::size_t most) {
  std::size_t left = most;
  if (!from.has_forgotten) {
    if (forget_some(request, from, left)) return true;
    from = {true, 0, 0};
    std::size_t count = 0;
    for (const auto& topic : request.topics) count += topic.partitions.size();
    if (entries_.empty()) entries_.reserve(count);
  }
  return update_some(request, from, left);
}

bool ServedFetchSession::update_some(const wire::FetchRequest& request, Cursor& from,
                                     std::size_t& left) {
  for (; from.topic < request.topics.size(); ++from.topic, from.partition = 0) {
    if (left == 0) return true;
    --left;
    const auto& topic = request.topics[from.topic];
    if (topic.partitions.empty()) continue;
    const std::uint32_t place_of_topic = use_topic(topic_of(by_id_, topic.topic, topic.topic_id));
    for (; from.partition < topic.partitions.size(); ++from.partition) {
      // Not before the topic's first partition: a topic without partitions would stay.
      if (left == 0 && from.partition > 0) return true;
      left -= std::min<std::size_t>(left, 1);
      const auto& wanted = topic.partitions[from.partition];
      const Key key{place_of_topic, wanted.partition};
      const auto known = places_.find(key);
      FetchEntry& entry = entries_[known == places_.end() ? add(key) : known->second];
      entry.fetch_offset = wanted.fetch_offset;
      entry.max_bytes = static_cast<std::uint32_t>(std::max(0, wanted.partition_max_bytes));
      entry.current_leader_epoch = wanted.current_leader_epoch;
    }
  }
  return false;
}

std::uint32_t ServedFetchSession::use_topic(Topic topic) {
  if (const auto known = topic_places_.find(topic); known != topic_places_.end()) {
    return known->second;
  }
  auto place = static_cast<std::uint32_t>(topics_.size());
  if (free_topics_.empty()) {
    topics_.emplace_back();
  } else {
    place = free_topics_.back();
    free_topics_.pop_back();
  }
  topics_[place].topic = topic;
  topic_places_.emplace(std::move(topic), place);
  return place;
}

void ServedFetchSession::leave_topic(std::uint32_t topic) {
  UsedTopic& used = topics_[topic];
  DOHLE_ASSERT(used.entries > 0, "a topic is left that has no partition");
  if (--used.entries > 0) return;
  topic_places_.erase(used.topic);
  used = {};
  free_topics_.push_back(topic);
}

std::uint32_t ServedFetchSession::add(Key key) {
  auto place = static_cast<std::uint32_t>(entries_.size());
  if (free_entries_.empty()) {
    entries_.emplace_back();
    told_.emplace_back();
  } else {
    place = free_entries_.back();
    free_entries_.pop_back();
  }
  entries_[place].topic = key.first;
  entries_[place].partition = key.second;
  ++topics_[key.first].entries;
  order_.push_back(place);
  places_.emplace(key, place);
  return place;
}

void ServedFetchSession::settle() {
  is_lasting_ = false;
  told_ = std::vector<Told>();  // `{}` would keep the capacity
  order_ = std::vector<std::uint32_t>();
  topic_places_.clear();
  places_.clear();
}

bool ServedFetchSession::forget_some(const wire::FetchRequest& request, Cursor& from,
                                     std::size_t& left) {
  const auto& topics = request.forgotten_topics_data;
  if (topics.empty()) return false;
  std::vector<bool> is_forgotten(entries_.size());
  for (; from.topic < topics.size() && left > 0; ++from.topic, from.partition = 0) {
    --left;
    const auto& topic = topics[from.topic];
    const auto known = topic_places_.find(topic_of(by_id_, topic.topic, topic.topic_id));
    if (known == topic_places_.end()) continue;
    const std::uint32_t place_of_topic = known->second;
    for (; from.partition < topic.partitions.size() && left > 0; ++from.partition, --left) {
      const auto entry = places_.find({place_of_topic, topic.partitions[from.partition]});
      if (entry == places_.end()) continue;
      const std::uint32_t place = entry->second;
      places_.erase(entry);
      entries_[place] = {};
      told_[place] = {};
      is_forgotten[place] = true;
      free_entries_.push_back(place);
      leave_topic(place_of_topic);
    }
    if (from.partition < topic.partitions.size()) break;
  }
  std::erase_if(order_, [&](std::uint32_t place) { return is_forgotten[place]; });
  return from.topic < topics.size();
}

void ServedFetchSession::move_to_end(const std::vector<std::uint32_t>& served) {
  if (served.empty() || !is_lasting_) return;
  // Both lists are in the order of serving.
  auto next = served.begin();
  const auto is_served = [&](std::uint32_t place) {
    const bool is = next != served.end() && *next == place;
    if (is) ++next;
    return is;
  };
  std::erase_if(order_, is_served);
  order_.insert(order_.end(), served.begin(), served.end());
}

void FetchSessions::check_invariants() const {
  DOHLE_ASSERT(sessions_.size() <= options_.max_sessions, "more sessions than are allowed");
  DOHLE_ASSERT(partitions_ <= options_.max_partitions,
               "sessions have more partitions than allowed");
  DOHLE_ASSERT(by_use_.size() == sessions_.size(), "a session that is gone may be given up");
  std::size_t partitions = 0;
  for (const auto& [id, session] : sessions_) {
    session->check_invariants();
    DOHLE_ASSERT(id == session->id_, "a session is stored under another one's id");
    DOHLE_ASSERT(session->is_lasting() && session->counted_ == session->size(),
                 "a session's size differs from the counted one");
    DOHLE_ASSERT(by_use_.contains({session->used_at_, id}),
                 "a session is missing in the order of use");
    partitions += session->counted_;
  }
  DOHLE_ASSERT(partitions == partitions_, "the partitions of sessions are miscounted");
}

FetchSessions::Begun FetchSessions::begin(const wire::FetchRequest& request, bool by_id,
                                          TimePoint now) {
  Beginning beginning = open(request, by_id);
  while (enter_some(beginning, request, SIZE_MAX, now)) {
  }
  return std::move(beginning.begun);
}

FetchSessions::Beginning FetchSessions::open(const wire::FetchRequest& request, bool by_id) {
  Beginning beginning;
  beginning.is_full =
      request.session_epoch == final_epoch || request.session_epoch == initial_epoch;
  if (!beginning.is_full) {
    check(beginning.begun, request, by_id);
    return beginning;
  }
  if (request.session_id != 0) {
    const auto old = sessions_.find(request.session_id);
    if (old != sessions_.end()) drop(old);
  }
  beginning.begun.session = std::make_shared<ServedFetchSession>(by_id);
  beginning.next.has_forgotten = true;  // a new session has nothing to forget
  return beginning;
}

// Takes the session and its epoch, so that no other request with this epoch is accepted.
void FetchSessions::check(Begun& begun, const wire::FetchRequest& request, bool by_id) const {
  const auto found = sessions_.find(request.session_id);
  if (found == sessions_.end()) {
    begun.error = broker_error::fetch_session_id_not_found;
    return;
  }
  ServedFetchSession& session = *found->second;
  if (session.by_id() != by_id) {
    begun.error = broker_error::fetch_session_topic_id_error;
    return;
  }
  if (session.next_epoch_ != request.session_epoch) {
    begun.error = broker_error::invalid_fetch_session_epoch;
    return;
  }
  session.next_epoch_ = epoch_after(session.next_epoch_);
  begun.session = found->second;
}

bool FetchSessions::enter_some(Beginning& beginning, const wire::FetchRequest& request,
                               std::size_t most, TimePoint now) {
  Begun& begun = beginning.begun;
  if (begun.error != broker_error::none) return false;
  if (!beginning.is_full) return enter_changes(beginning, request, most, now);
  if (begun.session->change_some(request, beginning.next, most)) return true;
  end_full(begun, request, now);
  return false;
}

void FetchSessions::end_full(Begun& begun, const wire::FetchRequest& request, TimePoint now) {
  const bool wants_session = request.session_epoch == initial_epoch && begun.session->size() > 0;
  if (wants_session && make_room(begun.session->size(), now)) {
    place(begun.session, now);
    begun.session_id = begun.session->id_;
  } else {
    begun.session->settle();
  }
}

bool FetchSessions::enter_changes(Beginning& beginning, const wire::FetchRequest& request,
                                  std::size_t most, TimePoint now) {
  Begun& begun = beginning.begun;
  ServedFetchSession& session = *begun.session;
  const bool has_more = session.change_some(request, beginning.next, most);
  const auto found = sessions_.find(session.id_);
  // It may have been dropped between two pieces; this request is still served.
  if (found == sessions_.end() || found->second != begun.session) return has_more;
  count(session);
  if ((!has_more && session.size() == 0) || partitions_ > options_.max_partitions) {
    drop(found);
    return has_more;
  }
  if (has_more) return true;
  touch(session, now);
  begun.session_id = session.id_;
  begun.is_incremental = true;
  return false;
}

// Evicts the sessions that were not used for longest, if they are old enough.
bool FetchSessions::make_room(std::size_t partitions, TimePoint now) {
  if (partitions > options_.max_partitions) return false;
  while (sessions_.size() >= options_.max_sessions ||
         partitions_ + partitions > options_.max_partitions) {
    DOHLE_ASSERT(!by_use_.empty(), "partitions are counted without a session");
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
  DOHLE_ASSERT(partitions_ >= session.counted_, "more partitions are dropped than sessions have");
  partitions_ = partitions_ - session.counted_ + session.size();
  session.counted_ = session.size();
}

void FetchSessions::drop(Sessions::iterator session) {
  DOHLE_ASSERT(session != sessions_.end(), "an unknown session is dropped");
  partitions_ -= session->second->counted_;
  session->second->counted_ = 0;
  by_use_.erase({session->second->used_at_, session->first});
  sessions_.erase(session);
}

}  // namespace dohle::node
