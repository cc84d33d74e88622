// Calls of any thread to a running subscription about its partitions.
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/topic_name.hpp"
#include "messaging/subscribe/subscription.hpp"

namespace dohle::messaging {

namespace {

Error not_assigned(const TopicPartition& partition, std::string_view call) {
  return Error::client(Errc::not_owner, std::string(call) + " of " +
                                            partition_name(partition.topic, partition.partition) +
                                            ": the partition is not assigned to this subscription");
}

Result<Offset> known(const std::optional<Offset>& found, const TopicPartition& partition,
                     std::string_view call) {
  if (!found) return fail(not_assigned(partition, call));
  if (!found->is_none()) return *found;
  return fail(
      Error::client(Errc::no_offset, std::string(call) + " of " +
                                         partition_name(partition.topic, partition.partition) +
                                         ": it is not known yet"));
}

Error has_ended(std::string_view call) {
  return Error::client(Errc::closed, std::string(call) + ": the subscription has ended");
}

}  // namespace

std::vector<TopicPartition> Subscription::assignment() const {
  const std::lock_guard lock(mutex_);
  return state_.assignment_of_sources();
}

Result<TopicPartition> Subscription::of_only_topic(PartitionId partition,
                                                   std::string_view call) const {
  if (setup_.has_one_topic) return TopicPartition{setup_.topic, partition};
  return fail(Error::client(
      Errc::invalid_argument,
      std::string(call) + " of partition " + std::to_string(partition.value) +
          ": the subscription to " + setup_.topic +
          " may read several topics; give the topic and the partition (TopicPartition)"));
}

Result<Offset> Subscription::position(const TopicPartition& partition) const {
  const std::lock_guard lock(mutex_);
  return known(state_.position(partition), partition, "position");
}

Result<Offset> Subscription::committed(const TopicPartition& partition) const {
  const std::lock_guard lock(mutex_);
  return known(state_.committed(partition), partition, "committed");
}

std::vector<PartitionProgress> Subscription::progress() const {
  const std::lock_guard lock(mutex_);
  return state_.progress();
}

Result<void> Subscription::pause_all(bool pauses) {
  Lock lock(mutex_);
  if (is_stopping_) return fail(has_ended(pauses ? "pause" : "resume"));
  state_.pause_all(pauses);
  ask_reader(lock);
  return {};
}

Result<void> Subscription::pause(const TopicPartition& partition, bool pauses) {
  Lock lock(mutex_);
  if (is_stopping_) return fail(has_ended(pauses ? "pause" : "resume"));
  if (!state_.pause(partition, pauses)) {
    return fail(not_assigned(partition, pauses ? "pause" : "resume"));
  }
  ask_reader(lock);
  return {};
}

Result<void> Subscription::seek(const TopicPartition& partition, Offset offset) {
  if (offset < Offset{0}) {
    return fail(Error::client(
        Errc::invalid_argument,
        "seek to offset " + std::to_string(offset.value) + "; allowed are offsets from 0"));
  }
  Lock lock(mutex_);
  if (is_stopping_) return fail(has_ended("seek"));
  if (!state_.seek(partition, offset)) return fail(not_assigned(partition, "seek"));
  wake_workers();
  ask_reader(lock);
  return {};
}

void Subscription::ask_reader(Lock& lock) {
  is_asked_ = true;
  // It may wait for room in the queue, which a seek makes.
  change_.notify_all();
  nudge(lock);
}

}  // namespace dohle::messaging
