// The part of ConsumerSource that reads the topics that match a pattern.
#include <algorithm>
#include <cstddef>
#include <set>
#include <string_view>
#include <utility>

#include "messaging/consumer_source.hpp"
#include "messaging/missing_topic.hpp"

namespace dohle::messaging {

namespace {

constexpr std::size_t max_named = 10;

/// "topic a", or "3 topics (a, b, c)".
std::string named(const std::vector<std::string>& topics) {
  if (topics.size() == 1) return "topic " + topics.front();
  std::string text = std::to_string(topics.size()) + " topics (";
  for (std::size_t at = 0; at < std::min(topics.size(), max_named); ++at) {
    if (at > 0) text += ", ";
    text += topics[at];
  }
  return text + (topics.size() > max_named ? ", …)" : ")");
}

}  // namespace

Result<void> ConsumerSource::join_by_pattern() {
  if (auto looked = look(); !looked) return fail(looked.error());
  // Without a topic there is nothing to join for, and that is known.
  if (watch_->topics().empty()) listener_.on_assigned({});
  return follow_in_group();
}

Result<bool> ConsumerSource::look() {
  // Also after an error.
  watch_again();
  const std::string& expression = plan_.pattern->matcher.expression();
  const auto listed = admin_.list_topics({.timeout = plan_.look_timeout});
  if (!listed) return fail(listed.error().within("look for topics that match " + expression));
  TopicWatch::Change change = watch_->on_list(*listed);
  for (const Error& why : change.troubles) trouble(why);
  const std::vector<std::string> gone = gone_of(change.missing);
  drop(gone);
  std::erase_if(change.added, [this](const std::string& topic) { return !prepare(topic); });
  if (!change.added.empty()) {
    note("the subscription to " + expression + " reads " + named(change.added) + " from now on");
  }
  watch_again();
  return !gone.empty() || !change.added.empty();
}

bool ConsumerSource::prepare(const std::string& topic) {
  if (!plan_.make_redirects) return true;
  auto made = plan_.make_redirects(admin_, topic);
  if (!made) {
    const bool is_new = watch_->on_refused(topic);
    if (is_new) {
      trouble(made.error().within("topic " + topic +
                                  " matches the pattern and is not read until it has its retry "
                                  "topics and its topic for dead letters"));
    }
    return false;
  }
  std::vector<std::string>& retries = retry_topics_[topic];
  retries.clear();
  for (const RedirectTopic& each : made->retries) retries.push_back(each.name);
  if (topic_listener_.on_redirects) topic_listener_.on_redirects(topic, *std::move(made));
  return true;
}

std::vector<std::string> ConsumerSource::gone_of(const std::vector<std::string>& missing) {
  std::vector<std::string> gone;
  if (missing.empty()) return gone;
  const auto described = admin_.describe_topics(missing, {.timeout = plan_.look_timeout});
  // The next look asks again.
  if (!described) return gone;
  for (const Named<TopicDescription>& topic : *described) {
    if (topic.result) {
      watch_->on_still_there(topic.name);
      continue;
    }
    const Error& why = topic.result.error();
    const bool is_deleted = is_missing_topic(why);
    if (!is_deleted && why.is_retriable()) continue;
    if (!is_deleted) trouble(why.within("it is no longer read; the other topics are"));
    watch_->on_gone(topic.name);
    gone.push_back(topic.name);
  }
  return gone;
}

void ConsumerSource::drop(const std::vector<std::string>& topics) {
  if (topics.empty()) return;
  note("the subscription to " + plan_.pattern->matcher.expression() + " no longer reads " +
       named(topics));
  if (is_subscribed_) lose(topics);
  for (const std::string& topic : topics) {
    retry_topics_.erase(topic);
    if (topic_listener_.on_dropped) topic_listener_.on_dropped(topic);
  }
}

void ConsumerSource::lose(const std::vector<std::string>& topics) {
  // Nothing of them can be committed any more, and the group takes them back only in its next
  // rebalance.
  const std::set<std::string> gone(topics.begin(), topics.end());
  std::vector<TopicPartition> lost = consumer_.assignment();
  std::erase_if(lost, [&](const TopicPartition& each) { return !gone.contains(each.topic); });
  if (lost.empty()) return;
  forget_unplaced(lost);
  listener_.on_lost(lost);
}

std::vector<TopicPartition> ConsumerSource::without_dropped(
    std::span<const TopicPartition> partitions) const {
  std::vector<TopicPartition> taken(partitions.begin(), partitions.end());
  if (!watch_) return taken;
  std::set<std::string_view> retries;
  for (const auto& [_, names] : retry_topics_) retries.insert(names.begin(), names.end());
  std::erase_if(taken, [&](const TopicPartition& each) {
    return !watch_->reads(each.topic) && !retries.contains(each.topic);
  });
  return taken;
}

Result<void> ConsumerSource::follow_topics() {
  const auto changed = look();
  if (!changed) return fail(changed.error());
  if (plan_.group_id.empty()) {
    return take_by_hand(watch_->partitions(),
                        [](const TopicPartition& /*new*/) { return StartOffset::first(); });
  }
  return *changed ? follow_in_group() : Result<void>{};
}

Result<void> ConsumerSource::follow_in_group() {
  if (!watch_->topics().empty()) return subscribe();
  // A group needs a topic.
  return std::exchange(is_subscribed_, false) ? consumer_.unsubscribe() : Result<void>{};
}

}  // namespace dohle::messaging
