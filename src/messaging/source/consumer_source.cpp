#include "messaging/source/consumer_source.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.hpp"
#include "client/consume/consumer_hooks.hpp"
#include "messaging/failures/missing_topic.hpp"
#include "messaging/reports/reports.hpp"

namespace dohle::messaging {

namespace {

constexpr std::chrono::seconds max_look_before_join{1};
/// The timeout for topics that did not exist before, while others are read.
constexpr std::chrono::milliseconds max_look_for_missing{200};

/// Returns the partitions of `all` that are not among `others`, in their order.
std::vector<TopicPartition> without(const std::vector<TopicPartition>& all,
                                    const std::vector<TopicPartition>& others) {
  const std::set<TopicPartition> left_out(others.begin(), others.end());
  std::vector<TopicPartition> rest;
  std::ranges::copy_if(all, std::back_inserter(rest),
                       [&](const TopicPartition& each) { return !left_out.contains(each); });
  return rest;
}

}  // namespace

ConsumerSource::ConsumerSource(Plan plan, Consumer consumer, Admin admin,
                               std::shared_ptr<SharedLook> look)
    : plan_(std::move(plan)),
      consumer_(std::move(consumer)),
      admin_(std::move(admin)),
      named_(plan_.topics.begin(), plan_.topics.end()),
      look_(std::move(look)) {
  DOHLE_ASSERT(!plan_.pattern || look_ != nullptr, "a pattern is read without a look for topics");
  if (!plan_.pattern) return;
  TopicWatch::Settings settings = *plan_.pattern;
  settings.min_between_misses =
      plan_.partition_watch_interval.value_or(std::chrono::milliseconds(0));
  watch_.emplace(std::move(settings));
}

void ConsumerSource::trouble(const Error& why) const {
  if (topic_listener_.on_trouble) topic_listener_.on_trouble(why);
}
void ConsumerSource::note(const std::string& text) const {
  if (topic_listener_.on_note) topic_listener_.on_note(text);
}

Result<void> ConsumerSource::start(RebalanceListener listener) {
  listener_ = std::move(listener);
  if (watch_) {
    start_watching();
    return {};
  }
  return plan_.group_id.empty() ? assign_by_hand() : join();
}

Result<void> ConsumerSource::join() {
  // Without this check the group would wait silently for a missing topic. Other errors are left to
  // the join.
  if (auto there = partitions_of_topics(max_look_before_join);
      !there && is_missing_topic(there.error())) {
    return fail(there.error());
  }
  return subscribe();
}

Result<void> ConsumerSource::subscribe() {
  std::vector<std::string> topics = watch_ ? watch_->topics() : plan_.topics;
  topics.insert(topics.end(), plan_.retry_topics.begin(), plan_.retry_topics.end());
  for (const auto& [_, retries] : retry_topics_) {
    topics.insert(topics.end(), retries.begin(), retries.end());
  }
  is_subscribed_ = true;
  return consumer_.subscribe(std::move(topics), group_listener());
}

RebalanceListener ConsumerSource::group_listener() {
  return {.on_assigned =
              [this](std::span<const TopicPartition> partitions) {
                const std::vector<TopicPartition> taken = without_dropped(partitions);
                unplaced_.insert(unplaced_.end(), taken.begin(), taken.end());
                // The next poll retries a failure and reports it.
                (void)place_unless_committed();
                listener_.on_assigned(taken);
              },
          .on_revoked =
              [this](std::span<const TopicPartition> partitions) {
                forget_unplaced(partitions);
                listener_.on_revoked(partitions);
              },
          .on_lost =
              [this](std::span<const TopicPartition> partitions) {
                forget_unplaced(partitions);
                listener_.on_lost(partitions);
              }};
}

void ConsumerSource::forget_unplaced(std::span<const TopicPartition> partitions) {
  if (unplaced_.empty()) return;
  const std::set<TopicPartition> forgotten(partitions.begin(), partitions.end());
  std::erase_if(unplaced_, [&](const TopicPartition& each) { return forgotten.contains(each); });
}

Result<void> ConsumerSource::place_unless_committed() {
  std::erase_if(unplaced_,
                [this](const TopicPartition& partition) { return !needs_place(partition); });
  if (unplaced_.empty()) return {};
  auto committed = consumer_.committed(unplaced_);
  if (!committed) return fail(committed.error().within("start_offset"));
  std::set<TopicPartition> known;
  for (const PartitionOffset& each : *committed) known.insert(each.partition);
  for (const TopicPartition& partition : unplaced_) {
    if (known.contains(partition)) continue;
    if (auto placed = place(partition, start_of(partition)); !placed) return placed;
  }
  unplaced_.clear();
  return {};
}

std::vector<TopicPartition> ConsumerSource::take_replaced() {
  return client::take_replaced(consumer_);
}

bool ConsumerSource::needs_place(const TopicPartition& partition) const {
  // Others are placed by the consumer's own reset policy.
  const StartOffset::Kind kind = start_of(partition).kind();
  if (kind == StartOffset::Kind::first) return !plan_.resets_to_first;
  return kind != StartOffset::Kind::last || plan_.resets_to_first;
}

StartOffset ConsumerSource::start_of(const TopicPartition& partition) const {
  const std::string& topic = partition.topic;
  const bool is_source = watch_ ? watch_->reads(topic) : named_.contains(topic);
  // A start at the end would skip messages that were stored in a retry topic before this member
  // owned its partition, and the first records of a topic that appeared after the start, or
  // replaced another one since.
  const bool is_new = watch_ && watch_->is_late(topic);
  if (!is_source || is_new || client::was_made_again(consumer_, topic)) return StartOffset::first();
  if (plan_.start) return *plan_.start;
  return plan_.resets_to_first ? StartOffset::first() : StartOffset::last();
}

Result<void> ConsumerSource::place(const TopicPartition& partition, const StartOffset& start) {
  switch (start.kind()) {
    case StartOffset::Kind::first:
      return consumer_.seek_to_beginning(partition);
    case StartOffset::Kind::last:
      return consumer_.seek_to_end(partition);
    case StartOffset::Kind::offset:
      return consumer_.seek(partition, Offset{start.value()});
    case StartOffset::Kind::timestamp:
      break;
  }
  return consumer_.seek_to_time(partition, Timestamp{start.value()});
}

Result<void> ConsumerSource::look_up(std::vector<std::string> topics,
                                     std::chrono::milliseconds timeout,
                                     std::vector<TopicPartition>& into, std::vector<Error>& lost) {
  if (topics.empty()) return {};
  auto described = admin_.describe_topics(std::move(topics), {.timeout = timeout});
  if (!described) return fail(described.error());
  for (const Named<TopicDescription>& topic : *described) {
    if (!topic.result) {
      const bool is_absent = is_missing_topic(topic.result.error());
      if (is_absent) absent_.insert(topic.name);
      const Error why =
          is_absent ? Error::client(Errc::no_such_topic, "topic " + topic.name + " does not exist")
                    : topic.result.error();
      if (missing_.insert_or_assign(topic.name, why).second) lost.push_back(why);
      continue;
    }
    missing_.erase(topic.name);
    for (const PartitionDescription& partition : topic.result->partitions) {
      into.push_back({topic.name, partition.partition});
    }
  }
  return {};
}

Result<std::vector<TopicPartition>> ConsumerSource::partitions_of_topics(
    std::chrono::milliseconds timeout) {
  // While others are read, a topic that is not there must not delay them.
  std::vector<std::string> known;
  std::vector<std::string> missing;
  const bool all_are_missing = missing_.size() == plan_.topics.size();
  for (const std::string& topic : plan_.topics) {
    (missing_.contains(topic) && !all_are_missing ? missing : known).push_back(topic);
  }
  std::vector<TopicPartition> partitions;
  std::vector<Error> lost;
  if (auto looked = look_up(std::move(known), timeout, partitions, lost); !looked) {
    return fail(looked.error());
  }
  // Its failure is that of a topic that is missing anyway.
  (void)look_up(std::move(missing), std::min(timeout, max_look_for_missing), partitions, lost);
  if (missing_.size() == plan_.topics.size()) return fail(missing_.begin()->second);
  for (const Error& why : lost) trouble(why.within("it is not read; the other topics are"));
  return partitions;
}

Result<void> ConsumerSource::assign_by_hand() {
  auto partitions = partitions_of_topics(plan_.look_timeout);
  if (!partitions) return fail(partitions.error());
  if (!plan_.partition.is_none()) {
    const TopicPartition wanted{plan_.topics.front(), plan_.partition};
    if (std::ranges::find(*partitions, wanted) == partitions->end()) {
      return fail(Error::client(Errc::no_such_partition,
                                "topic " + wanted.topic + " has no partition " +
                                    std::to_string(plan_.partition.value) + " yet"));
    }
    *partitions = {wanted};
  }
  if (auto assigned = consumer_.assign(*partitions); !assigned) return assigned;
  for (const TopicPartition& partition : *partitions) {
    if (!plan_.start && !needs_place(partition)) continue;
    if (auto placed = place(partition, start_of(partition)); !placed) return placed;
  }
  by_hand_ = std::move(*partitions);
  listener_.on_assigned(by_hand_);
  watch_again(monotonic_now());
  return {};
}

bool ConsumerSource::watches_partitions() const {
  return !watch_ && plan_.group_id.empty() && plan_.partition.is_none();
}

void ConsumerSource::watch_again(TimePoint last) {
  const auto& interval = plan_.partition_watch_interval;
  watch_at_ = interval ? last + Duration(*interval) : never;
}

Result<void> ConsumerSource::follow_new_partitions() {
  watch_again(monotonic_now());
  const std::map<std::string, Error> unread = missing_;
  auto now = partitions_of_topics(plan_.look_timeout);
  if (!now) return fail(now.error());
  // Those of topics that could not be looked up stay.
  std::vector<TopicPartition> all = by_hand_;
  std::ranges::copy(without(*now, by_hand_), std::back_inserter(all));
  return take_by_hand(std::move(all), [&](const TopicPartition& partition) {
    // All records of a new partition are new, so it is read from its beginning, independently of
    // start_offset. A topic that could not be looked up, or was not allowed, is not new.
    const std::string& topic = partition.topic;
    const bool is_new = !unread.contains(topic) || absent_.contains(topic);
    return is_new ? StartOffset::first() : start_of(partition);
  });
}

Result<void> ConsumerSource::take_by_hand(
    std::vector<TopicPartition> now,
    const std::function<StartOffset(const TopicPartition& partition)>& start_of_new) {
  const std::vector<TopicPartition> fresh = without(now, by_hand_);
  const std::vector<TopicPartition> dropped = without(by_hand_, now);
  if (fresh.empty() && dropped.empty()) return {};
  // Partitions that are assigned already keep their positions.
  if (auto assigned = consumer_.assign(now); !assigned) return assigned;
  for (const TopicPartition& partition : fresh) {
    if (auto placed = place(partition, start_of_new(partition)); !placed) return placed;
  }
  by_hand_ = std::move(now);
  if (!dropped.empty()) listener_.on_lost(dropped);
  if (!fresh.empty()) listener_.on_assigned(fresh);
  return {};
}

Result<PolledRecords> ConsumerSource::poll(std::chrono::milliseconds timeout) {
  if (watch_) {
    if (auto followed = follow_look(); !followed) return fail(followed.error());
  } else if (watches_partitions() && monotonic_now() >= watch_at_) {
    if (auto followed = follow_new_partitions(); !followed) return fail(followed.error());
  }
  if (auto placed = place_unless_committed(); !placed) return fail(placed.error());
  // The next look must not wait for a poll without records.
  auto records = consumer_.poll(watch_ ? until_look(timeout) : timeout);
  if (!records) return fail(records.error());
  PolledRecords fetched;
  if (records->empty()) return fetched;
  auto held = std::make_shared<Records>(std::move(*records));
  fetched.records.reserve(held->count());
  for (const ConsumerRecord& record : *held) fetched.records.push_back(record);
  if (const Error* error = held->error()) fetched.error = *error;
  fetched.buffer = std::move(held);
  return fetched;
}

void ConsumerSource::wakeup() {
  consumer_.wakeup();
}

void ConsumerSource::commit_async(std::vector<PartitionOffset> offsets,
                                  client::CommitDone callback) {
  client::commit_each_async(consumer_, std::move(offsets), std::move(callback));
}

client::CommitOutcome ConsumerSource::commit_sync(std::vector<PartitionOffset> offsets,
                                                  std::chrono::milliseconds timeout) {
  return client::commit_each_sync(consumer_, std::move(offsets), timeout);
}

// A partition that was lost meanwhile is refused, which has the same effect as a pause.
void ConsumerSource::pause(std::span<const TopicPartition> partitions) {
  (void)consumer_.pause(partitions);
}
void ConsumerSource::resume(std::span<const TopicPartition> partitions) {
  (void)consumer_.resume(partitions);
}

void ConsumerSource::seek(const TopicPartition& partition, Offset offset) {
  // The program's place wins over that of start_offset.
  std::erase(unplaced_, partition);
  (void)consumer_.seek(partition, offset);
}

Result<Offset> ConsumerSource::position(const TopicPartition& partition) {
  return consumer_.position(partition, std::chrono::milliseconds(0));
}

std::optional<std::int64_t> ConsumerSource::lag(const TopicPartition& partition) const {
  return consumer_.lag(partition);
}

Result<void> ConsumerSource::leave() {
  by_hand_.clear();
  unplaced_.clear();
  is_subscribed_ = false;
  return consumer_.unsubscribe();
}

Result<void> ConsumerSource::close(std::chrono::milliseconds timeout) {
  member_.reset();
  preparation_.reset();
  return consumer_.close(timeout);
}

}  // namespace dohle::messaging
