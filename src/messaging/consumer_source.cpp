#include "messaging/consumer_source.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "messaging/missing_topic.hpp"
#include "messaging/reports.hpp"

namespace dohle::messaging {

namespace {

constexpr std::chrono::seconds max_look_before_join{1};

}  // namespace

ConsumerSource::ConsumerSource(Plan plan, Consumer consumer, Admin admin)
    : plan_(std::move(plan)), consumer_(std::move(consumer)), admin_(std::move(admin)) {}

Result<void> ConsumerSource::start(RebalanceListener listener) {
  listener_ = std::move(listener);
  return plan_.group_id.empty() ? assign_by_hand() : join();
}

Result<void> ConsumerSource::join() {
  // Without this check the group would wait silently for a missing topic. Other errors are left to
  // the join.
  if (auto there = partitions_of_topic(max_look_before_join);
      !there && is_missing_topic(there.error())) {
    return fail(there.error());
  }
  std::vector<std::string> topics{plan_.topic};
  topics.insert(topics.end(), plan_.retry_topics.begin(), plan_.retry_topics.end());
  return consumer_.subscribe(std::move(topics),
                             {.on_assigned =
                                  [this](std::span<const TopicPartition> partitions) {
                                    unplaced_.insert(unplaced_.end(), partitions.begin(),
                                                     partitions.end());
                                    // The next poll retries a failure and reports it.
                                    (void)place_unless_committed();
                                    listener_.on_assigned(partitions);
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
                                  }});
}

void ConsumerSource::forget_unplaced(std::span<const TopicPartition> partitions) {
  std::erase_if(unplaced_, [&](const TopicPartition& partition) {
    return std::ranges::find(partitions, partition) != partitions.end();
  });
}

Result<void> ConsumerSource::place_unless_committed() {
  std::erase_if(unplaced_,
                [this](const TopicPartition& partition) { return !needs_place(partition); });
  if (unplaced_.empty()) return {};
  auto committed = consumer_.committed(unplaced_);
  if (!committed) return fail(committed.error().within("start_offset"));
  for (const TopicPartition& partition : unplaced_) {
    const bool known = std::ranges::any_of(
        *committed, [&](const PartitionOffset& offset) { return offset.partition == partition; });
    if (known) continue;
    if (auto placed = place(partition, start_of(partition)); !placed) return placed;
  }
  unplaced_.clear();
  return {};
}

bool ConsumerSource::needs_place(const TopicPartition& partition) const {
  if (!plan_.start) return false;
  // Starts `first` and `last` of the topic are done by the consumer's own reset policy. Under
  // `last` it would pass over what was stored in a retry topic before this member owned its
  // partition.
  if (partition.topic == plan_.topic) return plan_.start->kind() == StartOffset::Kind::timestamp;
  return plan_.start->kind() == StartOffset::Kind::last;
}

StartOffset ConsumerSource::start_of(const TopicPartition& partition) const {
  DOHLE_ASSERT(plan_.start.has_value(), "a partition is to start nowhere");
  return partition.topic == plan_.topic ? *plan_.start : StartOffset::first();
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

Result<std::vector<TopicPartition>> ConsumerSource::partitions_of_topic(
    std::chrono::milliseconds timeout) {
  auto described = admin_.describe_topics({plan_.topic}, {.timeout = timeout});
  if (!described) return fail(described.error());
  if (described->empty()) {
    return fail(Error::client(Errc::no_such_topic, "topic " + plan_.topic + " does not exist"));
  }
  auto& topic = described->front().result;
  if (!topic && is_missing_topic(topic.error())) {
    return fail(Error::client(Errc::no_such_topic, "topic " + plan_.topic + " does not exist"));
  }
  if (!topic) return fail(topic.error());
  std::vector<TopicPartition> partitions;
  for (const PartitionDescription& partition : topic->partitions) {
    partitions.push_back({plan_.topic, partition.partition});
  }
  return partitions;
}

Result<void> ConsumerSource::assign_by_hand() {
  auto partitions = partitions_of_topic(plan_.look_timeout);
  if (!partitions) return fail(partitions.error());
  if (!plan_.partition.is_none()) {
    const TopicPartition wanted{plan_.topic, plan_.partition};
    if (std::ranges::find(*partitions, wanted) == partitions->end()) {
      return fail(Error::client(Errc::no_such_partition,
                                "topic " + plan_.topic + " has no partition " +
                                    std::to_string(plan_.partition.value) + " yet"));
    }
    *partitions = {wanted};
  }
  if (auto assigned = consumer_.assign(*partitions); !assigned) return assigned;
  for (const TopicPartition& partition : *partitions) {
    if (!plan_.start) continue;
    if (auto placed = place(partition, *plan_.start); !placed) return placed;
  }
  by_hand_ = std::move(*partitions);
  listener_.on_assigned(by_hand_);
  watch_again();
  return {};
}

void ConsumerSource::watch_again() {
  const auto& interval = plan_.partition_watch_interval;
  watch_at_ = interval ? monotonic_now() + Duration(*interval) : TimePoint::max();
}

Result<void> ConsumerSource::follow_new_partitions() {
  watch_again();
  auto now = partitions_of_topic(plan_.look_timeout);
  if (!now) return fail(now.error());
  std::vector<TopicPartition> fresh;
  std::ranges::copy_if(*now, std::back_inserter(fresh), [this](const TopicPartition& partition) {
    return std::ranges::find(by_hand_, partition) == by_hand_.end();
  });
  if (fresh.empty()) return {};
  std::vector<TopicPartition> all = by_hand_;
  all.insert(all.end(), fresh.begin(), fresh.end());
  // Partitions that are assigned already keep their positions.
  if (auto assigned = consumer_.assign(all); !assigned) return assigned;
  // All records of a new partition are new, so it is read from its beginning, independently of
  // start_offset.
  for (const TopicPartition& partition : fresh) {
    if (auto placed = consumer_.seek_to_beginning(partition); !placed) return placed;
  }
  by_hand_ = std::move(all);
  listener_.on_assigned(fresh);
  return {};
}

Result<PolledRecords> ConsumerSource::poll(std::chrono::milliseconds timeout) {
  if (plan_.group_id.empty() && plan_.partition.is_none() && monotonic_now() >= watch_at_) {
    if (auto followed = follow_new_partitions(); !followed) return fail(followed.error());
  }
  if (auto placed = place_unless_committed(); !placed) return fail(placed.error());
  auto records = consumer_.poll(timeout);
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
                                  Consumer::CommitCallback callback) {
  consumer_.commit_async(std::move(offsets), std::move(callback));
}

Result<void> ConsumerSource::commit_sync(std::vector<PartitionOffset> offsets,
                                         std::chrono::milliseconds timeout) {
  return consumer_.commit_sync(std::move(offsets), timeout);
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
  return consumer_.unsubscribe();
}

Result<void> ConsumerSource::close(std::chrono::milliseconds timeout) {
  return consumer_.close(timeout);
}

}  // namespace dohle::messaging
