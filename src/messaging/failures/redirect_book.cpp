#include "messaging/failures/redirect_book.hpp"

#include <algorithm>

namespace dohle::messaging {

RedirectBook::RedirectBook(RedirectTopics common)
    : common_(std::make_shared<const RedirectTopics>(std::move(common))) {}

void RedirectBook::set(const std::string& source, RedirectTopics topics) {
  drop(source);
  const auto shared = std::make_shared<const RedirectTopics>(std::move(topics));
  by_source_.emplace(source, shared);
  for (std::size_t at = 0; at < shared->retries.size(); ++at) {
    Retry& retry = by_retry_topic_[shared->retries[at].name];
    retry.place = {shared, at + 1};
    ++retry.sources;
  }
}

void RedirectBook::drop(const std::string& source) {
  const auto found = by_source_.find(source);
  if (found == by_source_.end()) return;
  for (const RedirectTopic& each : found->second->retries) {
    const auto retry = by_retry_topic_.find(each.name);
    if (--retry->second.sources == 0) by_retry_topic_.erase(retry);
  }
  by_source_.erase(found);
}

RedirectBook::Place RedirectBook::find(std::string_view topic) const {
  if (const auto own = by_source_.find(topic); own != by_source_.end()) return {own->second, 0};
  const auto retry = by_retry_topic_.find(topic);
  if (retry != by_retry_topic_.end()) return retry->second.place;
  const auto& retries = common_->retries;
  const auto common = std::ranges::find(retries, topic, &RedirectTopic::name);
  if (common == retries.end()) return {common_, 0};
  return {common_, static_cast<std::size_t>(common - retries.begin()) + 1};
}

}  // namespace dohle::messaging
