#include "messaging/options/subscribed_topics.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "base/option_checks.hpp"
#include "base/topic_name.hpp"
#include "messaging/failures/retry_topics.hpp"
#include "messaging/source/topic_matcher.hpp"

namespace dohle::messaging {

namespace {

/// Stands for the name of each topic where an error shows a name that is made of it.
constexpr std::string_view any_topic = "TOPIC";

Result<void> check_partition(const Topics& topics, PartitionId partition) {
  if (partition.is_none() || topics.is_one()) return {};
  const std::string what = topics.pattern() ? "a pattern" : "several topics";
  return fail(Error::configuration("partition is " + std::to_string(partition.value) +
                                   "; it is allowed with one topic only, and the subscription is "
                                   "to " +
                                   what + ", " + topics.to_string()));
}

Error is_read_itself(const std::string& name, const std::string& source) {
  return Error::configuration("the failed messages of topic " + source + " go to " + name +
                              ", which the subscription reads: they would come back for ever; "
                              "give another beginning with retry_prefix, or leave it out");
}

/// Chooses the retry topics of the named topics.
Result<void> choose_redirects(const Topics& topics, const SubscribeOptions& own,
                              FailurePolicy policy, ReadSettings& made) {
  const std::set<std::string> names(topics.names().begin(), topics.names().end());
  for (const std::string& topic : topics.names()) {
    auto redirects = redirect_topics(topic, made.plan.group_id, own, policy);
    if (!redirects) return fail(redirects.error());
    for (const RedirectTopic& retry : redirects->retries) {
      if (names.contains(retry.name)) return fail(is_read_itself(retry.name, topic));
    }
    const auto& dead = redirects->dead_letters;
    if (dead && names.contains(dead->name)) return fail(is_read_itself(dead->name, topic));
    made.state.redirects = *redirects;
    if (!topics.is_one() && !redirects->empty()) {
      made.state.redirects_of.emplace(topic, *std::move(redirects));
    }
  }
  return {};
}

/// Chooses the pattern. The retry topics of its topics are made once they are known.
Result<void> choose_pattern(const TopicPattern& pattern, const SubscribeOptions& own,
                            FailurePolicy policy, ReadSettings& made) {
  auto matcher = TopicMatcher::compile(pattern);
  if (!matcher) return fail(matcher.error());
  const std::string& group = made.plan.group_id;
  auto any = redirect_topics(any_topic, group, own, policy);
  if (!any) return fail(any.error());
  made.plan.pattern.emplace(TopicWatch::Settings{.matcher = *std::move(matcher)});
  // A topic that appears while the subscription runs is read from its beginning. The others start
  // where the plan says.
  made.consumer.offset_reset = OffsetReset::earliest;
  if (!made.plan.start && group.empty()) made.plan.start = StartOffset::last();
  if (any->empty()) return {};
  made.plan.pattern->prepares = true;
  made.plan.pattern->is_own = [group, prefix = own.retry_prefix](std::string_view topic) {
    return is_redirect_topic(topic, group, prefix);
  };
  made.plan.make_redirects = [own, group, policy](
                                 Admin& admin, const std::string& topic) -> Result<RedirectTopics> {
    auto redirects = redirect_topics(topic, group, own, policy);
    if (!redirects) return fail(redirects.error());
    if (auto prepared = prepare(admin, topic, *redirects); !prepared) {
      return fail(prepared.error());
    }
    return redirects;
  };
  for (RedirectTopic& retry : any->retries) retry.name.clear();
  if (any->dead_letters) any->dead_letters->name.clear();
  made.state.redirects = *std::move(any);
  return {};
}

}  // namespace

Result<void> check_topics(const Topics& topics, PartitionId partition) {
  if (topics.pattern()) return check_partition(topics, partition);
  auto count = check_options({{"topics (their number)", as_value(topics.names().size()), 1,
                               as_value(Topics::max_topics)}});
  if (!count) return count;
  for (const std::string& name : topics.names()) {
    if (auto named = check_topic_name(name); !named) {
      return fail(Error::configuration(
          "topic to subscribe to: " + std::string(named.error().message()) +
          " (several topics are a list of names, and kafka::pattern makes a pattern)"));
    }
  }
  return check_partition(topics, partition);
}

Result<void> choose_topics(const Topics& topics, const SubscribeOptions& own, FailurePolicy policy,
                           ReadSettings& made) {
  made.plan.topics = topics.names();
  auto chosen = topics.pattern() ? choose_pattern(*topics.pattern(), own, policy, made)
                                 : choose_redirects(topics, own, policy, made);
  made.plan.resets_to_first = made.consumer.offset_reset == OffsetReset::earliest;
  return chosen;
}

Result<void> prepare_redirects(Admin& admin, ReadSettings& read) {
  std::vector<std::string>& retries = read.plan.retry_topics;
  const auto prepare_one = [&](const std::string& source, RedirectTopics& topics) -> Result<void> {
    if (auto prepared = prepare(admin, source, topics); !prepared) return prepared;
    std::ranges::transform(topics.retries, std::back_inserter(retries), &RedirectTopic::name);
    return {};
  };
  for (auto& [source, topics] : read.state.redirects_of) {
    if (auto prepared = prepare_one(source, topics); !prepared) return prepared;
  }
  if (read.plan.topics.size() != 1) return {};
  return prepare_one(read.plan.topics.front(), read.state.redirects);
}

}  // namespace dohle::messaging
