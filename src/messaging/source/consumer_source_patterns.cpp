// The part of ConsumerSource that reads the topics that match a pattern.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "messaging/failures/missing_topic.hpp"
#include "messaging/reports/reports.hpp"
#include "messaging/source/consumer_source.hpp"

namespace dohle::messaging {

namespace {

constexpr std::size_t max_named = 10;
/// Time between two attempts of a pattern without a match if new topics are not watched for.
constexpr std::chrono::seconds look_for_first_match{5};

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

void ConsumerSource::start_watching() {
  if (!member_) {
    member_ = std::make_unique<SharedLook::Member>(look_, [this] { consumer_.wakeup(); });
  }
  // Topics that are known already are read at once, and the list that is requested now may change
  // them.
  has_followed_ = false;
  must_follow_ = seen_look_ != 0;
  watch_at_ = monotonic_now();
  ask_again_at_ = TimePoint::min();
}

Result<void> ConsumerSource::follow_look() {
  if (look_->has_news(seen_news_)) take_news();
  prepare();
  ask_for_list();
  return must_follow_ ? follow_topics() : Result<void>{};
}

void ConsumerSource::ask_for_list() {
  if (watch_at_ == never) return;
  const TimePoint now = monotonic_now();
  if (now < watch_at_ || now < ask_again_at_) return;
  ask_again_at_ = look_->want(watch_at_, now);
}

std::chrono::milliseconds ConsumerSource::until_look(std::chrono::milliseconds timeout) const {
  if (watch_at_ == never) return timeout;
  return std::min(timeout, left_until(std::max(watch_at_, ask_again_at_)));
}

void ConsumerSource::take_news() {
  const SharedLook::News news = look_->news(unlisted_);
  seen_news_ = news.count;
  ask_again_at_ = TimePoint::min();
  is_wanted(news.list) ? take_list(news.list) : take_verdicts(news.verdicts);
  if (news.failure) take_failure(*news.failure);
}

bool ConsumerSource::is_wanted(const TopicLook::List& list) const {
  if (list.topics == nullptr || list.look == seen_look_) return false;
  // Each takes up every list, so that the next one is due for all at the same time. The first has
  // to be asked for after the start, since later topics are read from their beginnings.
  const bool is_watching = plan_.partition_watch_interval && seen_look_ != 0;
  return is_watching || list.asked_at >= watch_at_;
}

void ConsumerSource::take_list(const TopicLook::List& list) {
  seen_look_ = list.look;
  TopicWatch::Change change = watch_->on_list(*list.topics, list.asked_at);
  for (const Error& why : change.troubles) trouble(why);
  unlisted_ = std::move(change.missing);
  if (!unlisted_.empty()) take_verdicts(look_->ask_about(unlisted_));
  if (plan_.make_redirects) {
    std::ranges::move(change.added, std::back_inserter(to_prepare_));
  } else {
    note_added(change.added);
    must_follow_ = must_follow_ || !change.added.empty();
  }
  // Without a group, partitions may have been added.
  must_follow_ = must_follow_ || !has_followed_ || plan_.group_id.empty();
  watch_again(list.asked_at);
  watch_if_idle(list.asked_at);
}

void ConsumerSource::watch_if_idle(TimePoint last) {
  if (watch_at_ == never && watch_->is_idle()) watch_at_ = last + Duration(look_for_first_match);
}

void ConsumerSource::take_failure(const TopicLook::Failure& failure) {
  const Error why =
      failure.why.within("look for topics that match " + plan_.pattern->matcher.expression() +
                         " (repeated until it succeeds)");
  if (failure.is_to_tell) return trouble(why);
  if (topic_listener_.on_delay) topic_listener_.on_delay(why);
}

void ConsumerSource::take_verdicts(const SharedLook::Verdicts& verdicts) {
  std::vector<std::string> gone;
  for (const auto& [topic, described] : verdicts) {
    std::erase(unlisted_, topic);
    if (described) {
      watch_->on_still_there(topic);
      continue;
    }
    const Error& why = described.error();
    const bool is_deleted = is_missing_topic(why);
    // The next list without it asks again.
    if (!is_deleted && why.is_retriable()) continue;
    if (!is_deleted) trouble(why.within("it is no longer read; the other topics are"));
    watch_->on_gone(topic);
    gone.push_back(topic);
  }
  if (gone.empty()) return;
  drop(gone);
  must_follow_ = true;
}

void ConsumerSource::prepare() {
  if (preparation_ && preparation_->is_done()) take_prepared();
  if (preparation_ || to_prepare_.empty()) return;
  preparation_ = std::make_unique<RedirectPreparation>(
      std::exchange(to_prepare_, {}),
      [admin = admin_, make = plan_.make_redirects](const std::string& topic) mutable {
        return make(admin, topic);
      },
      [look = look_] { look->call_members(); });
}

void ConsumerSource::take_prepared() {
  std::vector<std::string> added;
  for (RedirectPreparation::Made& each : preparation_->take()) {
    if (take_prepared(each.topic, std::move(each.redirects))) added.push_back(each.topic);
  }
  preparation_.reset();
  // All may have been refused.
  watch_if_idle(monotonic_now());
  note_added(added);
  must_follow_ = must_follow_ || !added.empty();
}

bool ConsumerSource::take_prepared(const std::string& topic, Result<RedirectTopics> made) {
  if (!made) {
    if (watch_->on_refused(topic)) {
      trouble(made.error().within("topic " + topic +
                                  " matches the pattern and is not read until it has its retry "
                                  "topics and its topic for dead letters"));
    }
    return false;
  }
  if (!watch_->on_prepared(topic)) return false;
  std::vector<std::string>& retries = retry_topics_[topic];
  retries.clear();
  for (const RedirectTopic& each : made->retries) retries.push_back(each.name);
  if (topic_listener_.on_redirects) topic_listener_.on_redirects(topic, *std::move(made));
  return true;
}

void ConsumerSource::note_added(const std::vector<std::string>& topics) const {
  if (topics.empty()) return;
  note("the subscription to " + plan_.pattern->matcher.expression() + " reads " + named(topics) +
       " from now on");
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
  if (!has_followed_ && watch_->topics().empty()) {
    // It is not ready while its first topics are being prepared.
    if (is_preparing()) return {};
    // Without a topic there is nothing to join for, and that is known.
    listener_.on_assigned({});
  }
  auto followed = plan_.group_id.empty() ? follow_by_hand() : follow_in_group();
  if (!followed) return followed;
  has_followed_ = true;
  must_follow_ = false;
  return {};
}

Result<void> ConsumerSource::follow_by_hand() {
  return take_by_hand(watch_->partitions(), [this](const TopicPartition& partition) {
    // All records of a partition that appears later are new.
    return has_followed_ ? StartOffset::first() : start_of(partition);
  });
}

Result<void> ConsumerSource::follow_in_group() {
  if (!watch_->topics().empty()) return subscribe();
  // A group needs a topic.
  return std::exchange(is_subscribed_, false) ? consumer_.unsubscribe() : Result<void>{};
}

}  // namespace dohle::messaging
