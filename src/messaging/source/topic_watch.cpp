#include "messaging/source/topic_watch.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace dohle::messaging {

bool TopicWatch::is_wanted(const TopicListing& listed) const {
  // While a topic is being created, its partitions are not listed yet.
  if (listed.partitions <= 0) return false;
  if (!settings_.matcher.matches(listed.name, listed.is_internal)) return false;
  return !settings_.is_own || !settings_.is_own(listed.name);
}

TopicWatch::Topic TopicWatch::make(const TopicListing& listed) {
  auto [id, replaced] = past_.recall(listed.name);
  Topic made{.id = id,
             .replaced_ids = std::move(replaced),
             .is_late = has_list_,
             .is_preparing = settings_.prepares};
  take(made, listed);
  return made;
}

void TopicWatch::take(Topic& known, const TopicListing& listed) {
  known.misses = 0;
  // An old server names no ids, so it does not say whether the topic is another one.
  if (known.id.is_none()) known.id = listed.id;
  if (listed.id.is_none() || listed.id == known.id) {
    known.partitions = std::max(known.partitions, listed.partitions);
    return;
  }
  if (known.replaced_ids.has(listed.id)) return;
  known.replaced_ids.add(std::exchange(known.id, listed.id));
  known.partitions = listed.partitions;
  known.is_late = true;
}

void TopicWatch::count_misses(TimePoint asked_at) {
  if (asked_at < count_misses_at_) return;
  count_misses_at_ = asked_at + settings_.min_between_misses;
  for (auto& [_, topic] : topics_) ++topic.misses;
}

TopicWatch::Change TopicWatch::on_list(std::span<const TopicListing> all, TimePoint asked_at) {
  Change change;
  count_misses(asked_at);
  std::size_t left_out = 0;
  std::string first_left_out;
  for (const TopicListing& listed : all) {
    const auto known = topics_.find(listed.name);
    if (known != topics_.end()) {
      if (listed.partitions <= 0) continue;
      take(known->second, listed);
      if (std::exchange(known->second.is_refused, false)) {
        known->second.is_preparing = settings_.prepares;
        change.added.push_back(listed.name);
      }
      continue;
    }
    if (!is_wanted(listed) || past_.was_replaced(listed.name, listed.id)) continue;
    if (topics_.size() >= settings_.max_topics) {
      if (left_out++ == 0) first_left_out = listed.name;
      continue;
    }
    topics_.emplace(listed.name, make(listed));
    change.added.push_back(listed.name);
  }
  has_list_ = true;
  note_missing(change);
  note_troubles(left_out, first_left_out, change);
  return change;
}

void TopicWatch::note_missing(Change& change) {
  std::vector<std::string> gone;
  for (const auto& [name, topic] : topics_) {
    if (topic.misses < misses_of_a_gone_topic) continue;
    (topic.is_read() ? change.missing : gone).push_back(name);
  }
  for (const std::string& name : gone) on_gone(name);
}

void TopicWatch::note_troubles(std::size_t left_out, const std::string& first, Change& change) {
  const std::string& expression = settings_.matcher.expression();
  if (left_out > 0 && !was_told_left_out_) {
    change.troubles.push_back(Error::client(
        Errc::limit_reached,
        "the pattern \"" + expression + "\" matches " + std::to_string(topics_.size() + left_out) +
            " topics; a subscription reads at most " + std::to_string(settings_.max_topics) +
            " (Topics::max_topics), so " + first +
            (left_out == 1 ? std::string(" is not read")
                           : " and " + std::to_string(left_out - 1) + " others are not read")));
  }
  was_told_left_out_ = left_out > 0;
  if (topics_.empty() && !was_told_none_) {
    change.troubles.push_back(Error::client(
        Errc::no_such_topic,
        "no topic matches the pattern \"" + expression + "\" yet; the subscription waits for one"));
  }
  was_told_none_ = topics_.empty();
}

bool TopicWatch::on_prepared(const std::string& topic) {
  const auto found = topics_.find(topic);
  return found != topics_.end() && std::exchange(found->second.is_preparing, false);
}

bool TopicWatch::on_refused(const std::string& topic) {
  const auto found = topics_.find(topic);
  // A topic that was gone for a while may be prepared twice. The first outcome counts.
  if (found == topics_.end() || !std::exchange(found->second.is_preparing, false)) return false;
  found->second.is_refused = true;
  return !std::exchange(found->second.was_told_refused, true);
}

void TopicWatch::on_gone(const std::string& topic) {
  const auto found = topics_.find(topic);
  if (found == topics_.end()) return;
  past_.keep(topic, {found->second.id, std::move(found->second.replaced_ids)});
  topics_.erase(found);
}

void TopicWatch::on_still_there(const std::string& topic) {
  const auto found = topics_.find(topic);
  DOHLE_ASSERT(found != topics_.end(), "a topic is there that is not watched");
  found->second.misses = 0;
}

bool TopicWatch::reads(std::string_view topic) const {
  const auto found = topics_.find(topic);
  return found != topics_.end() && found->second.is_read();
}

bool TopicWatch::is_late(std::string_view topic) const {
  const auto found = topics_.find(topic);
  return found != topics_.end() && found->second.is_late;
}

bool TopicWatch::is_idle() const {
  return std::ranges::all_of(topics_, [](const auto& entry) { return entry.second.is_refused; });
}

std::vector<std::string> TopicWatch::topics() const {
  std::vector<std::string> all;
  for (const auto& [name, topic] : topics_) {
    if (topic.is_read()) all.push_back(name);
  }
  return all;
}

std::vector<TopicPartition> TopicWatch::partitions() const {
  std::vector<TopicPartition> all;
  for (const auto& [name, topic] : topics_) {
    if (!topic.is_read()) continue;
    for (std::int32_t index = 0; index < topic.partitions; ++index) {
      all.push_back({name, PartitionId{index}});
    }
  }
  return all;
}

}  // namespace dohle::messaging
