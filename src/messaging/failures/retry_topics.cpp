#include "messaging/failures/retry_topics.hpp"

#include <algorithm>
#include <utility>

#include "base/broker_errors.hpp"
#include "base/option_checks.hpp"
#include "base/topic_name.hpp"
#include "messaging/failures/missing_topic.hpp"
#include "properties/values.hpp"

namespace dohle::messaging {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t max_retry_topics = 20;
/// Between the prefix and the delay.
constexpr std::string_view retry_middle = ".retry.";
constexpr std::string_view dead_letters_end = ".dlt";
constexpr milliseconds max_delay = std::chrono::hours(24 * 30);
/// The default of Apache Kafka's log.retention.hours.
constexpr milliseconds usual_retention = std::chrono::hours(24 * 7);

Result<void> check_delays(const std::vector<milliseconds>& delays) {
  if (delays.size() > max_retry_topics) {
    return check_options(
        {{"retry_topics (their number)", as_value(delays.size()), 0, as_value(max_retry_topics)}});
  }
  for (std::size_t at = 0; at < delays.size(); ++at) {
    auto checked =
        check_options({{"retry_topics", delays[at].count(), 1, max_delay.count(), "ms"}});
    if (!checked) return checked;
    if (at > 0 && delays[at] <= delays[at - 1]) {
      return fail(Error::configuration(
          "retry_topics is " + delay_text(delays[at - 1]) + " and then " + delay_text(delays[at]) +
          "; allowed are delays of which each is longer than the one before"));
    }
  }
  return {};
}

Result<void> check_name(const std::string& name, std::string_view what, std::string_view source) {
  if (name == source) {
    return fail(Error::configuration("the topic for " + std::string(what) + " is " + name +
                                     ", which the subscription reads: its failed messages would "
                                     "come back for ever; give another beginning with "
                                     "retry_prefix"));
  }
  auto checked = check_topic_name(name);
  if (checked) return {};
  return fail(Error::configuration("the topic for " + std::string(what) + ": " +
                                   std::string(checked.error().message()) +
                                   "; give a shorter or legal beginning with retry_prefix, which "
                                   "stands in place of TOPIC.GROUP"));
}

/// The number of partitions; 0 if the topic does not exist.
Result<std::int32_t> partitions_of(Admin& admin, const std::string& topic) {
  auto described = admin.describe_topics({topic});
  if (!described) return fail(described.error().within("describe topic " + topic));
  if (described->empty()) return 0;
  const auto& found = described->front().result;
  if (!found && is_missing_topic(found.error())) return 0;
  if (!found) return fail(found.error().within("describe topic " + topic));
  return static_cast<std::int32_t>(found->partitions.size());
}

/// The properties that new topics take from the source.
struct Likeness {
  std::int32_t partitions = 0;
  /// It is absent if the server does not return it.
  std::optional<std::int64_t> max_message_bytes;
};

/// A message has more headers there than in the source.
constexpr std::int64_t header_slack_bytes = 64 * 1024;

std::optional<std::int64_t> max_message_bytes_of(Admin& admin, const std::string& topic) {
  const auto described = admin.describe_configs({{.name = topic}});
  if (!described || described->empty() || !described->front().result) return std::nullopt;
  const auto& entries = *described->front().result;
  const auto found = std::ranges::find(entries, "max.message.bytes", &ConfigEntry::name);
  if (found == entries.end() || !found->value) return std::nullopt;
  const auto bytes = properties::parse_count(*found->value, 0, INT64_MAX - header_slack_bytes);
  return bytes ? std::optional(*bytes) : std::nullopt;
}

/// Takes records of a member whose clock is ahead of the servers'. Servers before 3.6 do not know
/// it, and have no such limit unless it is set.
constexpr const char* limit_of_the_future = "message.timestamp.after.max.ms";

NewTopic new_topic(const RedirectTopic& topic, const Likeness& source) {
  NewTopic asked{.name = topic.name, .partitions = source.partitions};
  asked.config.emplace(limit_of_the_future, std::to_string(INT64_MAX));
  if (source.max_message_bytes) {
    const std::int64_t largest =
        std::min<std::int64_t>(*source.max_message_bytes + header_slack_bytes, INT32_MAX);
    asked.config.emplace("max.message.bytes", std::to_string(largest));
  }
  if (topic.delay.count() > 0) {
    const milliseconds retention = std::max(usual_retention, 2 * topic.delay);
    asked.config.emplace("retention.ms", std::to_string(retention.count()));
    asked.config.emplace("cleanup.policy", "delete");
  }
  return asked;
}

Result<void> create(Admin& admin, const NewTopic& asked) {
  auto created = admin.create_topics({asked});
  if (!created) return fail(created.error());
  for (const Named<CreatedTopic>& each : *created) {
    if (!each.result) return fail(each.result.error());
  }
  return {};
}

/// Whether it was created; false if another call was first.
Result<bool> create(Admin& admin, const RedirectTopic& topic, const Likeness& source) {
  NewTopic asked = new_topic(topic, source);
  auto created = create(admin, asked);
  if (!created && created.error().is_broker(broker_error::invalid_config)) {
    asked.config.erase(limit_of_the_future);
    created = create(admin, asked);
  }
  if (created) return true;
  if (created.error().is_broker(broker_error::topic_already_exists)) return false;
  return fail(created.error().within("create topic " + topic.name));
}

Result<void> check_config(const RedirectTopic& topic, const ConfigEntry& entry) {
  if (!entry.value) return {};
  const auto refuse = [&](const std::string& why) {
    return fail(Error::configuration("retry_topics: topic " + topic.name + " has " + entry.name +
                                     " " + *entry.value + ", " + why));
  };
  if (entry.name == "cleanup.policy" && entry.value->find("compact") != std::string::npos) {
    return refuse("which drops messages of equal keys that wait for their retry");
  }
  if (entry.name != "retention.ms") return {};
  // A negative one is none.
  const auto retention = properties::parse_count(*entry.value, 0, INT64_MAX);
  if (!retention || *retention >= topic.delay.count()) return {};
  return refuse("and would lose messages that wait for " + delay_text(topic.delay) +
                "; allowed is at least the delay, twice as much is recommended");
}

Result<void> check_configs(Admin& admin, const RedirectTopic& topic) {
  if (topic.delay.count() == 0) return {};
  auto described = admin.describe_configs({{.name = topic.name}});
  if (!described) return fail(described.error().within("describe configs of topic " + topic.name));
  for (const auto& each : *described) {
    if (!each.result) {
      return fail(each.result.error().within("describe configs of topic " + topic.name));
    }
    for (const ConfigEntry& entry : *each.result) {
      if (auto checked = check_config(topic, entry); !checked) return checked;
    }
  }
  return {};
}

Result<void> prepare(Admin& admin, const Likeness& source, const RedirectTopic& topic) {
  auto there = partitions_of(admin, topic.name);
  if (!there) return fail(there.error());
  if (*there == 0) {
    auto created = create(admin, topic, source);
    if (!created) return fail(created.error());
    if (*created) return {};
  }
  return check_configs(admin, topic);
}

}  // namespace

std::string delay_text(milliseconds delay) {
  const auto count = delay.count();
  if (count % 60'000 == 0) return std::to_string(count / 60'000) + "m";
  if (count % 1'000 == 0) return std::to_string(count / 1'000) + "s";
  return std::to_string(count) + "ms";
}

Result<RedirectTopics> redirect_topics(std::string_view topic, std::string_view group,
                                       const SubscribeOptions& options, FailurePolicy policy) {
  if (auto checked = check_delays(options.retry_topics); !checked) return fail(checked.error());
  const bool has_dead_letters = policy == FailurePolicy::dead_letter ||
                                (options.failure_decision != nullptr && !group.empty());
  RedirectTopics made;
  if (options.retry_topics.empty() && !has_dead_letters) {
    if (options.retry_prefix.empty()) return made;
    return fail(Error::configuration("retry_prefix is " + options.retry_prefix +
                                     "; it is allowed with retry_topics, failure_policy "
                                     "dead_letter or failure_decision only"));
  }
  if (group.empty()) {
    const std::string_view option =
        options.retry_topics.empty() ? "failure_policy dead_letter" : "retry_topics";
    return fail(Error::configuration(std::string(option) + " is allowed with a group_id only"));
  }
  const std::string prefix = options.retry_prefix.empty()
                                 ? std::string(topic) + "." + std::string(group)
                                 : options.retry_prefix;
  for (const milliseconds delay : options.retry_topics) {
    RedirectTopic retry{.name = prefix + std::string(retry_middle) + delay_text(delay),
                        .delay = delay};
    if (auto named = check_name(retry.name, "retries", topic); !named) return fail(named.error());
    made.retries.push_back(std::move(retry));
  }
  if (!has_dead_letters) return made;
  made.dead_letters = RedirectTopic{.name = prefix + std::string(dead_letters_end)};
  if (auto named = check_name(made.dead_letters->name, "dead letters", topic); !named) {
    return fail(named.error());
  }
  return made;
}

bool is_dead_letter_name(std::string_view name) {
  return name.ends_with(dead_letters_end);
}

bool is_retry_name(std::string_view name) {
  return name.contains(retry_middle);
}

bool is_redirect_topic(std::string_view name, std::string_view group, std::string_view prefix) {
  if (!prefix.empty()) {
    if (!name.starts_with(prefix)) return false;
    const std::string_view rest = name.substr(prefix.size());
    return rest == dead_letters_end || rest.starts_with(retry_middle);
  }
  const std::string of_group = "." + std::string(group);
  return name.ends_with(of_group + std::string(dead_letters_end)) ||
         name.find(of_group + std::string(retry_middle)) != std::string_view::npos;
}

Result<void> prepare(Admin& admin, const std::string& source, const RedirectTopics& topics) {
  if (topics.empty()) return {};
  const auto partitions = partitions_of(admin, source);
  if (!partitions) return fail(partitions.error());
  if (*partitions == 0) {
    return fail(Error::client(Errc::no_such_topic,
                              "topic " + source +
                                  " does not exist; with retry topics or dead letters it has to, "
                                  "since they get as many partitions"));
  }
  const Likeness like{*partitions, max_message_bytes_of(admin, source)};
  for (const RedirectTopic& retry : topics.retries) {
    if (auto prepared = prepare(admin, like, retry); !prepared) return prepared;
  }
  return topics.dead_letters ? prepare(admin, like, *topics.dead_letters) : Result<void>{};
}

}  // namespace dohle::messaging
