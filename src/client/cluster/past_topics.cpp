#include "client/cluster/past_topics.hpp"

#include <algorithm>
#include <utility>

namespace dohle::client {

void ReplacedIds::add(const TopicId& id) {
  if (id.is_none()) return;
  if (ids_.size() == max_ids) ids_.erase(ids_.begin());
  ids_.push_back(id);
}

bool ReplacedIds::has(const TopicId& id) const {
  return std::ranges::find(ids_, id) != ids_.end();
}

void PastTopics::keep(std::string_view topic, Ids ids) {
  if (ids.id.is_none() && ids.replaced.is_empty()) return;
  topics_.insert_or_assign(std::string(topic), Topic{std::move(ids), left_++});
  if (topics_.size() <= max_topics) return;
  topics_.erase(
      std::ranges::min_element(topics_, {}, [](const auto& entry) { return entry.second.number; }));
}

PastTopics::Ids PastTopics::recall(std::string_view topic) {
  const auto found = topics_.find(topic);
  if (found == topics_.end()) return {};
  Ids ids = std::move(found->second.ids);
  topics_.erase(found);
  return ids;
}

bool PastTopics::was_replaced(std::string_view topic, const TopicId& id) const {
  const auto found = topics_.find(topic);
  return found != topics_.end() && found->second.ids.replaced.has(id);
}

}  // namespace dohle::client
