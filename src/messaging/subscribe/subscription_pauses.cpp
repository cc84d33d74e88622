// The part of SubscriptionState that serves requests of the program: pauses, seeks, positions.
#include "messaging/subscribe/subscription_state.hpp"

namespace dohle::messaging {

void SubscriptionState::pause_all(bool pauses) {
  is_paused_by_program_ = pauses;
}

bool SubscriptionState::pause(const TopicPartition& partition, bool pauses) {
  const auto found = partitions_.find(partition);
  if (found == partitions_.end()) return false;
  found->second.is_paused_by_program = pauses;
  return true;
}

bool SubscriptionState::seek(const TopicPartition& partition, Offset offset) {
  const auto found = partitions_.find(partition);
  if (found == partitions_.end() || found->second.is_closing) return false;
  begin_again(*found);
  found->second.rewind = offset;
  found->second.ledger.on_position(offset);
  count_due(found->second);
  return true;
}

std::optional<Offset> SubscriptionState::position(const TopicPartition& partition) const {
  const auto found = partitions_.find(partition);
  if (found == partitions_.end()) return std::nullopt;
  return found->second.ledger.position();
}

std::optional<Offset> SubscriptionState::committed(const TopicPartition& partition) const {
  const auto found = partitions_.find(partition);
  if (found == partitions_.end()) return std::nullopt;
  return found->second.ledger.committed();
}

std::vector<PartitionProgress> SubscriptionState::progress() const {
  std::vector<PartitionProgress> all;
  all.reserve(partitions_.size());
  for (const auto& [name, partition] : partitions_) {
    all.push_back({name, partition.ledger.done_up_to(), partition.level > 0});
  }
  return all;
}

}  // namespace dohle::messaging
